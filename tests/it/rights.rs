//! What owners can do with what is held of them: see it, correct it, take a copy, and have it deleted.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use retention::Event;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::{
    email::EmailAddress,
    limits::Limits,
    money::Pico,
    store::{
        accounts::{ChangeEmail, EmailChange, Leaving},
        alerts::{About, Alert, PutAlerts},
        receipts::Deleted,
    },
    time::Timestamp,
};
use tests::{
    provider::Script,
    world::{Answer, World},
};

use crate::keys::{ANSWER, ask, call, fine, manage, text};

const DELTA: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\n\n";

const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";

const CLOSING: &str = "/v1/account/closing";

type Item = HashMap<String, AttributeValue>;

/// Everything in every table, by the table's name.
async fn everything(world: &World) -> Vec<(&'static str, Item)> {
    let mut all = Vec::new();
    for table in ["Accounts", "Keys", "Calls", "Ledger"] {
        all.extend(world.items(table).await.into_iter().map(|item| (table, item)));
    }
    all
}

/// What stands somewhere in an item, as its table has it.
fn holds(item: &Item, text: &str) -> bool {
    format!("{item:?}").contains(text)
}

/// Runs retention at a time, and says what it did.
async fn run(world: &World, at: Timestamp) -> retention::Report {
    let report = world.retention().report(Event::default(), &|| at).await;
    assert_eq!(report.failed, 0);
    report
}

/// When everything of this hour can be closed.
fn due() -> Timestamp {
    Timestamp::now().hour().end().plus(Duration::from_secs(25 * 60))
}

/// Asks for a code that closes the demo account.
async fn ask_code(world: &World) -> Answer {
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let body = json!({"account": world.account().as_str()});
    ask(world, &who, Method::POST, CLOSING, body).await
}

/// The code in the newest message.
fn code(world: &World) -> String {
    let message = world.messages().pop().unwrap();
    let code = message.split("Your code: ").nth(1).unwrap().split_whitespace().next().unwrap();
    code.to_owned()
}

/// Closes the demo account as its owner does.
pub(crate) async fn close(world: &World) -> Answer {
    let asked = ask_code(world).await;
    assert_eq!((asked.status, &asked.json()["object"]), (200, &json!("code_request")));
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let body = json!({"account": world.account().as_str(), "code": code(world)});
    ask(world, &who, Method::POST, CLOSING, body).await
}

async fn receipt(world: &World, id: &str) -> Answer {
    world.send(world.get(&format!("/v1/receipts/{id}"))).await
}

/// Gives the demo account one of everything that an account can have.
async fn live(world: &World) {
    let (account, now) = (world.account(), Timestamp::now());
    assert_eq!(call(world, &world.demo("LAOZHANG_API_KEY"), "gpt-5-mini").await, fine());
    world.provider().answer(Script::json(200, ANSWER));
    let named = world.post("/v1/chat/completions", r#"{"model":"gpt-5-mini","messages":[]}"#);
    assert_eq!(world.send(named.header("idempotency-key", "once")).await.status, 200);
    world.settled_wallet(2).await;
    let made = json!({"label": "ci", "tag": "cost-centre-7", "limits": {"day_usd": "5"}});
    let made = manage(world, Method::POST, "/v1/account/keys", made).await;
    let rotate = format!("/v1/account/keys/{}/rotate", text(&made["id"]));
    let rotated = manage(world, Method::POST, &rotate, Value::Null).await;
    assert_eq!(call(world, &text(&rotated["key"]), "gpt-5-mini").await, fine());
    world.settled_wallet(3).await;
    manage(world, Method::DELETE, "/v1/account/consents/gemini", Value::Null).await;
    let below = Pico::from_dollars(20);
    let alert = |about| Alert {
        account: account.clone(),
        hour: now.hour(),
        about,
        amount: below,
        limit: below,
    };
    world.store().put_alerts(&[alert(About::LowBalance)], now).await.unwrap();
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let look = format!("/operator/accounts/{account}?purpose=support");
    assert_eq!(ask(world, &operator, Method::GET, &look, Value::Null).await.status, 200);
    let entry = json!({"kind": "top_up", "amount_usd": "1", "reference": "invoice-1"});
    let entries = format!("/operator/accounts/{account}/entries");
    assert_eq!(ask(world, &operator, Method::POST, &entries, entry).await.status, 200);
}

/// Gives the demo account another address, which the one before can undo.
async fn move_address(world: &World) {
    let email = EmailAddress::parse("ada@example.com").unwrap();
    let hash = |email: &EmailAddress| world.pepper().email_hashes(email).next().unwrap();
    let (takes, leaves) = (hash(&email), hash(&EmailAddress::parse("demo@example.com").unwrap()));
    let leaves = Some((&leaves, Leaving::ForAWhile));
    let change = EmailChange { email: &email, takes: Some(&takes), leaves, code: None };
    let profile = world.profile().await;
    world.store().change_email(&profile, &change, Timestamp::now()).await.unwrap();
}

/// What names the demo account's keys: their ids, and what their secrets are hashed to.
async fn names_of_keys(world: &World) -> BTreeSet<String> {
    let keys = world.items("Keys").await;
    let names = keys.iter().flat_map(|key| [key["key_id"].as_s(), key["hash"].as_s()]);
    names.map(|name| name.unwrap().clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_correction_deletion_and_a_copy_are_everybodys_who_has_an_account() {
    let world = World::new().await;
    live(&world).await;
    // Access.
    let shown = manage(&world, Method::GET, "/v1/account", Value::Null).await;
    assert_eq!((&shown["email"], &shown["state"]), (&json!("demo@example.com"), &json!("active")));
    // Correction: of what can be wrong, the address apart, which is verified (`correction.rs`).
    let keys = manage(&world, Method::GET, "/v1/account/keys", Value::Null).await;
    let path = format!("/v1/account/keys/{}", text(&keys["data"][0]["id"]));
    let changed = manage(&world, Method::PATCH, &path, json!({"label": "corrected"})).await;
    assert_eq!(changed["label"], "corrected");
    // A copy, which has the correction.
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let copy = ask(&world, &who, Method::GET, "/v1/account/copy", Value::Null).await;
    assert!(copy.status == 200 && copy.text().contains("corrected"));
    // Deletion.
    let closed = close(&world).await;
    assert_eq!(closed.status, 200, "{}", closed.text());
    assert_eq!(run(&world, due()).await.ended_accounts, 1);
    let receipt = receipt(&world, &text(&closed.json()["id"])).await.json();
    assert_eq!(receipt["state"], "closed");
    for (_, item) in everything(&world).await {
        assert!(!holds(&item, "demo@example.com") && !holds(&item, "corrected"), "{item:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_closing_only_what_the_receipt_says_is_found_in_any_table() {
    let world = World::new().await;
    live(&world).await;
    move_address(&world).await;
    let names = names_of_keys(&world).await;
    let hashes = |email: &str| -> Vec<_> {
        let email = EmailAddress::parse(email).unwrap();
        world.pepper().email_hashes(&email).map(|hash| hash.as_str().to_owned()).collect()
    };
    let addresses = [hashes("ada@example.com"), hashes("demo@example.com")].concat();
    // How often codes were asked for to it is known by its hash, too.
    let asked = world.post("/v1/account/codes", json!({"email": "ada@example.com"}).to_string());
    assert_eq!(world.send(asked).await.status, 200);
    let before = everything(&world).await;
    let is = |part: &'static str| {
        let sort = |item: &Item| ["part", "call"].iter().find_map(|it| item.get(*it)).cloned();
        let begins =
            move |item: &Item| sort(item).is_some_and(|it| it.as_s().unwrap().starts_with(part));
        before.iter().filter(|(_, item)| begins(item)).count()
    };
    let balance = world.wallet().await;
    let records = world.all_records().await;

    // While the address before can undo the change it is the operator's to close.
    let refused = ask_code(&world).await;
    let code = &refused.json()["error"]["code"];
    assert_eq!((refused.status, code), (409, &json!("email_just_changed")));
    let for_it = format!("/operator/accounts/{}/closing", world.account());
    let (operator, purpose) =
        (world.demo("LAOZHANG_OPERATOR_TOKEN"), json!({"purpose": "support"}));

    // At once nobody can use it or see anything.
    let closed = ask(&world, &operator, Method::POST, &for_it, purpose).await;
    assert_eq!(closed.status, 200, "{}", closed.text());
    let id = text(&closed.json()["id"]);
    assert_eq!((&closed.json()["state"], &closed.json()["kept"]), (&json!("closing"), &json!([])));
    for key in ["LAOZHANG_API_KEY", "LAOZHANG_USAGE_KEY", "LAOZHANG_MANAGEMENT_KEY"] {
        for path in ["/v1/account", "/v1/account/copy", "/v1/usage/calls", "/v1/models"] {
            let answer = world.send(world.get(path).bearer_auth(world.demo(key))).await;
            assert_eq!(answer.status, 401, "{key} {path}");
        }
    }
    for (table, item) in everything(&world).await {
        let is_key = item.get("part").is_some_and(|it| it.as_s().unwrap().starts_with("key#"));
        let named = names.iter().any(|name| holds(&item, name));
        // The records wait for their hour, and the numbers of the keys with them.
        assert!(!named || table == "Calls" || is_key, "{table} {item:?}");
        assert!(!holds(&item, "example.com"), "{table} {item:?}");
        assert!(!addresses.iter().any(|hash| holds(&item, hash)), "{table} {item:?}");
    }
    // Its owner was told, once, with the receipt.
    let message = world.messages().pop().unwrap();
    assert!(message.contains("ada@example.com") && message.contains(&id), "{message}");

    // Not sooner than the hour of the last call can be closed.
    let early = Timestamp::from_millis(due().millis() - 1);
    assert_eq!(run(&world, early).await.ended_accounts, 0);
    let report = run(&world, due()).await;
    assert_eq!((report.ended_accounts, report.closed_hours), (1, 1));
    assert!(world.logged().contains("\"line\":\"refund_due\""));

    // The receipt counts what there was, and says what is kept.
    let receipt = receipt(&world, &id).await.json();
    assert_eq!(receipt["state"], "closed");
    let deleted = |kind: Deleted| receipt["deleted"][kind.name()].as_u64().unwrap();
    let count = |count: usize| u64::try_from(count).unwrap();
    for (kind, part) in
        [(Deleted::Consents, "consent#"), (Deleted::Records, "call_"), (Deleted::Markers, "mark_")]
    {
        assert_eq!(deleted(kind), count(is(part)), "{}", kind.name());
        assert!(deleted(kind) > 0, "{}", kind.name());
    }
    assert_eq!((deleted(Deleted::Keys), deleted(Deleted::Emails)), (4, 2));
    // With that of whoever has closed it, and the roll-ups of the close.
    assert_eq!(deleted(Deleted::Accesses), count(is("access#")) + 1);
    assert!(deleted(Deleted::Rollups) > 0 && deleted(Deleted::Alerts) == 1);

    // What is still there is what it says is kept.
    let account = world.account();
    let mut kept: HashMap<&str, u64> = HashMap::new();
    for (table, item) in everything(&world).await {
        assert!(!names.iter().any(|name| holds(&item, name)), "{table} {item:?}");
        assert!(!addresses.iter().any(|hash| holds(&item, hash)), "{table} {item:?}");
        assert!(!holds(&item, "example.com"), "{table} {item:?}");
        if holds(&item, account.as_str()) {
            let what = match (table, item.get("part").and_then(|part| part.as_s().ok())) {
                ("Ledger", _) => "payment_records",
                (_, Some(part)) if part == "receipt" => "receipt",
                _ => "access_reviews",
            };
            *kept.entry(what).or_default() += 1;
        }
    }
    let said: HashMap<_, _> = receipt["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            let what = it["what"].as_str().unwrap();
            (what, it["count"].as_u64().unwrap_or(kept[what]))
        })
        .collect();
    assert_eq!(kept, said);

    // To the unit: what was entered is what the records cost and what is owed.
    let spent = records.iter().map(|record| record.cost.pico()).sum::<i128>();
    let total = balance.total().unwrap().pico();
    let owed = total - spent;
    assert_eq!(receipt["refund_due_usd"], Pico::new(owed).to_string());
    let ledger = world.items("Ledger").await;
    let amounts = |kind: &str| -> i128 {
        let of = ledger.iter().filter(|item| item["kind"].as_s().unwrap() == kind);
        of.map(|item| item["amount"].as_n().unwrap().parse::<i128>().unwrap()).sum()
    };
    assert_eq!((amounts("refund_due"), amounts("line")), (-owed, spent));

    // What comes late goes with the next run, and the receipt after eight days.
    let late = HashMap::from([
        ("account".to_owned(), AttributeValue::S(account.to_string())),
        ("part".to_owned(), AttributeValue::S("access#1#late".to_owned())),
    ]);
    let put = world.admin().await.put_item().table_name("Accounts").set_item(Some(late));
    put.send().await.unwrap();
    let later = |days: u64| due().plus(Duration::from_secs(days * 24 * 3_600));
    run(&world, later(7)).await;
    let parts: Vec<_> = world.items("Accounts").await;
    let mut own = parts.iter().filter(|item| item["account"].as_s().unwrap() == account.as_str());
    assert_eq!(own.next().unwrap()["part"].as_s().unwrap(), "receipt");
    assert!(own.next().is_none());
    run(&world, later(8)).await;
    let parts: Vec<_> = world.items("Accounts").await;
    assert!(parts.iter().all(|item| item["account"].as_s().unwrap() != account.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_closed_by_its_owner_who_names_it_or_by_the_operator_for_them() {
    let world = World::new().await;
    let (account, who) = (world.account(), world.demo("LAOZHANG_MANAGEMENT_KEY"));
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    for (body, code) in [
        (json!({}), "missing_field"),
        (json!({"account": "acct_0000000000000000000000"}), "field_not_accepted"),
        (json!({"account": account.as_str(), "code": "x"}), "invalid_code"),
        (json!({"account": account.as_str(), "code": "x".repeat(22)}), "invalid_code"),
        (json!({"account": account.as_str(), "now": true}), "unknown_field"),
        (Value::Null, "malformed_json"),
    ] {
        let answer = ask(&world, &who, Method::POST, CLOSING, body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(code)));
    }
    for key in ["LAOZHANG_API_KEY", "LAOZHANG_USAGE_KEY"] {
        let body = json!({"account": account.as_str()});
        let answer = ask(&world, &world.demo(key), Method::POST, CLOSING, body).await;
        assert_eq!(answer.status, 403);
    }
    for id in ["rcpt_x", "rcpt_00000000000000000000005555555555555555555555"] {
        let answer = receipt(&world, id).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (404, &json!("unknown_receipt"))
        );
    }
    // One that is frozen is the operator's to close, who says for what.
    let path = format!("/operator/accounts/{account}");
    let freeze = json!({"purpose": "support", "state": "frozen"});
    assert_eq!(ask(&world, &operator, Method::PATCH, &path, freeze).await.status, 200);
    let refused = ask_code(&world).await;
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &json!("account_frozen")));
    let for_it = format!("{path}/closing");
    let answer = ask(&world, &operator, Method::POST, &for_it, json!({})).await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("purpose")));
    let purpose = json!({"purpose": "support"});
    let closed = ask(&world, &operator, Method::POST, &for_it, purpose.clone()).await;
    assert_eq!((closed.status, &closed.json()["state"]), (200, &json!("closing")));
    // The operator sees the receipt in its place, and can do nothing else with it.
    let look = format!("{path}?purpose=support");
    let shown = ask(&world, &operator, Method::GET, &look, Value::Null).await.json();
    assert_eq!((&shown["object"], &shown["id"]), (&json!("receipt"), &closed.json()["id"]));
    let thaw = json!({"purpose": "support", "state": "active"});
    assert_eq!(ask(&world, &operator, Method::PATCH, &path, thaw).await.status, 404);
    let again = ask(&world, &operator, Method::POST, &for_it, purpose).await;
    assert_eq!((again.status, &again.json()["id"]), (200, &closed.json()["id"]));
    let entry = json!({"kind": "top_up", "amount_usd": "1", "reference": "late"});
    let entries = format!("{path}/entries");
    assert_eq!(ask(&world, &operator, Method::POST, &entries, entry).await.status, 404);
    // Its review has who has closed it.
    let today = Timestamp::now().hour().day();
    let review = format!("/operator/accesses?from={today}&to={today}");
    let review = ask(&world, &operator, Method::GET, &review, Value::Null).await.json();
    let whats: Vec<_> = review["data"].as_array().unwrap().iter().map(|it| &it["what"]).collect();
    assert_eq!(whats, ["set", "close", "look_up", "look_up"]);
    // Without a balance nothing is owed, and the address is free for another account.
    world.set_balance(Pico::ZERO).await;
    assert_eq!(run(&world, due()).await.ended_accounts, 1);
    let ended = receipt(&world, &text(&closed.json()["id"])).await.json();
    assert_eq!(ended["refund_due_usd"], "0.000000000000");
    let opening = json!({"consents": [], "email": "demo@example.com"});
    let opened = ask(&world, &operator, Method::POST, "/operator/accounts", opening).await;
    assert_eq!(opened.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_under_way_ends_as_it_would_and_is_charged() {
    let world = World::new().await;
    let script = Script::events(DELTA).pause(Duration::from_secs(2)).then(USAGE);
    world.provider().answer(script);
    let body = r#"{"model":"gpt-5-mini","messages":[],"stream":true}"#;
    let streaming = world.send(world.post("/v1/chat/completions", body));
    let closing = async {
        while world.provider().received().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        close(&world).await
    };
    let (streamed, closed) = tokio::join!(streaming, closing);
    assert_eq!((streamed.status, closed.status), (200, 200));
    assert!(streamed.text().contains("[DONE]"), "{}", streamed.text());
    let record = world.record().await;
    assert!(record.cost > Pico::ZERO);
    assert_eq!(run(&world, due()).await.ended_accounts, 1);
    let receipt = receipt(&world, &text(&closed.json()["id"])).await.json();
    assert_eq!(receipt["deleted"]["records"], 1);
    let owed = Pico::from_dollars(10).less(record.cost).to_string();
    assert_eq!(receipt["refund_due_usd"], owed);
}

/// A value of an item as a copy has it; amounts of money are texts there.
#[expect(clippy::wildcard_enum_match_arm, reason = "the store writes no others")]
fn same(value: &AttributeValue, copied: &Value) -> bool {
    match value {
        AttributeValue::S(text) => copied == text,
        AttributeValue::N(number) => {
            copied.as_str().map_or_else(|| copied.to_string(), str::to_owned) == *number
        }
        AttributeValue::Ss(texts) => {
            let copied: BTreeSet<_> = copied.as_array().unwrap().iter().map(text).collect();
            copied == texts.iter().cloned().collect()
        }
        AttributeValue::M(map) => {
            map.len() == copied.as_object().unwrap().len()
                && map.iter().all(|(name, value)| same(value, &copied[name]))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_has_every_item_of_every_table_and_ends_with_the_hash_of_all_before() {
    let world = World::new().await;
    live(&world).await;
    move_address(&world).await;
    run(&world, due()).await;
    let before = everything(&world).await;
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let answer = ask(&world, &who, Method::GET, "/v1/account/copy", Value::Null).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    let text_of = answer.text();
    let (hashed, last) = text_of.trim_end().rsplit_once('\n').unwrap();
    let hash: String =
        Sha256::digest(format!("{hashed}\n")).iter().map(|byte| format!("{byte:02x}")).collect();
    let copy = answer.json();
    assert_eq!((&copy["sha256"], last), (&json!(hash), &*format!("\"sha256\":\"{hash}\"}}")));

    let account = world.account();
    let (mut found, mut missing) = (0, Vec::new());
    for (table, item) in &before {
        let part = item.get("part").map(|part| part.as_s().unwrap().as_str());
        let owner = item.get("account").map(|account| account.as_s().unwrap().as_str());
        let section = match *table {
            "Accounts" if owner == Some(account.as_str()) => "account",
            "Accounts" if part == Some("account") => "addresses",
            "Accounts" => {
                // What is nobody's by name, and the review, which has what its owner sees.
                let of_review = owner.is_some_and(|it| it.starts_with("platform#accesses#"));
                let shown = copy["account"].as_array().unwrap();
                let told = |it: &Value| {
                    ["who", "purpose", "what", "time"]
                        .iter()
                        .all(|name| item.get(*name).is_some_and(|value| same(value, &it[*name])))
                };
                assert!(!of_review || shown.iter().any(told), "{item:?}");
                assert!(of_review || !holds(item, account.as_str()), "{item:?}");
                continue;
            }
            "Keys" => "keys",
            "Calls" => "calls",
            _ => "payments",
        };
        let hidden: &[&str] = if *table == "Keys" { &["hash", "of"] } else { &[] };
        let shown: Vec<_> =
            item.iter().filter(|(name, _)| !hidden.contains(&name.as_str())).collect();
        let is = |it: &&Value| {
            it.as_object().unwrap().len() == shown.len()
                && shown.iter().all(|(name, value)| same(value, &it[name.as_str()]))
        };
        let copies = copy[section].as_array().unwrap().iter().filter(is).count();
        if copies == 1 { found += 1 } else { missing.push((section, item)) }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let sections = ["account", "addresses", "keys", "calls", "payments"];
    let copied: usize = sections.iter().map(|it| copy[it].as_array().unwrap().len()).sum();
    // And nothing besides, of nobody else's.
    assert_eq!(copied, found);
    for secret in before.iter().filter_map(|(_, item)| item.get("hash")) {
        assert!(!text_of.contains(secret.as_s().unwrap()));
    }
    tests::show(&format!("{found} items of four tables, each once in the copy"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_many_pages_is_sent_as_it_is_read_and_has_nothing_that_has_expired() {
    let world = World::new().await;
    let key = world.limited_key(&Limits::default()).await;
    let now = Timestamp::now();
    let (many, expired) = (4_000, 50);
    world.put_records(&key.key, many, now).await;
    world.put_records(&key.key, expired, now.minus(Duration::from_secs(7 * 24 * 3_600))).await;
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let copy = ask(&world, &who, Method::GET, "/v1/account/copy", Value::Null).await;
    let calls = copy.json()["calls"].as_array().unwrap().len();
    assert_eq!(calls, many);
    // More than DynamoDB answers at once.
    assert!(copy.body.len() > 1_024 * 1_024, "{}", copy.body.len());
}

#[test]
fn a_copy_is_described_by_what_the_inventory_says() {
    let description: Value =
        serde_json::from_str(include_str!("../../openapi/openapi.json")).unwrap();
    let schemas = &description["components"]["schemas"];
    for (heading, schema) in [
        ("Accounts", "HeldPart"),
        ("Keys", "HeldKey"),
        ("Calls", "HeldCall"),
        ("Ledger", "HeldPayment"),
    ] {
        let listed = crate::privacy::listed(heading);
        let hidden = ["hash", "of"].map(str::to_owned);
        let named = listed.iter().filter(|name| !name.ends_with('…'));
        let named = named.filter(|name| heading != "Keys" || !hidden.contains(*name));
        let described = schemas[schema]["properties"].as_object().unwrap();
        assert_eq!(
            named.collect::<BTreeSet<_>>(),
            described.keys().collect::<BTreeSet<_>>(),
            "{schema}"
        );
        let open = listed.iter().filter(|name| name.ends_with('…'));
        for name in open {
            let told = schemas[schema]["description"].as_str().unwrap();
            assert!(told.contains(&format!("`{name}`")), "{schema} {name}");
        }
    }
}
