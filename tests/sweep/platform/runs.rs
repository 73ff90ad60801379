//! Runs of retention: they come as they are scheduled, or not, and end, or not; and what one says of
//! itself is what was counted.

use std::{
    io::Write,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use shared::{
    log::Log,
    store::{Store, Table},
    time::Timestamp,
};
use simulator::{Crash, Faults, Running};

use super::{
    super::truth::{Said, Seen, WEEK, lock},
    HOUR, Platform, START,
};

/// A run under way.
pub(super) struct Run {
    environment: u32,
    /// Whether every answer comes.
    clean: bool,
    task: Running<(Timestamp, bool)>,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Platform {
    /// A run is due: it comes, or not, and ends, or not.
    pub(super) fn begin_run(&mut self) {
        let now = self.now();
        if self.run.take().is_some() {
            lock(&self.truth).violate("a run takes half an hour");
        }
        let hours = (now - START * 1_000) / HOUR;
        let (from, to) = self.plan.unstated;
        let refuses = (from * 24..to * 24).contains(&hours).then_some(Table::Ledger);
        self.simulation.refuse_writes(refuses);
        let outage = self.plan.outages.iter().any(|(from, to)| (*from..*to).contains(&hours));
        let mut chance = self.simulation.below(100);
        let mut drawn = self.plan.fails.iter().position(|part| {
            let hit = chance < *part;
            chance = chance.saturating_sub(*part);
            hit
        });
        if outage {
            drawn = Some(1);
        }
        let env = self.simulation.environment(0);
        let env = match drawn {
            Some(1) => {
                self.figures.missed += 1;
                self.fails();
                return;
            }
            Some(2) => env.with_faults(Faults { throttled: 1_000_000, ..Faults::default() }),
            Some(3) => env.with_faults(Faults { crash: 0, ..Faults::all(20_000) }),
            _ => env,
        };
        let log: Arc<Mutex<Vec<u8>>> = Arc::default();
        let app = retention::App::new(
            Store::over(env.clone()),
            Arc::clone(&self.catalogue),
            Log::to(Kept(Arc::clone(&log))),
        );
        // As late as where closes take all the time they may.
        let late = if self.below(2) == 0 { 0 } else { self.simulation.below(600_000) };
        let (task, clock) = (env.clone(), env.clock());
        let task = env.spawn(async move {
            task.sleep(Duration::from_millis(late)).await;
            let began = task.now();
            (began, app.run_by(retention::Event::default(), &clock).await.is_ok())
        });
        if drawn == Some(0) {
            let at = 1 + u32::try_from(self.below(i64::from(self.waits) + 5)).unwrap();
            let crash =
                if self.below(2) == 0 { Crash::BeforeDelivery } else { Crash::AfterDelivery };
            task.crash_at(at, crash);
        }
        let clean = !matches!(drawn, Some(2 | 3));
        self.run = Some(Run { environment: env.id(), clean, task, log });
    }

    /// A run has not done what is due.
    fn fails(&mut self) {
        self.row += 1;
        self.figures.in_a_row = self.figures.in_a_row.max(self.row);
    }

    pub(super) fn see_run(&mut self) {
        let Some(run) = self.run.take() else { return };
        if run.task.crashed() {
            self.figures.crashed += 1;
            lock(&self.truth).seen(run.environment);
            return self.fails();
        }
        let Some((began, good)) = run.task.take() else {
            self.run = Some(run);
            return;
        };
        self.waits = run.task.waits();
        let seen = lock(&self.truth).seen(run.environment);
        self.compare(&run, began, good, &seen);
        if !good {
            self.figures.failed += 1;
            return self.fails();
        }
        (self.row, self.figures.good) = (0, self.figures.good + 1);
        // All that had ended when it began is gone, and when it first looked.
        let since = began.seconds().max(seen.first.unwrap_or(0));
        let mut truth = lock(&self.truth);
        if let Some(due) = truth.oldest_due().filter(|due| *due <= since) {
            truth.violate(format!("a good run left what had ended {} s before", since - due));
        }
        let there = self.simulation.view(|contents| contents.items(Table::Calls).count());
        let known = truth.len();
        if there != known {
            truth.violate(format!("{there} items, and not {known}"));
        }
    }

    /// What a run says of itself, in its line of the log and in its item, is what was counted.
    fn compare(&mut self, run: &Run, began: Timestamp, good: bool, seen: &Seen) {
        let log = String::from_utf8(lock(&run.log).clone()).unwrap();
        let mut lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let line = lines.rfind(|line| line["line"] == "retention").unwrap();
        let logged = Said {
            deleted: line["deleted_records"].as_u64().unwrap(),
            unclosed: line["unclosed_records"].as_u64().unwrap(),
            oldest_found: line["oldest_found"].as_i64(),
            oldest_left: line["oldest_left"].as_i64(),
        };
        let part = format!("{}#0000", began.minute());
        let item = self.simulation.item(Table::Accounts, &["platform#retention", &part]);
        let stored = item.map(|item| {
            let number = |name: &str| Some(item.get(name)?.as_n().unwrap().parse::<i64>().unwrap());
            let count = |name: &str| u64::try_from(number(name).unwrap()).unwrap();
            let said = Said {
                deleted: count("deleted_records"),
                unclosed: count("unclosed_records"),
                oldest_found: number("oldest_found"),
                oldest_left: number("oldest_left"),
            };
            (said, number("time"), count("failed"))
        });
        let mut truth = lock(&self.truth);
        let failed = line["failed"].as_u64().unwrap();
        if (failed, logged.unclosed) == (0, 0) {
            assert!(good);
        }
        if run.clean {
            let said = seen.says();
            if logged != said {
                truth.violate(format!("the line says {logged:?} of {said:?}"));
            }
            let expected = Some((said, Some(began.seconds()), failed));
            if stored != expected {
                truth.violate(format!("the report says {stored:?} of {expected:?}"));
            }
            self.figures.compared += 1;
        } else {
            if logged.deleted > seen.deleted() {
                truth.violate(format!("{} of {} were deleted", logged.deleted, seen.deleted()));
            }
            if stored.is_none() && failed == 0 {
                truth.violate("a report that was not written is no failure");
            }
        }
        let found = logged.oldest_found.unwrap_or(0);
        self.figures.oldest_found = self.figures.oldest_found.max(found);
        self.figures.alarms += u64::from(found > WEEK + 7_200);
        self.figures.unclosed = self.figures.unclosed.max(logged.unclosed);
    }
}

/// A log that is read.
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
