//! A crash at every place where an operation waits, before and after what it has sent arrives.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use shared::{
    key::IdempotencyTag,
    limits::{Concurrent, Limits},
    money::Pico,
    provider::Provider,
    store::{
        Store,
        consents::{By, ConsentEvent, ConsentKind, KeepConsents},
        keys::ChangeKeys,
        ledger::{Entry, EntryKind, PostEntry},
        wallet::{ChangeWallet, State},
    },
};
use simulator::{Running, Simulation, crash_everywhere};

use super::{
    bank::{Bank, Want, close, revoke},
    schedule::close_account,
};

const HOUR: Duration = Duration::from_secs(3_600);

fn limits() -> Limits {
    Limits {
        total: Some(Pico::new(800_000)),
        day: Some(Pico::new(700_000)),
        month: Some(Pico::new(700_000)),
        requests: NonZeroU64::new(100),
        tokens: NonZeroU64::new(100_000),
        concurrent: Concurrent::new(4),
    }
}

fn want(millis: u64, named: bool) -> Want {
    Want {
        after: Duration::from_millis(millis),
        runs: Duration::from_millis(100),
        prompt: 10,
        answer: 100,
        spends: 400,
        tag: named.then(|| IdempotencyTag::parse(&"5a".repeat(32)).unwrap()),
    }
}

/// Runs an operation beside two calls, crashes it at every place, closes everything and checks the
/// books. Says at how many places it can crash.
fn everywhere<T: Send + 'static>(operation: impl Fn(&Bank) -> Running<T>) -> u32 {
    crash_everywhere(|place, crash| {
        let simulation = Simulation::new(7);
        let bank = Bank::open(simulation, Pico::new(1_000_000), &[limits(), Limits::default()]);
        let env = bank.simulation.environment(0);
        for key in &bank.keys {
            bank.call(&env, key, want(0, false));
        }
        let running = operation(&bank);
        running.crash_at(place, crash);
        bank.simulation.run();
        let crashed = running.crashed();
        // The same once more, since whoever crashes comes back.
        operation(&bank);
        bank.simulation.run();
        bank.close_all();
        let (violations, _) = bank.checks.finish(&bank.simulation, &bank.account);
        assert!(violations.is_empty(), "place {place}, {crash:?}: {violations:#?}");
        crashed
    })
}

#[test]
fn the_books_agree_wherever_an_operation_crashes() {
    let mut places = Vec::new();
    let mut note = |name: &str, count: u32| places.push((name.to_owned(), count));
    for (name, key, named) in [
        ("a call", 1, false),
        ("a call of a key with limits", 0, false),
        ("a call of a key with limits that is named", 0, true),
    ] {
        note(
            name,
            everywhere(|bank| {
                let env = bank.simulation.environment(300);
                bank.call(&env, &bank.keys[key], want(10, named))
            }),
        );
    }
    note(
        "a close of two hours and a day",
        everywhere(|bank| {
            let (env, key) = (bank.simulation.environment(0), &bank.keys[0]);
            bank.call(&env, key, Want { after: HOUR, ..want(0, false) });
            let task = env.clone();
            env.spawn(async move {
                task.sleep(24 * HOUR).await;
                close(&task).await
            })
        }),
    );
    for (kind, amount) in [(EntryKind::TopUp, 5_000), (EntryKind::Refund, 6_000)] {
        note(
            kind.name(),
            everywhere(|bank| {
                let env = bank.simulation.environment(0);
                let (task, account) = (env.clone(), bank.account.clone());
                env.spawn(async move {
                    let entry = Entry::new(&account, kind, "one", Pico::new(amount)).unwrap();
                    Store::over(task.clone()).post_entry(&entry, task.now()).await
                })
            }),
        );
    }
    note(
        "a revocation",
        everywhere(|bank| {
            let env = bank.simulation.environment(0);
            let (account, key) = (bank.account.clone(), bank.keys[0].clone());
            env.spawn(revoke(env.clone(), account, key, Arc::clone(&bank.checks), None))
        }),
    );
    note(
        "limits of an account",
        everywhere(|bank| {
            let env = bank.simulation.environment(0);
            let (task, account) = (env.clone(), bank.account.clone());
            env.spawn(async move {
                let store = Store::over(task.clone());
                store.set_account_limits(&account, &limits(), task.now()).await
            })
        }),
    );
    note(
        "limits of a key",
        everywhere(|bank| {
            let env = bank.simulation.environment(0);
            let (task, key) = (env.clone(), bank.keys[1].clone());
            env.spawn(async move {
                Store::over(task.clone()).set_key_limits(&key.hash, &limits(), task.now()).await
            })
        }),
    );
    note(
        "a freeze",
        everywhere(|bank| {
            let env = bank.simulation.environment(0);
            let (task, account) = (env.clone(), bank.account.clone());
            env.spawn(async move { Store::over(task).set_state(&account, State::Frozen).await })
        }),
    );
    note(
        "a consent",
        everywhere(|bank| {
            let env = bank.simulation.environment(0);
            let (task, account) = (env.clone(), bank.account.clone());
            env.spawn(async move {
                let store = Store::over(task.clone());
                let (provider, kind) = (Provider::OpenAi, ConsentKind::Given);
                let (by, time) = (By::Operator, task.now());
                let event = ConsentEvent { provider, policy: 1, kind, by, time };
                store.give_consent(&account, &event).await
            })
        }),
    );
    note(
        "the closing of an account",
        everywhere(|bank| {
            let env = bank.simulation.environment(0);
            let (task, account) = (env.clone(), bank.account.clone());
            env.spawn(async move { close_account(&task, &account).await })
        }),
    );
    note(
        "an account's end",
        everywhere(|bank| {
            let env = bank.simulation.environment(0);
            let (task, account) = (env.clone(), bank.account.clone());
            env.spawn(async move {
                close_account(&task, &account).await;
                task.sleep(2 * HOUR).await;
                close(&task).await
            })
        }),
    );
    for (name, count) in &places {
        simulator::show(&format!("{count:3} places to crash at: {name}"));
        assert!(*count > 0, "{name} waits nowhere");
    }
}
