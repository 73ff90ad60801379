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

use super::{
    Capability, Corrupt, Store, StoreError, Table,
    item::{Item, Reader, Writer},
    outcome,
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

/// How fresh a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// May miss the last second.
    Eventual,
    /// Sees every write before it, for twice the price.
    Strong,
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

impl FindKey for Store {
    async fn find_key(
        &self,
        hash: &KeyHash,
        consistency: Consistency,
    ) -> Result<Option<KeyItem>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(self.name(Table::Keys))
            .key("hash", AttributeValue::S(hash.as_str().to_owned()))
            .consistent_read(consistency == Consistency::Strong)
            .send()
            .await
            .map_err(|error| outcome::kind(&error))?;
        Ok(answer.item.as_ref().map(decode).transpose()?)
    }
}

impl Store {
    /// Writes a new key. Conditional: a hash that exists is a conflict.
    ///
    /// # Errors
    /// When the store fails or the key exists.
    pub async fn create_key(&self, key: &KeyItem) -> Result<(), StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(self.name(Table::Keys))
            .set_item(Some(encode(key)))
            .condition_expression("attribute_not_exists(#hash)")
            .expression_attribute_names("#hash", "hash");
        put.send().await.map(drop).map_err(|error| outcome::kind(&error))
    }

    /// Marks a key as revoked. Idempotent: the first time stands.
    ///
    /// The wallet has to be told afterwards, see [`Store::require_fresh_keys`].
    ///
    /// # Errors
    /// When the store fails or there is no such key.
    pub async fn revoke_key(&self, hash: &KeyHash, now: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(self.name(Table::Keys))
            .key("hash", AttributeValue::S(hash.as_str().to_owned()))
            .update_expression("SET #revoked_at = if_not_exists(#revoked_at, :now)")
            .condition_expression("attribute_exists(#hash)")
            .expression_attribute_names("#hash", "hash")
            .expression_attribute_names("#revoked_at", "revoked_at")
            .expression_attribute_values(":now", AttributeValue::N(now.millis().to_string()));
        update.send().await.map(drop).map_err(|error| outcome::kind(&error))
    }
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
