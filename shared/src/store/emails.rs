//! Which account an e-mail address is of, among the parts of Accounts.
//!
//! | attribute    | holds                                                                |
//! |--------------|----------------------------------------------------------------------|
//! | `account`    | `email#HASH`, the keyed hash of the address                          |
//! | `part`       | `account`                                                            |
//! | `of`         | the account                                                          |
//! | `until`      | of the address before: until when it can undo that, seconds since the epoch |
//! | `expires_at` | TTL: the same                                                        |
//!
//! Written, read and deleted by account; an address is of one account at most.

use std::time::Duration;

use super::{
    Capability, Consistency, Store, StoreError, Table,
    accounts::named_part,
    item::{Reader, Writer},
    tables::{Get, Item, Tables, Write},
};
use crate::{id::AccountId, key::EmailHash, time::Timestamp};

/// For how long the address before can undo that the account has another: whoever has stolen a key
/// may have changed it.
pub const UNDO: Duration = Duration::from_secs(7 * 24 * 3_600);

/// An address that is of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundEmail {
    /// What it is found by.
    pub hash: EmailHash,
    /// Whose it is.
    pub account: AccountId,
    /// Whether it is the account's, or was before.
    pub place: Place,
}

/// Whether an address is its account's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is.
    Current,
    /// It was, and can undo that it is not any more.
    Before,
}

/// Finding an account by its address.
pub trait FindEmail {
    /// The account of an address, of which these are the hashes.
    fn find_email(
        &self,
        hashes: Vec<EmailHash>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<FoundEmail>, StoreError>> + Send;
}

/// What [`FindEmail`] needs.
pub const FIND_EMAIL: Capability = Capability { actions: &[(Table::Accounts, "dynamodb:GetItem")] };

impl<T: Tables> FindEmail for Store<T> {
    async fn find_email(
        &self,
        hashes: Vec<EmailHash>,
        now: Timestamp,
    ) -> Result<Option<FoundEmail>, StoreError> {
        for hash in hashes {
            let consistency = Consistency::Strong;
            let get = Get { table: Table::Accounts, key: key_of(&hash), consistency };
            let Some(item) = self.tables.get(get).await? else { continue };
            let reader = Reader(&item);
            let until = reader.optional_number("until")?.map(Timestamp::from_seconds);
            if until.is_none_or(|until| until > now) {
                let place = if until.is_none() { Place::Current } else { Place::Before };
                return Ok(Some(FoundEmail { hash, account: reader.parsed("of")?, place }));
            }
        }
        Ok(None)
    }
}

/// Gives an address to an account, if it is nobody's.
pub(super) fn take(hash: &EmailHash, account: &AccountId, now: Timestamp) -> Write {
    let item = Writer::from(key_of(hash)).text("of", account);
    Write::put(Table::Accounts, item.item())
        .only_if("attribute_not_exists(#account) OR #until <= :now")
        .number(":now", now.seconds())
}

/// Takes an address from an account that has it, which can undo that until then.
pub(super) fn leave(hash: &EmailHash, account: &AccountId, until: Timestamp) -> Write {
    Write::update(Table::Accounts, key_of(hash), "SET #until = :until, #expires_at = :until")
        .only_if("#of = :account AND attribute_not_exists(#until)")
        .text(":account", account)
        .number(":until", until.seconds())
}

/// Gives an account the address that it had before.
pub(super) fn restore(hash: &EmailHash, account: &AccountId, now: Timestamp) -> Write {
    Write::update(Table::Accounts, key_of(hash), "REMOVE #until, #expires_at")
        .only_if("#of = :account AND #until > :now")
        .text(":account", account)
        .number(":now", now.seconds())
}

/// Takes an address from an account for good.
pub(super) fn forget(hash: &EmailHash, account: &AccountId) -> Write {
    Write::delete(Table::Accounts, key_of(hash)).only_if("#of = :account").text(":account", account)
}

/// What stands in place of an account's id.
pub(super) fn name(hash: &EmailHash) -> String {
    format!("email#{}", hash.as_str())
}

pub(super) fn key_of(hash: &EmailHash) -> Item {
    named_part(&name(hash), "account")
}
