//! Accounts, the wallet apart.
//!
//! | `part`                     | attributes                  | holds                          |
//! |----------------------------|-----------------------------|--------------------------------|
//! | `profile`                  | `created_at`, `keys`        | since when there is an account, and how many keys it has had |
//! | `consent#PROVIDER#VERSION` | `time`                      | an agreement, for evidence     |
//!
//! Written and read by account. They live until the account is closed.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Capability, Store, StoreError, Table,
    item::Writer,
    tables::{Item, Tables, Write},
    wallet::{State, WALLET, consent_attribute},
};
use crate::{id::AccountId, provider::Provider, time::Timestamp};

/// A new account.
pub struct NewAccount<'a> {
    /// Its id.
    pub account: &'a AccountId,
    /// The providers its calls may go to.
    pub consents: &'a [Provider],
    /// The major policy version agreed to.
    pub policy: u32,
}

/// Creating an account.
pub trait CreateAccount {
    /// Creates an account with an empty wallet, in one transaction. Conditional: an account that
    /// exists is a conflict.
    fn create_account(
        &self,
        new: &NewAccount<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`CreateAccount`] needs.
pub const CREATE_ACCOUNT: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:PutItem")] };

impl<T: Tables> CreateAccount for Store<T> {
    async fn create_account(&self, new: &NewAccount<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut wallet = part(new.account, WALLET)
            .number("balance", 0)
            .number("closed", now.hour().previous())
            .text("state", State::Active.name())
            .number("auth_after", 0);
        for provider in new.consents {
            wallet = wallet.number(&consent_attribute(*provider), new.policy);
        }
        let profile = part(new.account, "profile").number("created_at", now.seconds());
        let consents = new
            .consents
            .iter()
            .map(|provider| consent_part(new.account, *provider, new.policy, now));
        let items = [wallet.item(), profile.item()].into_iter().chain(consents);
        let put = |item: Item| {
            Write::put(Table::Accounts, item).only_if("attribute_not_exists(#account)")
        };
        self.tables.transact(items.map(put).collect()).await.done()
    }
}

/// An agreement, as evidence.
pub(super) fn consent_part(
    account: &AccountId,
    provider: Provider,
    policy: u32,
    now: Timestamp,
) -> Item {
    part(account, &format!("consent#{provider}#{policy}")).number("time", now.seconds()).item()
}

fn part(account: &AccountId, part: &str) -> Writer {
    Writer::default().text("account", account).text("part", part)
}

/// The primary key of a part of an account.
pub(super) fn part_key(account: &AccountId, part: &str) -> Item {
    Item::from([
        ("account".to_owned(), AttributeValue::S(account.to_string())),
        ("part".to_owned(), AttributeValue::S(part.to_owned())),
    ])
}
