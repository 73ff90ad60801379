//! The same sequences of writes against the embedded DynamoDB, one that others have written, and the
//! simulated one of the money's tests, through the very store that Lambda runs: every write, what
//! became of it, the item that a refused one shows, and all that is in the tables at the end.
//!
//! The stricter answer is the reference. Of what is malformed each of the first two takes something,
//! which stands in `malformed.rs`; the simulated one takes nothing of it, and all three take the
//! store's own expressions.

mod accounts;
mod closes;
mod keys;
mod malformed;
mod receipts;
mod rest;
mod wallets;

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::LocalBoxFuture;
use shared::{
    caller::Scope,
    endpoint::EndpointType,
    id::{AccountId, CallId, KeyId},
    key::KeyHash,
    limits::Limits,
    money::{Pico, Price},
    provider::Provider,
    store::{
        accounts::{CreateAccount, NewAccount, ReadProfile},
        calls::{Basis, Record},
        keys::{CreateKey, KeyHold, NewKey},
        ledger::{Entry, EntryKind, PostEntry},
        wallet::{Hold, KeyRead, Settle},
    },
    time::{Hour, Timestamp},
    units::{UnitClass, Units},
};
use tests::{
    show,
    twin::{Stage, Twin},
};

/// A sequence of writes.
type Sequence = for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, ()>;

/// What the store can answer, each of which some sequence has to come to.
const ANSWERS: [&str; 46] = [
    "Err(NoAccount)",
    "Err(Frozen)",
    "Err(NoConsent)",
    "Err(StaleKey(",
    "Err(Balance(",
    "Err(Exceeded(Budget(Total",
    "Err(Exceeded(Budget(Day",
    "Err(Exceeded(Budget(Month",
    "Err(Exceeded(Requests(",
    "Err(Exceeded(Tokens(",
    "Err(Exceeded(Concurrent(",
    "Err(HourClosed)",
    "Err(NoKey)",
    "settle: Done",
    "settle: LeftToTheClose",
    "mark: Ok(First)",
    "mark: Ok(Taken(",
    "Ok(Now)",
    "Ok(Before(",
    "Err(Different)",
    "Err(UnknownAccount)",
    "Err(BalanceTooLow)",
    "close: Ok(())",
    "close: Err(Conflict)",
    "state: Frozen",
    "deleted: 1, unclosed: 0",
    "unclosed: 1",
    "address: Ok(In(",
    "recover: Ok(KeyItem",
    "recover: Err(Conflict)",
    "email: Ok(())",
    "email: Err(Conflict)",
    "end: Err(Conflict)",
    "claim: Ok(())",
    "claim: Err(Conflict)",
    "begin: Ok(())",
    "end: Ok(Ended",
    "thaw: Err(Conflict)",
    "Untold(AccountId(",
    "publish: Ok(())",
    "publish: Err(Conflict)",
    "notice: Ok(Now)",
    "notice: Ok(ByAnother)",
    "notice: Ok(Told)",
    "notice: Ok(Gone)",
    "sent: Err(Conflict)",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sequence_goes_the_same_way_in_all_three() {
    let ministack = tokio::task::spawn_blocking(toolchain::ministack).await.unwrap();
    let other = Twin::ministack(&ministack.unwrap_or_else(|error| panic!("{error}"))).await;
    let twins = [Twin::embedded().await, other, Twin::simulated()];
    let (mut differences, mut writes, mut lines) = (Vec::new(), BTreeSet::new(), Vec::new());
    for (name, sequence) in sequences() {
        let mut traces = Vec::new();
        for twin in &twins {
            let stage = twin.stage().await;
            sequence(&stage).await;
            let trace = stage.end().await;
            for (write, became) in trace.iter().filter_map(|line| line.rsplit_once(" -> ")) {
                let taken = became.starts_with("Done") || became.starts_with("Refused");
                assert!(taken, "{}, {name}: {write} -> {became}", twin.name);
                writes.insert(write.trim().to_owned());
            }
            traces.push(trace);
        }
        let ours = traces.swap_remove(0);
        for (theirs, twin) in traces.iter().zip(["the simulated one", "ministack"]) {
            if ours.len() != theirs.len() {
                differences.push(format!("{name}: {} lines, {twin} {}", ours.len(), theirs.len()));
            }
            for (ours, theirs) in ours.iter().zip(theirs).filter(|(ours, theirs)| ours != theirs) {
                differences.push(format!("{name}, {twin}:\n  {ours}\n  {theirs}"));
            }
        }
        lines.extend(ours);
    }
    show(&format!(
        "{} sequences, {} lines in each of three, {} different writes that all take, {} \
         differences",
        sequences().len(),
        lines.len(),
        writes.len(),
        differences.len()
    ));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    for answer in ANSWERS {
        assert!(lines.iter().any(|line| line.contains(answer)), "no sequence comes to {answer}");
    }
    for write in writes {
        // What neither refuses and DynamoDB's documentation does: see `malformed.rs`.
        assert!(!write.contains('.'), "a nested path: {write}");
    }
}

/// Every sequence by its name.
fn sequences() -> Vec<(&'static str, Sequence)> {
    [
        accounts::SEQUENCES,
        wallets::SEQUENCES,
        keys::SEQUENCES,
        closes::SEQUENCES,
        receipts::SEQUENCES,
        rest::SEQUENCES,
    ]
    .concat()
}

/// The most that a call of these sequences holds.
const HELD: Pico = Pico::new(5_000_000);

/// The hour in which they begin. Nothing that expires then is past for the twins' own clocks.
fn hour() -> Hour {
    "2087051710".parse().unwrap()
}

/// So many seconds into an hour.
fn at(hour: Hour, seconds: u64) -> Timestamp {
    hour.start().plus(Duration::from_secs(seconds))
}

/// So many hours later.
fn later(hour: Hour, hours: u64) -> Hour {
    (0..hours).fold(hour, |hour, _| hour.end().hour())
}

/// When an hour may be closed.
fn over(hour: Hour) -> Timestamp {
    hour.end().plus(Duration::from_secs(25 * 60))
}

fn account(number: u32) -> AccountId {
    format!("acct_{number:022}").parse().unwrap()
}

fn key(number: u32) -> KeyId {
    format!("key_{number:022}").parse().unwrap()
}

fn hash(number: u32) -> KeyHash {
    KeyHash::parse(&format!("1#{number:064x}")).unwrap()
}

fn call(hour: Hour, number: u32) -> CallId {
    format!("call_{hour}{number:022}").parse().unwrap()
}

/// Makes the first account, with consent for two providers and ten dollars.
async fn open(stage: &Stage) {
    let consents = [Provider::OpenAi, Provider::Anthropic];
    let (account, now) = (account(1), at(hour(), 60));
    let new = NewAccount::bare(&account, &consents, 1);
    stage.note("create", stage.store.create_account(&new, now).await);
    credit(stage, "first", Pico::from_dollars(10)).await;
}

async fn credit(stage: &Stage, reference: &str, amount: Pico) {
    let account = account(1);
    let entry = Entry::new(&account, EntryKind::TopUp, reference, amount).unwrap();
    stage.note(reference, stage.store.post_entry(&entry, at(hour(), 61)).await);
}

/// Makes a key of the first account.
async fn make_key(stage: &Stage, number: u32, limits: &Limits, models: &[String]) {
    make_key_of(stage, &account(1), number, limits, models).await;
}

async fn make_key_of(
    stage: &Stage,
    account: &AccountId,
    number: u32,
    limits: &Limits,
    models: &[String],
) {
    let new = NewKey {
        hash: &hash(number),
        account,
        key: &key(number),
        label: "a label",
        tag: (number > 1).then_some("a tag"),
        scopes: &[Scope::Inference, Scope::UsageRead],
        models,
        limits,
        expires_at: (!models.is_empty()).then(|| at(later(hour(), 900), 0)),
    };
    let Some(profile) = stage.store.read_profile(account).await.unwrap() else {
        stage.note("new key", "there is no account");
        return;
    };
    stage.note("new key", stage.store.create_key(&new, &profile, at(hour(), 62)).await);
    stage.note("as was read", stage.store.create_key(&new, &profile, at(hour(), 62)).await);
}

/// What a call asks of the first account's wallet.
fn asks<'a>(account: &'a AccountId, call: &'a CallId) -> Hold<'a> {
    let key = KeyRead::At(call.hour().start());
    Hold { account, call, amount: HELD, provider: Provider::OpenAi, policy: 1, key }
}

async fn hold(stage: &Stage, hold: &Hold<'_>, now: Timestamp) {
    use shared::store::wallet::MoveMoney;

    stage.note("hold", stage.store.hold(hold, &|| now).await);
}

async fn settle(stage: &Stage, account: &AccountId, call: &CallId, back: i128, now: Timestamp) {
    use shared::store::wallet::MoveMoney;

    let settle = Settle { account, call, returned: Pico::new(back) };
    stage.note("settle", stage.store.settle(&settle, &|| now).await);
}

/// What a call asks of a key.
fn asks_key<'a>(hash: &'a KeyHash, call: &'a CallId, limits: &'a Limits) -> KeyHold<'a> {
    let until = at(call.hour(), 900);
    KeyHold { hash, call, amount: HELD, tokens: 100, limits, until }
}

/// A record that costs what its input does.
fn record(call: &CallId, key: KeyId, input: u64, time: Timestamp) -> Record {
    Record {
        account: account(1),
        call: call.clone(),
        time,
        model: "gpt-5-mini".to_owned(),
        units: Units::default().with(UnitClass::Input, input).with(UnitClass::Output, 1),
        endpoint: EndpointType::ChatCompletions,
        status: 200,
        key,
        cost: Price::new(250_000).of(input),
        price_version: "prices".to_owned(),
        basis: Basis::Reported,
    }
}
