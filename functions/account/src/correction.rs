//! Correction of an account's address, once the new one is verified. The one before can undo it for a
//! while, since whoever has stolen a key may have done it.

use std::time::Duration;

use serde_json::Value;
use shared::{
    caller::Caller,
    code::{Code, CodeFor},
    email::EmailAddress,
    fault::Fault,
    id::{AccountId, CallId},
    key::{CodeHash, Pepper},
    store::{
        StoreError,
        accounts::{EmailChange, Leaving, Profile},
        pace::Asking,
        wallet::State,
    },
    time::Timestamp,
};

use crate::{
    ATTEMPTS, AccountStore, App,
    codes::{email, email_and_code, sealed},
    fields::Fields,
    messages,
};

impl<S: AccountStore> App<S> {
    /// Sends a code to an address that the account is to have in place of its own.
    pub(crate) async fn ask_correction(
        &self,
        caller: &Caller,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        self.mailer()?;
        let email = email(&Fields::read(body, "email")?)?;
        if !self.correspondence.registration.allows(&email) {
            return Err(Fault::RegistrationClosed);
        }
        let profile = self.still_may(caller, now).await?;
        self.may_decide(&profile, now).await?;
        let pepper = self.newest_pepper().await;
        let mailbox = pepper.mailbox_hash(&email).ok_or(Fault::Internal)?;
        let booked = [Asking::Account(&caller.account), Asking::Correction(&mailbox)];
        let [own, theirs] = booked;
        // First the caller's own, so that what others may ask of an address is not used up by what is
        // refused.
        self.book(own, now).await?;
        if let Err(fault) = self.book(theirs, now).await {
            if self.store.give_back(own).await.is_err() {
                self.log.fault(&Fault::StoreUnavailable, call);
            }
            return Err(fault);
        }
        self.unseen(&booked, call, self.send_correction(&pepper, &email, &caller.account, now))
            .await;
        Ok(self.asked())
    }

    async fn send_correction(
        &self,
        pepper: &Pepper,
        email: &EmailAddress,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let code = Code::random().map_err(|_| Fault::Internal)?;
        let sealed = sealed(pepper, &code, &CodeFor::Correct(account.clone()), email, None)?;
        let found = self.found(pepper, email, now).await?;
        if found.is_some_and(|found| found.account != *account) {
            // Its owner is told, and not who asks.
            return self.send(messages::taken(email)).await;
        }
        self.put_code(&sealed, now).await?;
        self.send(messages::correction(email, account, &code)).await
    }

    /// Gives the account the address that a code was sent to. The one before can undo that for a
    /// while, and is told so.
    pub(crate) async fn correct(
        &self,
        caller: &Caller,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let (email, code) = email_and_code(&Fields::read(body, "email, code")?)?;
        let pepper = self.newest_pepper().await;
        let purpose = CodeFor::Correct(caller.account.clone());
        for _ in 0..ATTEMPTS {
            let profile = self.still_may(caller, now).await?;
            self.may_decide(&profile, now).await?;
            let good = self.good_code(&pepper, &code, &purpose, &email, now).await?;
            let leaving = Leaving::ForAWhile;
            let set = self.set_email(&pepper, &profile, &email, leaving, Some(&good.hash), now);
            match set.await {
                Ok(()) => {}
                Err(NotSet::Taken) => return Err(Fault::InvalidCode),
                Err(NotSet::Changed) => continue,
                Err(NotSet::Unavailable) => return Err(Fault::StoreUnavailable),
            }
            if let Some(before) = profile.email.filter(|it| it.folded() != email.folded()) {
                self.notify(messages::moved(&before, &caller.account), call).await;
            }
            return self.show(&caller.account).await;
        }
        Err(Fault::Busy(Duration::from_secs(1)))
    }

    /// Whether the account's owner may do now what it would be lost by if it were somebody with a key
    /// that was stolen: not while the address before can undo that there is another, and not while
    /// the account is frozen.
    pub(crate) async fn may_decide(&self, profile: &Profile, now: Timestamp) -> Result<(), Fault> {
        if profile.email_before.as_ref().is_some_and(|(_, until)| *until > now) {
            return Err(Fault::EmailJustChanged);
        }
        match self.wallet(&profile.account).await?.state {
            State::Active => Ok(()),
            State::Frozen => Err(Fault::AccountFrozen),
            State::Closing => Err(Fault::AccountClosed),
        }
    }

    /// Gives an account an address, in place of the one it has.
    pub(crate) async fn set_email(
        &self,
        pepper: &Pepper,
        profile: &Profile,
        email: &EmailAddress,
        leaving: Leaving,
        code: Option<&CodeHash>,
        now: Timestamp,
    ) -> Result<(), NotSet> {
        let find = async |email: &EmailAddress| {
            self.found(pepper, email, now).await.map_err(|_| NotSet::Unavailable)
        };
        let taken = find(email).await?;
        if taken.as_ref().is_some_and(|found| found.account != profile.account) {
            return Err(NotSet::Taken);
        }
        let leaves = match &profile.email {
            Some(before) => find(before).await?.map(|found| found.hash),
            None => None,
        };
        let newest = pepper.email_hashes(email).next().ok_or(NotSet::Unavailable)?;
        let takes = taken.map_or(newest, |found| found.hash);
        // The same address in other letters stays where it is.
        let same = leaves.as_ref() == Some(&takes);
        let change = EmailChange {
            email,
            takes: (!same).then_some(&takes),
            leaves: leaves.as_ref().filter(|_| !same).map(|hash| (hash, leaving)),
            code,
        };
        let set = self.store.change_email(profile, &change, now).await;
        set.map_err(|error| match error {
            StoreError::Conflict => NotSet::Changed,
            StoreError::Unavailable | StoreError::Corrupt(_) => NotSet::Unavailable,
        })
    }
}

/// Why an address was not given to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSet {
    /// It is another's.
    Taken,
    /// The account was changed meanwhile, or the code was used.
    Changed,
    /// The store failed.
    Unavailable,
}
