//! The ledger: payment records, kept as long as the law asks.
//!
//! | attribute | holds                                        |
//! |-----------|----------------------------------------------|
//! | `account` | partition key                                |
//! | `entry`   | sort key: a deterministic id                 |
//! | `kind`    | `top_up`                                     |
//! | `amount`  | pico-dollars added to the balance            |
//! | `time`    | seconds since the epoch                      |
//!
//! Written by account; read by usage and account.

use super::{
    Capability, Store, StoreError, Table,
    accounts::part_key,
    item::Writer,
    tables::{Tables, Write},
    wallet::WALLET,
};
use crate::{id::AccountId, money::Pico, time::Timestamp};

/// Money that came in.
pub struct TopUp<'a> {
    /// Whose balance it goes to.
    pub account: &'a AccountId,
    /// What names this payment and no other. Sent twice, it is credited once.
    pub reference: &'a str,
    /// How much.
    pub amount: Pico,
}

/// Crediting an account.
pub trait Credit {
    /// Credits a top-up: the entry and the balance in one transaction. Idempotent by `reference`:
    /// it is a conflict when it was credited before, or when there is no such wallet.
    fn credit(
        &self,
        top_up: &TopUp<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`Credit`] needs.
pub const CREDIT: Capability = Capability {
    actions: &[(Table::Ledger, "dynamodb:PutItem"), (Table::Accounts, "dynamodb:UpdateItem")],
};

impl<T: Tables> Credit for Store<T> {
    async fn credit(&self, top_up: &TopUp<'_>, now: Timestamp) -> Result<(), StoreError> {
        let entry = Writer::default()
            .text("account", top_up.account)
            .text("entry", format!("top_up#{}", top_up.reference))
            .text("kind", "top_up")
            .money("amount", top_up.amount)
            .number("time", now.seconds());
        let put = Write::put(Table::Ledger, entry.item()).only_if("attribute_not_exists(#entry)");
        let credit = Write::update(
            Table::Accounts,
            part_key(top_up.account, WALLET),
            "ADD #balance :amount",
        )
        .only_if("attribute_exists(#account)")
        .number(":amount", top_up.amount.pico());
        self.tables.transact(vec![put, credit]).await.done()
    }
}
