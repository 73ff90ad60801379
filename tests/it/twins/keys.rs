//! Sequences on keys with limits of their own, and without.

use std::{cell::RefCell, num::NonZeroU64};

use aws_sdk_dynamodb::types::AttributeValue;
use shared::{
    id::CallId,
    limits::{Concurrent, Limits},
    money::Pico,
    store::keys::{
        ChangeKeys, Consistency, FindKey, HoldKey, KeyChange, KeyHeld, KeyHold, KeysOf, MarkUsed,
        ReadKeyAccount,
    },
    time::Timestamp,
};
use tests::twin::Stage;

use super::{
    HELD, Sequence, account, asks_key, at, call, hash, hour, later, make_key, make_key_of, open,
    over,
};

pub(crate) const SEQUENCES: &[(&str, Sequence)] = &[
    ("keys are made once, numbered, found and revoked", |stage| Box::pin(made(stage))),
    ("budgets of a key open with their periods", |stage| Box::pin(budgets(stage))),
    ("the calls and tokens of a key's minute", |stage| Box::pin(counts(stage))),
    ("slots of a key are taken, freed and passed", |stage| Box::pin(slots(stage))),
    ("all limits of a key at once", |stage| Box::pin(everything(stage))),
    ("limits of a key are raised, lowered and lifted", |stage| Box::pin(limits(stage))),
    ("a key that is not there, or closed", |stage| Box::pin(nothing(stage))),
    ("secrets of a key are rotated, and what it is changes", |stage| Box::pin(changed(stage))),
];

async fn made(stage: &Stage) {
    make_key(stage, 1, &Limits::default(), &[]).await;
    open(stage).await;
    let limits = all();
    make_key(stage, 1, &Limits::default(), &[]).await;
    make_key(stage, 2, &limits, &["gpt-5-mini".to_owned(), "claude-haiku-4-5".to_owned()]).await;
    make_key(stage, 1, &limits, &[]).await;
    make_key(stage, 3, &Limits { day: Some(Pico::ZERO), ..Limits::default() }, &[]).await;
    make_key_of(stage, &account(2), 4, &limits, &[]).await;
    let now = at(hour(), 90);
    for number in [1, 2, 4] {
        let hash = hash(number);
        stage.note("revoke", stage.store.revoke_key(&hash, None, now).await);
        stage.note("again", stage.store.revoke_key(&hash, None, at(hour(), 91)).await);
        for consistency in [Consistency::Eventual, Consistency::Strong] {
            stage.note("find", stage.store.find_key(&hash, consistency).await);
        }
        stage.note("books", stage.store.read_key_account(&hash).await);
    }
    for number in [1, 2] {
        stage.note("keys of", stage.store.keys_of(&account(number)).await);
    }
}

async fn changed(stage: &Stage) {
    open(stage).await;
    make_key(stage, 1, &all(), &[]).await;
    let (key, now) = (hash(1), at(hour(), 90));
    let models = ["gpt-5-mini".to_owned()];
    for change in [
        KeyChange::default(),
        KeyChange {
            label: Some("other"),
            tag: Some(Some("tag")),
            models: Some(&models),
            expires_at: Some(Some(now)),
        },
        KeyChange { tag: Some(None), ..KeyChange::default() },
        KeyChange { models: Some(&[]), ..KeyChange::default() },
        KeyChange { expires_at: Some(None), label: Some("third"), ..KeyChange::default() },
    ] {
        stage.note("change", stage.store.change_key(&key, &change, None).await);
        stage.note("key", stage.store.read_key(&key).await);
    }
    for day in [hour().day(), hour().day().next(), hour().day()] {
        stage.note("used", stage.store.mark_used(&key, day).await);
        stage.note("key", stage.store.read_key(&key).await);
    }
    stage.note("nobody's", stage.store.mark_used(&hash(2), hour().day()).await);
    let mut read = stage.store.read_key(&key).await.unwrap().unwrap();
    for (number, other, minutes) in [(11, 21, 30), (12, 22, 40), (12, 22, 50), (13, 23, 60)] {
        let until = at(hour(), minutes);
        stage.note("rotate", stage.store.rotate_key(&read, &hash(number), until, None).await);
        // What was read before is old now.
        stage.note("again", stage.store.rotate_key(&read, &hash(other), until, None).await);
        read = stage.store.read_key(&key).await.unwrap().unwrap();
        stage.note("key", &read);
    }
    stage.note("revoke", stage.store.revoke_key(&key, None, now).await);
    stage.note("rotate revoked", stage.store.rotate_key(&read, &hash(15), now, None).await);
    let label = KeyChange { label: Some("late"), ..KeyChange::default() };
    stage.note("change revoked", stage.store.change_key(&key, &label, None).await);
    for number in [1, 11, 12, 13, 15, 21, 22, 23] {
        let found = stage.store.find_key(&hash(number), Consistency::Strong).await;
        stage.note("found", found);
    }
}

/// Every limit there is.
fn all() -> Limits {
    Limits {
        total: Some(Pico::new(20_000_000)),
        day: Some(Pico::new(12_000_000)),
        month: Some(Pico::new(15_000_000)),
        requests: NonZeroU64::new(3),
        tokens: NonZeroU64::new(250),
        concurrent: Concurrent::new(2),
    }
}

/// The calls under way, with what each holds.
#[derive(Default)]
struct Under(RefCell<Vec<(CallId, KeyHeld)>>);

impl Under {
    async fn hold(&self, stage: &Stage, hold: &KeyHold<'_>, now: Timestamp) {
        let held = stage.store.hold_key(hold, &|| now).await;
        stage.note("hold", &held);
        if let Ok(held) = held {
            self.0.borrow_mut().push((hold.call.clone(), held));
        }
    }

    /// Settles a call that is under way, and leaves it there: it may be settled too often.
    async fn settle(&self, stage: &Stage, call: &CallId, spent: (i128, u64), now: Timestamp) {
        let found = self.0.borrow().iter().find(|(other, _)| other == call).cloned();
        let Some((_, held)) = found else { return stage.note("settle", "not under way") };
        let spent = (Pico::new(spent.0), spent.1);
        let settled = stage.store.settle_key(&hash(1), call, &held, spent, &|| now).await;
        stage.note("settle", settled);
    }
}

async fn budgets(stage: &Stage) {
    open(stage).await;
    let (under, hour, hash) = (Under::default(), hour(), hash(1));
    let limits = Limits { requests: None, tokens: None, concurrent: None, ..all() };
    make_key(stage, 1, &limits, &[]).await;
    let asked = |number| call(hour, number);
    for number in 1..=3 {
        under.hold(stage, &asks_key(&hash, &asked(number), &limits), at(hour, 100)).await;
    }
    under.hold(stage, &asks_key(&hash, &asked(2), &limits), at(hour, 101)).await;
    under.settle(stage, &asked(1), (1_000_000, 9), at(hour, 102)).await;
    under.settle(stage, &asked(2), (HELD.pico(), 9), at(hour, 102)).await;
    under.hold(stage, &asks_key(&hash, &asked(4), &limits), at(hour, 103)).await;
    under.settle(stage, &asked(4), (0, 0), at(hour, 104)).await;
    // Another day, of the same month: what is left of the month is less than of the day.
    let next = later(hour, 14);
    for number in 5..=7 {
        under.hold(stage, &asks_key(&hash, &call(next, number), &limits), at(next, 5)).await;
    }
    // Another month: the total is reached.
    let next = later(hour, 24 * 31);
    for number in 8..=10 {
        under.hold(stage, &asks_key(&hash, &call(next, number), &limits), at(next, 5)).await;
    }
    let cheap = call(next, 11);
    let cheap = KeyHold { amount: Pico::new(1), ..asks_key(&hash, &cheap, &limits) };
    under.hold(stage, &cheap, at(next, 6)).await;
}

async fn counts(stage: &Stage) {
    open(stage).await;
    let (under, hour, hash) = (Under::default(), hour(), hash(1));
    let limits = Limits { requests: all().requests, tokens: all().tokens, ..Limits::default() };
    make_key(stage, 1, &limits, &[]).await;
    let asked = |number| call(hour, number);
    for number in 1..=3 {
        under.hold(stage, &asks_key(&hash, &asked(number), &limits), at(hour, 100)).await;
    }
    // Fewer than it took, then more, and then another comes.
    under.settle(stage, &asked(1), (1, 10), at(hour, 101)).await;
    under.hold(stage, &asks_key(&hash, &asked(4), &limits), at(hour, 102)).await;
    under.settle(stage, &asked(2), (1, 300), at(hour, 103)).await;
    under.settle(stage, &asked(4), (1, 100), at(hour, 103)).await;
    under.hold(stage, &asks_key(&hash, &asked(5), &limits), at(hour, 104)).await;
    // The next minute turns, by a call that takes all of it.
    let sixth = asked(6);
    let long = KeyHold { tokens: 9_999, ..asks_key(&hash, &sixth, &limits) };
    under.hold(stage, &long, at(hour, 120)).await;
    under.hold(stage, &asks_key(&hash, &asked(7), &limits), at(hour, 121)).await;
    // Late for its minute by its own clock, and by another's.
    under.settle(stage, &asked(1), (1, 10), at(hour, 121)).await;
    under.settle(stage, &asked(1), (1, 10), at(hour, 101)).await;
    under.settle(stage, &asked(6), (1, 100), at(hour, 122)).await;
    under.hold(stage, &asks_key(&hash, &asked(8), &limits), at(hour, 110)).await;
    // Tokens alone, and a call of none.
    let tokens = Limits { tokens: all().tokens, ..Limits::default() };
    make_key(stage, 2, &tokens, &[]).await;
    let hash = super::hash(2);
    let ninth = asked(9);
    let none = KeyHold { tokens: 0, ..asks_key(&hash, &ninth, &tokens) };
    under.hold(stage, &none, at(hour, 130)).await;
    under.hold(stage, &asks_key(&hash, &asked(10), &tokens), at(hour, 131)).await;
}

async fn slots(stage: &Stage) {
    open(stage).await;
    let (under, hour, hash) = (Under::default(), hour(), hash(1));
    let limits = Limits { concurrent: all().concurrent, ..Limits::default() };
    make_key(stage, 1, &limits, &[]).await;
    let asked = |number| call(hour, number);
    for number in [1, 3, 5] {
        under.hold(stage, &asks_key(&hash, &asked(number), &limits), at(hour, 100)).await;
    }
    under.settle(stage, &asked(1), (1, 1), at(hour, 101)).await;
    under.settle(stage, &asked(1), (1, 1), at(hour, 101)).await;
    under.hold(stage, &asks_key(&hash, &asked(7), &limits), at(hour, 102)).await;
    // To the millisecond: a slot has passed when it says so, and is another's then.
    let just = Timestamp::from_millis(at(hour, 900).millis().saturating_sub(1));
    under.hold(stage, &asks_key(&hash, &asked(9), &limits), just).await;
    let ninth = asked(9);
    let later = KeyHold { until: at(hour, 1_800), ..asks_key(&hash, &ninth, &limits) };
    under.hold(stage, &later, at(hour, 900)).await;
    under.settle(stage, &asked(3), (1, 1), at(hour, 901)).await;
    under.settle(stage, &asked(7), (1, 1), at(hour, 901)).await;
    under.settle(stage, &asked(9), (1, 1), at(hour, 902)).await;
}

async fn everything(stage: &Stage) {
    open(stage).await;
    let (under, hour, hash) = (Under::default(), hour(), hash(1));
    let limits = all();
    make_key(stage, 1, &limits, &[]).await;
    for number in 1..=3 {
        under.hold(stage, &asks_key(&hash, &call(hour, number), &limits), at(hour, 100)).await;
    }
    under.settle(stage, &call(hour, 1), (2_000_000, 90), at(hour, 101)).await;
    under.settle(stage, &call(hour, 2), (HELD.pico(), 100), at(hour, 160)).await;
    let next = later(hour, 14);
    for number in 4..=6 {
        under.hold(stage, &asks_key(&hash, &call(next, number), &limits), at(next, 1)).await;
    }
    stage.note("books", stage.store.read_key_account(&hash).await);
}

async fn limits(stage: &Stage) {
    open(stage).await;
    let (under, hour, hash) = (Under::default(), hour(), hash(1));
    let none = Limits::default();
    let set = async |limits: &Limits, now: Timestamp| {
        stage.note("limits", stage.store.set_key_limits(&hash, limits, now).await);
    };
    set(&all(), at(hour, 60)).await;
    // A key without limits gets them, before and after it is given others.
    make_key(stage, 1, &none, &[]).await;
    set(&none, at(hour, 80)).await;
    set(&all(), at(hour, 81)).await;
    set(&all(), at(hour, 82)).await;
    under.hold(stage, &asks_key(&hash, &call(hour, 1), &all()), at(hour, 100)).await;
    let raised = Limits {
        total: Some(Pico::new(30_000_000)),
        day: Some(Pico::new(29_000_000)),
        month: None,
        requests: NonZeroU64::new(9),
        tokens: None,
        concurrent: Concurrent::new(4),
    };
    set(&raised, at(hour, 101)).await;
    under.hold(stage, &asks_key(&hash, &call(hour, 2), &raised), at(hour, 102)).await;
    // A call that was let in under limits that are no more.
    under.hold(stage, &asks_key(&hash, &call(hour, 3), &all()), at(hour, 102)).await;
    let lowered = Limits { total: Some(Pico::new(1)), concurrent: Concurrent::new(1), ..all() };
    set(&lowered, at(hour, 103)).await;
    under.hold(stage, &asks_key(&hash, &call(hour, 4), &lowered), at(hour, 104)).await;
    // On a day that no call has opened.
    let next = later(hour, 14);
    set(&all(), at(next, 1)).await;
    under.settle(stage, &call(hour, 1), (1, 1), at(hour, 105)).await;
    set(&none, at(next, 2)).await;
    under.hold(stage, &asks_key(&hash, &call(next, 5), &none), at(next, 3)).await;
    under.hold(stage, &asks_key(&hash, &call(next, 6), &all()), at(next, 4)).await;
    stage.note("books", stage.store.read_key_account(&hash).await);
}

async fn nothing(stage: &Stage) {
    open(stage).await;
    let (under, hour, hash) = (Under::default(), hour(), hash(1));
    let limits = all();
    under.hold(stage, &asks_key(&hash, &call(hour, 1), &limits), at(hour, 100)).await;
    make_key(stage, 1, &limits, &[]).await;
    under.hold(stage, &asks_key(&hash, &call(hour.previous(), 2), &limits), at(hour, 1)).await;
    under.hold(stage, &asks_key(&hash, &call(hour, 3), &limits), over(hour)).await;
    under.hold(stage, &asks_key(&hash, &call(hour, 4), &limits), at(hour, 101)).await;
    let closed = AttributeValue::N(hour.to_string());
    stage.set(&[("hash", hash.as_str())], "closed", closed).await;
    under.settle(stage, &call(hour, 4), (1, 1), at(hour, 102)).await;
    under.settle(stage, &call(hour, 4), (1, 1), over(hour)).await;
}
