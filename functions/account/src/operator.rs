//! What the operator does for an account.

use std::time::Duration;

use serde_json::Value;
use shared::{
    asker::{self, Asker},
    email::EmailAddress,
    fault::Fault,
    id::{AccountId, CallId},
    store::{
        StoreError,
        accesses::{Deed, Purpose},
        accounts::Leaving,
        ledger::Posted,
        wallet::State,
    },
    time::Timestamp,
};

use crate::{
    ATTEMPTS, AccountStore, App,
    closing::Known,
    codes,
    correction::NotSet,
    entry::{self, Asked},
    fields::Fields,
    messages,
    open::{self, Opening, open},
};

impl<S: AccountStore> App<S> {
    /// Opens an account. Its address is the operator's to vouch for.
    pub(crate) async fn open(
        &self,
        asker: &Asker<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "consents, email")?;
        let consents = open::consents(&fields)?;
        let email = fields.get("email").map(|_| codes::email(&fields)).transpose()?;
        let pepper = self.newest_pepper().await;
        if let Some(email) = &email
            && self.found(&pepper, email, now).await?.is_some()
        {
            return Err(Fault::EmailTaken);
        }
        let policy = self.to_agree().await?.newest;
        let email = email.as_ref();
        let opening =
            Opening { consents: &consents, policy, email, code: None, asker: Some(asker) };
        let opened = open(&self.store, &pepper, &opening, now).await?;
        Ok(open::shown(&opened, &opening, now))
    }

    /// What its owner sees of it, and no more. Of one that is closed the receipt.
    pub(crate) async fn look_up(
        &self,
        asker: &Asker<'_>,
        account: &str,
        purpose: Option<&str>,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let purpose = asker::purpose(purpose)?;
        let account = match self.known_or_closed(asker, account, purpose, now).await? {
            Known::Account(account) => account,
            Known::Closed(receipt) => return Ok(receipt),
        };
        asker.note(&self.store, &account, purpose, Deed::LookUp, now).await?;
        self.show(&account).await.map_err(unknown)
    }

    /// Freezes an account or lets it go on, and gives it another address.
    pub(crate) async fn set(
        &self,
        asker: &Asker<'_>,
        account: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "state, email, purpose")?;
        let state = fields.text("state")?;
        let state = state.map(|name| settable(name).ok_or(Fault::WrongType("state")));
        let state = state.transpose()?;
        let email = fields.get("email").map(|_| codes::email(&fields)).transpose()?;
        if state.is_none() && email.is_none() {
            return Err(Fault::MissingField("state"));
        }
        let purpose = asker::purpose(fields.text("purpose")?)?;
        let account = self.known(account).await?;
        asker.note(&self.store, &account, purpose, Deed::Set, now).await?;
        // First what is in more of a hurry.
        if let Some(state) = state {
            let set = self.store.set_state(&account, state).await;
            set.map_err(|error| match error {
                StoreError::Conflict => Fault::UnknownAccount,
                StoreError::Unavailable | StoreError::Corrupt(_) => Fault::StoreUnavailable,
            })?;
        }
        if let Some(email) = email {
            self.give_email(&account, &email, asker.call, now).await?;
        }
        self.show(&account).await.map_err(unknown)
    }

    /// Gives an account another address for good: its owner has lost the mailbox, or never had it.
    async fn give_email(
        &self,
        account: &AccountId,
        email: &EmailAddress,
        call: &CallId,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let pepper = self.newest_pepper().await;
        for _ in 0..ATTEMPTS {
            let profile = self.profile(account).await.map_err(unknown)?;
            let leaving = Leaving::ForGood;
            match self.set_email(&pepper, &profile, email, leaving, None, now).await {
                Ok(()) => {}
                Err(NotSet::Taken) => return Err(Fault::EmailTaken),
                Err(NotSet::Changed) => continue,
                Err(NotSet::Unavailable) => return Err(Fault::StoreUnavailable),
            }
            let before = profile.email.filter(|it| it.folded() != email.folded());
            if let Some(before) = before.filter(|_| self.mailer().is_ok()) {
                self.notify(messages::moved_by_operator(&before, account), call).await;
            }
            return Ok(());
        }
        Err(Fault::Busy(Duration::from_secs(1)))
    }

    /// Enters a payment.
    pub(crate) async fn enter(
        &self,
        asker: &Asker<'_>,
        account: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let asked = Asked::read(body)?;
        let account = self.known(account).await?;
        let entry = asked.entry(&account)?;
        // The answer has the balance.
        asker.note(&self.store, &account, Purpose::Billing, Deed::Enter, now).await?;
        let time = match self.store.post_entry(&entry, now).await.map_err(entry::fault)? {
            Posted::Now => now,
            Posted::Before(time) => time,
        };
        Ok(entry::shown(&entry, time, self.wallet(&account).await?.balance))
    }

    /// An account that there is.
    async fn known(&self, account: &str) -> Result<AccountId, Fault> {
        let account = account.parse().map_err(|_| Fault::UnknownAccount)?;
        self.profile(&account).await.map_err(unknown)?;
        Ok(account)
    }
}

/// The state of this name that an operator sets.
fn settable(name: &str) -> Option<State> {
    State::SET.into_iter().find(|state| state.name() == name)
}

/// An account that is closed is to the operator none.
pub(crate) fn unknown(fault: Fault) -> Fault {
    if fault == Fault::AccountClosed { Fault::UnknownAccount } else { fault }
}
