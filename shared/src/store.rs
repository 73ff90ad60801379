//! The four tables. No expression string stands outside this folder.
//!
//! What a function may do is a narrow trait, one per capability. A [`Capability`] says which
//! AWS actions on which tables each one needs, every function lists its own, and a test compares
//! that with `template.yaml`.

pub mod accesses;
pub mod accounts;
pub mod alerts;
pub mod calls;
pub mod codes;
pub mod consents;
pub mod copies;
pub mod emails;
mod hold;
mod item;
pub mod keys;
pub mod ledger;
pub mod lines;
pub mod markers;
pub mod notices;
pub mod pace;
pub mod policies;
pub mod receipts;
pub mod reports;
pub mod rollups;
pub mod tables;
pub mod wallet;

use std::{ops::ControlFlow, time::Duration};

use self::tables::{Aws, Tables};
pub use self::{
    hold::{Exceeded, Left},
    item::Corrupt,
};
use crate::{
    config::StoreConfig,
    time::{Day, Timestamp},
};

/// A table, by the noun for what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Wallets, profiles, consents.
    Accounts,
    /// Keys by their hash.
    Keys,
    /// Records of calls, for seven days.
    Calls,
    /// Payment records.
    Ledger,
}

/// One thing a function may do to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The actions AWS has to allow.
    pub actions: &'static [(Table, &'static str)],
}

/// The store did not do what it was asked, or its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store could not be reached, refused or did not answer in time.
    #[error("the store is unavailable")]
    Unavailable,
    /// A condition of the write did not hold: it had been done before, or something is in its way.
    #[error("a condition did not hold")]
    Conflict,
    /// An item is not what it should be.
    #[error("{0}")]
    Corrupt(#[from] Corrupt),
}

/// How fresh a read has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consistency {
    /// May miss the last second.
    Eventual,
    /// Sees every write before it, for twice the price.
    Strong,
}

/// What a page of a scan has found.
#[derive(Clone, Debug)]
pub struct Found<T> {
    /// What was looked for.
    pub items: Vec<T>,
    /// How many items are not what they should be. They stop nobody else's.
    pub corrupt: u64,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

impl<T> Found<T> {
    fn of(page: tables::Page, decode: impl Fn(&tables::Item) -> Result<T, Corrupt>) -> Self {
        let mut found = Self { items: Vec::new(), corrupt: 0, next: page.next.map(Cursor) };
        for item in &page.items {
            match decode(item) {
                Ok(item) => found.items.push(item),
                Err(_) => found.corrupt = found.corrupt.saturating_add(1),
            }
        }
        found
    }
}

/// Where a page of a scan ended.
#[derive(Clone, Debug)]
pub struct Cursor(tables::Item);

/// How long a transaction waits that another write was in the way of, each time. Two that were in
/// each other's do not meet again, since one of them was done.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(30),
    Duration::from_millis(90),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

/// What is stored and how: the items and expressions of this folder, over [`Tables`].
#[derive(Clone)]
pub struct Store<T = Aws> {
    tables: T,
    payment_years: u16,
}

/// For how many years payment records are kept, if nobody says: as long as the law asks for in most
/// places.
pub const PAYMENT_YEARS: u16 = 10;

impl Store {
    /// Makes the clients. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: StoreConfig) -> Result<Self, crate::tls::TlsError> {
        let payment_years = config.payment_years;
        Aws::connect(config).map(|tables| Self { tables, payment_years })
    }
}

impl<T: Tables> Store<T> {
    /// Over these tables.
    pub const fn over(tables: T) -> Self {
        Self { tables, payment_years: PAYMENT_YEARS }
    }

    /// Until when a payment record of `day` is kept.
    fn kept_until(&self, day: Day) -> Timestamp {
        ledger::kept_until(day, self.payment_years)
    }

    /// Writes several items or none, and tries again for a while where another write is in the way:
    /// of a transaction that is cancelled for that nothing was written.
    async fn persist(&self, writes: Vec<tables::Write>) -> Result<(), StoreError> {
        for pause in PAUSES {
            let outcome = self.tables.transact(writes.clone()).await;
            if outcome != tables::Outcome::NothingWritten {
                return outcome.done();
            }
            self.tables.pause(pause).await;
        }
        self.tables.transact(writes).await.done()
    }

    /// Writes an item that is not there yet. What was written first stands.
    async fn put_first(&self, table: Table, item: tables::Item) -> Result<(), StoreError> {
        let put = tables::Write::put(table, item).only_if("attribute_not_exists(#account)");
        match self.tables.write(put).await.done() {
            Ok(()) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Shows every item that a query finds to `each`, a page at a time.
    async fn query_all(
        &self,
        query: tables::Query,
        mut each: impl FnMut(&tables::Item) -> Result<(), Corrupt> + Send,
    ) -> Result<(), StoreError> {
        let all = |item: &tables::Item| each(item).map(ControlFlow::Continue);
        self.query_while(query, all).await.map(drop)
    }

    /// The same, as long as `each` goes on.
    async fn query_while(
        &self,
        mut query: tables::Query,
        mut each: impl FnMut(&tables::Item) -> Result<ControlFlow<()>, Corrupt> + Send,
    ) -> Result<ControlFlow<()>, StoreError> {
        loop {
            let page = self.tables.query(query.clone()).await?;
            for item in &page.items {
                if each(item)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            query.from = page.next;
            if query.from.is_none() {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }
}
