//! The wallet: an account's balance and what of it is out on calls. Hot, and under 1 KB.
//!
//! | attribute            | holds                                                         |
//! |----------------------|---------------------------------------------------------------|
//! | `account`            | partition key of Accounts                                     |
//! | `part`               | sort key: `wallet`                                            |
//! | `balance`            | pico-dollars that can be spent; never below zero              |
//! | `out_YYYYMMDDHH`     | pico-dollars held or spent by calls of that hour, until its close |
//! | `closed`             | the last hour closed, as the number `YYYYMMDDHH`              |
//! | `state`              | `active` or `frozen`                                          |
//! | `consent_PROVIDER`   | the major policy version under which calls may go there       |
//! | `auth_after`         | a key looked up no later than this has to be read again, ms   |
//! | `last`               | the last call that was given a hold                           |
//!
//! Written by proxy (hold, settle), account (credit, consent, state) and retention (close).
//!
//! `balance` and all `out_…` together change only by entries of the ledger and by closes.

mod state;

use std::time::Duration;

pub use self::state::{State, Wallet};
use super::{
    Capability, Consistency, Store, StoreError, Table,
    accounts::part_key,
    tables::{Get, Item, Outcome, Tables, Write},
};
use crate::{
    id::{AccountId, CallId},
    money::Pico,
    provider::Provider,
    time::{Clock, Hour, Timestamp},
};

/// No write for an hour is signed later than this after its end. The close runs at minute 25, and
/// AWS takes no signature older than five minutes.
const LAST_WRITE: Duration = Duration::from_secs(15 * 60);

/// What a call asks of the wallet before it is forwarded.
#[derive(Clone, Debug)]
pub struct Hold<'a> {
    /// The account that pays.
    pub account: &'a AccountId,
    /// The call, and with it the hour.
    pub call: &'a CallId,
    /// The upper bound of its cost.
    pub amount: Pico,
    /// Where it will go, which needs consent.
    pub provider: Provider,
    /// The major policy version that consent has to be given for.
    pub policy: u32,
    /// When the key was read.
    pub key: KeyRead,
}

/// When a key was read, as against the wallet's mark of the last change to any key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRead {
    /// By the authorizer, whose clock showed this before it read: later than the mark, or stale.
    At(Timestamp),
    /// Strongly, after the mark had been seen at this: it must not have moved since.
    Since(Timestamp),
}

/// What a call gives back of its hold.
#[derive(Clone, Debug)]
pub struct Settle<'a> {
    /// The account that pays.
    pub account: &'a AccountId,
    /// The call, and with it the hour.
    pub call: &'a CallId,
    /// The hold less the cost.
    pub returned: Pico,
}

/// Why a hold was not placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HoldError {
    /// There is no such wallet.
    NoAccount,
    /// The operator has frozen it.
    Frozen,
    /// The account has not agreed to this provider under this policy.
    NoConsent,
    /// A key may have been changed since it was read: read it again, and say that it was this
    /// mark that had been seen.
    StaleKey(Timestamp),
    /// The balance, which is this, does not cover the amount.
    Balance(Pico),
    /// The hour of the call is closed or too long past.
    HourClosed,
    /// The store could not be asked, or it is not known what it did.
    Unavailable,
    /// The store asks to slow down.
    Throttled,
}

/// What became of a settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The rest of the hold is back in the balance.
    Done,
    /// It is not known, or too late: the close of the hour returns it.
    LeftToTheClose,
}

/// Moving money between a balance and the calls that are out.
pub trait MoveMoney {
    /// Places a hold. Conditional; if its outcome is unknown it is sent once more, which the
    /// condition on `last` makes safe.
    fn hold(
        &self,
        hold: &Hold<'_>,
        clock: Clock<'_>,
    ) -> impl Future<Output = Result<(), HoldError>> + Send;

    /// Returns what a call did not spend. Sent again only when it is proven that nothing was
    /// written: a settle that is missing is a hold that returns late, one too many an overspend.
    fn settle(&self, settle: &Settle<'_>, clock: Clock<'_>)
    -> impl Future<Output = Settled> + Send;
}

/// What [`MoveMoney`] needs.
pub const MOVE_MONEY: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:UpdateItem")] };

const HOLD: &str = "ADD #balance :minus, #out :plus SET #last = :call";
const HOLD_IF: &str = "attribute_exists(#account) AND #closed < :hour AND #balance >= :plus \
     AND #state = :active AND #consent >= :policy \
     AND (attribute_not_exists(#last) OR #last <> :call)";
const KEY_READ_AFTER: &str = "AND #auth_after < :key";
const KEY_READ_SINCE: &str = "AND #auth_after = :key";
const SETTLE: &str = "ADD #balance :plus, #out :minus";
const SETTLE_IF: &str = "attribute_exists(#account) AND #closed < :hour";

impl<T: Tables> MoveMoney for Store<T> {
    async fn hold(&self, hold: &Hold<'_>, clock: Clock<'_>) -> Result<(), HoldError> {
        let mut outcome = Outcome::NothingWritten;
        for _ in 0..2 {
            if is_late(hold.call.hour(), clock()) {
                return Err(HoldError::HourClosed);
            }
            outcome = self.send_hold(hold).await;
            match outcome {
                Outcome::Done => return Ok(()),
                Outcome::Refused(ref item) => return refusal(item.as_ref(), hold),
                Outcome::NothingWritten | Outcome::Unknown => {}
            }
        }
        match outcome {
            Outcome::NothingWritten => Err(HoldError::Throttled),
            Outcome::Done | Outcome::Refused(_) | Outcome::Unknown => Err(HoldError::Unavailable),
        }
    }

    async fn settle(&self, settle: &Settle<'_>, clock: Clock<'_>) -> Settled {
        for _ in 0..3 {
            if is_late(settle.call.hour(), clock()) {
                break;
            }
            match self.send_settle(settle).await {
                Outcome::Done => return Settled::Done,
                Outcome::NothingWritten => {}
                Outcome::Refused(_) | Outcome::Unknown => break,
            }
        }
        Settled::LeftToTheClose
    }
}

/// Whether it is too late to write anything for `hour`.
pub(super) fn is_late(hour: Hour, now: Timestamp) -> bool {
    now > hour.end().plus(LAST_WRITE)
}

/// Says from the item as it stood why a hold was refused, or that it stands after all.
fn refusal(item: Option<&Item>, hold: &Hold<'_>) -> Result<(), HoldError> {
    let Some(item) = item else { return Err(HoldError::NoAccount) };
    let wallet = Wallet::decode(item).map_err(|_| HoldError::Unavailable)?;
    let consent = wallet.consents.iter().find(|(provider, _)| *provider == hold.provider);
    if wallet.last.as_ref() == Some(hold.call) {
        // The first sending was written and its answer lost.
        Ok(())
    } else if wallet.state != State::Active {
        Err(HoldError::Frozen)
    } else if is_stale(hold.key, wallet.auth_after) {
        Err(HoldError::StaleKey(wallet.auth_after))
    } else if consent.is_none_or(|(_, policy)| *policy < hold.policy) {
        Err(HoldError::NoConsent)
    } else if wallet.closed >= hold.call.hour() {
        Err(HoldError::HourClosed)
    } else {
        Err(HoldError::Balance(wallet.balance))
    }
}

fn is_stale(key: KeyRead, auth_after: Timestamp) -> bool {
    match key {
        KeyRead::At(at) => auth_after >= at,
        KeyRead::Since(mark) => auth_after != mark,
    }
}

impl<T: Tables> Store<T> {
    async fn send_hold(&self, hold: &Hold<'_>) -> Outcome {
        let plus = hold.amount.pico();
        let (key_read, key) = match hold.key {
            KeyRead::At(at) => (KEY_READ_AFTER, at),
            KeyRead::Since(mark) => (KEY_READ_SINCE, mark),
        };
        let write = self
            .move_money(HOLD, hold.account, hold.call.hour())
            .only_if(format!("{HOLD_IF} {key_read}"))
            .name("#consent", consent_attribute(hold.provider))
            .number(":plus", plus)
            .number(":minus", plus.saturating_neg())
            .text(":call", hold.call)
            .text(":active", State::Active.name())
            .number(":policy", hold.policy)
            .number(":key", key.millis());
        self.tables.write(write).await
    }

    async fn send_settle(&self, settle: &Settle<'_>) -> Outcome {
        let plus = settle.returned.pico();
        let write = self
            .move_money(SETTLE, settle.account, settle.call.hour())
            .only_if(SETTLE_IF)
            .number(":plus", plus)
            .number(":minus", plus.saturating_neg());
        self.tables.write(write).await
    }

    /// What every move of money for `hour` has in common: it goes out once, and names no hour at
    /// or below the watermark.
    fn move_money(&self, update: &'static str, account: &AccountId, hour: Hour) -> Write {
        Write::update(Table::Accounts, part_key(account, WALLET), update)
            .once()
            .name("#out", format!("out_{hour}"))
            .number(":hour", hour)
    }

    /// Makes every key of the account be read again before its next call. `at` is the moment of
    /// the change and five seconds more, for clocks that differ. The mark always moves, since a
    /// proxy that has read a key relies on seeing it move; it never moves back.
    ///
    /// # Errors
    /// When the store fails or there is no such wallet.
    pub async fn require_fresh_keys(
        &self,
        account: &AccountId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let forward = self.mark(account, "SET #auth_after = :at", "#auth_after < :at", at).await;
        if forward != Err(StoreError::Conflict) {
            return forward;
        }
        let one = Timestamp::from_millis(1);
        self.mark(account, "ADD #auth_after :at", "attribute_exists(#auth_after)", one).await
    }

    async fn mark(
        &self,
        account: &AccountId,
        update: &str,
        condition: &str,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let update = Write::update(Table::Accounts, part_key(account, WALLET), update)
            .only_if(condition)
            .number(":at", at.millis());
        self.tables.write(update).await.done()
    }
}

/// Reading a wallet.
pub trait ReadWallet {
    /// The wallet of `account`, strongly consistent, if there is one.
    fn read_wallet(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Option<Wallet>, StoreError>> + Send;
}

/// What [`ReadWallet`] needs.
pub const READ_WALLET: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:GetItem")] };

impl<T: Tables> ReadWallet for Store<T> {
    async fn read_wallet(&self, account: &AccountId) -> Result<Option<Wallet>, StoreError> {
        let key = part_key(account, WALLET);
        let get = Get { table: Table::Accounts, key, consistency: Consistency::Strong };
        let item = self.tables.get(get).await?;
        Ok(item.as_ref().map(Wallet::decode).transpose()?)
    }
}

/// The sort key of every wallet.
pub(super) const WALLET: &str = "wallet";

/// The attribute that says under which policy calls may go to `provider`.
pub(super) fn consent_attribute(provider: Provider) -> String {
    format!("consent_{provider}")
}
