//! What the owner of a key changes in it. The wallet has to be told afterwards, see
//! [`ChangeWallet::require_fresh_keys`](crate::store::wallet::ChangeWallet::require_fresh_keys).
//!
//! A key may be found by two secrets. The item of the first that it ever had is the key itself, and
//! never moves, so that its books, its name and its records stay; the others point to it, each with
//! the number of the rotation that has made it. The newest finds the key, and the one before until
//! the end that the rotation has given it: both are said by the key's own item, so that a rotation
//! is one conditional write to it.

use super::{ATTEMPTS, KeyItem, budget, decode, key_of, set};
use crate::{
    key::KeyHash,
    limits::Limits,
    store::{
        Capability, Consistency, Store, StoreError, Table,
        accounts::{self, Profile},
        hold,
        item::Writer,
        tables::{Tables, Write},
    },
    time::Timestamp,
};

/// What is changed. What is none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange<'a> {
    /// What its owner calls it.
    pub label: Option<&'a str>,
    /// What its costs are for, or that this is not said.
    pub tag: Option<Option<&'a str>>,
    /// The models it may call; with an empty list all.
    pub models: Option<&'a [String]>,
    /// When it ends, or that it does not.
    pub expires_at: Option<Option<Timestamp>>,
}

/// Changing keys.
pub trait ChangeKeys {
    /// Changes what a key is. Idempotent. A key that is not there, or revoked, is a conflict. Of a
    /// key that manages its account and is to end, it is conditional on the profile as it was
    /// `read`, too.
    fn change_key(
        &self,
        hash: &KeyHash,
        change: &KeyChange<'_>,
        read: Option<&Profile>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Sets what a key may spend and ask. What it has spent since it first had a limit counts; of a
    /// key without any nothing is counted. Conditional on its limits as they were read; idempotent.
    fn set_key_limits(
        &self,
        hash: &KeyHash,
        limits: &Limits,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Lets the key be found under `new`, and until `until` under the secret before; all earlier ones
    /// end. `read` is the key as it stands: conditional on that no other rotation came in between,
    /// and on that it is not revoked; of a key that manages its account also on the profile as it
    /// was read.
    fn rotate_key(
        &self,
        read: &KeyItem,
        new: &KeyHash,
        until: Timestamp,
        profile: Option<&Profile>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Marks a key as revoked, whichever secret finds it. Idempotent: the first time stands. Of a
    /// key that manages its account it is conditional on the profile as it was `read`.
    fn revoke_key(
        &self,
        hash: &KeyHash,
        read: Option<&Profile>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A key as it stands, strongly consistent.
    fn read_key(
        &self,
        hash: &KeyHash,
    ) -> impl Future<Output = Result<Option<KeyItem>, StoreError>> + Send;
}

/// What [`ChangeKeys`] needs.
pub const CHANGE_KEYS: Capability = Capability {
    actions: &[
        (Table::Keys, "dynamodb:GetItem"),
        (Table::Keys, "dynamodb:PutItem"),
        (Table::Keys, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:UpdateItem"),
    ],
};

/// A key that is there and not revoked.
const LIVE: &str = "attribute_exists(#hash) AND attribute_not_exists(#revoked_at)";

impl<T: Tables> ChangeKeys for Store<T> {
    async fn change_key(
        &self,
        hash: &KeyHash,
        change: &KeyChange<'_>,
        read: Option<&Profile>,
    ) -> Result<(), StoreError> {
        let (mut sets, mut removes) = (Vec::new(), Vec::new());
        if change.label.is_some() {
            sets.push("#label = :label");
        }
        match change.tag {
            Some(None) => removes.push("#tag"),
            Some(Some(_)) => sets.push("#tag = :tag"),
            None => {}
        }
        match change.models {
            Some([]) => removes.push("#models"),
            Some(_) => sets.push("#models = :models"),
            None => {}
        }
        match change.expires_at {
            Some(None) => removes.push("#expires_at"),
            Some(Some(_)) => sets.push("#expires_at = :at"),
            None => {}
        }
        let clause = |word: &str, parts: Vec<&str>| match parts.is_empty() {
            true => String::new(),
            false => format!("{word} {} ", parts.join(", ")),
        };
        let update = format!("{}{}", clause("SET", sets), clause("REMOVE", removes));
        if update.is_empty() {
            return Ok(());
        }
        let mut write = Write::update(Table::Keys, key_of(hash), update.trim_end()).only_if(LIVE);
        if let Some(label) = change.label {
            write = write.text(":label", label);
        }
        if let Some(tag) = change.tag.flatten() {
            write = write.text(":tag", tag);
        }
        if let Some(models) = change.models.filter(|models| !models.is_empty()) {
            write = write.texts(":models", set(models.iter().map(String::as_str)));
        }
        if let Some(at) = change.expires_at.flatten() {
            write = write.number(":at", at.seconds());
        }
        self.guarded(write, read).await
    }

    async fn set_key_limits(
        &self,
        hash: &KeyHash,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 0..ATTEMPTS {
            let item =
                self.key_item(hash, Consistency::Strong).await?.ok_or(StoreError::Conflict)?;
            let mut filled = Ok(());
            let write = budget::purse(hash).write(|expression, terms| {
                expression.only_if("attribute_exists(#hash)");
                filled = hold::write_limits(&item, limits, now.hour(), expression, terms);
                expression.set("#closed = if_not_exists(#closed, :before)");
                // Calls of the hour before may still come, of a clock that is behind.
                terms.number(":before", now.hour().previous().previous());
            });
            filled?;
            match self.tables.write(write.repeated()).await.done() {
                Err(StoreError::Conflict) => {}
                done => return done,
            }
        }
        Err(StoreError::Unavailable)
    }

    async fn rotate_key(
        &self,
        read: &KeyItem,
        new: &KeyHash,
        until: Timestamp,
        profile: Option<&Profile>,
    ) -> Result<(), StoreError> {
        let next = read.rotations.saturating_add(1);
        // Nobody has the secret yet, and it finds nothing before the key's item counts so far.
        let secret = Writer::default()
            .text("hash", new.as_str())
            .text("account", &read.account)
            .text("key_id", &read.key)
            .text("of", read.hash.as_str())
            .number("rotations", next);
        let put = Write::put(Table::Keys, secret.item()).only_if("attribute_not_exists(#hash)");
        self.tables.write(put).await.done()?;
        let last = match read.rotations {
            0 => "attribute_not_exists(#rotations)",
            _ => "#rotations = :last",
        };
        let update = "SET #rotations = :next, #until = :until";
        let mut count = Write::update(Table::Keys, key_of(&read.hash), update)
            .only_if(format!("{LIVE} AND {last}"))
            .number(":next", next)
            .number(":until", until.millis());
        if read.rotations > 0 {
            count = count.number(":last", read.rotations);
        }
        match self.guarded(count, profile).await {
            Err(StoreError::Unavailable) => {
                // Whether it was written or another rotation was: the secret is of that number.
                let now = self.read_key(&read.hash).await?.ok_or(StoreError::Conflict)?;
                if now.rotations == next { Ok(()) } else { Err(StoreError::Unavailable) }
            }
            done => done,
        }
    }

    async fn revoke_key(
        &self,
        hash: &KeyHash,
        read: Option<&Profile>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let revoke = "SET #revoked_at = if_not_exists(#revoked_at, :now)";
        let update = Write::update(Table::Keys, key_of(hash), revoke)
            .only_if("attribute_exists(#hash)")
            .number(":now", now.millis());
        self.guarded(update, read).await
    }

    async fn read_key(&self, hash: &KeyHash) -> Result<Option<KeyItem>, StoreError> {
        let item = self.key_item(hash, Consistency::Strong).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }
}

impl<T: Tables> Store<T> {
    /// A write to a key, if its account's profile is as it was read, where that matters.
    async fn guarded(&self, write: Write, read: Option<&Profile>) -> Result<(), StoreError> {
        match read {
            None => self.tables.write(write).await.done(),
            Some(read) => self.persist(vec![write, accounts::revise(read, "", "")]).await,
        }
    }
}
