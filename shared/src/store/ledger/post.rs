//! Posting an entry: the entry and the balance in one transaction, once.

use super::{Entry, LedgerEntry, decode};
use crate::{
    money::Pico,
    store::{
        Capability, Consistency, Store, StoreError, Table,
        accounts::part_key,
        tables::{Get, Outcome, Tables, Write},
        wallet::{ReadWallet, WALLET},
    },
    time::Timestamp,
};

/// What became of an entry that is in the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It was entered now.
    Now,
    /// It was entered before, at this time, and nothing has changed now.
    Before(Timestamp),
}

/// Why an entry was not posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// There is an entry of this kind and reference, and its amount is another.
    #[error("there is another entry of this kind and reference")]
    Different,
    /// There is no such wallet.
    #[error("there is no such account")]
    UnknownAccount,
    /// It lowers the balance, which does not cover it.
    #[error("the balance does not cover the entry")]
    BalanceTooLow,
    /// It is not known whether it was entered. Posting it again is safe.
    #[error("the store is unavailable")]
    Unavailable,
}

impl From<StoreError> for EntryError {
    fn from(_: StoreError) -> Self {
        Self::Unavailable
    }
}

/// Posting entries.
pub trait PostEntry {
    /// Puts the entry into the ledger and its amount into the balance, or neither. Conditional on
    /// the entry's id, and so idempotent: posted again it says that it was posted before.
    fn post_entry(
        &self,
        entry: &Entry<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Posted, EntryError>> + Send;
}

/// What [`PostEntry`] needs.
pub const POST_ENTRY: Capability = Capability {
    actions: &[
        (Table::Ledger, "dynamodb:PutItem"),
        (Table::Ledger, "dynamodb:GetItem"),
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:GetItem"),
    ],
};

const CHANGE: &str = "ADD #balance :amount";
const RAISE_IF: &str = "attribute_exists(#account)";
const LOWER_IF: &str = "attribute_exists(#account) AND #balance >= :least";

impl<T: Tables> PostEntry for Store<T> {
    async fn post_entry(&self, entry: &Entry<'_>, now: Timestamp) -> Result<Posted, EntryError> {
        let put = entry.put(self.kept_until(now.hour().day()), now);
        let amount = entry.amount();
        let change = Write::update(Table::Accounts, part_key(entry.account(), WALLET), CHANGE)
            .number(":amount", amount.pico());
        let change = if amount < Pico::ZERO {
            change.only_if(LOWER_IF).number(":least", amount.pico().saturating_neg())
        } else {
            change.only_if(RAISE_IF)
        };
        match self.tables.transact(vec![put, change]).await {
            Outcome::Done => Ok(Posted::Now),
            Outcome::Refused(_) => self.why_refused(entry).await,
            Outcome::NothingWritten | Outcome::Unknown => Err(EntryError::Unavailable),
        }
    }
}

impl<T: Tables> Store<T> {
    /// A transaction does not say which of its conditions did not hold. Entries are never changed
    /// and kept for years, so what is read now says it.
    async fn why_refused(&self, entry: &Entry<'_>) -> Result<Posted, EntryError> {
        if let Some(found) = self.find_entry(entry).await? {
            let same = found.amount == entry.amount();
            return same.then_some(Posted::Before(found.time)).ok_or(EntryError::Different);
        }
        let wallet = self.read_wallet(entry.account()).await?;
        let wallet = wallet.ok_or(EntryError::UnknownAccount)?;
        let left = wallet.balance.checked_add(entry.amount());
        if entry.amount() < Pico::ZERO && left.is_none_or(|left| left < Pico::ZERO) {
            return Err(EntryError::BalanceTooLow);
        }
        // Whatever was in its way is there no longer.
        Err(EntryError::Unavailable)
    }

    async fn find_entry(&self, entry: &Entry<'_>) -> Result<Option<LedgerEntry>, StoreError> {
        let get = Get { table: Table::Ledger, key: entry.key(), consistency: Consistency::Strong };
        let item = self.tables.get(get).await?;
        Ok(item.as_ref().map(decode).transpose()?.flatten())
    }
}
