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
//! | `expires_at` | TTL: seven days after `time`, seconds since the epoch                |
//!
//! Written by retention as it closes an hour, so that each mark is passed once: an alert is a pure
//! function of what was and what is after the close.

use super::{
    Capability, Store, StoreError, Table,
    accounts::part_key,
    calls::RECORD_LIFE,
    item::Writer,
    tables::{Item, Tables, Write},
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
            self.tables.write(Write::put(Table::Accounts, encode(alert, now))).await.done()?;
        }
        Ok(())
    }
}

fn encode(alert: &Alert, now: Timestamp) -> Item {
    let Alert { account, hour, about, amount, limit } = alert;
    let part = match about {
        About::LowBalance => format!("alert#{hour}#low_balance"),
        About::Budget { key, period, percent } => {
            let whose = key.as_ref().map_or("account", KeyId::as_str);
            format!("alert#{hour}#budget#{whose}#{period}#{percent}")
        }
    };
    let mut item = Writer::from(part_key(account, &part))
        .money("amount", *amount)
        .money("limit", *limit)
        .number("time", now.seconds())
        .number("expires_at", now.plus(RECORD_LIFE).seconds());
    match about {
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
