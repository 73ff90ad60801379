//! The ledger: payment records, kept as long as the law asks.
//!
//! | attribute | holds                                        |
//! |-----------|----------------------------------------------|
//! | `account` | partition key                                |
//! | `entry`   | sort key: a deterministic id                 |
//! | `kind`    | `top_up`                                     |
//! | `amount`  | pico-dollars added to the balance            |
//! | `time`    | seconds since the epoch                      |
//!
//! Written by account; read by usage and account.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};

use super::{
    Capability, Store, StoreError, Table, accounts::part_key, item::Writer, outcome, wallet::WALLET,
};
use crate::{id::AccountId, money::Pico, time::Timestamp};

/// Money that came in.
pub struct TopUp<'a> {
    /// Whose balance it goes to.
    pub account: &'a AccountId,
    /// What names this payment and no other. Sent twice, it is credited once.
    pub reference: &'a str,
    /// How much.
    pub amount: Pico,
}

/// Crediting an account.
pub trait Credit {
    /// Credits a top-up: the entry and the balance in one transaction. Idempotent by `reference`:
    /// it is a conflict when it was credited before, or when there is no such wallet.
    fn credit(
        &self,
        top_up: &TopUp<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`Credit`] needs.
pub const CREDIT: Capability = Capability {
    actions: &[(Table::Ledger, "dynamodb:PutItem"), (Table::Accounts, "dynamodb:UpdateItem")],
};

impl Credit for Store {
    async fn credit(&self, top_up: &TopUp<'_>, now: Timestamp) -> Result<(), StoreError> {
        let entry = Writer::default()
            .text("account", top_up.account)
            .text("entry", format!("top_up#{}", top_up.reference))
            .text("kind", "top_up")
            .money("amount", top_up.amount)
            .number("time", now.seconds());
        let put = Put::builder()
            .table_name(self.name(Table::Ledger))
            .set_item(Some(entry.item()))
            .condition_expression("attribute_not_exists(#entry)")
            .expression_attribute_names("#entry", "entry")
            .build();
        let update = Update::builder()
            .table_name(self.name(Table::Accounts))
            .set_key(Some(part_key(top_up.account, WALLET)))
            .update_expression("ADD #balance :amount")
            .condition_expression("attribute_exists(#account)")
            .expression_attribute_names("#balance", "balance")
            .expression_attribute_names("#account", "account")
            .expression_attribute_values(
                ":amount",
                AttributeValue::N(top_up.amount.pico().to_string()),
            )
            .build();
        let (Ok(put), Ok(update)) = (put, update) else { return Err(StoreError::Unavailable) };
        let transaction = self
            .client
            .transact_write_items()
            .transact_items(TransactWriteItem::builder().put(put).build())
            .transact_items(TransactWriteItem::builder().update(update).build());
        transaction.send().await.map(drop).map_err(|error| outcome::transaction(&error))
    }
}
