//! Keys.
//!
//! | attribute    | holds                                                  |
//! |--------------|--------------------------------------------------------|
//! | `hash`       | partition key: pepper version and HMAC of the key      |
//! | `account`    | whose it is; partition key of the index `by_account`   |
//! | `key_id`     | its name everywhere else; sort key of that index       |
//! | `label`      | what its owner calls it                                |
//! | `scopes`     | what it may be used for                                |
//! | `created_at` | seconds since the epoch                                |
//! | `revoked_at` | milliseconds since the epoch, once it is revoked       |
//!
//! Written by account; read by authorizer and proxy. It lives until it is revoked.

use aws_sdk_dynamodb::types::AttributeValue;

pub use super::Consistency;
use super::{
    Capability, Corrupt, Store, StoreError, Table,
    item::{Reader, Writer},
    tables::{Get, Item, Tables, Write},
};
use crate::{
    caller::Scope,
    id::{AccountId, KeyId},
    key::KeyHash,
    time::Timestamp,
};

/// A key, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyItem {
    /// The hash it is found by.
    pub hash: KeyHash,
    /// Whose it is.
    pub account: AccountId,
    /// Its name everywhere else.
    pub key: KeyId,
    /// What its owner calls it.
    pub label: String,
    /// What it may be used for.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Finding a key by its hash.
pub trait FindKey {
    /// The key under `hash`, if there is one.
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
        let get = Get { table: Table::Keys, key: key_of(hash), consistency };
        let item = self.tables.get(get).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }
}

impl<T: Tables> Store<T> {
    /// Writes a new key. Conditional: a hash that exists is a conflict.
    ///
    /// # Errors
    /// When the store fails or the key exists.
    pub async fn create_key(&self, key: &KeyItem) -> Result<(), StoreError> {
        let put = Write::put(Table::Keys, encode(key)).only_if("attribute_not_exists(#hash)");
        self.tables.write(put).await.done()
    }

    /// Marks a key as revoked. Idempotent: the first time stands.
    ///
    /// The wallet has to be told afterwards, see [`Store::require_fresh_keys`].
    ///
    /// # Errors
    /// When the store fails or there is no such key.
    pub async fn revoke_key(&self, hash: &KeyHash, now: Timestamp) -> Result<(), StoreError> {
        let revoke = "SET #revoked_at = if_not_exists(#revoked_at, :now)";
        let update = Write::update(Table::Keys, key_of(hash), revoke)
            .only_if("attribute_exists(#hash)")
            .number(":now", now.millis());
        self.tables.write(update).await.done()
    }
}

/// The primary key.
fn key_of(hash: &KeyHash) -> Item {
    Item::from([("hash".to_owned(), AttributeValue::S(hash.as_str().to_owned()))])
}

fn encode(key: &KeyItem) -> Item {
    let item = Writer::default()
        .text("hash", key.hash.as_str())
        .text("account", &key.account)
        .text("key_id", &key.key)
        .text("label", &key.label)
        .texts("scopes", key.scopes.iter().map(|scope| scope.name().to_owned()))
        .number("created_at", key.created_at.seconds());
    match key.revoked_at {
        Some(at) => item.number("revoked_at", at.millis()).item(),
        None => item.item(),
    }
}

fn decode(item: &Item) -> Result<KeyItem, Corrupt> {
    let reader = Reader(item);
    Ok(KeyItem {
        hash: KeyHash::parse(reader.text("hash")?).map_err(|_| Corrupt("hash"))?,
        account: reader.parsed("account")?,
        key: reader.parsed("key_id")?,
        label: reader.text("label")?.to_owned(),
        scopes: reader.texts("scopes")?.iter().filter_map(|name| Scope::named(name)).collect(),
        created_at: reader.seconds("created_at")?,
        revoked_at: reader.optional_number("revoked_at")?.map(Timestamp::from_millis),
    })
}
