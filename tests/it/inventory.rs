//! The inventory of what is kept: `GET /v1/privacy` shows it to every key, and PRIVACY.md is made of it.
//!
//! `PRIVACY_UPDATE=1` writes PRIVACY.md anew, and the items of one call and one account as they are
//! found in the tables.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env,
    fmt::Write as _,
    fs,
    path::PathBuf,
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use retention::Event;
use serde_json::{Value, json};
use shared::{
    store::{
        Capability,
        reports::{KeepReport, RunReport},
    },
    time::{Hour, Timestamp},
};
use tests::world::{Answer, World};

use crate::keys::{ask, call, fine, manage, text};

const PRIVACY: &str = "/v1/privacy";

const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);

type Item = HashMap<String, AttributeValue>;

/// What a key is shown.
async fn shown_to(world: &World, key: &str) -> Answer {
    ask(world, key, Method::GET, PRIVACY, Value::Null).await
}

/// What of that is about the records of its account.
async fn records_of(world: &World, key: &str) -> Value {
    let shown = shown_to(world, key).await;
    assert_eq!(shown.status, 200, "{}", shown.text());
    shown.json()["your_records"].clone()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    list(value).map(|text| text.as_str().unwrap())
}

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// That a file is as it should be; or, where somebody asks for it, makes it so.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration but this")]
fn must_be(path: &str, right: &str) {
    if env::var("PRIVACY_UPDATE").is_ok() {
        fs::write(file(path), right).unwrap();
    }
    let is = fs::read_to_string(file(path)).unwrap();
    assert!(
        is == right,
        "{path} is not what is kept: run this with PRIVACY_UPDATE=1, and look at it"
    );
}

/// A table of a document. A column of which nothing is said is left out.
fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let said = |column: usize| rows.iter().any(|cells| !cells[column].is_empty());
    let said: Vec<_> = (0..columns.len()).filter(|column| said(*column)).collect();
    let row = |cells: &[String]| {
        let cells = said.iter().map(|column| &cells[*column]);
        let cells: Vec<_> = cells.map(|cell| format!(" {cell} |").replace("  |", " |")).collect();
        format!("|{}\n", cells.concat())
    };
    let head: Vec<_> = columns.iter().map(|&column| column.to_owned()).collect();
    let rows: String = rows.iter().map(|cells| row(cells)).collect();
    format!("{}|{}\n{rows}", row(&head), "---|".repeat(said.len()))
}

/// Routes and other places, one after the other.
fn places(value: &Value) -> String {
    let places =
        texts(value).map(|it| if it.contains(" /") { format!("`{it}`") } else { it.to_owned() });
    places.collect::<Vec<_>>().join(", ")
}

/// In what an attribute differs from the items that have it.
fn otherwise(attribute: &Value, items: &Value) -> String {
    let of_items = |what: &str| {
        let having =
            list(items).filter(|item| list(&attribute["items"]).any(|it| *it == item["name"]));
        having.flat_map(|item| texts(&item[what])).collect::<BTreeSet<_>>()
    };
    let differs = |what: &&str| texts(&attribute[*what]).collect::<BTreeSet<_>>() != of_items(what);
    let differs = ["read_by", "owner", "operator", "kept"].into_iter().filter(differs);
    let said = differs.map(|what| match what {
        "kept" => texts(&attribute["kept"]).collect::<Vec<_>>().join("; "),
        "owner" if list(&attribute["owner"]).next().is_none() => {
            "not shown to its owner".to_owned()
        }
        "operator" => format!("shown to the operator: {}", places(&attribute["operator"])),
        _ => panic!("{attribute}"),
    });
    said.collect::<Vec<_>>().join("; ")
}

/// The tables of a section: which items there are, and of which attributes.
fn tables_of(inventory: &Value) -> [String; 2] {
    let joined = |value: &Value, by: &str| texts(value).collect::<Vec<_>>().join(by);
    let items = &inventory["items"];
    let rows = list(items).map(|it| {
        let (owner, operator) = (places(&it["owner"]), places(&it["operator"]));
        let (read_by, kept) = (joined(&it["read_by"], ", "), joined(&it["kept"], "; "));
        vec![text(&it["name"]), text(&it["what"]), read_by, owner, operator, kept]
    });
    let columns =
        ["item", "what it is", "read by", "shown to its owner", "shown to the operator", "kept"];
    let of_items = table(&columns, &rows.collect::<Vec<_>>());
    let rows = list(&inventory["attributes"]).map(|it| {
        let (name, of) = (format!("`{}`", text(&it["name"])), joined(&it["items"], ", "));
        vec![name, of, text(&it["what"]), text(&it["purpose"]), otherwise(it, items)]
    });
    let columns = ["attribute", "of", "what it is", "why", "other than its items"];
    [of_items, table(&columns, &rows.collect::<Vec<_>>())]
}

/// A text in which the blocks of lines that begin so are these, one after the other.
fn with_blocks(text: &str, begins: &str, blocks: &[String]) -> String {
    let (mut result, mut blocks) = (String::new(), blocks.iter());
    let mut within = false;
    for line in text.split_inclusive('\n') {
        if !line.starts_with(begins) {
            result.push_str(line);
        } else if !within {
            result.push_str(blocks.next().expect("no more blocks"));
        }
        within = line.starts_with(begins);
    }
    assert!(blocks.next().is_none(), "a block has no place");
    result
}

/// An item as DynamoDB has it, an attribute a line.
fn literal(item: &BTreeMap<String, Value>) -> String {
    let lines: Vec<_> =
        item.iter().map(|(name, value)| format!("  {}: {value}", json!(name))).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// PRIVACY.md, as the answer of the route and the examples have it.
fn document(shown: &Value, examples: &BTreeMap<&str, BTreeMap<String, Value>>) -> String {
    let document = fs::read_to_string(file("PRIVACY.md")).unwrap();
    let inventory = &shown["inventory"];
    let tables: Vec<_> = list(&inventory["tables"]).chain([&inventory["log"]]).collect();
    let sections = document.split("\n## ").map(|section| {
        let heading = section.lines().next().unwrap();
        if let Some(table) = tables.iter().find(|table| table["name"] == heading) {
            return with_blocks(section, "|", &tables_of(table));
        }
        match heading {
            "One call and one account, item by item" => {
                let (before, _) = section.split_once("\n### ").unwrap();
                let mut section = before.to_owned();
                for (name, item) in examples {
                    write!(section, "\n### {name}\n\n```json\n{}\n```\n", literal(item)).unwrap();
                }
                section
            }
            "What cannot be promised" => {
                let lines = texts(&shown["cannot_promise"]).map(|it| format!("- {it}\n"));
                with_blocks(section, "- ", &[lines.collect()])
            }
            _ => section.to_owned(),
        }
    });
    sections.collect::<Vec<_>>().join("\n## ")
}

/// When everything is that is shown as an example: 2026-11-24T01:00:00Z.
const TIME: Timestamp = Timestamp::from_seconds(1_795_482_000);

/// A value as DynamoDB's JSON has it, in which what is random and when it was is the same every time.
#[expect(clippy::wildcard_enum_match_arm, reason = "the store writes no others")]
fn masked(kind: &str, name: &str, value: &AttributeValue) -> Value {
    let zeros = |text: &str, prefix: &str| {
        let rest = text.strip_prefix(prefix)?;
        Some(format!("{prefix}{}", "0".repeat(rest.len())))
    };
    let text_of = |text: &String| match name {
        "last" => "0".repeat(text.len()),
        "call" => format!("call_202611240100{}", "0".repeat(20)),
        "part" if text.starts_with("consent#") => {
            format!("{}#{}", text.rsplit_once('#').unwrap().0, TIME.millis())
        }
        _ => {
            let random = ["acct_", "key_", "email#1#", "1#"].into_iter();
            random.filter_map(|prefix| zeros(text, prefix)).next().unwrap_or_else(|| text.clone())
        }
    };
    match value {
        AttributeValue::S(text) => json!({"S": text_of(text)}),
        AttributeValue::N(number) => {
            let number = match name {
                "time" | "created_at" => TIME.seconds().to_string(),
                "expires_at" if kind == "entry" => "2114380800".to_owned(),
                "expires_at" => TIME.plus(WEEK).seconds().to_string(),
                "closed" => TIME.hour().previous().to_string(),
                _ => number.clone(),
            };
            json!({"N": number})
        }
        AttributeValue::Ss(texts) => json!({"SS": texts.iter().collect::<BTreeSet<_>>()}),
        AttributeValue::M(map) => {
            let map: BTreeMap<_, _> =
                map.iter().map(|(of, it)| (of, masked(kind, of, it))).collect();
            json!({"M": map})
        }
        other => panic!("{other:?}"),
    }
}

/// One item of each kind that there is of an account, and of the call that it has made.
async fn examples(world: &World) -> BTreeMap<&'static str, BTreeMap<String, Value>> {
    let account = world.account();
    let mut examples = BTreeMap::new();
    for table in ["Accounts", "Keys", "Calls", "Ledger"] {
        let mut items: Vec<Item> = world.items(table).await;
        // The first key and the first consent, and not whichever comes first.
        let place = |item: &Item| {
            let number = |it: &AttributeValue| it.as_n().unwrap().parse::<u32>().unwrap();
            let part = item.get("part").map(|part| part.as_s().unwrap().clone());
            (item.get("ordinal").map(number), part)
        };
        items.sort_by_key(place);
        for item in items {
            let of_account = ["account", "of"].iter().filter_map(|it| item.get(*it)?.as_s().ok());
            if !of_account.into_iter().any(|it| it == account.as_str()) {
                continue;
            }
            let kind = crate::privacy::kind(table, &item);
            let shown = item.iter().map(|(name, value)| {
                let name = match name.split_once('_') {
                    Some(("out", _)) => format!("out_{}", TIME.hour()),
                    Some(("left", month)) if month.parse::<u32>().is_ok() => {
                        "left_202611".to_owned()
                    }
                    _ => name.clone(),
                };
                let value = masked(kind, &name, value);
                (name, value)
            });
            examples.entry(kind).or_insert_with(|| shown.collect());
        }
    }
    examples
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_made_of_what_the_route_shows_and_of_what_is_stored() {
    let world = World::new().await;
    let key = world.demo("LAOZHANG_API_KEY");
    assert_eq!(call(&world, &key, "gpt-5-mini").await, fine());
    world.settled_wallet(1).await;
    let examples = examples(&world).await;
    let kinds = ["address", "consent", "entry", "key", "profile", "record", "wallet"];
    assert_eq!(examples.keys().copied().collect::<Vec<_>>(), kinds);
    let items = examples.iter().map(|(kind, item)| format!("{}: {}", json!(kind), literal(item)));
    let items = items.collect::<Vec<_>>().join(",\n");
    must_be("functions/account/src/examples.json", &format!("{{\n{items}\n}}\n"));
    let shown = shown_to(&world, &key).await.json();
    must_be("PRIVACY.md", &document(&shown, &examples));
    assert_eq!(shown["examples"], json!(examples), "they are compiled in: run this once more");
}

#[test]
fn who_reads_a_table_is_who_may_and_every_route_that_shows_it_is_described() {
    let shown: Value = serde_json::from_str(account_inventory()).unwrap();
    let may: [(&str, &[Capability]); 5] = [
        ("account", &account::CAPABILITIES),
        ("authorizer", &authorizer::CAPABILITIES),
        ("proxy", &proxy::CAPABILITIES),
        ("retention", &retention::CAPABILITIES),
        ("usage", &usage::CAPABILITIES),
    ];
    let mut showing = BTreeSet::new();
    for table in list(&shown["tables"]) {
        let named = table["name"].as_str().unwrap();
        let reads = |capabilities: &[Capability]| {
            let actions = capabilities.iter().flat_map(|capability| capability.actions);
            let mut actions = actions.filter(|(table, _)| format!("{table:?}") == named);
            actions.any(|(_, action)| {
                ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"].contains(action)
            })
        };
        let may = may.iter().filter(|(_, capabilities)| reads(capabilities));
        let may: BTreeSet<_> = may.map(|(name, _)| *name).collect();
        let read_by = list(&table["items"]).flat_map(|item| texts(&item["read_by"]));
        assert_eq!(read_by.collect::<BTreeSet<_>>(), may, "{named}");
        for said in list(&table["items"]).chain(list(&table["attributes"])) {
            for (who, of_operator) in [("owner", false), ("operator", true)] {
                for route in said[who].as_array().into_iter().flatten() {
                    let (method, path) = route.as_str().unwrap().split_once(' ').unwrap();
                    let described = crate::openapi::operations();
                    assert!(described.contains(&(method.to_owned(), path.to_owned())), "{route}");
                    assert_eq!(path.starts_with("/operator/"), of_operator, "{route}");
                    showing.insert((method.to_owned(), path.to_owned()));
                }
            }
        }
    }
    // And whatever can be asked for is told of something: but for what is compiled in.
    let compiled = ["/openapi.json", "/v1/providers", "/v1/models", "/v1beta/models"];
    let asked = crate::openapi::operations().into_iter().filter(|(method, path)| {
        method == "GET" && !compiled.iter().any(|compiled| path.starts_with(compiled))
    });
    let untold: Vec<_> = asked.filter(|route| !showing.contains(route)).collect();
    assert!(untold.is_empty(), "{untold:?}");
}

const fn account_inventory() -> &'static str {
    include_str!("../../functions/account/src/inventory.json")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_is_shown_what_is_kept_and_one_that_is_none_is_not() {
    let world = World::new().await;
    let providers = world.send(world.get("/v1/providers")).await.json();
    for key in ["LAOZHANG_API_KEY", "LAOZHANG_USAGE_KEY", "LAOZHANG_MANAGEMENT_KEY"] {
        let answer = shown_to(&world, &world.demo(key)).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
        assert_eq!(answer.header("cache-control"), "no-store");
        let shown = answer.json();
        assert_eq!(shown["object"], "privacy");
        assert_eq!(shown["providers"], providers["data"]);
        assert_eq!(shown["operator"], providers["operator"]);
        for table in list(&shown["inventory"]["tables"]) {
            for attribute in list(&table["attributes"]) {
                // Each has somebody who needs it, an end and a reason.
                for said in ["items", "read_by", "kept"] {
                    assert!(texts(&attribute[said]).all(|it| !it.is_empty()), "{attribute}");
                    assert!(list(&attribute[said]).next().is_some(), "{attribute}");
                }
                assert!(attribute["purpose"].is_string(), "{attribute}");
            }
        }
    }
    let nobody = world.send(world.get(PRIVACY)).await;
    assert_eq!(nobody.status, 401);
    let made = manage(&world, Method::POST, "/v1/account/keys", json!({"label": "gone"})).await;
    let (key, path) = (text(&made["key"]), format!("/v1/account/keys/{}", text(&made["id"])));
    assert_eq!(shown_to(&world, &key).await.status, 200);
    manage(&world, Method::DELETE, &path, Value::Null).await;
    let revoked = shown_to(&world, &key).await;
    assert_eq!((revoked.status, revoked.body), (401, nobody.body));
    // Other methods are no routes, as elsewhere.
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    for method in [Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let at = async |path| ask(&world, &who, method.clone(), path, json!({})).await.status;
        assert_eq!(at(PRIVACY).await, at("/v1/account/accesses").await, "{method}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oldest_record_is_shown_also_past_its_time_and_it_is_the_accounts_own() {
    let world = World::new().await;
    let who = world.demo("LAOZHANG_USAGE_KEY");
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let opening = json!({"consents": ["openai"]});
    let opened = ask(&world, &operator, Method::POST, "/operator/accounts", opening).await.json();
    let stranger = text(&list(&opened["keys"]).next().unwrap()["key"]);
    let none = json!({
        "oldest_at": null, "oldest_age_seconds": null, "kept_for_seconds": WEEK.as_secs(),
    });
    assert_eq!(records_of(&world, &who).await, none);

    let id = world.demo_key_id("LAOZHANG_API_KEY").await;
    let now = Timestamp::from_seconds(Timestamp::now().seconds());
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    for (count, age) in [(3, hours(1)), (2, hours(30)), (1, WEEK + hours(9))] {
        let time = now.minus(age);
        world.put_records(&id, count, time).await;
        let asked = Timestamp::now();
        let records = records_of(&world, &who).await;
        assert_eq!(records["oldest_at"], time.to_string());
        let seconds = records["oldest_age_seconds"].as_u64().unwrap();
        let answered = Timestamp::now();
        assert!((asked.since(time).as_secs()..=answered.since(time).as_secs()).contains(&seconds));
        assert_eq!(records_of(&world, &stranger).await, none);
    }
    // What is past its time is in no other answer.
    let calls = ask(&world, &who, Method::GET, "/v1/usage/calls", Value::Null).await.json();
    assert_eq!(calls["data"].as_array().unwrap().len(), 5);
    let copy = manage(&world, Method::GET, "/v1/account/copy", Value::Null).await;
    assert_eq!(copy["calls"].as_array().unwrap().len(), 5);
    let old = now.minus(WEEK + hours(9)).seconds();
    for shown in [&calls["data"], &copy["calls"]] {
        assert!(list(shown).all(|it| it["time"] != old));
    }
    // The next run deletes it and says so.
    let report = world.retention().report(Event::default(), &|| now).await;
    assert_eq!((report.deleted_records, report.failed), (1, 0));
    let shown = shown_to(&world, &who).await.json();
    let run = list(&shown["deletions"]).find(|it| it["hour"] == now.hour().start().to_string());
    let run = run.unwrap();
    assert_eq!((&run["deleted_records"], &run["failed"]), (&json!(1), &json!(0)));
    assert_eq!(run["oldest_found_seconds"], (WEEK + hours(9)).as_secs());
    assert_eq!(run["oldest_left_seconds"], Value::Null);
    assert_eq!(shown["your_records"]["oldest_at"], now.minus(hours(30)).to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_of_retention_deleted_is_shown_by_hour_for_a_day() {
    let world = World::new().await;
    let who = world.demo("LAOZHANG_API_KEY");
    // An hour may turn meanwhile, and nothing that is expected changes.
    let now = Timestamp::now().hour();
    let ago = |hours| (0..hours).fold(now, |hour, _| hour.previous());
    let (last, first, before) = (ago(2), ago(22), ago(25));
    let minute = |hour: Hour, minute: u64| hour.start().plus(Duration::from_secs(minute * 60));
    let age = |seconds| Some(Duration::from_secs(seconds));
    let report = |time, segment, found, left| RunReport {
        time,
        segment,
        deleted_records: 5,
        unclosed_records: 1,
        failed: 2,
        oldest_found: found,
        oldest_left: left,
    };
    for report in [
        // Two parts of the tables in one hour, and one of them once more.
        report(minute(last, 25), 0, None, None),
        report(minute(last, 25), 1, age(605_000), None),
        report(minute(last, 40), 1, age(604_900), age(604_801)),
        report(minute(first, 0), 0, age(604_800), None),
        // Longer ago.
        report(minute(before, 59), 0, age(604_800), age(604_800)),
    ] {
        world.store().keep_report(&report).await.unwrap();
    }
    let shown = shown_to(&world, &who).await.json()["deletions"].clone();
    let begins = |hour: Hour| hour.start().to_string();
    let of_last = json!({
        "hour": begins(last), "deleted_records": 15, "unclosed_records": 2, "failed": 6,
        "oldest_found_seconds": 605_000, "oldest_left_seconds": 604_801,
    });
    let of_first = json!({
        "hour": begins(first), "deleted_records": 5, "unclosed_records": 1, "failed": 2,
        "oldest_found_seconds": 604_800, "oldest_left_seconds": null,
    });
    // The newest is the run that the platform begins with.
    assert_eq!(list(&shown).skip(1).collect::<Vec<_>>(), [&of_last, &of_first]);
}
