//! What the owner of an account does with its keys. Another account's key is none of its, whatever
//! it is called.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    caller::{Caller, Scope},
    fault::Fault,
    id::{AccountId, KeyId},
    key::PlainKey,
    limits::Limits,
    money::Pico,
    store::{
        StoreError,
        accounts::Profile,
        keys::{Consistency, KeyChange, KeyItem, NewKey},
    },
    time::Timestamp,
};

use crate::{
    ATTEMPTS, AccountStore, App, INDEX_PAUSES,
    fields::Fields,
    keys::{self, Asked, MOST_DOLLARS, MOST_KEYS, Made},
    shown,
};

/// How far ahead of a change keys have to be read again, for clocks that differ.
const CLOCKS: Duration = Duration::from_secs(5);

/// The least overlap of a key that rotates itself: who does not get the answer needs the time to
/// rotate again.
const LEAST_OWN_OVERLAP: Duration = Duration::from_secs(60);

impl<S: AccountStore> App<S> {
    /// The account, as it stands.
    pub(crate) async fn show_account(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let profile = self.still_may(caller, now).await?;
        Ok(shown(&self.wallet(&caller.account).await?, &profile))
    }

    /// Changes what the account may spend and ask, and when its owner is told of its balance.
    pub(crate) async fn change_account(
        &self,
        caller: &Caller,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "limits, alert_below_usd")?;
        let below = fields.text("alert_below_usd")?.map(|text| {
            let amount = Pico::parse_dollars(text).filter(|amount| *amount <= MOST_DOLLARS);
            amount.ok_or(Fault::WrongType("alert_below_usd"))
        });
        let below = below.transpose()?;
        self.still_may(caller, now).await?;
        let wallet = self.wallet(&caller.account).await?;
        let limits = fields.get("limits").map(|it| keys::account_limits(it, &wallet.limits));
        if let Some(limits) = limits.transpose()? {
            let set = self.store.set_account_limits(&caller.account, &limits, now).await;
            set.map_err(|_| Fault::StoreUnavailable)?;
        }
        if let Some(below) = below {
            let set = self.store.set_alert_below(&caller.account, below).await;
            set.map_err(|_| Fault::StoreUnavailable)?;
        }
        self.show(&caller.account).await
    }

    /// Every key there is, with those that were revoked.
    pub(crate) async fn list_keys(&self, caller: &Caller, now: Timestamp) -> Result<Value, Fault> {
        self.still_may(caller, now).await?;
        let mut found = self.keys_of(&caller.account).await?;
        found.sort_by_key(|key| key.ordinal);
        let data: Vec<_> = found.iter().map(keys::shown).collect();
        Ok(json!({"object": "list", "data": data}))
    }

    /// One key, as it stands now.
    pub(crate) async fn show_key(
        &self,
        caller: &Caller,
        key: &str,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        self.still_may(caller, now).await?;
        Ok(keys::shown(&self.key(caller, key).await?))
    }

    /// Makes a key. Its secret is in the answer and nowhere else.
    pub(crate) async fn create_key(
        &self,
        caller: &Caller,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let asked = Asked::read(body, &self.catalogue, now)?;
        let label = asked.label.ok_or(Fault::MissingField("label"))?;
        let limits = keys::limits(&asked.limits.unwrap_or_default(), &Limits::NONE)?;
        let (scopes, models) = (asked.scopes, asked.models.unwrap_or_default());
        let scopes = scopes.unwrap_or_else(|| vec![Scope::Inference]);
        let pepper = self.newest_pepper().await;
        for _ in 0..ATTEMPTS {
            let profile = self.still_may(caller, now).await?;
            let live = self.keys_of(&caller.account).await?;
            if live.iter().filter(|key| key.revoked_at.is_none()).count() >= MOST_KEYS {
                return Err(Fault::TooManyKeys);
            }
            let made = Made::new(&pepper, Scope::Inference)?;
            let new = NewKey {
                label: &label,
                tag: asked.tag.as_ref().and_then(Option::as_deref),
                scopes: &scopes,
                models: &models,
                limits: &limits,
                expires_at: asked.expires_at.flatten(),
                ..made.key(&caller.account)
            };
            match self.store.create_key(&new, &profile, now).await {
                Ok(key) => return Ok(keys::shown_once(&key, &made.secret)),
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => {
                    return Err(Fault::StoreUnavailable);
                }
            }
        }
        Err(Fault::Busy(PAUSE))
    }

    /// Changes a key. Its scopes stay what they are: another key may have others.
    pub(crate) async fn change_key(
        &self,
        caller: &Caller,
        key: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let asked = Asked::read(body, &self.catalogue, now)?;
        if asked.scopes.is_some() {
            return Err(Fault::RefusedField {
                field: "scopes",
                why: "a key keeps its scopes; make another key and revoke this one",
            });
        }
        for _ in 0..ATTEMPTS {
            let profile = self.still_may(caller, now).await?;
            let found = self.live_key(caller, key).await?;
            if found.key == caller.key && asked.expires_at.is_some() {
                return Err(Fault::OwnKey);
            }
            let ends = matches!(asked.expires_at, Some(Some(_)));
            let guard = self.guard(caller, &profile, &found, ends).await?;
            let limits = asked.limits.as_ref().map(|change| keys::limits(change, &found.limits));
            let limits = limits.transpose()?;
            let change = KeyChange {
                label: asked.label.as_deref(),
                tag: asked.tag.as_ref().map(Option::as_deref),
                models: asked.models.as_deref(),
                expires_at: asked.expires_at,
            };
            match self.store.change_key(&found.hash, &change, guard).await {
                Ok(()) => {}
                Err(StoreError::Conflict) => continue,
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => {
                    return Err(Fault::StoreUnavailable);
                }
            }
            let set = match &limits {
                Some(limits) => self.store.set_key_limits(&found.hash, limits, now).await,
                None => Ok(()),
            };
            // Calls have to see the first change also where the second has failed.
            let shown = self.show_changed(&found).await;
            set.map_err(of_key)?;
            return shown;
        }
        Err(Fault::Busy(PAUSE))
    }

    /// Makes another secret for a key. The one before goes on for a while, and both are the same
    /// key, with one budget.
    pub(crate) async fn rotate_key(
        &self,
        caller: &Caller,
        key: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let overlap = keys::overlap(body)?;
        let pepper = self.newest_pepper().await;
        let mut seen = None;
        for _ in 0..ATTEMPTS {
            let profile = self.still_may(caller, now).await?;
            let found = self.live_key(caller, key).await?;
            if *seen.get_or_insert(found.rotations) != found.rotations {
                // Another rotation was faster, and its secret is the newest.
                return Err(Fault::KeyRotating);
            }
            if found.key == caller.key && overlap < LEAST_OWN_OVERLAP {
                return Err(Fault::OwnKey);
            }
            if !overlap.is_zero() && found.until.is_some_and(|until| until > now) {
                return Err(Fault::KeyRotating);
            }
            // Whoever has a secret of a key that manages the account has the account.
            let guard = self.guard(caller, &profile, &found, found.key != caller.key).await?;
            let until = now.plus(overlap);
            let secret = PlainKey::random().map_err(|_| Fault::Internal)?;
            let new = pepper.hash(&secret).ok_or(Fault::Internal)?;
            match self.store.rotate_key(&found, &new, until, guard).await {
                Ok(()) => {}
                Err(StoreError::Conflict) => continue,
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => {
                    return Err(Fault::StoreUnavailable);
                }
            }
            self.require_fresh_keys(&found.account).await?;
            let mut shown = keys::shown_once(&found, &secret);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("previous_ends_at".to_owned(), until.seconds().into());
            }
            return Ok(shown);
        }
        Err(Fault::KeyRotating)
    }

    /// Revokes a key, with all of its secrets. Not the one that asks, or an account could lock
    /// itself out.
    pub(crate) async fn revoke_key(
        &self,
        caller: &Caller,
        key: &str,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        for _ in 0..ATTEMPTS {
            let profile = self.still_may(caller, now).await?;
            let found = self.key(caller, key).await?;
            if found.key == caller.key {
                return Err(Fault::OwnKey);
            }
            let guard = self.guard(caller, &profile, &found, true).await?;
            match self.store.revoke_key(&found.hash, guard, now).await {
                Ok(()) => return self.show_changed(&found).await,
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => {
                    return Err(Fault::StoreUnavailable);
                }
            }
        }
        Err(Fault::Busy(PAUSE))
    }

    /// Shows a key as it stands after a change that every call from now on has to see.
    async fn show_changed(&self, key: &KeyItem) -> Result<Value, Fault> {
        self.require_fresh_keys(&key.account).await?;
        let key = self.store.read_key(&key.hash).await.map_err(|_| Fault::StoreUnavailable)?;
        Ok(keys::shown(&key.ok_or(Fault::UnknownKey)?))
    }

    /// Makes calls read keys again that were read before now, which is after the change.
    pub(crate) async fn require_fresh_keys(&self, account: &AccountId) -> Result<(), Fault> {
        let mark = Timestamp::now().plus(CLOCKS);
        let told = self.store.require_fresh_keys(account, mark).await;
        // What is sent again is done again, and the same.
        told.map_err(|_| Fault::StoreUnavailable)
    }

    /// Reads the caller's own key again, strongly: the authorizer may have seen it as it was a
    /// moment ago, and whoever changes keys can make itself others. The profile is read before it,
    /// so that a write which is conditional on that is conditional on this right, too.
    pub(crate) async fn still_may(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Profile, Fault> {
        let profile = self.profile(&caller.account).await?;
        let key = self.key_of(caller, now).await?;
        // One that is lost ends when another is recovered, before it is marked as revoked.
        if key.ordinal < profile.managed_from { Err(Fault::KeyRevoked) } else { Ok(profile) }
    }

    /// The caller's own key as it is now.
    pub(crate) async fn key_of(&self, caller: &Caller, now: Timestamp) -> Result<KeyItem, Fault> {
        let found = self.store.find_key(&caller.found, Consistency::Strong).await;
        caller.is_still(found.map_err(|_| Fault::StoreUnavailable)?, now)
    }

    /// What a write to a key has to be conditional on: of one that manages the account the profile,
    /// so that two of them cannot end each other and leave none. And a key that has an end itself
    /// `ends` none that has not: so there is always one without.
    async fn guard<'a>(
        &self,
        caller: &Caller,
        profile: &'a Profile,
        key: &KeyItem,
        ends: bool,
    ) -> Result<Option<&'a Profile>, Fault> {
        if !key.scopes.contains(&Scope::AccountManage) {
            return Ok(None);
        }
        if ends && key.expires_at.is_none() && key.key != caller.key {
            // Of the caller's key, and not of the secret that it has sent.
            let own = self.store.read_key(&caller.hash).await;
            let own = own.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::KeyRevoked)?;
            if own.expires_at.is_some() {
                return Err(Fault::EndingKey);
            }
        }
        Ok(Some(profile))
    }

    pub(crate) async fn keys_of(&self, account: &AccountId) -> Result<Vec<KeyItem>, Fault> {
        self.store.keys_of(account).await.map_err(|_| Fault::StoreUnavailable)
    }

    /// A key of the caller's account, as it stands now.
    async fn key(&self, caller: &Caller, key: &str) -> Result<KeyItem, Fault> {
        let id: KeyId = key.parse().map_err(|_| Fault::UnknownKey)?;
        let mut found = None;
        for pause in INDEX_PAUSES {
            tokio::time::sleep(pause).await;
            let keys = self.keys_of(&caller.account).await?;
            found = keys.into_iter().find(|key| key.key == id);
            if found.is_some() {
                break;
            }
        }
        let found = found.ok_or(Fault::UnknownKey)?;
        let key = self.store.read_key(&found.hash).await.map_err(|_| Fault::StoreUnavailable)?;
        key.filter(|key| key.account == caller.account).ok_or(Fault::UnknownKey)
    }

    /// The same, if it is not revoked.
    async fn live_key(&self, caller: &Caller, key: &str) -> Result<KeyItem, Fault> {
        let key = self.key(caller, key).await?;
        if key.revoked_at.is_none() { Ok(key) } else { Err(Fault::RevokedKey) }
    }
}

/// How long whoever found others in the way is told to wait.
const PAUSE: Duration = Duration::from_secs(1);

/// Why limits were not set: the key was revoked meanwhile, or the store failed.
const fn of_key(error: StoreError) -> Fault {
    match error {
        StoreError::Conflict => Fault::RevokedKey,
        StoreError::Unavailable | StoreError::Corrupt(_) => Fault::StoreUnavailable,
    }
}
