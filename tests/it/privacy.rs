//! What is kept is what PRIVACY.md says is kept.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    num::NonZeroU64,
    path::PathBuf,
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use shared::{
    email::EmailAddress,
    fault::Fault,
    id::CallId,
    key::KeyHash,
    limits::{Concurrent, Limits},
    log::{Log, LogLine},
    money::Pico,
    store::{
        accounts::{ChangeEmail, EmailChange, Leaving},
        calls::RECORD_LIFE,
        keys::{ChangeKeys, HoldKey, KeyHold},
        notices::{CLAIM, Claimed, SendNotices},
        reports::{KeepReport, RunReport},
        wallet::ChangeWallet,
    },
    time::Timestamp,
};
use tests::{provider::Script, world::World};

type Item = HashMap<String, AttributeValue>;

/// What stands below a heading of PRIVACY.md.
fn section(heading: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../PRIVACY.md");
    let text = fs::read_to_string(file).unwrap();
    let section =
        text.split(&format!("## {heading}\n")).nth(1).unwrap_or_else(|| panic!("{heading}"));
    section.split("\n## ").next().unwrap().to_owned()
}

/// The first column of the table below a heading of PRIVACY.md.
pub(crate) fn listed(heading: &str) -> BTreeSet<String> {
    let section = section(heading);
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_owned).collect()
}

/// Every attribute below a heading of PRIVACY.md, with each kind of item that has it.
fn listed_by_item(heading: &str) -> BTreeSet<(String, String)> {
    let rows = section(heading);
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let pairs = rows.flat_map(|(name, rest)| {
        let items = rest.split(" | ").next().unwrap().split(", ");
        items.map(|item| (item.to_owned(), name.to_owned()))
    });
    pairs.collect()
}

/// What kind of item this is, by the name it has in PRIVACY.md.
pub(crate) fn kind(table: &str, item: &Item) -> &'static str {
    let text = |name: &str| item.get(name).map_or("", |value| value.as_s().unwrap());
    let (account, part) = (text("account"), text("part"));
    match table {
        "Keys" => {
            if item.contains_key("scopes") {
                "key"
            } else {
                "secret"
            }
        }
        "Ledger" => {
            if text("entry").starts_with("line#") {
                "line"
            } else {
                "entry"
            }
        }
        "Calls" => match text("call").split('_').next().unwrap() {
            "call" => "record",
            "hour" => "roll-up",
            "mark" => "marker",
            other => panic!("{other}"),
        },
        _ if account.starts_with("platform#accesses#") => "review",
        _ if account == "platform#retention" => "report",
        _ if account.starts_with("policy#notices#") => "progress",
        _ if account.starts_with("policy#") => "version",
        _ => match part.split('#').next().unwrap() {
            "account" => "address",
            "asked" => "pace",
            "key" => "number",
            "access" => "access",
            "alert" => "alert",
            "code" => "code",
            "consent" => "consent",
            "profile" => "profile",
            "receipt" => "receipt",
            "wallet" => "wallet",
            other => panic!("{other}"),
        },
    }
}

/// Every attribute of every item in a table, by kind, the hour and provider in a name left open.
fn stored(table: &str, items: &[Item]) -> BTreeSet<(String, String)> {
    let open = |name: &String| {
        let stem =
            ["out_", "consent_", "s_", "deleted_"].into_iter().find(|stem| name.starts_with(stem));
        let left =
            name.strip_prefix("left_").is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()));
        let stem = if left { Some("left_") } else { stem };
        stem.map_or_else(|| name.clone(), |stem| format!("{stem}…"))
    };
    let pairs = items
        .iter()
        .flat_map(|item| item.keys().map(|name| (kind(table, item).to_owned(), open(name))));
    pairs.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stored_attribute_is_in_the_inventory_and_the_other_way_round() {
    let world = World::new().await;
    let body = format!(
        r#"{{"choices":[{{"message":{{"content":"{}"}}}}],"usage":{{"prompt_tokens":9,"completion_tokens":20}}}}"#,
        world.canary()
    );
    let (account, now) = (world.account(), Timestamp::now());
    let prompt =
        format!(r#"{{"model":"gpt-5-mini","max_tokens":20,"messages":["{}"]}}"#, world.canary());
    // A key and an account with every limit there is, nearly spent.
    let cent = Pico::new(82_000_000);
    let limits = Limits {
        total: Some(cent),
        day: Some(cent),
        month: Some(cent),
        requests: NonZeroU64::new(60),
        tokens: NonZeroU64::new(10_000),
        concurrent: Concurrent::new(2),
    };
    let models = ["gpt-5-mini".to_owned()];
    let end = now.plus(Duration::from_secs(3_600));
    let key = world.new_key(&limits, &models, Some(end)).await;
    world.store().set_account_limits(&account, &limits, now).await.unwrap();
    world.store().set_alert_below(&account, Pico::from_dollars(10)).await.unwrap();
    let ask = async |name: &str| {
        world.provider().answer(Script::json(200, body.clone()));
        let request = world.request(http::Method::POST, "/v1/chat/completions");
        let request = request.bearer_auth(key.plain.reveal()).header("idempotency-key", name);
        world.send(request.body(prompt.clone())).await.status
    };
    assert_eq!(ask(world.canary()).await, 200);
    world.settled_wallet(1).await;
    assert_eq!(ask("too much").await, 429);
    // A call that is under way.
    let call = CallId::new(now).unwrap();
    let hold = KeyHold {
        hash: &key.hash,
        call: &call,
        amount: Pico::ZERO,
        tokens: 1,
        limits: &limits,
        until: end,
    };
    world.store().hold_key(&hold, &|| now).await.unwrap();
    for secret in ["a", "b"] {
        let new = KeyHash::parse(&format!("1#{}", secret.repeat(64))).unwrap();
        let read = world.store().read_key(&key.hash).await.unwrap().unwrap();
        world.store().rotate_key(&read, &new, end, None).await.unwrap();
    }
    world.store().revoke_key(&key.hash, None, now).await.unwrap();

    // A code, and a key that is recovered with one.
    let email = serde_json::json!({"email": "demo@example.com"}).to_string();
    let request = world.request(http::Method::POST, "/v1/account/codes").body(email);
    assert_eq!(world.send(request).await.status, 200);
    let message = world.messages().pop().unwrap();
    let code = message.split("Your code: ").nth(1).unwrap().split_whitespace().next().unwrap();
    let used = serde_json::json!({"email": "demo@example.com", "code": code}).to_string();
    let request = world.request(http::Method::POST, "/v1/account/recovery").body(used);
    assert_eq!(world.send(request).await.status, 200);

    // And another address, which the one before can undo.
    let email = EmailAddress::parse("new@example.com").unwrap();
    let hash = |email: &EmailAddress| world.pepper().email_hashes(email).next().unwrap();
    let (takes, leaves) = (hash(&email), hash(&EmailAddress::parse("demo@example.com").unwrap()));
    let change = EmailChange {
        email: &email,
        takes: Some(&takes),
        leaves: Some((&leaves, Leaving::ForAWhile)),
        code: None,
    };
    let profile = world.profile().await;
    world.store().change_email(&profile, &change, now).await.unwrap();
    let request = world.request(http::Method::POST, "/v1/account/codes");
    let request = request.body(serde_json::json!({"email": "new@example.com"}).to_string());
    assert_eq!(world.send(request).await.status, 200);

    // And the operator has looked at the account.
    let look = format!("/operator/accounts/{account}?purpose=support");
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    assert_eq!(world.send(world.get(&look).bearer_auth(&operator)).await.status, 200);

    // And has published another policy, of which retention sends notices.
    let policy = serde_json::json!({"kind": "major", "text": "Other promises."}).to_string();
    let request = world.request(http::Method::POST, "/operator/policy").bearer_auth(&operator);
    assert_eq!(world.send(request.body(policy)).await.status, 200);

    // And has a run that left something.
    let left = RunReport {
        time: now,
        segment: 0,
        deleted_records: 1,
        unclosed_records: 1,
        failed: 1,
        oldest_found: Some(RECORD_LIFE),
        oldest_left: Some(RECORD_LIFE),
    };
    world.store().keep_report(&left).await.unwrap();

    // And one that has died over a notice.
    let before = now.minus(CLAIM + CLAIM);
    let claimed = world.store().claim_notice(&account, 2, before).await.unwrap();
    assert_eq!(claimed, Claimed::Now);

    let mut seen: BTreeMap<&str, BTreeSet<(String, String)>> = BTreeMap::new();
    let (hour, minutes) = (now.hour(), Duration::from_secs(25 * 60));
    let closes = [hour.end().plus(minutes), hour.day().last().end().plus(minutes)];
    for close in [None].into_iter().chain(closes.map(Some)).chain([None, Some(closes[1])]) {
        if close.is_none() && !seen.is_empty() {
            let path = format!("/operator/accounts/{account}/closing");
            let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
            let request = world.request(http::Method::POST, &path).bearer_auth(operator);
            assert_eq!(world.send(request.body(r#"{"purpose": "support"}"#)).await.status, 200);
        }
        if let Some(at) = close {
            let report = world.retention().report(retention::Event::default(), &|| at).await;
            assert_eq!(report.failed, 0);
        }
        for table in ["Accounts", "Keys", "Calls", "Ledger"] {
            seen.entry(table).or_default().extend(stored(table, &world.items(table).await));
        }
    }
    for (table, seen) in seen {
        assert_eq!(seen, listed_by_item(table), "{table}");
    }
}

#[test]
fn every_field_of_the_log_is_in_the_inventory_and_the_other_way_round() {
    let call = CallId::new(Timestamp::now()).unwrap();
    let call = call.as_str();
    let lines = [
        LogLine::Fault { call, code: Fault::Internal.code() },
        LogLine::ProviderStatus { call, provider: "openai", status: 500 },
        LogLine::Loss { call, pico: "1".to_owned() },
        LogLine::Unsettled { call, write: "record" },
        LogLine::Retention {
            closed_hours: 1,
            returned_pico: "1",
            deleted_records: 1,
            unclosed_records: 1,
            untold_accounts: 1,
            failed: 1,
            oldest_found: Some(604_800),
            oldest_left: Some(604_800),
        },
        LogLine::Short { account: "acct_1", hour: "2026112501", pico: "1" },
        LogLine::RefundDue { account: "acct_1", pico: "1" },
        LogLine::Strangers,
        LogLine::Init { at: "tls" },
        LogLine::Secret { at: "malformed" },
        LogLine::Panic { file: file!(), at: line!() },
    ];
    // A new kind of line does not compile until it is added above.
    for line in &lines {
        match line {
            LogLine::Fault { .. }
            | LogLine::ProviderStatus { .. }
            | LogLine::Loss { .. }
            | LogLine::Unsettled { .. }
            | LogLine::Retention { .. }
            | LogLine::Short { .. }
            | LogLine::RefundDue { .. }
            | LogLine::Strangers
            | LogLine::Init { .. }
            | LogLine::Secret { .. }
            | LogLine::Panic { .. } => {}
        }
    }
    let place = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Log::to(Shared(std::sync::Arc::clone(&place)));
    for line in &lines {
        log.write(line);
    }
    let text = String::from_utf8(place.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), lines.len());
    let fields: BTreeSet<_> = text
        .lines()
        .flat_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(fields, listed("The log"));
}

struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
