//! The law of money, simulated: what Lambda runs to admit, settle and close, on a store in memory
//! that fails in every way a network can, from a seed.
//!
//! `MONEY_SCHEDULES=N` runs so many schedules in place of the usual number ([`simulator::proof`]); a
//! failure names its seed, and `MONEY_SEED=N` runs that one alone.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "an overflow is a panic, and a failed test")]

mod bank;
mod checks;
mod crashes;
mod ending;
mod mutations;
mod rush;
mod schedule;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use simulator::{Faults, proof};

use self::schedule::{Plan, Stats};

/// How many schedules the whole proof has.
const SCHEDULES: u64 = 100_000;

/// Runs `count` jobs on every core, and puts together what they come to.
fn in_parallel<T: Send>(count: u64, job: impl Fn(u64) -> T + Sync, mut add: impl FnMut(T)) {
    let next = AtomicU64::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (sender, done) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            let (sender, next, job) = (sender.clone(), &next, &job);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count || sender.send(job(at)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for result in done {
            add(result);
        }
    });
}

/// How often things go wrong in the schedule of this seed: in some nothing, in some much.
const fn faults(seed: u64) -> Faults {
    match seed % 4 {
        0 => Faults::all(0),
        1 => Faults::all(10_000),
        2 => Faults::all(50_000),
        _ => Faults::all(150_000),
    }
}

#[test]
fn the_books_agree_to_the_unit_whatever_fails_and_whenever() {
    if let Some(seed) = proof::setting("MONEY_SEED") {
        let outcome = Plan::new(seed, faults(seed)).run();
        assert!(outcome.violations.is_empty(), "{:#?}", outcome.violations);
        return;
    }
    let (seeds, start) = (proof::seeds("MONEY_SCHEDULES", SCHEDULES), Instant::now());
    let count = seeds.end - seeds.start;
    let mut stats = Stats::default();
    in_parallel(
        count,
        |place| {
            let seed = seeds.start + place;
            (seed, Plan::new(seed, faults(seed)).run())
        },
        |(seed, outcome)| {
            assert!(outcome.violations.is_empty(), "MONEY_SEED={seed}: {:#?}", outcome.violations);
            stats.add(&outcome.stats);
        },
    );
    simulator::show(&format!(
        "{count} schedules from {} on in {:.0?}\n{stats}",
        seeds.start,
        start.elapsed()
    ));
    assert_eq!(stats.false_refusals, 0);
}
