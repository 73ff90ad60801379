//! What the policy says, clause by clause: each is a test whose name is the clause's sentence. Those
//! that are a story of their own stand in the file of that; the rest are here.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use retention::Event;
use serde_json::Value;
use shared::{
    id::KeyId,
    store::{
        calls::{RECORD_LIFE, ReadCalls, Wanted},
        ledger::{EntryKind, ReadEntries},
    },
    time::Timestamp,
};
use tests::{provider::Script, world::World};

use crate::keys::{ANSWER, call, fine};

/// The clauses, each with the test that is named for it and the file in which that stands.
const CLAUSES: [(&str, &str, &str); 11] = [
    ("C1", "content_is_not_stored_viewed_cached_analysed_or_trained_on", "clauses.rs"),
    (
        "C2",
        "only_account_information_and_per_call_time_model_tokens_endpoint_type_and_status_are_recorded",
        "clauses.rs",
    ),
    (
        "C3",
        "records_are_used_for_billing_troubleshooting_support_and_service_notices_only",
        "accounts.rs",
    ),
    ("C4", "tls_is_1_3_only_authorised_staff_reach_logs_and_measures_are_reviewed", "deploy.rs"),
    (
        "C5",
        "metadata_lives_7_days_account_data_until_cancellation_and_payment_records_as_law_requires",
        "clauses.rs",
    ),
    (
        "C6",
        "users_know_that_requests_go_to_overseas_providers_and_confirm_they_may_send_them",
        "accounts.rs",
    ),
    ("C7", "nothing_is_shared_except_with_the_chosen_provider", "clauses.rs"),
    ("C8", "access_correction_deletion_and_a_copy_are_everybodys_who_has_an_account", "rights.rs"),
    ("C9", "users_are_advised_to_de_identify", "clauses.rs"),
    ("C10", "policy_versions_are_published_and_major_changes_are_notified", "policy.rs"),
    ("C11", "the_operators_contact_is_shown_wherever_a_person_may_need_it", "policy.rs"),
];

#[test]
fn every_clause_has_a_test_that_is_named_for_it() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("it");
    let mut list = format!("{} clauses of the policy, and the test of each\n", CLAUSES.len());
    for (clause, name, file) in CLAUSES {
        let text = fs::read_to_string(folder.join(file)).unwrap();
        let (before, _) =
            text.split_once(&format!("fn {name}()")).unwrap_or_else(|| panic!("{clause}"));
        let attribute = before.lines().rev().find(|line| line.trim_start().starts_with("#["));
        assert!(attribute.is_some_and(|it| it.contains("test")), "{clause} is no test");
        list.push_str(&format!("{clause:4}{}\n    tests/it/{file}\n", name.replace('_', " ")));
    }
    tests::show(&list);
}

/// A prompt with the canary in it.
fn prompt(world: &World, more: &str) -> String {
    let said = world.canary();
    format!(r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{said}"}}]{more}}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_not_stored_viewed_cached_analysed_or_trained_on() {
    let world = World::new().await;
    let (said, path) = (world.canary().to_owned(), "/v1/chat/completions");
    let answer = format!(
        r#"{{"choices":[{{"message":{{"content":"{said}"}}}}],"usage":{{"prompt_tokens":9,"completion_tokens":4}}}}"#
    );
    let delta = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{said}\"}}}}]}}\n\n");
    let error = format!(r#"{{"error":{{"message":"{said}","type":"server_error"}}}}"#);
    for (script, more, status) in [
        (Script::json(200, answer), "", 200),
        // One that breaks off before it says what it used.
        (Script::events(delta).cut(), r#","stream":true"#, 200),
        (Script::json(500, error), "", 500),
        (Script::json(200, said.clone()), "", 200),
    ] {
        world.provider().forget();
        world.provider().answer(script);
        let asked = world.post(path, prompt(&world, more));
        assert_eq!(world.send_to_provider(asked).await.status, status);
        // What is asked of the provider is that it stores nothing either.
        let received = world.provider().received();
        let body: Value = serde_json::from_slice(&received.last().unwrap().body).unwrap();
        assert_eq!(body["store"], false);
    }
    let malformed = world.post(path, format!("{{\"model\":\"{said}"));
    assert_eq!(world.send(malformed).await.status, 400);
    // What is searched when the world ends, and here once more by hand.
    world.drain().await;
    assert!(!world.logged().contains(&said));
    for table in ["Accounts", "Keys", "Calls", "Ledger"] {
        for item in world.items(table).await {
            assert!(!format!("{item:?}").contains(&said), "{table}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_account_information_and_per_call_time_model_tokens_endpoint_type_and_status_are_recorded()
 {
    let world = World::new().await;
    assert_eq!(call(&world, &world.demo("LAOZHANG_API_KEY"), "gpt-5-mini").await, fine());
    world.settled_wallet(1).await;
    let items = world.items("Calls").await;
    assert_eq!(items.len(), 1);
    let recorded: BTreeSet<&str> = items[0].keys().map(String::as_str).collect();
    // Of the call, for billing, and by what it is found and forgotten.
    let call = ["time", "model", "units", "endpoint", "status"];
    let billing = ["key_id", "cost", "price_version", "basis"];
    let place = ["account", "call", "expires_at"];
    assert_eq!(recorded, [&call[..], &billing, &place].concat().into_iter().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_lives_7_days_account_data_until_cancellation_and_payment_records_as_law_requires()
{
    let world = World::new().await;
    let (account, now) = (world.account(), Timestamp::now());
    let key = KeyId::random().unwrap();
    let (second, young) = (Duration::from_secs(1), now.minus(RECORD_LIFE));
    world.put_records(&key, 1, young.plus(second)).await;
    world.put_records(&key, 1, young).await;
    // At seven days to the second, and gone with the next run.
    assert_eq!(
        world.store().read_calls(&account, &Wanted::newest(9), now).await.unwrap().records.len(),
        1
    );
    let report = world.retention().report(Event::default(), &|| now).await;
    assert_eq!((report.deleted_records, world.items("Calls").await.len()), (1, 1));
    // Account data as long as there is an account, and no longer.
    let years = Duration::from_secs(3 * 365 * 24 * 3_600);
    world.retention().report(Event::default(), &|| now.plus(years)).await;
    assert!(world.profile().await.email.is_some());
    let closed = crate::rights::close(&world).await;
    assert_eq!(closed.status, 200);
    let due = now.hour().end().plus(Duration::from_secs(25 * 60));
    world.retention().report(Event::default(), &|| due).await;
    let of_account = |item: &std::collections::HashMap<String, _>| {
        format!("{:?}", item.get("account")).contains(account.as_str())
    };
    let parts: Vec<_> = world.items("Accounts").await.into_iter().filter(of_account).collect();
    assert_eq!(parts.len(), 1);
    assert_eq!(parts[0]["part"].as_s().unwrap(), "receipt");
    // Payment records stay, each with the day on which the table forgets it.
    let entries = world.store().read_entries(&account).await.unwrap();
    let kinds: Vec<_> = entries.iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, [EntryKind::TopUp, EntryKind::RefundDue]);
    let year: i32 = now.hour().day().iso().get(..4).unwrap().parse().unwrap();
    let end = format!("{}010100", year + 11).parse::<shared::time::Hour>().unwrap().start();
    for item in world.items("Ledger").await {
        assert_eq!(item["expires_at"].as_n().unwrap(), &end.seconds().to_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_shared_except_with_the_chosen_provider() {
    let world = World::new().await;
    world.provider().answer(Script::json(200, ANSWER));
    let who = r#","user":"ada","metadata":{"name":"ada"},"safety_identifier":"ada""#;
    let request = world.post("/v1/chat/completions", prompt(&world, who));
    let request = request
        .header("x-forwarded-for", "203.0.113.7")
        .header("user-agent", "ada-agent/1")
        .header("cookie", "ada=1");
    assert_eq!(world.send(request).await.status, 200);
    // One request left, to the provider of the model, and nothing in it says who asked.
    let received = world.provider().received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].path, "/openai/v1/chat/completions");
    let headers = format!("{:?}", received[0].headers);
    let body = String::from_utf8(received[0].body.to_vec()).unwrap();
    let key = world.demo("LAOZHANG_API_KEY");
    for told in ["ada", "203.0.113.7", world.account().as_str(), &key] {
        assert!(!headers.contains(told) && !body.contains(told), "{told}");
    }
    assert!(body.contains(world.canary()));
}

#[test]
fn users_are_advised_to_de_identify() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
    for (file, advice) in [
        ("PRIVACY.md", "should leave out what names a person wherever that is possible"),
        ("openapi/openapi.json", "Leave out what names a person wherever that is possible"),
        ("functions/account/src/policy.md", "Leave out what names a person"),
    ] {
        assert!(read(file).contains(advice), "{file}");
    }
}
