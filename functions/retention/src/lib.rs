//! Retention: every hour it deletes what is seven days old, and says how much that was.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::{
    store::{
        Capability,
        calls::{SWEEP_CALLS, SweepCalls},
    },
    time::Timestamp,
};

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 1] = [SWEEP_CALLS];

/// The retention function.
pub struct App<S> {
    store: S,
}

/// The schedule's event. Nothing in it is read: the clock says what is due.
#[derive(Deserialize)]
pub struct Event {}

/// What one run did.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many records were deleted.
    pub deleted_records: u64,
}

impl<S: SweepCalls> App<S> {
    /// Makes the function.
    pub const fn new(store: S) -> Self {
        Self { store }
    }

    /// Runs once. Any number of runs may go on at the same time.
    ///
    /// # Errors
    /// When the store fails; the next hour's run goes on where this one ended.
    pub async fn run(self: Arc<Self>, _: Event) -> Result<Report, &'static str> {
        let swept = self.store.sweep_calls(Timestamp::now()).await;
        let deleted_records = swept.map_err(|_| "the store is unavailable")?;
        Ok(Report { deleted_records })
    }
}
