//! The wallet: an account's balance and what of it is out on calls. Hot, and under 1 KB.
//!
//! | attribute            | holds                                                         |
//! |----------------------|---------------------------------------------------------------|
//! | `account`            | partition key of Accounts                                     |
//! | `part`               | sort key: `wallet`                                            |
//! | `balance`            | pico-dollars that can be spent; never below zero              |
//! | `state`              | `active`, `frozen` or `closing`                               |
//! | `consent_PROVIDER`   | the major policy version under which calls may go there       |
//! | `auth_after`         | a key looked up no later than this has to be read again, ms   |
//! | `unstated`           | the first day whose statement lines are not written, `YYYYMMDD` |
//! | `alert_below`        | the balance below which its owner wants to be told, pico-dollars |
//!
//! and those of `hold.rs`: `out_…`, `closed`, `last`, `limit_month`, `limit_requests`,
//! `left_YYYYMM`, `minute`, `left_requests`.
//!
//! Written by proxy (hold, settle), account (credit, consent, state, limits) and retention (close).

mod change;
mod close;
mod state;

pub use self::{
    change::{CHANGE_WALLET, ChangeWallet},
    close::{CLOSE_WALLET, CloseWallet, LIST_WALLETS, ListWallets, Listed, WalletClose},
    state::{State, Wallet},
};
pub use super::hold::Settled;
use super::{
    Capability, Consistency, Exceeded, Store, StoreError, Table,
    accounts::part_key,
    hold::{self, Draw, Expression, Purse, Return, Unplaced},
    tables::{Get, Tables, Terms},
};
use crate::{
    id::{AccountId, CallId},
    money::Pico,
    period::Period,
    provider::Provider,
    time::{Clock, Timestamp},
};

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
    /// There is no such wallet, or its account is closed.
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
    /// A limit of the account does not.
    Exceeded(Exceeded),
    /// The hour of the call is closed or too long past.
    HourClosed,
    /// The store could not be asked, or it is not known what it did.
    Unavailable,
    /// The store asks to slow down.
    Throttled,
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

/// The account's own limit on what it spends has the length of a month.
const PERIODS: [Period; 1] = [Period::Month];

impl<T: Tables> MoveMoney for Store<T> {
    async fn hold(&self, hold: &Hold<'_>, clock: Clock<'_>) -> Result<(), HoldError> {
        let draw = Draw {
            call: hold.call,
            amount: hold.amount,
            periods: &PERIODS,
            counted: true,
            tokens: None,
            slots: None,
        };
        let own = |expression: &mut Expression, terms: &mut Terms| hold.write(expression, terms);
        let refuse = |item: &_| Ok(hold.refused(&Wallet::decode(item)?));
        let placed =
            hold::place(&self.tables, &purse(hold.account), &draw, clock, own, refuse).await;
        placed.map(drop).map_err(|unplaced| match unplaced {
            Unplaced::NoItem => HoldError::NoAccount,
            Unplaced::Own(error) => error,
            Unplaced::Exceeded(exceeded) => HoldError::Exceeded(exceeded),
            Unplaced::HourClosed => HoldError::HourClosed,
            Unplaced::Unavailable => HoldError::Unavailable,
            Unplaced::Throttled => HoldError::Throttled,
        })
    }

    async fn settle(&self, settle: &Settle<'_>, clock: Clock<'_>) -> Settled {
        let back = Return {
            call: settle.call,
            amount: settle.returned,
            periods: &PERIODS,
            minute: settle.call.hour().start().minute(),
            tokens: None,
            slot: None,
        };
        let own = |expression: &mut Expression, _: &mut Terms| {
            expression.add("#balance :plus");
        };
        hold::give_back(&self.tables, &purse(settle.account), back, clock, own).await
    }
}

impl Hold<'_> {
    /// What a wallet wants beside what every hold does.
    fn write(&self, expression: &mut Expression, terms: &mut Terms) {
        expression
            .add("#balance :minus")
            .only_if("#balance >= :plus")
            .only_if("#state = :active")
            .only_if("#consent >= :policy");
        terms.number(":minus", self.amount.negated().pico());
        terms.text(":active", State::Active.name());
        terms.name("#consent", consent_attribute(self.provider));
        terms.number(":policy", self.policy);
        let key = match self.key {
            KeyRead::At(at) => {
                expression.only_if("#auth_after < :key");
                at
            }
            KeyRead::Since(mark) => {
                expression.only_if("#auth_after = :key");
                mark
            }
        };
        terms.number(":key", key.millis());
    }

    /// What of that it does not have.
    fn refused(&self, wallet: &Wallet) -> Option<HoldError> {
        let consent = wallet.consents.iter().find(|(provider, _)| *provider == self.provider);
        if wallet.state == State::Closing {
            Some(HoldError::NoAccount)
        } else if wallet.state != State::Active {
            Some(HoldError::Frozen)
        } else if self.key.is_stale(wallet.auth_after) {
            Some(HoldError::StaleKey(wallet.auth_after))
        } else if consent.is_none_or(|(_, policy)| *policy < self.policy) {
            Some(HoldError::NoConsent)
        } else if wallet.balance < self.amount {
            Some(HoldError::Balance(wallet.balance))
        } else {
            None
        }
    }
}

impl KeyRead {
    fn is_stale(self, auth_after: Timestamp) -> bool {
        match self {
            Self::At(at) => auth_after >= at,
            Self::Since(mark) => auth_after != mark,
        }
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

/// The wallet as writes name it.
fn purse(account: &AccountId) -> Purse {
    Purse { table: Table::Accounts, key: part_key(account, WALLET) }
}

/// The attribute that says under which policy calls may go to `provider`.
pub(super) fn consent_attribute(provider: Provider) -> String {
    format!("consent_{provider}")
}
