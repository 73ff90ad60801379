//! Sequences on accounts and wallets.

use std::num::NonZeroU64;

use shared::{
    limits::Limits,
    money::Pico,
    provider::Provider,
    store::{
        accounts::{CreateAccount, NewAccount},
        consents::{By, ConsentEvent, ConsentKind, KeepConsents},
        wallet::{ChangeWallet, Hold, KeyRead, ReadWallet, State},
    },
    time::Timestamp,
};
use tests::twin::Stage;

use super::{HELD, Sequence, account, asks, at, call, hold, hour, key, later, open, over, settle};

pub(crate) const SEQUENCES: &[(&str, Sequence)] = &[
    ("accounts are made once", |stage| Box::pin(accounts(stage))),
    ("a hold is placed once and refused for each reason", |stage| Box::pin(holds(stage))),
    ("a month opens, is raised, lowered, lifted and ends", |stage| Box::pin(months(stage))),
    ("a minute opens, turns and is another's", |stage| Box::pin(minutes(stage))),
    ("limits of a wallet before and after its first call", |stage| Box::pin(limits(stage))),
    ("a settle is done, late, or for nobody", |stage| Box::pin(settles(stage))),
    ("the mark of keys moves forward and by a millisecond", |stage| Box::pin(marks(stage))),
    ("consent, state and alerts are changed", |stage| Box::pin(changes(stage))),
];

async fn accounts(stage: &Stage) {
    open(stage).await;
    open(stage).await;
    let consents = Provider::ALL;
    let (second, third) = (account(2), account(3));
    let new = NewAccount::bare(&second, &consents, 3);
    stage.note("second", stage.store.create_account(&new, at(hour(), 70)).await);
    let new = NewAccount::bare(&third, &[], 3);
    stage.note("third", stage.store.create_account(&new, at(hour(), 70)).await);
    for number in 1..=4 {
        stage.note("read", stage.store.read_wallet(&account(number)).await);
    }
}

async fn holds(stage: &Stage) {
    let (hour, nobody, somebody) = (hour(), account(9), account(1));
    let now = at(hour, 100);
    hold(stage, &asks(&nobody, &call(hour, 1)), now).await;
    open(stage).await;
    let first = call(hour, 1);
    hold(stage, &asks(&somebody, &first), now).await;
    // The same once more, as after a lost answer.
    hold(stage, &asks(&somebody, &first), now).await;
    let second = call(hour, 2);
    let usual = asks(&somebody, &second);
    stage.note("freeze", stage.store.set_state(&somebody, State::Frozen).await);
    hold(stage, &usual, now).await;
    stage.note("thaw", stage.store.set_state(&somebody, State::Active).await);
    hold(stage, &Hold { provider: Provider::Gemini, ..usual.clone() }, now).await;
    hold(stage, &Hold { policy: 2, ..usual.clone() }, now).await;
    stage.note("mark", stage.store.require_fresh_keys(&somebody, at(hour, 5)).await);
    hold(stage, &usual, now).await;
    hold(stage, &Hold { key: KeyRead::At(at(hour, 5)), ..usual.clone() }, now).await;
    hold(stage, &Hold { key: KeyRead::Since(at(hour, 4)), ..usual.clone() }, now).await;
    let dear = Hold { amount: Pico::from_dollars(10), ..usual.clone() };
    hold(stage, &Hold { key: KeyRead::At(at(hour, 6)), ..dear }, now).await;
    hold(stage, &Hold { key: KeyRead::Since(at(hour, 5)), ..usual.clone() }, now).await;
    let rest = Pico::from_dollars(10).less(HELD).less(HELD);
    let third = call(hour, 3);
    let all = Hold { amount: rest, key: KeyRead::At(now), ..asks(&somebody, &third) };
    hold(stage, &all, now).await;
    // Nothing is left, and a call that costs nothing needs nothing.
    let fourth = call(hour, 4);
    hold(stage, &Hold { amount: Pico::new(1), call: &fourth, ..all.clone() }, now).await;
    hold(stage, &Hold { amount: Pico::ZERO, call: &fourth, ..all.clone() }, now).await;
    // Too late by the clock, and before the account was.
    hold(stage, &Hold { call: &call(hour, 5), ..all.clone() }, over(hour)).await;
    let before = hour.previous();
    hold(stage, &Hold { call: &call(before, 6), ..all }, at(hour, 1)).await;
}

async fn set(stage: &Stage, month: Option<i128>, requests: Option<u64>, now: Timestamp) {
    let limits = Limits {
        month: month.map(Pico::new),
        requests: requests.and_then(NonZeroU64::new),
        ..Limits::default()
    };
    stage.note("limits", stage.store.set_account_limits(&account(1), &limits, now).await);
}

async fn months(stage: &Stage) {
    open(stage).await;
    let (hour, somebody) = (hour(), account(1));
    set(stage, Some(12_000_000), None, at(hour, 90)).await;
    for number in 1..=3 {
        hold(stage, &asks(&somebody, &call(hour, number)), at(hour, 100)).await;
    }
    settle(stage, &somebody, &call(hour, 1), 4_000_000, at(hour, 101)).await;
    hold(stage, &asks(&somebody, &call(hour, 4)), at(hour, 102)).await;
    // Raised, lowered below what is spent, the same again, and lifted.
    set(stage, Some(16_000_000), None, at(hour, 103)).await;
    hold(stage, &asks(&somebody, &call(hour, 5)), at(hour, 104)).await;
    set(stage, Some(1_000_000), None, at(hour, 105)).await;
    set(stage, Some(1_000_000), None, at(hour, 106)).await;
    hold(stage, &asks(&somebody, &call(hour, 6)), at(hour, 107)).await;
    set(stage, None, None, at(hour, 108)).await;
    hold(stage, &asks(&somebody, &call(hour, 7)), at(hour, 109)).await;
    set(stage, Some(40_000_000), None, at(hour, 110)).await;
    hold(stage, &asks(&somebody, &call(hour, 8)), at(hour, 111)).await;
    // The next month opens by its first call, too dear or not.
    let next = "2087060100".parse().unwrap();
    let first = call(next, 9);
    let dear = Hold { amount: Pico::new(40_000_001), ..asks(&somebody, &first) };
    hold(stage, &dear, at(next, 1)).await;
    hold(stage, &asks(&somebody, &first), at(next, 2)).await;
    stage.note("read", stage.store.read_wallet(&somebody).await);
}

async fn minutes(stage: &Stage) {
    open(stage).await;
    let (hour, somebody) = (hour(), account(1));
    set(stage, None, Some(2), at(hour, 90)).await;
    for (number, second) in [(1, 120), (2, 130), (3, 179), (4, 180), (5, 181), (6, 150), (7, 151)] {
        hold(stage, &asks(&somebody, &call(hour, number)), at(hour, second)).await;
    }
    // Another's clock is ahead, and its minute is counted: the calls before it are its own.
    for (number, second) in [(8, 300), (9, 240), (10, 240)] {
        hold(stage, &asks(&somebody, &call(hour, number)), at(hour, second)).await;
    }
    set(stage, None, Some(5), at(hour, 301)).await;
    hold(stage, &asks(&somebody, &call(hour, 11)), at(hour, 302)).await;
    hold(stage, &asks(&somebody, &call(hour, 12)), at(hour, 360)).await;
    set(stage, None, None, at(hour, 361)).await;
    hold(stage, &asks(&somebody, &call(hour, 13)), at(hour, 362)).await;
}

async fn limits(stage: &Stage) {
    let (hour, somebody) = (hour(), account(1));
    set(stage, Some(1), Some(1), at(hour, 80)).await;
    open(stage).await;
    set(stage, None, None, at(hour, 81)).await;
    set(stage, Some(5), Some(2), at(hour, 82)).await;
    set(stage, Some(6), Some(1), at(hour, 83)).await;
    set(stage, None, Some(1), at(hour, 84)).await;
    // The first call opens the month without a limit, below nothing; then both open at once.
    hold(stage, &asks(&somebody, &call(hour, 1)), at(hour, 85)).await;
    set(stage, Some(20_000_000), Some(9), at(hour, 86)).await;
    hold(stage, &asks(&somebody, &call(hour, 2)), at(hour, 145)).await;
    let next = later(hour, 24 * 31);
    hold(stage, &asks(&somebody, &call(next, 3)), at(next, 1)).await;
}

async fn settles(stage: &Stage) {
    let (hour, somebody) = (hour(), account(1));
    let first = call(hour, 1);
    settle(stage, &somebody, &first, 1, at(hour, 90)).await;
    open(stage).await;
    hold(stage, &asks(&somebody, &first), at(hour, 100)).await;
    settle(stage, &somebody, &first, 4_999_999, at(hour, 101)).await;
    settle(stage, &somebody, &first, 1, over(hour)).await;
    let wallet = [("account", somebody.as_str()), ("part", "wallet")];
    let closed = aws_sdk_dynamodb::types::AttributeValue::N(hour.to_string());
    stage.set(&wallet, "closed", closed).await;
    settle(stage, &somebody, &first, 1, at(hour, 102)).await;
    hold(stage, &asks(&somebody, &call(hour, 2)), at(hour, 103)).await;
    settle(stage, &account(2), &first, 1, at(hour, 104)).await;
}

async fn marks(stage: &Stage) {
    let (hour, somebody) = (hour(), account(1));
    stage.note("nobody", stage.store.require_fresh_keys(&somebody, at(hour, 1)).await);
    open(stage).await;
    for second in [10, 20, 20, 15] {
        stage.note("mark", stage.store.require_fresh_keys(&somebody, at(hour, second)).await);
    }
}

async fn changes(stage: &Stage) {
    let (now, provider) = (at(hour(), 90), Provider::Gemini);
    for number in [9, 1] {
        let account = account(number);
        let store = &stage.store;
        if number == 1 {
            open(stage).await;
        }
        let event =
            |provider, policy, kind, by| ConsentEvent { provider, policy, kind, by, time: now };
        let given = |provider, policy| event(provider, policy, ConsentKind::Given, By::Code);
        let taken = event(Provider::Anthropic, 1, ConsentKind::Withdrawn, By::Key(key(1)));
        stage.note("consent", store.give_consent(&account, &given(provider, 2)).await);
        stage.note("again", store.give_consent(&account, &given(provider, 2)).await);
        stage.note("newer", store.give_consent(&account, &given(Provider::OpenAi, 3)).await);
        stage.note("withdraw", store.withdraw_consent(&account, &taken).await);
        stage.note("again", store.withdraw_consent(&account, &taken).await);
        stage.note("consents", store.consents_of(&account).await);
        stage.note("freeze", store.set_state(&account, State::Frozen).await);
        stage.note("again", store.set_state(&account, State::Frozen).await);
        stage.note("alert", store.set_alert_below(&account, Pico::from_dollars(2)).await);
        stage.note("read", store.read_wallet(&account).await);
    }
}
