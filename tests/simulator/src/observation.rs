//! What a test sees of the store: every write at the moment it is applied or refused, and counts.

use shared::{
    store::{
        Table,
        tables::{Item, Page, Scan, Write},
    },
    time::Timestamp,
};

use super::tables::Contents;

/// A write that has reached the store.
pub struct Commit<'a> {
    /// The true time.
    pub at: Timestamp,
    /// The table.
    pub table: Table,
    /// The value of the partition key.
    pub partition: &'a str,
    /// The value of the sort key, empty where the table has none.
    pub sort: &'a str,
    /// The item before.
    pub before: Option<&'a Item>,
    /// The item after: the same, if the write was refused.
    pub after: Option<&'a Item>,
    /// Which environment it came from, by [`super::Environment::id`].
    pub environment: u32,
    /// What was asked.
    pub write: &'a Write,
    /// What became of it.
    pub applied: Applied,
    /// Which write of its transaction it is, from 0.
    pub part: usize,
    /// How many writes the transaction has: one, if there is none.
    pub parts: usize,
    /// All tables, after the whole transaction.
    pub contents: &'a Contents,
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is written.
    Applied,
    /// Its condition did not hold.
    Refused,
    /// Its own condition held, and that of another write of its transaction did not.
    Cancelled,
}

/// Whoever is told of every write.
pub type Observer = Box<dyn FnMut(&Commit<'_>) + Send>;

/// Whoever is told of every page of a scan, and for which environment that is.
pub(super) type ScanObserver = Box<dyn FnMut(u32, &Scan, &Page) + Send>;

/// How many there were of what. Messages count, so that what is sent again counts again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Writes of one item that were sent.
    pub writes: u64,
    /// Transactions that were sent.
    pub transactions: u64,
    /// Gets that were sent.
    pub gets: u64,
    /// Queries that were sent.
    pub queries: u64,
    /// Scans that were sent.
    pub scans: u64,
    /// Items that were written.
    pub applied: u64,
    /// Writes and transactions whose conditions did not hold.
    pub refused: u64,
    /// Messages whose sender has had no answer.
    pub unknown: u64,
    /// Messages for which the store did nothing, for now.
    pub nothing_done: u64,
    /// Messages that were refused since their signature was too old or too new.
    pub expired: u64,
    /// Tasks that have crashed.
    pub crashes: u64,
}

impl Counts {
    /// All messages that were sent.
    pub const fn sent(&self) -> u64 {
        self.writes + self.transactions + self.gets + self.queries + self.scans
    }
}
