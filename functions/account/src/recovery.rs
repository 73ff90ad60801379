//! Recovery: somebody who has lost the management key gets another with a code, and every one before
//! it ends.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;
use shared::{
    caller::Scope,
    code::CodeFor,
    email::EmailAddress,
    fault::Fault,
    id::CallId,
    store::{
        StoreError,
        emails::Place,
        keys::{KeyItem, Undo},
    },
    time::Timestamp,
};
use tokio::time::sleep;

use crate::{
    ATTEMPTS, AccountStore, App, INDEX_PAUSES,
    codes::email_and_code,
    fields::Fields,
    keys::{self, Made},
    messages,
};

impl<S: AccountStore> App<S> {
    /// Makes a management key for whoever has a code, and ends every one before it. Whoever has one
    /// that was sent to the address before gets that back, too.
    pub(crate) async fn recover(
        &self,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let (email, code) = email_and_code(&Fields::read(body, "email, code")?)?;
        let pepper = self.newest_pepper().await;
        for _ in 0..ATTEMPTS {
            // First of all, so that who has no code learns nothing of the address.
            let good = self.good_code(&pepper, &code, &CodeFor::Recover, &email, now).await?;
            let found = self.found(&pepper, &email, now).await?.ok_or(Fault::InvalidCode)?;
            let profile = self.profile(&found.account).await?;
            // No code that was asked for before another recovery; and what was read of the address
            // has to be of the same moment as the profile.
            let is = |known: &EmailAddress| known.folded() == email.folded();
            let current = profile.email.as_ref().is_some_and(is);
            let was = profile.email_before.as_ref();
            let before = was.is_some_and(|(hash, until)| *hash == found.hash && *until > now);
            let placed = match found.place {
                Place::Current => current,
                Place::Before => before,
            };
            if good.managed_from != Some(profile.managed_from) || !placed {
                return Err(Fault::InvalidCode);
            }
            let since = match (&profile.email, found.place) {
                (Some(since), Place::Before) => self.found(&pepper, since, now).await?,
                (_, Place::Current) | (None, Place::Before) => None,
            };
            let undo = Undo {
                email: &email,
                before: &found.hash,
                since: since.as_ref().map(|since| &since.hash),
            };
            let undo = (found.place == Place::Before).then_some(&undo);
            let made = Made::new(&pepper, Scope::AccountManage)?;
            let new = made.key(&found.account);
            let key = match self.store.recover_key(&new, &profile, &good.hash, undo, now).await {
                Ok(key) => key,
                // Something was changed meanwhile, or the code was used.
                Err(StoreError::Conflict) => continue,
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => {
                    return Err(Fault::StoreUnavailable);
                }
            };
            // From here on nothing may fail: the secret is in this answer alone.
            // To the address as it is known: in other letters it may be another's.
            let known = profile.email.as_ref().filter(|_| found.place == Place::Current);
            let notice = messages::recovered(known.unwrap_or(&email), &found.account);
            let notice = self.notify(notice, call);
            let (revoked, ()) =
                tokio::join!(Box::pin(self.end_managers_before(&key, call, now)), notice);
            let mut shown = keys::shown_once(&key, &made.secret);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("account".to_owned(), found.account.as_str().into());
                fields.insert("revoked".to_owned(), revoked.into());
            }
            return Ok(shown);
        }
        Err(Fault::Busy(Duration::from_secs(1)))
    }

    /// Marks every key as revoked that managed the account before this one was recovered, and names
    /// those that were. They have lost the account already; this is for whatever else they are for.
    async fn end_managers_before(
        &self,
        recovered: &KeyItem,
        call: &CallId,
        now: Timestamp,
    ) -> Vec<String> {
        let mut revoked = BTreeSet::new();
        let mut failed = false;
        // The index may show late what was made a moment ago.
        for pause in INDEX_PAUSES {
            sleep(pause).await;
            let Ok(managers) = self.store.managers_of(&recovered.account).await else {
                failed = true;
                continue;
            };
            let earlier = managers.iter().filter(|key| key.ordinal < recovered.ordinal);
            for key in earlier.filter(|key| !revoked.contains(key.key.as_str())).collect::<Vec<_>>()
            {
                if self.store.revoke_key(&key.hash, None, now).await.is_ok() {
                    revoked.insert(key.key.to_string());
                } else {
                    failed = true;
                }
            }
        }
        failed |= self.require_fresh_keys(&recovered.account).await.is_err();
        if failed {
            self.log.fault(&Fault::StoreUnavailable, call);
        }
        revoked.into_iter().collect()
    }
}
