//! What each run of retention did, among the parts of Accounts.
//!
//! | attribute          | holds                                                               |
//! |--------------------|---------------------------------------------------------------------|
//! | `account`          | `platform#retention`                                                |
//! | `part`             | `YYYYMMDDHHMM#SEGMENT`: the minute in which the run began, and which part of the tables it went through, padded |
//! | `time`             | when the run began, seconds since the epoch                         |
//! | `deleted_records`  | how many records it deleted                                         |
//! | `unclosed_records` | how many are seven days old and wait for a close or a statement     |
//! | `failed`           | how often something was left to the next run                        |
//! | `oldest_found`     | how old the oldest record was that it found, in seconds, if one was seven days old |
//! | `oldest_left`      | the same of those that it left                                      |
//! | `expires_at`       | TTL: seven days after `time`, seconds since the epoch               |
//!
//! Written by retention at the end of a run; read by account. It counts, and names nobody.

use std::time::Duration;

use super::{
    Capability, Corrupt, Store, StoreError, Table,
    accounts::named_part,
    calls::RECORD_LIFE,
    item::{Reader, Writer},
    tables::{Item, Order, Query, Tables, Terms, Write},
};
use crate::time::Timestamp;

/// What a run of retention did about what is seven days old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunReport {
    /// When the run began.
    pub time: Timestamp,
    /// Which part of the tables it went through, from 0.
    pub segment: i32,
    /// How many records it deleted.
    pub deleted_records: u64,
    /// How many are seven days old and wait for a close or a statement.
    pub unclosed_records: u64,
    /// How often something was left to the next run.
    pub failed: u64,
    /// How old the oldest record was that it found, in whole seconds, if one was seven days old.
    pub oldest_found: Option<Duration>,
    /// The same of those that it left.
    pub oldest_left: Option<Duration>,
}

/// Keeping what a run did.
pub trait KeepReport {
    /// Writes the report of a run. Idempotent.
    fn keep_report(
        &self,
        report: &RunReport,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`KeepReport`] needs.
pub const KEEP_REPORT: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:PutItem")] };

impl<T: Tables> KeepReport for Store<T> {
    async fn keep_report(&self, report: &RunReport) -> Result<(), StoreError> {
        self.tables.write(Write::put(Table::Accounts, encode(report))).await.done()
    }
}

/// Reading what runs did.
pub trait ReadReports {
    /// The reports of the runs that began at `since` or later, to the minute, the newest first.
    fn read_reports(
        &self,
        since: Timestamp,
    ) -> impl Future<Output = Result<Vec<RunReport>, StoreError>> + Send;
}

/// What [`ReadReports`] needs.
pub const READ_REPORTS: Capability = Capability { actions: &[(Table::Accounts, "dynamodb:Query")] };

impl<T: Tables> ReadReports for Store<T> {
    async fn read_reports(&self, since: Timestamp) -> Result<Vec<RunReport>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", NAME);
        terms.text(":since", since.minute());
        let query = Query {
            order: Order::Falling,
            ..Query::strong(Table::Accounts, "#account = :account AND #part >= :since", terms)
        };
        let mut reports = Vec::new();
        self.query_all(query, |item| decode(item).map(|report| reports.push(report))).await?;
        Ok(reports)
    }
}

/// In place of an account's id.
const NAME: &str = "platform#retention";

fn encode(report: &RunReport) -> Item {
    let RunReport { time, segment, .. } = report;
    let item = Writer::from(named_part(NAME, &format!("{}#{segment:04}", time.minute())))
        .number("time", time.seconds())
        .number("deleted_records", report.deleted_records)
        .number("unclosed_records", report.unclosed_records)
        .number("failed", report.failed)
        .number("expires_at", time.plus(RECORD_LIFE).seconds());
    let ages = [("oldest_found", report.oldest_found), ("oldest_left", report.oldest_left)];
    let known = ages.into_iter().filter_map(|(name, age)| Some((name, age?.as_secs())));
    known.fold(item, |item, (name, age)| item.number(name, age)).item()
}

fn decode(item: &Item) -> Result<RunReport, Corrupt> {
    let reader = Reader(item);
    let segment =
        reader.text("part")?.split_once('#').and_then(|(_, segment)| segment.parse().ok());
    let age = |name| Ok(reader.optional_number(name)?.map(Duration::from_secs));
    Ok(RunReport {
        time: reader.seconds("time")?,
        segment: segment.ok_or(Corrupt("part"))?,
        deleted_records: reader.number("deleted_records")?,
        unclosed_records: reader.number("unclosed_records")?,
        failed: reader.number("failed")?,
        oldest_found: age("oldest_found")?,
        oldest_left: age("oldest_left")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written_and_begins_with_its_minute() {
        let time = Timestamp::from_seconds(1_795_483_507);
        let (age, more) = (Duration::from_secs(604_800), Duration::from_secs(606_612));
        for (oldest_found, oldest_left) in
            [(None, None), (Some(more), None), (Some(more), Some(age))]
        {
            let report = RunReport {
                time,
                segment: 3,
                deleted_records: 17,
                unclosed_records: 2,
                failed: 1,
                oldest_found,
                oldest_left,
            };
            let item = encode(&report);
            assert_eq!(decode(&item), Ok(report));
            assert_eq!(Reader(&item).text("part"), Ok("202611240125#0003"));
            assert_eq!(Reader(&item).number("expires_at"), Ok(1_795_483_507_i64 + 604_800));
        }
    }
}
