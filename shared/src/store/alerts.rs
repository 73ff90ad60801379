//! Alerts: that a balance is low or a budget mostly spent, among the parts of an account.
//!
//! | attribute | holds                                                                   |
//! |-----------|-------------------------------------------------------------------------|
//! | `part`    | `alert#YYYYMMDDHH#` with the hour whose close found it, and what it is about |
//! | `kind`    | `low_balance` or `budget`                                               |
//! | `key_id`  | the key whose budget it is; none for the account's                      |
//! | `period`  | the budget's period                                                     |
//! | `percent` | 50, 80 or 100 of the budget                                             |
//! | `amount`  | the balance, or what is spent of the budget, pico-dollars               |
//! | `limit`   | the mark it has passed, or the budget, pico-dollars                     |
//! | `time`    | when the hour was closed, seconds since the epoch                       |
//! | `claimed_at` | when somebody has last begun to tell it, seconds since the epoch     |
//! | `told_at` | when it was sent to the account's owner, seconds since the epoch        |
//! | `expires_at` | TTL: seven days after `time`, seconds since the epoch                |
//!
//! Written by retention as it closes an hour, so that each mark is passed once: an alert is a pure
//! function of what was and what is after the close. Then it is told: claimed, sent and marked as
//! told. Who dies in between leaves a claim that is old after a while, and the next one tells it.

use std::time::Duration;

use super::{
    Capability, Corrupt, Store, StoreError, Table,
    accounts::part_key,
    calls::RECORD_LIFE,
    item::{Reader, Writer},
    tables::{Item, Query, Tables, Terms, Write},
};
use crate::{
    id::{AccountId, KeyId},
    money::Pico,
    period::Period,
    time::{Hour, Timestamp},
};

/// The parts of a budget at which its owner is told, in per cent.
const MARKS: [u8; 3] = [50, 80, 100];

/// A mark that was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Whose it is.
    pub account: AccountId,
    /// The hour whose close found it.
    pub hour: Hour,
    /// What it is about.
    pub about: About,
    /// The balance, or what is spent of the budget.
    pub amount: Pico,
    /// The mark it has passed, or the budget.
    pub limit: Pico,
}

/// How old an alert may become that could not be told.
pub const TOLD_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// How long whoever has claimed an alert may take to tell it: longer than a run, and less than from
/// one run to the next.
const CLAIM: Duration = Duration::from_secs(20 * 60);

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// The balance is below the mark that the account's owner has set.
    LowBalance,
    /// So many per cent of a budget are spent.
    Budget {
        /// The key's, or else the account's.
        key: Option<KeyId>,
        /// The budget's period.
        period: Period,
        /// 50, 80 or 100.
        percent: u8,
    },
}

/// Whether a balance that was `before` and is `after` the calls of an hour has passed `mark`.
pub fn passes_below(before: Pico, after: Pico, mark: Pico) -> bool {
    before >= mark && after < mark
}

/// The highest mark of `limit` that what is spent has passed, from `before` to `after`.
pub fn passed_mark(before: Pico, after: Pico, limit: Pico) -> Option<u8> {
    // A part is reached when a hundred times what is spent is that many times the limit.
    let reaches = |spent: Pico, percent: u8| {
        let spent = spent.pico().saturating_mul(100);
        spent >= limit.pico().saturating_mul(i128::from(percent))
    };
    let mut marks = MARKS.into_iter().rev();
    marks.find(|percent| reaches(after, *percent)).filter(|percent| !reaches(before, *percent))
}

/// Writing alerts.
pub trait PutAlerts {
    /// Writes alerts. Idempotent.
    fn put_alerts(
        &self,
        alerts: &[Alert],
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`PutAlerts`] needs.
pub const PUT_ALERTS: Capability = Capability { actions: &[(Table::Accounts, "dynamodb:PutItem")] };

impl<T: Tables> PutAlerts for Store<T> {
    async fn put_alerts(&self, alerts: &[Alert], now: Timestamp) -> Result<(), StoreError> {
        for alert in alerts {
            // One that is there may have been told.
            self.put_first(Table::Accounts, encode(alert, now)).await?;
        }
        Ok(())
    }
}

/// Telling alerts.
pub trait TellAlerts {
    /// The alerts of an account that were found after `since` and not told yet.
    fn untold_alerts(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> impl Future<Output = Result<Vec<Alert>, StoreError>> + Send;

    /// Claims an alert, to tell it. Conditional on that it was not told and that nobody has claimed
    /// it a moment ago, which are conflicts.
    fn claim_alert(
        &self,
        alert: &Alert,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that an alert was told. Idempotent.
    fn mark_told(
        &self,
        alert: &Alert,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`TellAlerts`] needs.
pub const TELL_ALERTS: Capability = Capability {
    actions: &[(Table::Accounts, "dynamodb:Query"), (Table::Accounts, "dynamodb:UpdateItem")],
};

impl<T: Tables> TellAlerts for Store<T> {
    async fn untold_alerts(
        &self,
        account: &AccountId,
        since: Timestamp,
    ) -> Result<Vec<Alert>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        terms.text(":alert", ALERT);
        terms.number(":since", since.seconds());
        let query = Query {
            filter: Some("attribute_not_exists(#told_at) AND #time > :since"),
            ..Query::strong(
                Table::Accounts,
                "#account = :account AND begins_with(#part, :alert)",
                terms,
            )
        };
        let mut alerts = Vec::new();
        let each = |item: &Item| decode(item).map(|alert| alerts.push(alert));
        self.query_all(query, each).await?;
        Ok(alerts)
    }

    async fn claim_alert(&self, alert: &Alert, now: Timestamp) -> Result<(), StoreError> {
        let free = "attribute_not_exists(#claimed_at) OR #claimed_at < :stale";
        let claim = Write::update(Table::Accounts, key_of(alert), "SET #claimed_at = :now")
            .only_if(format!(
                "attribute_exists(#kind) AND attribute_not_exists(#told_at) AND ({free})"
            ))
            .number(":now", now.seconds())
            .number(":stale", now.minus(CLAIM).seconds());
        self.tables.write(claim.once()).await.done()
    }

    async fn mark_told(&self, alert: &Alert, now: Timestamp) -> Result<(), StoreError> {
        let told = Write::update(Table::Accounts, key_of(alert), "SET #told_at = :now")
            .only_if("attribute_exists(#kind)")
            .number(":now", now.seconds());
        self.tables.write(told).await.done()
    }
}

/// How the part of every alert begins.
pub(super) const ALERT: &str = "alert#";

fn key_of(alert: &Alert) -> Item {
    let hour = alert.hour;
    let part = match &alert.about {
        About::LowBalance => format!("{ALERT}{hour}#low_balance"),
        About::Budget { key, period, percent } => {
            let whose = key.as_ref().map_or("account", KeyId::as_str);
            format!("{ALERT}{hour}#budget#{whose}#{period}#{percent}")
        }
    };
    part_key(&alert.account, &part)
}

/// Reads an alert. Its hour stands in its part alone.
fn decode(item: &Item) -> Result<Alert, Corrupt> {
    let reader = Reader(item);
    let hour = reader.text("part")?.strip_prefix(ALERT).and_then(|part| part.split('#').next());
    let about = match reader.text("kind")? {
        "low_balance" => About::LowBalance,
        "budget" => About::Budget {
            key: reader
                .optional_text("key_id")
                .map(str::parse)
                .transpose()
                .map_err(|_| Corrupt("key_id"))?,
            period: reader.parsed("period")?,
            percent: reader.number("percent")?,
        },
        _ => return Err(Corrupt("kind")),
    };
    Ok(Alert {
        account: reader.parsed("account")?,
        hour: hour.and_then(|hour| hour.parse().ok()).ok_or(Corrupt("part"))?,
        about,
        amount: reader.money("amount")?,
        limit: reader.money("limit")?,
    })
}

fn encode(alert: &Alert, now: Timestamp) -> Item {
    let mut item = Writer::from(key_of(alert))
        .money("amount", alert.amount)
        .money("limit", alert.limit)
        .number("time", now.seconds())
        .number("expires_at", now.plus(RECORD_LIFE).seconds());
    match &alert.about {
        About::LowBalance => item = item.text("kind", "low_balance"),
        About::Budget { key, period, percent } => {
            item = item.text("kind", "budget").text("period", period).number("percent", percent);
            if let Some(key) = key {
                item = item.text("key_id", key);
            }
        }
    }
    item.item()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_is_passed_once_and_the_highest_is_told() {
        let passed =
            |before, after| passed_mark(Pico::new(before), Pico::new(after), Pico::new(1_000));
        assert_eq!(passed(0, 499), None);
        assert_eq!(passed(499, 500), Some(50));
        assert_eq!(passed(500, 799), None);
        assert_eq!(passed(0, 800), Some(80));
        assert_eq!(passed(0, 1_000), Some(100));
        assert_eq!(passed(1_000, 1_000), None);
        // A budget of nothing is spent from the start.
        assert_eq!(passed_mark(Pico::ZERO, Pico::ZERO, Pico::ZERO), None);
        let below =
            |before, after| passes_below(Pico::new(before), Pico::new(after), Pico::new(10));
        assert!(below(10, 9) && !below(9, 8) && !below(11, 10));
    }
}
