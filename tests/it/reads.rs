//! What a query reads, counted in front of the tables, and that it is bounded as ARCHITECTURE.md says.
//!
//! `QUERY_RECORDS=10000,1000000` counts with so many records in place of the usual numbers.

#![expect(clippy::arithmetic_side_effects, reason = "an overflow is a panic, and a failed test")]

use std::{
    collections::HashMap,
    fmt::Write,
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use retention::Event;
use serde_json::{Value, json};
use shared::{
    id::CallId,
    limits::Limits,
    money::Pico,
    store::calls::Record,
    time::{Hour, Timestamp},
};
use tests::{proof, show, world::World};

/// How many records are in the account, in one world and in another.
fn sizes() -> Vec<usize> {
    let [sample, whole] = ["300,3000", "500,5000"].map(str::to_owned);
    let sizes: String = proof::size("QUERY_RECORDS", sample, whole);
    sizes.split(',').map(|size| size.parse().expect("numbers, divided by commas")).collect()
}

/// The hours whose records are in the table.
const HOURS: u64 = 7 * 24 - 1;

/// As many items as are put in at a time.
const BATCH: usize = 10_000;

/// An item as DynamoDB's JSON has it.
fn in_json(item: &HashMap<String, AttributeValue>) -> Value {
    let value = |value: &AttributeValue| {
        let text = value.as_s().map(|text| json!({"S": text}));
        let number = |_| value.as_n().map(|number| json!({"N": number}));
        let map = |_| value.as_m().map(|map| json!({"M": in_json(map)}));
        text.or_else(number).or_else(map).expect("texts, numbers and maps")
    };
    item.iter().map(|(name, it)| (name.clone(), value(it))).collect()
}

/// Writes records of the last seven days, evenly, by three keys and to two models, and closes what is
/// over.
async fn filled(count: usize, now: Timestamp) -> World {
    let world = World::with_measured_store().await;
    let span = Duration::from_secs(HOURS * 3_600);
    let (first, apart) = (now.minus(span), span / u32::try_from(count).unwrap());
    world.open_hours_since(first).await;
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(world.limited_key(&Limits::NONE).await.key);
    }
    // One that the store has written, and the rest by its measure.
    let like = world.a_record(&keys[0], first);
    let record = |number: usize| {
        let time = first.plus(apart.saturating_mul(u32::try_from(number).unwrap()));
        let (call, key) = (CallId::new(time).unwrap(), keys[number % 3].clone());
        let model = ["gpt-5-mini", "gpt-5"][number % 2].to_owned();
        Record { call, time, key, model, cost: Pico::new(2_250_000), ..like.clone() }
    };
    world.put_settled(&record(0)).await;
    let written = in_json(&world.items("Calls").await.pop().unwrap());
    let item = |record: &Record| {
        let mut item = written.clone();
        item["call"]["S"] = record.call.as_str().into();
        item["key_id"]["S"] = record.key.as_str().into();
        item["model"]["S"] = record.model.as_str().into();
        item["time"]["N"] = record.time.seconds().to_string().into();
        item["expires_at"]["N"] = record.expires_at().seconds().to_string().into();
        item
    };
    for from in (1..count).step_by(BATCH) {
        let numbers = from..(from + BATCH).min(count);
        world.import("Calls", numbers.map(|number| item(&record(number))));
    }
    // What is out of each hour is what its calls cost, as settles leave it.
    let costs = i128::try_from(count).unwrap() * 2_250_000;
    let mut hour = first.hour();
    while hour <= now.hour() {
        let out = AttributeValue::N(costs.to_string());
        world.set_wallet(&format!("out_{hour}"), out).await;
        hour = hour.next();
    }
    let report = world.retention().report(Event::default(), &|| now).await;
    assert_eq!(report.failed, 0);
    world
}

/// What a query took.
struct Took {
    requests: u64,
    halves: u64,
    time: Duration,
}

/// The queries, by what they are called, and the most requests to the tables that each may take.
fn queries(now: Timestamp) -> Vec<(&'static str, String, u64)> {
    let ago = |seconds: u64| now.minus(Duration::from_secs(seconds)).seconds();
    let (month, week, hour) = (ago(30 * 86_400), ago(7 * 86_400 - 60), ago(3_600));
    let completions = "/v1/organization/usage/completions";
    // The wallet, the keys by their index, and the sources. One of a megabyte is one request.
    vec![
        ("31 days", format!("{completions}?start_time={month}&limit=31"), 4),
        (
            "31 days by key",
            format!("{completions}?start_time={month}&limit=31&group_by=api_key_id"),
            5,
        ),
        ("168 hours", format!("{completions}?start_time={week}&bucket_width=1h&limit=168"), 5),
        ("60 minutes", format!("{completions}?start_time={hour}&bucket_width=1m"), 12),
        (
            "1,440 minutes",
            format!("{completions}?start_time={}&bucket_width=1m&limit=1440", ago(86_000)),
            12,
        ),
        (
            "180 days of costs",
            format!("/v1/organization/costs?start_time={month}&limit=180&group_by=line_item"),
            4,
        ),
        (
            "7 days as Anthropic has them",
            format!(
                "/v1/organizations/usage_report/messages?starting_at={}",
                now.minus(Duration::from_secs(6 * 86_400))
            ),
            4,
        ),
        ("100 records", "/v1/usage/calls".to_owned(), 3),
        ("10,000 records", "/v1/usage/calls?limit=10000".to_owned(), 12),
        ("records that there are none of", "/v1/usage/calls?statuses=599".to_owned(), 12),
        ("what is left of the account", "/api/v1/credits".to_owned(), 6),
        ("how a key stands", "/api/v1/key".to_owned(), 6),
    ]
}

async fn take(world: &World, path: &str) -> Took {
    let key = world.demo("LAOZHANG_USAGE_KEY");
    world.meter().measured();
    let begun = Instant::now();
    let answer = world.send(world.get(path).bearer_auth(key)).await;
    let time = begun.elapsed();
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    let measured = world.meter().measured();
    // The authorizer reads the key before.
    let requests: u64 = measured.0.values().map(|taken| taken.requests).sum();
    Took { requests: requests - 1, halves: measured.reads() - 1, time }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_query_reads_is_bounded() {
    let now = Timestamp::now();
    let mut worlds = Vec::new();
    for size in sizes() {
        worlds.push((size, filled(size, now).await));
    }
    let mut table =
        format!("requests to the tables, read units and time, with {:?} records\n", sizes());
    for (what, path, most) in queries(now) {
        let mut took = Vec::new();
        for (size, world) in &worlds {
            // Once for what is made at first.
            take(world, &path).await;
            let it = take(world, &path).await;
            // Records of hours that are not closed are read for the day and the hour that they are in.
            let open = open_pages(*size, now);
            assert!(it.requests <= most + open, "{what}: {} requests, {size} records", it.requests);
            took.push(it);
        }
        let (first, last) = (took.first().unwrap(), took.last().unwrap());
        write!(table, "{what:32}").unwrap();
        for Took { requests, halves, time } in &took {
            let (units, millis) = (halves.div_ceil(2), time.as_micros().div_ceil(1_000));
            write!(table, "{requests:5} {units:7} {millis:6} ms  ").unwrap();
        }
        let ratio =
            |last: u128, first: u128| format!("{}.{}", last / first, last * 10 / first % 10);
        let units = ratio(last.halves.into(), first.halves.max(1).into());
        let time = ratio(last.time.as_micros(), first.time.as_micros());
        writeln!(table, "units x {units}, time x {time}").unwrap();
    }
    show(&table);
}

/// How many pages the records of hours that are not closed may have: of some two and a half hours, of
/// which a page has three thousand at least.
fn open_pages(size: usize, now: Timestamp) -> u64 {
    let closed: Hour = now.minus(Duration::from_secs(25 * 60)).hour().previous();
    let open = now.since(closed.end()).as_secs().div_ceil(3_600) + 1;
    let records = u64::try_from(size).unwrap() / HOURS * open;
    records.div_ceil(3_000)
}
