//! That each fault does what it says.

use super::*;

#[test]
fn a_message_that_is_lost_is_never_applied() {
    let simulation = with(Faults { lost_before: ALWAYS, ..Faults::default() });
    assert_eq!(written(&simulation, add("p").once()), (Outcome::Unknown, 3_000));
    assert_eq!(n(&simulation, "p"), 0);
    // With all its attempts an operation takes eight seconds at most.
    let (outcome, millis) = written(&simulation, add("p"));
    assert_eq!(outcome, Outcome::Unknown);
    assert!((6_000..=8_000).contains(&millis), "{millis}");
    let environment = simulation.environment(0);
    let read = environment.clone();
    let read = async move { read.get(get(Consistency::Strong)).await };
    assert_eq!(simulation.complete(&environment, read), Err(StoreError::Unavailable));
}

#[test]
fn a_message_whose_answer_is_lost_is_applied() {
    let simulation = with(Faults { lost_after: ALWAYS, ..Faults::default() });
    assert_eq!(written(&simulation, add("p").once()), (Outcome::Unknown, 3_000));
    assert_eq!(n(&simulation, "p"), 1);
    // What may be repeated is, and so may be applied more than once.
    assert_eq!(written(&simulation, add("q")).0, Outcome::Unknown);
    assert!((2..=3).contains(&n(&simulation, "q")));
}

#[test]
fn a_late_message_arrives_while_its_signature_holds() {
    let mut latest = 0;
    let (mut applied, mut expired) = (0, 0);
    for seed in 0..200 {
        let simulation = Simulation::new(seed);
        simulation.set_faults(Faults { late: ALWAYS, ..Faults::default() });
        let start = simulation.now().millis();
        let at = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&at);
        simulation.observe(move |commit| *seen.lock().unwrap() = commit.at.millis() - start);
        assert_eq!(written(&simulation, add("p").once()), (Outcome::Unknown, 3_000));
        latest = latest.max(*at.lock().unwrap());
        applied += n(&simulation, "p");
        expired += simulation.counts().expired;
    }
    assert_eq!(latest, 300_000);
    assert!(applied > 150 && expired > 0, "{applied} {expired}");
}

#[test]
fn a_signature_is_by_the_clock_of_its_environment() {
    for (skew, expected) in [
        (0, Outcome::Done),
        (-290_000, Outcome::Done),
        (290_000, Outcome::Done),
        (-301_000, Outcome::Unknown),
        (303_000, Outcome::Unknown),
    ] {
        let simulation = Simulation::new(1);
        let environment = simulation.environment(skew);
        assert_eq!(environment.now().millis(), simulation.now().millis() + skew);
        assert_eq!((environment.clock())(), environment.now());
        let write = environment.clone();
        let write = async move { write.write(add("p").once()).await };
        assert_eq!(simulation.complete(&environment, write), expected, "{skew}");
        assert_eq!(n(&simulation, "p"), i64::from(expected == Outcome::Done));
    }
}

#[test]
fn a_store_that_is_asked_too_much_says_so_and_does_nothing() {
    for faults in [
        Faults { throttled: ALWAYS, ..Faults::default() },
        Faults { conflict: ALWAYS, ..Faults::default() },
    ] {
        let simulation = with(faults);
        let (outcome, millis) = written(&simulation, add("p").once());
        assert_eq!(outcome, Outcome::NothingWritten);
        assert!(millis < 3_000);
        assert_eq!(written(&simulation, add("p")).0, Outcome::NothingWritten);
        assert_eq!((n(&simulation, "p"), simulation.counts().writes), (0, 4));
        // No transaction is in the way of a read.
        let environment = simulation.environment(0);
        let read = environment.clone();
        let read = async move { read.get(get(Consistency::Strong)).await };
        assert_eq!(simulation.complete(&environment, read).is_ok(), faults.throttled == 0);
    }
}

#[test]
fn what_is_sent_once_arrives_once() {
    let simulation = with(Faults { duplicated: ALWAYS, ..Faults::default() });
    assert_eq!(written(&simulation, add("once").once()).0, Outcome::Done);
    assert_eq!(written(&simulation, add("again")).0, Outcome::Done);
    let environment = simulation.environment(0);
    let transact = environment.clone();
    let transact = async move { transact.transact(vec![add("transacted")]).await };
    assert_eq!(simulation.complete(&environment, transact), Outcome::Done);
    assert_eq!(n(&simulation, "once"), 1);
    assert_eq!(n(&simulation, "transacted"), 1);
    assert!((1..=2).contains(&n(&simulation, "again")));
    let twice = |seed| {
        let simulation = Simulation::new(seed);
        simulation.set_faults(Faults { duplicated: ALWAYS, ..Faults::default() });
        drop(written(&simulation, add("again")));
        n(&simulation, "again") == 2
    };
    assert!((0..20).any(twice));
}

#[test]
fn a_transaction_is_applied_once_however_often_it_is_sent() {
    let simulation = with(Faults { lost_after: 600_000, ..Faults::default() });
    let environment = simulation.environment(0);
    let mut done = 0;
    for at in 0..50 {
        let part = format!("p{at}");
        let (task, write) = (environment.clone(), add(&part));
        let outcome =
            simulation.complete(&environment, async move { task.transact(vec![write]).await });
        assert_eq!(n(&simulation, &part), 1);
        done += i32::from(outcome == Outcome::Done);
    }
    assert!(done > 25, "{done}");
    assert!(simulation.counts().transactions > 75);
}

#[test]
fn a_task_can_crash_wherever_it_waits() {
    let run = |n_th: u32, crash| {
        let simulation = Simulation::new(1);
        let environment = simulation.environment(0);
        let task = environment.clone();
        let running = simulation.spawn(&environment, async move {
            for _ in 0..2 {
                drop(task.write(add("p")).await);
            }
        });
        running.crash_at(n_th, crash);
        simulation.run();
        assert_eq!(running.crashed(), running.take().is_none());
        (running.crashed(), n(&simulation, "p"))
    };
    let mut seen = Vec::new();
    let places = crash_everywhere(|place, crash| {
        let (crashed, written) = run(place, crash);
        seen.push(written);
        crashed
    });
    assert_eq!((places, seen), (2, vec![0, 1, 1, 2, 2, 2]));
}

#[test]
fn tasks_crash_by_chance() {
    let simulation = with(Faults { crash: 500_000, ..Faults::default() });
    for _ in 0..100 {
        let environment = simulation.environment(0);
        let task = environment.clone();
        simulation.spawn(&environment, async move { drop(task.write(add("p")).await) });
    }
    let safe = simulation.environment(0).with_faults(Faults::default());
    let running = simulation.spawn(&safe, safe.clone().write_twice());
    simulation.run();
    assert!(running.take().is_some());
    let crashes = simulation.counts().crashes;
    assert!((30..=70).contains(&crashes), "{crashes}");
    // Of those that crashed some had sent their write.
    let written = n(&simulation, "p") - 2;
    assert!(written > 100 - i64::try_from(crashes).unwrap() && written < 100, "{written}");
}

impl Environment {
    async fn write_twice(self) {
        drop(self.write(add("p")).await);
        drop(self.write(add("p")).await);
    }
}

#[test]
fn an_item_takes_so_many_writes_in_a_second() {
    let simulation = Simulation::new(1);
    simulation.limit_writes(Some(10));
    let environment = simulation.environment(0);
    for _ in 0..100 {
        let task = environment.clone();
        simulation.spawn(&environment, async move { task.write(add("p").once()).await });
    }
    simulation.run();
    let applied = n(&simulation, "p");
    assert!((10..=30).contains(&applied), "{applied}");
    assert_eq!(i64::try_from(simulation.counts().nothing_done).unwrap(), 100 - applied);
}

#[test]
fn what_a_writer_hears_of_a_write_that_is_sent_once_is_true() {
    for seed in 0..300 {
        let simulation = Simulation::new(seed);
        simulation.set_faults(Faults { crash: 0, ..Faults::all(100_000) });
        let tasks: Vec<_> = (0..10)
            .map(|at| {
                let environment = simulation.environment(0);
                let (task, part) = (environment.clone(), format!("p{at}"));
                simulation.spawn(&environment, async move {
                    let absent = add(&part).only_if("attribute_not_exists(#account)").once();
                    let outcomes = (task.write(absent.clone()).await, task.write(absent).await);
                    (part, outcomes)
                })
            })
            .collect();
        simulation.run();
        for task in tasks {
            let (part, outcomes) = task.take().unwrap();
            let done = [&outcomes.0, &outcomes.1].map(|it| matches!(it, Outcome::Done));
            let silent = [&outcomes.0, &outcomes.1].map(|it| matches!(it, Outcome::Unknown));
            let written = n(&simulation, &part) == 1;
            assert!(done != [true, true] && n(&simulation, &part) <= 1);
            assert!(written || done == [false, false], "{outcomes:?}");
            assert!(!written || done != [false, false] || silent != [false, false], "{outcomes:?}");
        }
    }
}
