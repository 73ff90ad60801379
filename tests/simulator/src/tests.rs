//! That the simulation does what it says, and that each fault does.

mod faults;
mod reads;
mod refusals;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use shared::store::{
    Consistency, StoreError, Table,
    tables::{Get, Item, Order, Outcome, Query, Scan, Tables, Terms, Write},
};

use super::{Applied, Environment, Faults, Mutation, Simulation, crash_everywhere, tables::text};

const ALWAYS: u32 = 1_000_000;

fn key(part: &str) -> Item {
    Item::from([("account".to_owned(), text("a")), ("part".to_owned(), text(part))])
}

fn add(part: &str) -> Write {
    Write::update(Table::Accounts, key(part), "ADD #n :one").number(":one", 1)
}

fn n(simulation: &Simulation, part: &str) -> i64 {
    let item = simulation.item(Table::Accounts, &["a", part]);
    item.map_or(0, |item| item["n"].as_n().unwrap().parse().unwrap())
}

fn get(consistency: Consistency) -> Get {
    Get { table: Table::Accounts, key: key("p"), consistency }
}

/// What a write comes to, and after how many milliseconds.
fn written(simulation: &Simulation, write: Write) -> (Outcome, i64) {
    let environment = simulation.environment(0);
    let timed = {
        let environment = environment.clone();
        async move {
            let start = environment.now();
            let outcome = environment.write(write).await;
            (outcome, environment.now().millis() - start.millis())
        }
    };
    simulation.complete(&environment, timed)
}

fn with(faults: Faults) -> Simulation {
    let simulation = Simulation::new(1);
    simulation.set_faults(faults);
    simulation
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let simulation = Simulation::new(seed);
        simulation.set_faults(Faults::all(50_000));
        let trace = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&trace);
        simulation.observe(move |commit| {
            let line = (commit.at.millis(), commit.environment, commit.applied);
            seen.lock().unwrap().push(line);
        });
        for _ in 0..10 {
            let environment = simulation.environment(0);
            let task = environment.clone();
            simulation.spawn(&environment, async move {
                for _ in 0..5 {
                    drop(task.write(add("p")).await);
                    drop(task.get(get(Consistency::Eventual)).await);
                }
            });
        }
        simulation.run();
        let trace = trace.lock().unwrap().clone();
        (trace, simulation.fingerprint(), simulation.counts(), n(&simulation, "p"))
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn without_faults_every_write_is_done_in_time() {
    let simulation = Simulation::new(1);
    let (outcome, millis) = written(&simulation, add("p"));
    assert_eq!(outcome, Outcome::Done);
    assert!((2..=2_000).contains(&millis), "{millis}");
    assert_eq!(n(&simulation, "p"), 1);
}

#[test]
fn a_transaction_is_all_or_nothing_and_every_part_of_it_is_seen() {
    let simulation = Simulation::new(1);
    let environment = simulation.environment(0);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = Arc::clone(&seen);
    simulation.observe(move |commit| {
        assert_eq!(commit.contents.item(commit.table, &["a", commit.sort]), commit.after);
        let line = (commit.sort.to_owned(), commit.applied, commit.part, commit.parts);
        see.lock().unwrap().push(line);
    });
    let task = environment.clone();
    let outcomes = simulation.complete(&environment, async move {
        let absent = |part| add(part).only_if("attribute_not_exists(#account)");
        let first = task.transact(vec![add("p"), absent("q")]).await;
        (first, task.transact(vec![add("p"), absent("q")]).await)
    });
    assert_eq!(outcomes, (Outcome::Done, Outcome::Refused(None)));
    assert_eq!((n(&simulation, "p"), n(&simulation, "q")), (1, 1));
    let expected = [
        ("p", Applied::Applied, 0),
        ("q", Applied::Applied, 1),
        ("p", Applied::Cancelled, 0),
        ("q", Applied::Refused, 1),
    ];
    let expected = expected.map(|(part, applied, at)| (part.to_owned(), applied, at, 2));
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[test]
fn a_refusal_shows_the_item_as_it_stood() {
    let simulation = Simulation::new(1);
    simulation.complete(&simulation.environment(0), async {});
    assert_eq!(written(&simulation, add("p")).0, Outcome::Done);
    let conditional = add("p").only_if("#n > :one");
    let item = simulation.item(Table::Accounts, &["a", "p"]);
    assert_eq!(written(&simulation, conditional).0, Outcome::Refused(item));
    let conditional = add("q").only_if("#n > :one");
    assert_eq!(written(&simulation, conditional).0, Outcome::Refused(None));
    assert_eq!(simulation.counts().refused, 2);
}

#[test]
fn time_passes_only_as_it_is_waited_for() {
    let simulation = Simulation::new(1);
    let start = simulation.now();
    let environment = simulation.environment(0);
    let task = environment.clone();
    let running = simulation.spawn(&environment, async move {
        task.sleep(Duration::from_secs(3_600)).await;
        task.now()
    });
    simulation.run_for(Duration::from_secs(3_599));
    assert!(running.take().is_none());
    assert_eq!(simulation.now(), start.plus(Duration::from_secs(3_599)));
    simulation.run_until(start.plus(Duration::from_secs(3_600)));
    assert_eq!(running.take(), Some(start.plus(Duration::from_secs(3_600))));
}
