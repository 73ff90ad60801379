//! What the operator does for an account.

use serde_json::Value;
use shared::{
    fault::Fault,
    id::AccountId,
    store::{StoreError, ledger::Posted, wallet::State},
    time::Timestamp,
};

use crate::{
    AccountStore, App,
    entry::{self, Asked},
    fields::Fields,
    open::{self, open},
    shown,
};

impl<S: AccountStore> App<S> {
    /// Opens an account.
    pub(crate) async fn open(&self, body: &[u8], now: Timestamp) -> Result<Value, Fault> {
        let consents = open::consents(body)?;
        let pepper = self.newest_pepper().await;
        let opened = open(&self.store, &pepper, &consents, now).await?;
        Ok(open::shown(&opened, &consents, now))
    }

    /// What its owner sees of it, and no more.
    pub(crate) async fn look_up(&self, account: &str) -> Result<Value, Fault> {
        let account = named(account)?;
        let wallet = self.store.read_wallet(&account).await.map_err(|_| Fault::StoreUnavailable)?;
        Ok(shown(&wallet.ok_or(Fault::UnknownAccount)?))
    }

    /// Freezes an account, or lets it go on.
    pub(crate) async fn set_state(&self, account: &str, body: &[u8]) -> Result<Value, Fault> {
        let fields = Fields::read(body, "state")?;
        let state = State::named(fields.required_text("state")?);
        let state = state.ok_or(Fault::WrongType("state"))?;
        let set = self.store.set_state(&named(account)?, state).await;
        set.map_err(|error| match error {
            StoreError::Conflict => Fault::UnknownAccount,
            StoreError::Unavailable | StoreError::Corrupt(_) => Fault::StoreUnavailable,
        })?;
        self.look_up(account).await
    }

    /// Enters a payment.
    pub(crate) async fn enter(
        &self,
        account: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let account = named(account)?;
        let asked = Asked::read(body)?;
        let entry = asked.entry(&account)?;
        let time = match self.store.post_entry(&entry, now).await.map_err(entry::fault)? {
            Posted::Now => now,
            Posted::Before(time) => time,
        };
        Ok(entry::shown(&entry, time, self.wallet(&account).await?.balance))
    }
}

fn named(account: &str) -> Result<AccountId, Fault> {
    account.parse().map_err(|_| Fault::UnknownAccount)
}
