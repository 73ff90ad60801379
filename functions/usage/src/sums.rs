//! Sums: what an account has used and was charged, by bucket and by what is asked.
//!
//! There are three sources, and each second of an account is in one of them:
//!
//! - statement lines, for a whole day that is on the statement;
//! - roll-ups, for a whole hour that is closed;
//! - records, for what is not closed yet, for minutes, and for the rest of an hour that is cut.
//!
//! The wallet is read first, and says how far hours are closed and days stated. A roll-up is written
//! before its hour is closed and a line before its day is stated, and what is written stands: so one
//! answer agrees with itself, whatever is closed while it is made.

use std::ops::ControlFlow;

use shared::{
    fault::Fault,
    store::{
        calls::{Span, Wanted},
        lines::Line,
        rollups::Rollup,
        tables::Order,
        wallet::Wallet,
    },
    time::Timestamp,
};

use crate::{
    App, UsageStore,
    asked::{Asked, Keys},
    buckets::Buckets,
    collector::{Collector, Sums},
    plan::{Piece, plan},
};

impl<S: UsageStore> App<S> {
    /// Sums what was asked for. It reads what [`plan`] says, and nothing else.
    pub(crate) async fn sum(
        &self,
        wallet: &Wallet,
        keys: &Keys,
        asked: &Asked,
        buckets: Buckets,
        now: Timestamp,
    ) -> Result<Sums, Fault> {
        let (store, account) = (&self.store, &wallet.account);
        let plan = plan(&buckets, wallet, now)?;
        let mut collector = Collector::new(asked, keys, &self.catalogue, buckets, self.bounds);
        let unavailable = |_| Fault::StoreUnavailable;
        for piece in plan {
            let read = match piece {
                Piece::Lines(from, to) => {
                    let each = |line: &Line| collector.line(line);
                    store.read_lines(account, (from, to), each).await.map_err(unavailable)?
                }
                Piece::Rollups(from, to) => {
                    let each = |rollup: &Rollup| collector.rollup(rollup);
                    store.read_rollups(account, (from, to), now, each).await.map_err(unavailable)?
                }
                Piece::Records(span) => {
                    let read = records(store, wallet, &mut collector, span, now).await?;
                    if let ControlFlow::Break(moment) = read {
                        return Ok(collector.until(moment));
                    }
                    ControlFlow::Continue(())
                }
            };
            if read.is_break() {
                return collector.whole_buckets();
            }
        }
        Ok(collector.whole())
    }
}

/// Reads records as far as there is room, to the end of a second, and says where it has ended if that
/// is not the end of the span.
async fn records<S: UsageStore>(
    store: &S,
    wallet: &Wallet,
    collector: &mut Collector<'_>,
    span: Span,
    now: Timestamp,
) -> Result<ControlFlow<Timestamp>, Fault> {
    let mut wanted = Wanted { span, order: Order::Rising, after: None, limit: None };
    loop {
        let read = store.read_calls(&wallet.account, &wanted, now).await;
        let read = read.map_err(|_| Fault::StoreUnavailable)?;
        let room = collector.page(&read.records);
        let to = wanted.span.to;
        let Some(last) = read.next else {
            let whole = to == span.to;
            return Ok(if whole { ControlFlow::Continue(()) } else { ControlFlow::Break(to) });
        };
        if room.is_break() {
            wanted.span.to = to.min(last.second_after());
        }
        wanted.after = Some(last);
    }
}
