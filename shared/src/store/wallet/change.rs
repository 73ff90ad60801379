//! Changes to a wallet that move no money: freezing, limits, and the mark that makes every
//! key be read again.

use super::{State, WALLET, Wallet, purse};
use crate::{
    id::AccountId,
    limits::Limits,
    money::Pico,
    store::{
        Capability, Consistency, Store, StoreError, Table,
        accounts::part_key,
        hold,
        tables::{Get, Item, Tables, Write},
    },
    time::Timestamp,
};

/// How often a change is tried that others get in the way of.
const ATTEMPTS: usize = 4;

/// Changes that every call sees.
pub trait ChangeWallet {
    /// Freezes an account, after which no call begins, or lets it go on. Idempotent. An account that
    /// is not there, or closed, is a conflict.
    fn set_state(
        &self,
        account: &AccountId,
        state: State,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Makes every key of the account be read again before its next call. `at` is the moment of
    /// the change and five seconds more, for clocks that differ. The mark always moves, since a
    /// proxy that has read a key relies on seeing it move; it never moves back. An account that is
    /// not there is a conflict.
    fn require_fresh_keys(
        &self,
        account: &AccountId,
        at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Sets the balance below which an account's owner wants to be told. Idempotent. An account that
    /// is not there is a conflict.
    fn set_alert_below(
        &self,
        account: &AccountId,
        below: Pico,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Sets what an account may spend in a month and how many calls it may begin in a minute; its
    /// other limits are those of its keys. It holds for the calls that begin after it, and what was
    /// spent in this month counts. Conditional on the limits as they were read; idempotent. An
    /// account that is not there is a conflict.
    fn set_account_limits(
        &self,
        account: &AccountId,
        limits: &Limits,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`ChangeWallet`] needs.
pub const CHANGE_WALLET: Capability = Capability {
    actions: &[(Table::Accounts, "dynamodb:GetItem"), (Table::Accounts, "dynamodb:UpdateItem")],
};

impl<T: Tables> ChangeWallet for Store<T> {
    async fn set_state(&self, account: &AccountId, state: State) -> Result<(), StoreError> {
        let write =
            Write::update(Table::Accounts, part_key(account, WALLET), "SET #state = :state")
                .only_if("attribute_exists(#account) AND #state <> :closing")
                .text(":closing", State::Closing.name())
                .text(":state", state.name());
        self.tables.write(write).await.done()
    }

    async fn require_fresh_keys(
        &self,
        account: &AccountId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let forward = mark(account, "SET #auth_after = :at", "#auth_after < :at", at);
        match self.tables.write(forward).await.done() {
            Err(StoreError::Conflict) => {}
            done => return done,
        }
        let one = Timestamp::from_millis(1);
        let further = mark(account, "ADD #auth_after :at", "attribute_exists(#auth_after)", one);
        self.tables.write(further).await.done()
    }

    async fn set_alert_below(&self, account: &AccountId, below: Pico) -> Result<(), StoreError> {
        let write = change(account, "SET #alert_below = :below").number(":below", below.pico());
        self.tables.write(write).await.done()
    }

    async fn set_account_limits(
        &self,
        account: &AccountId,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let limits = Limits { month: limits.month, requests: limits.requests, ..Limits::default() };
        for _ in 0..ATTEMPTS {
            let item = self.wallet_item(account).await?.ok_or(StoreError::Conflict)?;
            let mut filled = Ok(());
            let write = purse(account).write(|expression, terms| {
                expression.only_if("attribute_exists(#account)");
                filled = hold::write_limits(&item, &limits, now.hour(), expression, terms);
            });
            filled?;
            match self.tables.write(write.repeated()).await.done() {
                // Somebody else's change came between, or a call that opened the month.
                Err(StoreError::Conflict) => {}
                done => return done,
            }
        }
        Err(StoreError::Unavailable)
    }
}

impl<T: Tables> Store<T> {
    pub(super) async fn wallet_item(
        &self,
        account: &AccountId,
    ) -> Result<Option<Item>, StoreError> {
        let key = part_key(account, WALLET);
        let get = Get { table: Table::Accounts, key, consistency: Consistency::Strong };
        let item = self.tables.get(get).await?;
        if let Some(item) = &item {
            Wallet::decode(item)?;
        }
        Ok(item)
    }
}

/// A change that makes no wallet.
fn change(account: &AccountId, update: &'static str) -> Write {
    Write::update(Table::Accounts, part_key(account, WALLET), update)
        .only_if("attribute_exists(#account)")
}

fn mark(account: &AccountId, update: &str, condition: &str, at: Timestamp) -> Write {
    Write::update(Table::Accounts, part_key(account, WALLET), update)
        .only_if(condition)
        .number(":at", at.millis())
}
