//! Keys.
//!
//! | attribute    | holds                                                  |
//! |--------------|--------------------------------------------------------|
//! | `hash`       | partition key: pepper version and HMAC of the key      |
//! | `account`    | whose it is; partition key of the index `by_account`   |
//! | `key_id`     | its name everywhere else; sort key of that index       |
//! | `ordinal`    | its number within the account, from 1                  |
//! | `label`      | what its owner calls it                                |
//! | `tag`        | what its costs are for, such as a cost centre          |
//! | `scopes`     | what it may be used for                                |
//! | `models`     | the models it may call, where those are limited        |
//! | `created_at` | seconds since the epoch                                |
//! | `expires_at` | when it ends, if it does, seconds since the epoch      |
//! | `revoked_at` | milliseconds since the epoch, once it is revoked       |
//! | `used`       | the last day of whose statement a call of it is part   |
//! | `rotations`  | how many rotations it has had                          |
//! | `until`      | until when the secret before the newest finds it, milliseconds |
//!
//! A secret that a rotation has made has an item of its own, of `hash`, `account`, `key_id`, `of` (the
//! key's hash) and `rotations` (which of them).
//!
//! and, for one with limits of its own, those of `hold.rs`: `limit_…`, `left_…`, `out_…`,
//! `closed`, `last`, `minute`, `s_…`.
//!
//! Written by account, proxy (its holds) and retention (their close); read by all five
//! functions. It lives until the account is closed. The index has what a key is, and not what it spends.

mod budget;
mod change;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

pub use self::budget::{
    CLOSE_KEYS, CloseKeys, HOLD_KEY, HoldKey, KeyAccount, KeyHeld, KeyHold, KeyHoldError,
    LIST_KEYS, ListKeys, READ_KEY_ACCOUNT, ReadKeyAccount,
};
pub use self::change::{CHANGE_KEYS, ChangeKeys, KeyChange};
pub use super::Consistency;
use super::{
    Capability, Corrupt, Store, StoreError, Table,
    accounts::{self, Profile},
    codes, emails, hold,
    item::{Reader, Writer},
    tables::{Get, Item, Query, Tables, Terms, Write},
};
use crate::{
    caller::Scope,
    email::EmailAddress,
    id::{AccountId, KeyId},
    key::{CodeHash, EmailHash, KeyHash},
    limits::Limits,
    time::{Day, Timestamp},
};

/// How often a change is tried that others get in the way of.
const ATTEMPTS: usize = 4;

/// A key, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyItem {
    /// Where it stands: the hash of its first secret.
    pub hash: KeyHash,
    /// The hash it was found by.
    pub found: KeyHash,
    /// Whose it is.
    pub account: AccountId,
    /// Its name everywhere else.
    pub key: KeyId,
    /// Its number within the account, by which a statement line names it.
    pub ordinal: u32,
    /// What its owner calls it.
    pub label: String,
    /// What its costs are for.
    pub tag: Option<String>,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// The models it may call, by the catalogue's names. With none it may call all.
    pub models: Vec<String>,
    /// What it may spend and ask.
    pub limits: Limits,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends, or the secret that it was found by.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The last day on which it was used, of those that are over.
    pub used: Option<Day>,
    /// How many rotations it has had.
    pub rotations: u32,
    /// Until when the secret before the newest finds it.
    pub until: Option<Timestamp>,
}

impl KeyItem {
    /// When the secret ends that the rotation of this number has made, 0 for the first of all.
    fn secret_ends(&self, secret: u32) -> Option<Timestamp> {
        if secret == self.rotations {
            None
        } else if secret.checked_add(1) == Some(self.rotations) {
            self.until
        } else {
            // It has ended long ago, or is not counted yet.
            Some(Timestamp::from_millis(0))
        }
    }
}

/// A key that is to be made.
#[derive(Clone, Debug)]
pub struct NewKey<'a> {
    /// The hash it is found by.
    pub hash: &'a KeyHash,
    /// Whose it is.
    pub account: &'a AccountId,
    /// Its name everywhere else.
    pub key: &'a KeyId,
    /// What its owner calls it.
    pub label: &'a str,
    /// What its costs are for.
    pub tag: Option<&'a str>,
    /// What it may be used for.
    pub scopes: &'a [Scope],
    /// The models it may call. With none it may call all.
    pub models: &'a [String],
    /// What it may spend and ask.
    pub limits: &'a Limits,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// Finding a key by its hash.
pub trait FindKey {
    /// The key that `hash` finds, if there is one, with the end of that secret if it is sooner than
    /// the key's.
    fn find_key(
        &self,
        hash: &KeyHash,
        consistency: Consistency,
    ) -> impl Future<Output = Result<Option<KeyItem>, StoreError>> + Send;
}

/// What [`FindKey`] needs.
pub const FIND_KEY: Capability = Capability { actions: &[(Table::Keys, "dynamodb:GetItem")] };

impl<T: Tables> FindKey for Store<T> {
    async fn find_key(
        &self,
        hash: &KeyHash,
        consistency: Consistency,
    ) -> Result<Option<KeyItem>, StoreError> {
        let Some(item) = self.key_item(hash, consistency).await? else { return Ok(None) };
        let (key, secret) = match Reader(&item).optional_text("of") {
            None => (decode(&item)?, 0),
            Some(of) => {
                let secret = Reader(&item).number::<u32>("rotations")?;
                let of = KeyHash::parse(of).map_err(|_| Corrupt("of"))?;
                let Some(item) = self.key_item(&of, consistency).await? else { return Ok(None) };
                (decode(&item)?, secret)
            }
        };
        let ends = key.secret_ends(secret);
        let expires_at = key.expires_at.into_iter().chain(ends).min();
        Ok(Some(KeyItem { found: hash.clone(), expires_at, ..key }))
    }
}

/// Noting when keys were used.
pub trait MarkUsed {
    /// Notes that a key was used on a day that is over. Idempotent, and never goes back.
    fn mark_used(
        &self,
        hash: &KeyHash,
        day: Day,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`MarkUsed`] needs.
pub const MARK_USED: Capability = Capability { actions: &[(Table::Keys, "dynamodb:UpdateItem")] };

impl<T: Tables> MarkUsed for Store<T> {
    async fn mark_used(&self, hash: &KeyHash, day: Day) -> Result<(), StoreError> {
        let later = "attribute_not_exists(#used) OR #used < :day";
        let update = Write::update(Table::Keys, key_of(hash), "SET #used = :day")
            .only_if(format!("attribute_exists(#hash) AND ({later})"))
            .number(":day", day);
        match self.tables.write(update.repeated()).await.done() {
            // A later day is noted, or the key is gone.
            Err(StoreError::Conflict) => Ok(()),
            done => done,
        }
    }
}

/// Finding the keys of an account.
pub trait KeysOf {
    /// Those of them that may manage it and are not revoked.
    fn managers_of(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Vec<KeyItem>, StoreError>> + Send;

    /// The keys of an account, by the index. It may miss the last second.
    fn keys_of(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Vec<KeyItem>, StoreError>> + Send;
}

/// What [`KeysOf`] needs.
pub const KEYS_OF: Capability = Capability { actions: &[(Table::Keys, "dynamodb:Query")] };

impl<T: Tables> KeysOf for Store<T> {
    async fn managers_of(&self, account: &AccountId) -> Result<Vec<KeyItem>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":manages", Scope::AccountManage.name());
        let filter = "attribute_not_exists(#revoked_at) AND contains(#scopes, :manages)";
        self.keys_by_account(account, filter, terms).await
    }

    async fn keys_of(&self, account: &AccountId) -> Result<Vec<KeyItem>, StoreError> {
        // Not the secrets that rotations have made.
        self.keys_by_account(account, "attribute_exists(#scopes)", Terms::default()).await
    }
}

impl<T: Tables> Store<T> {
    async fn keys_by_account(
        &self,
        account: &AccountId,
        filter: &'static str,
        mut terms: Terms,
    ) -> Result<Vec<KeyItem>, StoreError> {
        let mut query = of_account(account);
        query.filter = Some(filter);
        query.terms.values.append(&mut terms.values);
        let mut keys = Vec::new();
        self.query_all(query, |item| {
            // One that cannot be read is no reason to know none of the others.
            keys.extend(decode(item).ok());
            Ok(())
        })
        .await?;
        Ok(keys)
    }
}

/// Making a key.
pub trait CreateKey {
    /// Writes a new key, gives it the account's next number, and says what it is. Conditional on the
    /// account's profile as it was `read`.
    fn create_key(
        &self,
        new: &NewKey<'_>,
        read: &Profile,
        now: Timestamp,
    ) -> impl Future<Output = Result<KeyItem, StoreError>> + Send;

    /// The same with a code, which it uses up: of the keys that may manage the account the new one
    /// is the first from this moment on.
    fn recover_key(
        &self,
        new: &NewKey<'_>,
        read: &Profile,
        code: &CodeHash,
        undo: Option<&Undo<'_>>,
        now: Timestamp,
    ) -> impl Future<Output = Result<KeyItem, StoreError>> + Send;
}

/// That an account has the address again that it had before.
pub struct Undo<'a> {
    /// That address.
    pub email: &'a EmailAddress,
    /// Its hash.
    pub before: &'a EmailHash,
    /// The hash of the address that it has had since.
    pub since: Option<&'a EmailHash>,
}

/// What [`CreateKey`] needs.
pub const CREATE_KEY: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:DeleteItem"),
        (Table::Keys, "dynamodb:PutItem"),
    ],
};

impl<T: Tables> CreateKey for Store<T> {
    async fn create_key(
        &self,
        new: &NewKey<'_>,
        read: &Profile,
        now: Timestamp,
    ) -> Result<KeyItem, StoreError> {
        let ordinal = read.keys.saturating_add(1);
        let key = decode(&encode(new, ordinal, now))?;
        let number = accounts::revise(read, "#keys = :ordinal", "").number(":ordinal", ordinal);
        self.persist(vec![number, put(new, ordinal, now)]).await?;
        Ok(key)
    }

    async fn recover_key(
        &self,
        new: &NewKey<'_>,
        read: &Profile,
        code: &CodeHash,
        undo: Option<&Undo<'_>>,
        now: Timestamp,
    ) -> Result<KeyItem, StoreError> {
        let (account, ordinal) = (&read.account, read.keys.saturating_add(1));
        let key = decode(&encode(new, ordinal, now))?;
        let mut writes = vec![put(new, ordinal, now), codes::use_up(code, now)];
        let sets = "#keys = :ordinal, #managed_from = :ordinal";
        let profile = match undo {
            None => accounts::revise(read, sets, ""),
            Some(undo) => {
                writes.push(emails::restore(undo.before, account, now));
                writes.extend(undo.since.map(|hash| emails::forget(hash, account)));
                let sets = format!("{sets}, #email = :email");
                accounts::revise(read, &sets, "#email_before, #email_until")
                    .text(":email", undo.email.as_str())
            }
        };
        writes.push(profile.number(":ordinal", ordinal));
        self.persist(writes).await?;
        Ok(key)
    }
}

/// A new key, as the account's key of this number.
pub(super) fn put(new: &NewKey<'_>, ordinal: u32, now: Timestamp) -> Write {
    Write::put(Table::Keys, encode(new, ordinal, now)).only_if("attribute_not_exists(#hash)")
}

impl<T: Tables> Store<T> {
    async fn key_item(
        &self,
        hash: &KeyHash,
        consistency: Consistency,
    ) -> Result<Option<Item>, StoreError> {
        self.tables.get(Get { table: Table::Keys, key: key_of(hash), consistency }).await
    }
}

/// The items of an account, by the index: its keys, and the secrets that rotations have made.
pub(super) fn of_account(account: &AccountId) -> Query {
    let mut terms = Terms::default();
    terms.text(":account", account);
    Query {
        index: Some("by_account"),
        consistency: Consistency::Eventual,
        ..Query::strong(Table::Keys, "#account = :account", terms)
    }
}

/// The primary key of an item that was read.
pub(super) fn primary(item: &Item) -> Result<Item, Corrupt> {
    Ok(Writer::default().text("hash", Reader(item).text("hash")?).item())
}

/// The primary key.
fn key_of(hash: &KeyHash) -> Item {
    Item::from([("hash".to_owned(), AttributeValue::S(hash.as_str().to_owned()))])
}

fn encode(new: &NewKey<'_>, ordinal: u32, now: Timestamp) -> Item {
    let mut item = Writer::default()
        .text("hash", new.hash.as_str())
        .text("account", new.account)
        .text("key_id", new.key)
        .number("ordinal", ordinal)
        .text("label", new.label)
        .texts("scopes", set(new.scopes.iter().map(|scope| scope.name())))
        .number("created_at", now.seconds());
    if !new.models.is_empty() {
        item = item.texts("models", set(new.models.iter().map(String::as_str)));
    }
    if let Some(tag) = new.tag {
        item = item.text("tag", tag);
    }
    if let Some(at) = new.expires_at {
        item = item.number("expires_at", at.seconds());
    }
    if new.limits.any() {
        item = hold::encode_limits(item, new.limits)
            .number("closed", now.hour().previous().previous());
    }
    item.item()
}

/// The elements of a set, which has none twice.
fn set<'a>(texts: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    texts.map(str::to_owned).collect::<BTreeSet<_>>().into_iter()
}

/// Reads a key. Sets come in no order of theirs.
fn decode(item: &Item) -> Result<KeyItem, Corrupt> {
    let reader = Reader(item);
    let models = item.contains_key("models").then(|| reader.texts("models")).transpose()?;
    let scopes = reader.texts("scopes")?.iter().filter_map(|name| Scope::named(name));
    let hash = KeyHash::parse(reader.text("hash")?).map_err(|_| Corrupt("hash"))?;
    Ok(KeyItem {
        found: hash.clone(),
        hash,
        account: reader.parsed("account")?,
        key: reader.parsed("key_id")?,
        ordinal: reader.optional_number("ordinal")?.unwrap_or(0),
        label: reader.text("label")?.to_owned(),
        tag: reader.optional_text("tag").map(str::to_owned),
        scopes: scopes.collect::<BTreeSet<_>>().into_iter().collect(),
        models: models
            .into_iter()
            .flatten()
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect(),
        limits: hold::limits_of(item)?,
        created_at: reader.seconds("created_at")?,
        expires_at: reader.optional_number("expires_at")?.map(Timestamp::from_seconds),
        revoked_at: reader.optional_number("revoked_at")?.map(Timestamp::from_millis),
        used: reader.optional_number("used")?,
        rotations: reader.optional_number("rotations")?.unwrap_or(0),
        until: reader.optional_number("until")?.map(Timestamp::from_millis),
    })
}
