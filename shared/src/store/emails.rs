//! Which account an e-mail address is of, among the parts of Accounts.
//!
//! | attribute | holds                                          |
//! |-----------|------------------------------------------------|
//! | `account` | `email#HASH`, the keyed hash of the address    |
//! | `part`    | `account`                                      |
//! | `of`      | the account                                    |
//!
//! Written, read and deleted by account; an address is of one account at most.

use super::{
    Capability, Consistency, Store, StoreError, Table,
    accounts::named_part,
    item::{Reader, Writer},
    tables::{Get, Item, Tables, Write},
};
use crate::{id::AccountId, key::EmailHash};

/// Finding an account by its address.
pub trait FindEmail {
    /// The account of an address, of which these are the hashes, and the one that it is found by.
    fn find_email(
        &self,
        hashes: Vec<EmailHash>,
    ) -> impl Future<Output = Result<Option<(EmailHash, AccountId)>, StoreError>> + Send;
}

/// What [`FindEmail`] needs.
pub const FIND_EMAIL: Capability = Capability { actions: &[(Table::Accounts, "dynamodb:GetItem")] };

impl<T: Tables> FindEmail for Store<T> {
    async fn find_email(
        &self,
        hashes: Vec<EmailHash>,
    ) -> Result<Option<(EmailHash, AccountId)>, StoreError> {
        for hash in hashes {
            let consistency = Consistency::Strong;
            let get = Get { table: Table::Accounts, key: key_of(&hash), consistency };
            if let Some(item) = self.tables.get(get).await? {
                return Ok(Some((hash, Reader(&item).parsed("of")?)));
            }
        }
        Ok(None)
    }
}

/// Gives an address to an account, if it is nobody's.
pub(super) fn take(hash: &EmailHash, account: &AccountId) -> Write {
    let item = Writer::from(key_of(hash)).text("of", account);
    Write::put(Table::Accounts, item.item()).only_if("attribute_not_exists(#account)")
}

/// Takes an address from an account that has it.
pub(super) fn leave(hash: &EmailHash, account: &AccountId) -> Write {
    Write::delete(Table::Accounts, key_of(hash)).only_if("#of = :account").text(":account", account)
}

/// What stands in place of an account's id.
pub(super) fn name(hash: &EmailHash) -> String {
    format!("email#{}", hash.as_str())
}

fn key_of(hash: &EmailHash) -> Item {
    named_part(&name(hash), "account")
}
