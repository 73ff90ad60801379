//! What a call takes of the tables in write units, measured, and the size of the items it writes.

use std::{fmt::Write, num::NonZeroU64, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;
use retention::Event;
use shared::{
    caller::Scope,
    id::{AccountId, CallId, KeyId},
    key::KeyHash,
    limits::{Concurrent, Limits},
    money::Pico,
    provider::Provider,
    store::{
        accounts::{CreateAccount, NewAccount},
        calls::RECORD_LIFE,
        keys::{ChangeKeys, HoldKey, KeyHold, MarkUsed, NewKey},
        ledger::{Entry, EntryKind, PostEntry},
        tables::Item,
        wallet::{ChangeWallet, CloseWallet, Hold, KeyRead, MoveMoney, ReadWallet, WalletClose},
    },
    time::{Hour, Timestamp},
};
use tests::{
    bill,
    meter::{Measured, size_of, units},
    provider::Script,
    show,
    twin::Twin,
    world::World,
};

const CHAT: (&str, &str) =
    ("/v1/chat/completions", r#"{"model":"gpt-5-mini","max_tokens":100,"messages":[]}"#);
const ANSWER: &str =
    r#"{"choices":[{}],"usage":{"prompt_tokens":10,"completion_tokens":100,"total_tokens":110}}"#;
const MODERATION: (&str, &str) =
    ("/v1/moderations", r#"{"model":"omni-moderation-latest","input":"a"}"#);

/// The calls of a world whose tables are measured, and what each took.
struct Bench {
    world: World,
    table: String,
}

impl Bench {
    /// Makes a call and says what it took, once it is settled.
    async fn call(
        &mut self,
        what: &str,
        key: &str,
        (path, body): (&'static str, &'static str),
        (answer, status): ((u16, &str), u16),
        name: Option<&str>,
    ) -> Measured {
        self.world.provider().forget();
        self.world.provider().answer(Script::json(answer.0, answer.1.to_owned()));
        self.world.drain().await;
        self.world.meter().measured();
        let request = self.world.request(http::Method::POST, path).bearer_auth(key).body(body);
        let request = match name {
            Some(name) => request.header("idempotency-key", name),
            None => request,
        };
        let answer = self.world.send_to_provider(request).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        self.world.drain().await;
        let measured = self.world.meter().measured();
        self.line(what, &measured);
        measured
    }

    fn line(&mut self, what: &str, measured: &Measured) {
        let (writes, index, refused) =
            (measured.writes(), measured.index_writes(), measured.refused());
        let tables = ["Accounts", "Keys", "Calls", "Ledger"].map(|table| {
            let all = ["UpdateItem", "PutItem", "DeleteItem", "TransactWriteItems"];
            all.map(|operation| measured.of(operation, table)).iter().sum::<u64>()
        });
        let [accounts, keys, calls, ledger] = tables;
        let halves = measured.reads();
        writeln!(
            self.table,
            "{what:44} {writes:6} {refused:8} {accounts:9} {keys:5} {calls:6} {ledger:7} {index:6} \
             {:5}.{}",
            halves / 2,
            if halves.is_multiple_of(2) { 0 } else { 5 }
        )
        .unwrap();
    }
}

/// Lets no minute end before a few calls are made.
async fn early_in_a_minute() {
    let now = Timestamp::now();
    let left = now.minute().end().since(now);
    if left < Duration::from_secs(15) {
        tokio::time::sleep(left).await;
    }
}

fn all_limits() -> Limits {
    let much = Some(Pico::new(999_999_999_999_999_999));
    Limits {
        total: much,
        day: much,
        month: much,
        requests: NonZeroU64::new(999_999),
        tokens: NonZeroU64::new(999_999_999),
        concurrent: Concurrent::new(32),
    }
}

/// What a call takes: units of tables, and of the keys' index.
fn took(measured: &Measured) -> (u64, u64) {
    (measured.writes(), measured.index_writes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_takes_three_write_units_and_each_thing_more_takes_what_it_is_said_to() {
    let world = World::with_measured_store().await;
    let demo = world.demo("LAOZHANG_API_KEY");
    let mut bench = Bench { world, table: String::new() };
    let fine = ((200, ANSWER), 200);

    let bill = bill::measured();
    let billed = |id: &str| bill[id].parse::<u64>().unwrap();

    let plain = bench.call("a plain call", &demo, CHAT, fine, None).await;
    assert_eq!(took(&plain), (3, 0));
    assert_eq!((billed("write_units_call"), &*bill["read_units_authorizer"]), (3, "0.5"));
    assert_eq!(plain.reads(), 1, "half units");
    assert_eq!((plain.of("UpdateItem", "Accounts"), plain.of("PutItem", "Calls")), (2, 1));
    let named = bench.call("with an Idempotency-Key", &demo, CHAT, fine, Some("a")).await;
    assert_eq!(took(&named), (4, 0));
    assert_eq!(billed("write_units_marked"), 1);
    let again = ((200, ANSWER), 409);
    let again = bench.call("the same again, refused", &demo, CHAT, again, Some("a")).await;
    assert_eq!((took(&again), again.refused()), ((1, 0), 1));
    let free = bench.call("of no price, so that nothing is held", &demo, MODERATION, fine, None);
    assert_eq!(took(&free.await), (2, 0));
    let theirs = ((400, r#"{"error":{"message":"no"}}"#), 400);
    let theirs = bench.call("refused by the provider, all returned", &demo, CHAT, theirs, None);
    assert_eq!(took(&theirs.await), (3, 0));

    bench.world.set_balance(Pico::new(1)).await;
    let poor = bench.call("refused for its balance", &demo, CHAT, (fine.0, 429), None).await;
    assert_eq!((took(&poor), poor.refused()), ((1, 0), 1));
    let poor = bench.call("with an Idempotency-Key", &demo, CHAT, (fine.0, 429), Some("b")).await;
    assert_eq!((took(&poor), poor.refused()), ((3, 0), 1));
    bench.world.set_balance(Pico::from_dollars(10)).await;

    // The index has what a key is, so that it is not written with what the key spends.
    early_in_a_minute().await;
    let key = bench.world.limited_key(&all_limits()).await;
    let key = key.plain.reveal();
    let first = bench.call("of a key with limits, whose periods open", key, CHAT, fine, None).await;
    assert_eq!((took(&first), first.refused()), ((6, 0), 1));
    let next = bench.call("of a key with limits", key, CHAT, fine, None).await;
    assert_eq!((took(&next), next.refused()), ((5, 0), 0));
    assert_eq!(billed("write_units_limited"), 5);
    assert_eq!(next.of("UpdateItem", "Keys"), 2);

    early_in_a_minute().await;
    let (account, month) = (bench.world.account(), Some(Pico::from_dollars(1_000)));
    let limits = Limits { month, requests: NonZeroU64::new(100), ..Limits::default() };
    let set = bench.world.store().set_account_limits(&account, &limits, Timestamp::now());
    set.await.unwrap();
    let turns = bench.call("of an account whose minute turns", &demo, CHAT, fine, None).await;
    assert_eq!((took(&turns), turns.refused()), ((4, 0), 1));
    let turned = bench.call("of an account with limits", &demo, CHAT, fine, None).await;
    assert_eq!(took(&turned), (3, 0));

    let records = u64::try_from(bench.world.all_records().await.len()).unwrap();
    bench.world.meter().measured();
    let over = Timestamp::now().hour().end().plus(Duration::from_secs(25 * 60));
    let report = bench.world.retention().report(Event::default(), &|| over).await;
    assert_eq!((report.closed_hours > 0, report.failed), (true, 0));
    let closed = bench.world.meter().measured();
    bench.line(&format!("the close of the hour of {records} calls"), &closed);
    // Beside those the run notes what it did.
    let most = billed("write_units_close") + billed("write_units_report");
    assert!(closed.writes() <= most, "{} writes", closed.writes());
    assert_eq!(bill["read_units_close"], "7.5");
    // Beside those the run asks once which policy version is the newest, however many it closes.
    let of_policy = 2 * closed.of("GetItem", "Accounts").min(1);
    assert!(closed.reads() <= 15 + of_policy, "{} half units of reads", closed.reads());
    let items = bench.world.items("Calls").await;
    let mut table = String::from("sizes of what is in Calls\n");
    for (prefix, what) in [("call_", "record"), ("hour_", "rollup"), ("mark_", "marker")] {
        let of = |item: &&Item| item["call"].as_s().is_ok_and(|call| call.starts_with(prefix));
        let largest = items.iter().filter(of).map(size_of).max().unwrap();
        let largest = u64::try_from(largest).unwrap();
        writeln!(table, "{prefix:6} {largest} bytes at most").unwrap();
        assert!(largest <= billed(&format!("{what}_bytes")), "{prefix} {largest} bytes");
    }
    show(&table);
    assert_eq!(closed.refused(), 0);
    let week = over.plus(RECORD_LIFE).plus(Duration::from_secs(3_600));
    let report = bench.world.retention().report(Event::default(), &|| week).await;
    let swept = bench.world.meter().measured();
    bench.line(&format!("day seven of {} records and roll-ups", report.deleted_records), &swept);
    assert_eq!(swept.of("DeleteItem", "Calls"), report.deleted_records);
    assert_eq!((billed("write_units_day_seven"), billed("write_units_mark_expiry")), (1, 1));
    assert!(report.deleted_records >= records);
    show(&format!(
        "{:44} writes  refused  Accounts  Keys  Calls  Ledger  index   reads\n{}",
        "units", bench.table
    ));
}

/// The hours around the end of a month, which have most to say.
fn hours() -> [Hour; 5] {
    ["2087053121", "2087053122", "2087053123", "2087060100", "2087060101"]
        .map(|hour| hour.parse().unwrap())
}

fn call(hour: Hour, number: usize) -> CallId {
    format!("call_{hour}{number:022}").parse().unwrap()
}

/// Shows an item's size, and says how many units a write of it takes.
fn size(what: &str, item: &Item) -> u64 {
    let size = size_of(item);
    let mut parts: Vec<_> =
        item.iter().map(|(name, value)| (size_of([(name, value)]), name.as_str())).collect();
    parts.sort_unstable();
    let most = parts.iter().rev().take(5).map(|(size, name)| format!("{name} {size}"));
    let most: Vec<_> = most.collect();
    show(&format!("{what}: {size} bytes in {} attributes: {}, …", item.len(), most.join(", ")));
    units(size)
}

/// As long as a label and a tag may be.
const LABEL: &str = "a label of forty characters, as they may";
const TAG: &str = "a tag of twenty-four cha";

/// A key with every limit, as many slots as it may have taken, and three hours out.
async fn key_with_slots(twin: &Twin, slots: u8, hours: [Hour; 3], full: bool) -> Item {
    let stage = twin.stage().await;
    let store = &stage.store;
    let account: AccountId = format!("acct_{:022}", 1).parse().unwrap();
    let hash = KeyHash::parse(&format!("1#{}", "f".repeat(64))).unwrap();
    let key: KeyId = format!("key_{:022}", 1).parse().unwrap();
    let begin = hours[0].start();
    let limits = Limits { concurrent: Concurrent::new(slots), ..all_limits() };
    let new = NewKey {
        hash: &hash,
        account: &account,
        key: &key,
        label: if full { LABEL } else { "a label" },
        tag: full.then_some(TAG),
        scopes: &[Scope::Inference],
        models: &[],
        limits: &limits,
        expires_at: full.then(|| begin.plus(RECORD_LIFE)),
    };
    let new = NewAccount { keys: &[new], ..NewAccount::bare(&account, &Provider::ALL, 1) };
    store.create_account(&new, begin).await.unwrap();
    if full {
        let newest = KeyHash::parse(&format!("1#{}", "e".repeat(64))).unwrap();
        let read = store.read_key(&hash).await.unwrap().unwrap();
        store.rotate_key(&read, &newest, begin, None).await.unwrap();
        store.mark_used(&hash, hours[0].day()).await.unwrap();
        store.revoke_key(&hash, None, begin).await.unwrap();
    }
    let amount = Pico::new(1_111_111_111_111_111);
    for number in 0..usize::from(slots) {
        let hour = hours[number % 3];
        let (now, call, until) = (hour.start(), call(hour, number), begin.plus(RECORD_LIFE));
        let (hash, call, limits) = (&hash, &call, &limits);
        let hold = KeyHold { hash, call, amount, tokens: 7_777, limits, until };
        store.hold_key(&hold, &|| now).await.unwrap();
    }
    let items = stage.items(1).await;
    let item = items.into_iter().find(|item| item.contains_key("scopes")).unwrap();
    let named = |prefix: &str| item.keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((named("s_"), named("out_"), named("limit_")), (slots.into(), 3, 6));
    item
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_below_one_unit_with_all_that_it_can_have_but_models() {
    let twin = Twin::embedded().await;
    let [_, second, third, fourth, _] = hours();
    let full = key_with_slots(&twin, 32, [second, third, fourth], true).await;
    let what = "a key with everything and 32 calls under way, at the end of a month";
    assert_eq!(size(what, &full), 1);
    assert_eq!(bill::measured()["key_bytes"], size_of(&full).to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_wallet_is_below_one_unit() {
    let twin = Twin::embedded().await;
    let stage = twin.stage().await;
    let store = &stage.store;
    let account: AccountId = format!("acct_{:022}", 1).parse().unwrap();
    let [first, ..] = hours();
    let begin = first.start();
    let new = NewAccount::bare(&account, &Provider::ALL, 99);
    store.create_account(&new, begin).await.unwrap();
    let much = Pico::from_dollars(999_999_999);
    let entry = Entry::new(&account, EntryKind::TopUp, "much", much).unwrap();
    store.post_entry(&entry, begin).await.unwrap();
    let limits = Limits {
        month: Some(Pico::new(999_999_999_999_999_999_999)),
        requests: NonZeroU64::new(999_999_999),
        ..Limits::default()
    };
    store.set_account_limits(&account, &limits, begin).await.unwrap();
    store.set_alert_below(&account, Pico::new(999_999_999_999_999_999)).await.unwrap();
    let mark = begin.plus(Duration::from_millis(1));
    store.require_fresh_keys(&account, mark).await.unwrap();
    let hold = async |hour: Hour, number: usize| {
        let (now, call, account) = (hour.start(), call(hour, number), &account);
        let (provider, key) = (Provider::OpenAi, KeyRead::Since(mark));
        let amount = Pico::new(1_111_111_111_111_111_111);
        let hold = Hold { account, call: &call, amount, provider, policy: 1, key };
        store.hold(&hold, &|| now).await.unwrap();
    };
    hold(first, 9).await;
    let wallet = store.read_wallet(&account).await.unwrap().unwrap();
    let (hour, out) = *wallet.out.first().unwrap();
    let close = WalletClose { wallet: &wallet, hour, out, spent: Pico::new(1) };
    store.close_hour(&close).await.unwrap();
    for (number, hour) in hours().into_iter().enumerate().skip(1) {
        hold(hour, number).await;
    }
    let items = stage.items(0).await;
    let wallet = AttributeValue::S("wallet".to_owned());
    let item = items.into_iter().find(|item| item.get("part") == Some(&wallet)).unwrap();
    let named = |prefix: &str| item.keys().filter(|name| name.starts_with(prefix)).count();
    assert_eq!((named("consent_"), named("out_"), named("limit_"), named("left_")), (3, 4, 2, 3));
    for attribute in ["unstated", "alert_below", "last", "minute", "auth_after", "state"] {
        assert!(item.contains_key(attribute), "{attribute}");
    }
    assert_eq!(size("a full wallet", &item), 1);
    assert_eq!(bill::measured()["wallet_bytes"], size_of(&item).to_string());
}
