//! Many at once: spending down to nothing, revoking under way, and more than one wallet takes.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use shared::{
    limits::Limits,
    money::Pico,
    store::{Store, wallet::ChangeWallet},
    time::{Hour, Timestamp},
};
use simulator::{Faults, Mutation, Simulation, proof::setting};

use super::{
    bank::{Bank, Defect, Want, revoke},
    in_parallel,
    schedule::Stats,
};

/// How many calls are under way at once.
const AT_ONCE: u64 = 64;

/// How many races of a revocation against calls there are.
const RACES: u64 = 100_000;

fn want(simulation: &Simulation, after: Duration) -> Want {
    let below = |end: u64| simulation.below(end);
    Want {
        after,
        runs: Duration::from_millis(below(3_000)),
        prompt: below(60),
        answer: 16 + below(300),
        spends: below(1_000),
        tag: None,
    }
}

/// Sixty-four callers, each of which calls again and again.
fn spend_down(seed: u64, faults: Faults) -> (Vec<String>, Stats) {
    let simulation = Simulation::new(seed);
    let credit = Pico::new(20_000_000);
    let bank = Bank::open(simulation, credit, &[Limits::default()]);
    bank.simulation.set_faults(faults);
    let key = bank.keys.first().unwrap();
    for _ in 0..AT_ONCE {
        let env = bank.simulation.environment(0);
        for round in 0..16 {
            let after = Duration::from_millis(round * 500 + bank.simulation.below(1_000));
            bank.call(&env, key, want(&bank.simulation, after));
        }
    }
    bank.simulation.run();
    bank.close_all();
    bank.checks.finish(&bank.simulation, &bank.account)
}

#[test]
fn sixty_four_at_once_spend_down_to_nothing_and_no_further() {
    for (name, parts) in [("nothing fails", 0), ("one in fifty messages fails", 20_000)] {
        let mut stats = Stats::default();
        in_parallel(
            setting("MONEY_RUSHES").unwrap_or(40),
            |seed| spend_down(seed, Faults { crash: 0, ..Faults::all(parts) }),
            |(violations, of_one)| {
                assert!(violations.is_empty(), "{violations:#?}");
                stats.add(&of_one);
            },
        );
        simulator::show(&format!("64 at once, {name}, {} calls\n{stats}", stats.calls));
        assert_eq!(stats.false_refusals, 0);
        assert!(stats.refused > 0, "nobody came to the end of the balance");
    }
}

/// Ten calls by two keys that are both revoked in this moment.
pub(super) fn race(
    seed: u64,
    defect: Option<Defect>,
    mutation: Option<Mutation>,
) -> (Vec<String>, Stats) {
    let simulation = Simulation::new(seed);
    let none = Limits::default();
    let bank = Bank::open(simulation, Pico::new(1_000_000), &[none.clone(), none]);
    let simulation = &bank.simulation;
    if let Some(mutation) = mutation {
        simulation.mutate(mutation);
    }
    let skew = || i64::try_from(simulation.below(3_000)).unwrap() - 1_500;
    for at in 0..10 {
        let env = simulation.environment(skew());
        let after = Duration::from_millis(simulation.below(4_000));
        bank.call(&env, &bank.keys[at % 2], want(simulation, after));
    }
    for key in &bank.keys {
        let env = simulation.environment(skew());
        let (task, account, key) = (env.clone(), bank.account.clone(), key.clone());
        let checks = Arc::clone(&bank.checks);
        let after = Duration::from_millis(simulation.below(3_000));
        env.spawn(async move {
            task.sleep(after).await;
            revoke(task, account, key, checks, defect).await;
        });
    }
    simulation.run();
    bank.checks.finish_open(simulation)
}

/// A day whose statement is written in the moment in which the next day's first hour is closed.
pub(super) fn state(seed: u64, mutation: Option<Mutation>) -> (Vec<String>, Stats) {
    let simulation = Simulation::starting_at(seed, "2026113023".parse::<Hour>().unwrap().start());
    let bank = Bank::open(simulation, Pico::new(1_000_000), &[Limits::default()]);
    let simulation = &bank.simulation;
    if let Some(mutation) = mutation {
        simulation.mutate(mutation);
    }
    for hour in 0..2 {
        let env = simulation.environment(0);
        bank.call(&env, &bank.keys[0], want(simulation, HOUR * hour));
    }
    for _ in 0..3 {
        let env = simulation.environment(0);
        let due =
            HOUR * 2 + Duration::from_secs(25 * 60) - simulation.now().since(hour_of(simulation));
        let around = Duration::from_millis(simulation.below(1_500));
        bank.close_after(&env, (due + around).saturating_sub(Duration::from_millis(1_200)));
    }
    simulation.run();
    bank.close_all();
    bank.checks.finish(simulation, &bank.account)
}

/// Limits of the minute that are set and lowered while its first calls come and an hour is closed.
pub(super) fn relimit(seed: u64, mutation: Option<Mutation>) -> (Vec<String>, Stats) {
    let simulation = Simulation::starting_at(seed, "2026112421".parse::<Hour>().unwrap().start());
    let bank = Bank::open(simulation, Pico::new(10_000_000), &[Limits::default()]);
    let simulation = &bank.simulation;
    if let Some(mutation) = mutation {
        simulation.mutate(mutation);
    }
    let env = simulation.environment(0);
    bank.call(&env, &bank.keys[0], want(simulation, Duration::ZERO));
    let due = HOUR + Duration::from_secs(25 * 60) - simulation.now().since(hour_of(simulation));
    let about = || due + Duration::from_millis(simulation.below(400));
    for _ in 0..8 {
        let env = simulation.environment(0);
        bank.call(&env, &bank.keys[0], want(simulation, about()));
    }
    bank.close_after(&env, about());
    for requests in [3, 1] {
        let limits = Limits { requests: NonZeroU64::new(requests), ..Limits::default() };
        let (task, account, after) = (env.clone(), bank.account.clone(), about());
        env.spawn(async move {
            task.sleep(after).await;
            let store = Store::over(task.clone());
            store.set_account_limits(&account, &limits, task.now()).await.is_ok()
        });
    }
    simulation.run();
    bank.close_all();
    bank.checks.finish(simulation, &bank.account)
}

fn hour_of(simulation: &Simulation) -> Timestamp {
    simulation.now().hour().start()
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_day_is_stated_and_a_minute_limited_also_in_the_moment_in_which_they_change() {
    in_parallel(
        1_000,
        |seed| [state(seed, None).0, relimit(seed, None).0].concat(),
        |violations| assert!(violations.is_empty(), "{violations:#?}"),
    );
}

#[test]
fn no_call_is_admitted_once_its_keys_revocation_is_written() {
    let mut stats = Stats::default();
    in_parallel(
        setting("MONEY_RACES").unwrap_or(RACES) / 10,
        |seed| race(seed, None, None),
        |(violations, of_one)| {
            assert!(violations.is_empty(), "{violations:#?}");
            stats.add(&of_one);
        },
    );
    simulator::show(&format!("revocations against {} calls\n{stats}", stats.calls));
    // It is no race unless some are let in and some are not.
    assert!(stats.admitted > stats.calls / 20 && stats.admitted < stats.calls);
}

#[test]
fn more_calls_than_a_wallet_takes_are_told_to_come_again() {
    let simulation = Simulation::new(1);
    let bank = Bank::open(simulation, Pico::from_dollars(1_000_000), &[Limits::default()]);
    let simulation = &bank.simulation;
    simulation.limit_writes(Some(1_000));
    let key = bank.keys.first().unwrap();
    let environments: Vec<_> = (0..64).map(|_| simulation.environment(0)).collect();
    // Twice what it takes, for ten seconds.
    for at in 0..10_000_u64 {
        let env = &environments[usize::try_from(at % 64).unwrap()];
        let mut want = want(simulation, Duration::from_millis(at));
        want.runs = Duration::from_millis(simulation.below(200));
        bank.call(env, key, want);
    }
    simulation.run();
    bank.close_all();
    let (violations, stats) = bank.checks.finish(simulation, &bank.account);
    assert!(violations.is_empty(), "{violations:#?}");
    simulator::show(&format!("1,000 calls a second of one wallet for ten seconds\n{stats}"));
    // Two writes each, and a thousand writes a second.
    let busy = stats.other["rate_limit_exceeded"];
    assert_eq!(stats.admitted + busy, 10_000);
    assert!((4_000..=6_500).contains(&stats.admitted), "{}", stats.admitted);
}
