//! The end of an account, in the moments in which payments, calls and runs of retention come.

use std::{num::NonZeroU64, time::Duration};

use shared::{
    limits::Limits,
    money::Pico,
    store::{
        Store,
        ledger::{Entry, EntryKind, PostEntry},
        wallet::{ChangeWallet, State},
    },
    time::Hour,
};
use simulator::{Mutation, Simulation, proof::setting};

use super::{
    bank::{Bank, Want},
    faults, in_parallel,
    schedule::{Stats, close_account},
};

/// How many are run if nobody says.
const ENDINGS: u64 = 4_000;

/// An account that is closed by two at once, while its calls come, and ended by three, while others
/// pay into it and let it go on.
pub(super) fn end(seed: u64, mutation: Option<Mutation>) -> (Vec<String>, Stats) {
    let start = "2026112421".parse::<Hour>().unwrap().start();
    let simulation = Simulation::starting_at(seed, start);
    simulation.set_page_size(usize::try_from(simulation.below(3)).unwrap() + 2);
    let limited = Limits { requests: NonZeroU64::new(60), ..Limits::default() };
    let bank = Bank::open(simulation, Pico::new(400_000), &[limited, Limits::default()]);
    let simulation = &bank.simulation;
    simulation.set_faults(faults(seed));
    if let Some(mutation) = mutation {
        simulation.mutate(mutation);
    }
    let within = |millis| Duration::from_millis(simulation.below(millis));
    let environments: Vec<_> = (0..3).map(|_| simulation.environment(0)).collect();
    for at in 0..6_usize {
        let want = Want {
            after: within(300),
            runs: within(2_000),
            prompt: simulation.below(60),
            answer: 16 + simulation.below(150),
            spends: simulation.below(1_000),
            tag: None,
        };
        bank.call(&environments[at % 3], &bank.keys[at % 2], want);
    }
    // The hour is due an hour and 25 minutes after it began.
    let due = Duration::from_secs(85 * 60);
    for (at, env) in environments.iter().enumerate() {
        let (task, account, after) = (env.clone(), bank.account.clone(), within(300));
        if at < 2 {
            env.spawn(async move {
                task.sleep(after).await;
                close_account(&task, &account).await;
            });
        }
        bank.close_after(env, due + within(200));
        for after in [within(300), due + within(400)] {
            let (task, account) = (env.clone(), bank.account.clone());
            env.spawn(async move {
                task.sleep(after).await;
                let store = Store::over(task.clone());
                let name = format!("late-{at}-{}", after.as_secs());
                let entry = Entry::new(&account, EntryKind::TopUp, &name, Pico::new(7)).unwrap();
                let _posted = store.post_entry(&entry, task.now()).await;
                let _thawed = store.set_state(&account, State::Active).await;
            });
        }
    }
    simulation.run();
    bank.close_all();
    bank.checks.finish(simulation, &bank.account)
}

#[test]
fn an_account_ends_to_the_unit_while_others_pay_into_it() {
    let mut stats = Stats::default();
    let count = setting("MONEY_ENDINGS").unwrap_or(ENDINGS);
    in_parallel(
        count,
        |seed| (seed, end(seed, None)),
        |(seed, (violations, of_one))| {
            assert!(violations.is_empty(), "seed {seed}: {violations:#?}");
            stats.add(&of_one);
        },
    );
    simulator::show(&format!("{} accounts that are closed\n{stats}", stats.ended));
    // It is no race unless some calls are let in and some are not.
    assert!(stats.admitted > stats.calls / 20 && stats.admitted < stats.calls);
    assert!(stats.ended > count / 2);
}
