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
    open::{self, Opening, open},
    registration,
};

impl<S: AccountStore> App<S> {
    /// Opens an account. Its address is the operator's to vouch for.
    pub(crate) async fn open(&self, body: &[u8], now: Timestamp) -> Result<Value, Fault> {
        let fields = Fields::read(body, "consents, email")?;
        let consents = open::consents(&fields)?;
        let email = fields.get("email").map(|_| registration::email(&fields)).transpose()?;
        let pepper = self.newest_pepper().await;
        if let Some(email) = &email {
            let found = self.store.find_email(pepper.email_hashes(email).collect()).await;
            if found.map_err(|_| Fault::StoreUnavailable)?.is_some() {
                return Err(Fault::EmailTaken);
            }
        }
        let opening = Opening { consents: &consents, email: email.as_ref(), code: None };
        let opened = open(&self.store, &pepper, &opening, now).await?;
        Ok(open::shown(&opened, &opening, now))
    }

    /// What its owner sees of it, and no more.
    pub(crate) async fn look_up(&self, account: &str) -> Result<Value, Fault> {
        self.show(&named(account)?).await.map_err(unknown)
    }

    /// Freezes an account or lets it go on, and gives it another address.
    pub(crate) async fn set(&self, account: &str, body: &[u8]) -> Result<Value, Fault> {
        let fields = Fields::read(body, "state, email")?;
        let state = fields.text("state")?;
        let state = state.map(|name| State::named(name).ok_or(Fault::WrongType("state")));
        let state = state.transpose()?;
        let email = fields.get("email").map(|_| registration::email(&fields)).transpose()?;
        if state.is_none() && email.is_none() {
            return Err(Fault::MissingField("state"));
        }
        let account = named(account)?;
        let profile = self.profile(&account).await.map_err(unknown)?;
        if let Some(email) = email {
            self.set_email(&profile, &email, None).await?;
        }
        if let Some(state) = state {
            let set = self.store.set_state(&account, state).await;
            set.map_err(|error| match error {
                StoreError::Conflict => Fault::UnknownAccount,
                StoreError::Unavailable | StoreError::Corrupt(_) => Fault::StoreUnavailable,
            })?;
        }
        self.show(&account).await.map_err(unknown)
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

/// An account that is closed is to the operator none.
fn unknown(fault: Fault) -> Fault {
    if fault == Fault::AccountClosed { Fault::UnknownAccount } else { fault }
}
