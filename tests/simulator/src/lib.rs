//! A store in memory that fails in every way a network can, in virtual time and from a seed.
//!
//! A [`Simulation`] is a world: the four tables, a clock, and [`Environment`]s whose clocks
//! differ. An environment is a [`Tables`](shared::store::tables::Tables), so that the product's
//! own [`Store`](shared::store::Store) runs over it, with its own expressions, strictly
//! interpreted. Tasks are spawned in environments and run until nothing is left to happen.
//! Whatever is left to chance comes from the seed: the same seed, the same run.
//!
//! What can go wrong is in [`Faults`]. What a test checks it sees in every [`Commit`]. And
//! a [`Mutation`] breaks what is asked of the store, to prove that the checks would notice.
//!
//! How much of all this is run says [`proof`].
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "only tests use this crate, and what fails here has to fail the test"
)]

mod environment;
mod executor;
mod expression;
mod faults;
mod mutation;
mod network;
mod observation;
pub mod proof;
pub mod random;
mod reading;
mod schema;
mod service;
mod state;
mod tables;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use shared::{
    id::{AccountId, KeyId},
    store::{
        Table,
        tables::{Item, Page, Scan},
    },
    time::Timestamp,
};

pub use self::proof::show;
pub use self::{
    environment::Environment,
    executor::{Running, crash_everywhere},
    faults::{Crash, Faults},
    mutation::Mutation,
    observation::{Applied, Commit, Counts, Observer},
    tables::Contents,
};
use self::{environment::random_text, state::Shared};

/// When a simulation begins if a test does not say: 2026-11-24T01:20:00Z, within an hour.
const START: Timestamp = Timestamp::from_seconds(1_795_483_200);

/// A world of its own.
pub struct Simulation {
    shared: Arc<Shared>,
}

impl Simulation {
    /// A world with empty tables, in which nothing goes wrong yet.
    pub fn new(seed: u64) -> Self {
        Self::starting_at(seed, START)
    }

    /// The same, beginning at a time.
    pub fn starting_at(seed: u64, start: Timestamp) -> Self {
        Self { shared: Shared::new(seed, start) }
    }

    /// A new execution environment, whose clock is ahead of the true time by this, or behind it.
    pub fn environment(&self, skew_ms: i64) -> Environment {
        Environment::new(&self.shared, skew_ms)
    }

    /// Starts a task in an environment. It runs when the simulation does.
    /// The same as [`Environment::spawn`].
    pub fn spawn<T: Send + 'static>(
        &self,
        environment: &Environment,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Running<T> {
        environment.spawn(future)
    }

    /// Runs until nothing is left to happen: all tasks have ended, crashed or wait for nothing,
    /// and every message that is late has arrived.
    pub fn run(&self) {
        self.shared.run(None);
    }

    /// Runs until a time, the events of which are the last to happen.
    pub fn run_until(&self, end: Timestamp) {
        self.shared.run(Some(end.millis() * 1_000));
    }

    /// Runs for a time.
    pub fn run_for(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).expect("a time that ends");
        self.shared.run(Some(self.shared.now() + micros));
    }

    /// Runs one task to its end, and all others with it. For what a test needs done.
    pub fn complete<T: Send + 'static>(
        &self,
        environment: &Environment,
        future: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let running = environment.spawn(future);
        self.run();
        running.take().expect("the task has come to its end")
    }

    /// The true time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.shared.now().div_euclid(1_000))
    }

    /// What goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.state().settings.faults = faults;
    }

    /// How many items a page has at most. Endless pages are the default.
    pub fn set_page_size(&self, items: usize) {
        self.shared.state().settings.page_size = items.max(1);
    }

    /// How old a read may be that is not strong. A second is the default.
    pub fn set_staleness(&self, most: Duration) {
        let micros = i64::try_from(most.as_micros()).expect("a time that ends");
        self.shared.state().settings.staleness = micros;
    }

    /// How often an item can be written within a second; DynamoDB's limit is 1,000. There is none
    /// by default.
    pub fn limit_writes(&self, most: Option<u32>) {
        self.shared.state().settings.write_limit = most;
    }

    /// Is told of every write that reaches the store, at once. It sees the tables in the commit,
    /// and must not ask the simulation, which is in the middle of it.
    pub fn observe(&self, observer: impl FnMut(&Commit<'_>) + Send + 'static) {
        self.shared.state().observers.push(Box::new(observer));
    }

    /// Is told of every page of a scan, as it leaves the store, in the same way.
    pub fn observe_scans(&self, observer: impl FnMut(u32, &Scan, &Page) + Send + 'static) {
        self.shared.state().scan_observers.push(Box::new(observer));
    }

    /// Has a table take no writes that stand alone: the store says that it did nothing. None is the
    /// default.
    pub fn refuse_writes(&self, of: Option<Table>) {
        self.shared.state().settings.closed = of;
    }

    /// Breaks what is asked of the store from now on.
    pub fn mutate(&self, mutation: Mutation) {
        self.shared.state().mutations.push((mutation, false));
    }

    /// Whether every mutation has changed something so far. One that never does proves nothing.
    pub fn mutations_applied(&self) -> bool {
        self.shared.state().mutations.iter().all(|(_, applied)| *applied)
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.shared.state().counts
    }

    /// A number that is the same for the same run, and for no other.
    pub fn fingerprint(&self) -> u64 {
        self.shared.state().fingerprint
    }

    /// Looks at the tables as they truly are.
    pub fn view<T>(&self, look: impl FnOnce(&Contents) -> T) -> T {
        look(&self.shared.state().contents)
    }

    /// An item, by the values of its primary key.
    pub fn item(&self, table: Table, key: &[&str]) -> Option<Item> {
        self.view(|contents| contents.item(table, key).cloned())
    }

    /// The items of a table, in the order of their keys.
    pub fn items(&self, table: Table) -> Vec<Item> {
        self.view(|contents| contents.items(table).cloned().collect())
    }

    /// Makes an item what it is, without anybody being told. It always was.
    pub fn set_item(&self, table: Table, item: Item) {
        let set = self.shared.state().contents.set(table, item);
        set.unwrap_or_else(|error| panic!("DynamoDB takes no such item: {}", error.0));
    }

    /// Takes an item away, in the same way.
    pub fn remove_item(&self, table: Table, key: &[&str]) {
        self.shared.state().contents.unset(table, key);
    }

    /// A number from 0 below `end`, as chance has it in this run.
    pub fn below(&self, end: u64) -> u64 {
        self.shared.state().random.below(end)
    }

    /// A new account's id, the same in every run.
    pub fn account_id(&self) -> AccountId {
        let random = random_text(&mut self.shared.state());
        format!("acct_{random}").parse().expect("the form of an id")
    }

    /// A new key's id, the same in every run.
    pub fn key_id(&self) -> KeyId {
        let random = random_text(&mut self.shared.state());
        format!("key_{random}").parse().expect("the form of an id")
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        self.shared.end();
    }
}
