//! Copies of what an account has: every item of every table, as it stands there and by the names that
//! PRIVACY.md explains. So nothing that is kept can be forgotten in one.
//!
//! A number is a number, but for an amount of money, which is a text, since few programs can read so
//! many digits. What secrets are hashed to is left out: it is no use to an owner, and may be to
//! somebody else who gets hold of a copy.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value};

use super::{
    Capability, Consistency, Cursor, Store, StoreError, Table, emails, keys,
    tables::{Get, Item, Query, Tables, Terms},
};
use crate::{id::AccountId, key::EmailHash, time::Timestamp};

/// What of a key its copy does not have.
const SECRET: [&str; 2] = ["hash", "of"];

/// What a page of a copy has.
#[derive(Debug)]
pub struct Copied {
    /// The items.
    pub items: Vec<Value>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// Copying what an account has.
pub trait CopyAccount {
    /// A page of what an account has in a table at `now`, without what has expired.
    fn copy_items(
        &self,
        account: &AccountId,
        table: Table,
        from: Option<Cursor>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Copied, StoreError>> + Send;

    /// What says that an address is an account's, if it is at `now`.
    fn copy_email(
        &self,
        hash: &EmailHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Value>, StoreError>> + Send;
}

/// What [`CopyAccount`] needs.
pub const COPY_ACCOUNT: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:Query"),
        (Table::Accounts, "dynamodb:GetItem"),
        (Table::Keys, "dynamodb:Query"),
        (Table::Keys, "dynamodb:GetItem"),
        (Table::Calls, "dynamodb:Query"),
        (Table::Ledger, "dynamodb:Query"),
    ],
};

impl<T: Tables> CopyAccount for Store<T> {
    async fn copy_items(
        &self,
        account: &AccountId,
        table: Table,
        from: Option<Cursor>,
        now: Timestamp,
    ) -> Result<Copied, StoreError> {
        let query = if table == Table::Keys {
            keys::of_account(account)
        } else {
            let mut terms = Terms::default();
            terms.text(":account", account);
            Query::strong(table, "#account = :account", terms)
        };
        let from = from.map(|cursor| cursor.0);
        let page = self.tables.query(Query { from, ..query }).await?;
        let mut items = Vec::new();
        for item in page.items {
            if table == Table::Keys {
                // The index has what a key is, and not what it spends.
                let (key, consistency) = (keys::primary(&item)?, Consistency::Strong);
                let whole = self.tables.get(Get { table, key, consistency }).await?;
                items.extend(whole.as_ref().map(|item| copied(item, &SECRET)));
            } else if !has_expired(&item, now) {
                items.push(copied(&item, &[]));
            }
        }
        Ok(Copied { items, next: page.next.map(Cursor) })
    }

    async fn copy_email(
        &self,
        hash: &EmailHash,
        now: Timestamp,
    ) -> Result<Option<Value>, StoreError> {
        let (key, consistency) = (emails::key_of(hash), Consistency::Strong);
        let item = self.tables.get(Get { table: Table::Accounts, key, consistency }).await?;
        Ok(item.filter(|item| !has_expired(item, now)).map(|item| copied(&item, &[])))
    }
}

/// Whether an item is past its TTL, and in no answer any more.
fn has_expired(item: &Item, now: Timestamp) -> bool {
    let at = item.get("expires_at").and_then(|value| value.as_n().ok());
    at.and_then(|at| at.parse::<i64>().ok()).is_some_and(|at| at <= now.seconds())
}

fn copied(item: &Item, without: &[&str]) -> Value {
    let names = item.iter().filter(|(name, _)| !without.contains(&name.as_str()));
    let fields = names.map(|(name, value)| (name.clone(), shown(name, value)));
    Value::Object(fields.collect::<Map<_, _>>())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the store writes no others")]
fn shown(name: &str, value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => Value::from(text.as_str()),
        AttributeValue::N(number) => match number.parse::<i64>() {
            Ok(number) if !is_money(name) => Value::from(number),
            _ => Value::from(number.as_str()),
        },
        AttributeValue::Ss(texts) => {
            // A set comes in no order of its own.
            let mut texts = texts.clone();
            texts.sort_unstable();
            Value::from(texts)
        }
        AttributeValue::M(map) => {
            map.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect()
        }
        _ => Value::Null,
    }
}

/// Whether a number by this name is an amount, in pico-dollars.
fn is_money(name: &str) -> bool {
    let period = |rest: &str| {
        matches!(rest, "total" | "day" | "month") || rest.bytes().all(|byte| byte.is_ascii_digit())
    };
    let by_period = ["limit_", "left_", "out_"].into_iter().find_map(|it| name.strip_prefix(it));
    by_period.is_some_and(period)
        || matches!(
            name,
            "balance" | "amount" | "limit" | "cost" | "unit_price" | "alert_below" | "refund_due"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_texts_and_counts_are_numbers() {
        let number = |name: &str| shown(name, &AttributeValue::N("12".to_owned()));
        for money in ["balance", "limit_total", "left_202611", "left_total", "out_2026112701"] {
            assert_eq!(number(money), "12", "{money}");
        }
        for count in ["requests", "limit_requests", "left_tokens", "expires_at", "ordinal"] {
            assert_eq!(number(count), 12, "{count}");
        }
    }
}
