//! Codes that were sent by e-mail, among the parts of Accounts.
//!
//! | attribute    | holds                                                   |
//! |--------------|---------------------------------------------------------|
//! | `account`    | `code#HASH`, the keyed hash of the code                 |
//! | `part`       | `code`                                                  |
//! | `managed_from` | of a code that recovers: that of its account as it was asked for |
//! | `expires_at` | until when it is good, and TTL, seconds since the epoch |
//!
//! Written, read and deleted by account. What a code is for and where it was sent is in its hash, so
//! that of somebody who never comes back nothing else is kept. It is used up in the transaction that
//! does what it is for. A recovery leaves none good that was asked for before it.

use super::{
    Capability, Consistency, Store, StoreError, Table,
    accounts::named_part,
    item::{Reader, Writer},
    tables::{Get, Item, Tables, Write},
};
use crate::{code::CODE_LIFE, key::CodeHash, time::Timestamp};

/// A code, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCode {
    /// What it is found by.
    pub hash: CodeHash,
    /// Of one that recovers: the account's
    /// [`managed_from`](crate::store::accounts::Profile::managed_from) as it was asked for.
    pub managed_from: Option<u32>,
}

/// Keeping codes.
pub trait Codes {
    /// Writes a code that is about to be sent.
    fn put_code(
        &self,
        code: &SealedCode,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Which of these there is, and is good at `now`.
    fn find_code(
        &self,
        codes: Vec<CodeHash>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<SealedCode>, StoreError>> + Send;
}

/// What [`Codes`] and what uses a code up need.
pub const CODES: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:GetItem"),
        (Table::Accounts, "dynamodb:DeleteItem"),
    ],
};

impl<T: Tables> Codes for Store<T> {
    async fn put_code(&self, code: &SealedCode, now: Timestamp) -> Result<(), StoreError> {
        let expires_at = now.plus(CODE_LIFE).seconds();
        let mut item = Writer::from(key_of(&code.hash)).number("expires_at", expires_at);
        if let Some(from) = code.managed_from {
            item = item.number("managed_from", from);
        }
        self.tables.write(Write::put(Table::Accounts, item.item())).await.done()
    }

    async fn find_code(
        &self,
        codes: Vec<CodeHash>,
        now: Timestamp,
    ) -> Result<Option<SealedCode>, StoreError> {
        for hash in codes {
            let consistency = Consistency::Strong;
            let get = Get { table: Table::Accounts, key: key_of(&hash), consistency };
            let Some(item) = self.tables.get(get).await? else { continue };
            let reader = Reader(&item);
            if reader.seconds("expires_at")? > now {
                let managed_from = reader.optional_number("managed_from")?;
                return Ok(Some(SealedCode { hash, managed_from }));
            }
        }
        Ok(None)
    }
}

/// Uses a code up, if it is there and good.
pub(super) fn use_up(code: &CodeHash, now: Timestamp) -> Write {
    Write::delete(Table::Accounts, key_of(code))
        .only_if("#expires_at > :now")
        .number(":now", now.seconds())
}

fn key_of(code: &CodeHash) -> Item {
    named_part(&format!("code#{}", code.as_str()), "code")
}
