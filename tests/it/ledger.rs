//! The ledger: each entry changes a balance once, whole, and within what it covers.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use serde_json::{Value, json};
use shared::{
    id::AccountId,
    money::Pico,
    store::{
        Store, StoreError,
        ledger::{Entry, EntryError, EntryKind, PostEntry, Posted, ReadEntries},
    },
    time::Timestamp,
};
use tests::world::{Answer, World};

const NOW: Timestamp = Timestamp::from_seconds(1_795_485_599);

fn dollars(dollars: i32) -> Pico {
    let size = Pico::from_dollars(dollars.unsigned_abs());
    if dollars < 0 { Pico::ZERO.checked_sub(size).unwrap() } else { size }
}

async fn post(
    world: &World,
    kind: EntryKind,
    reference: &str,
    amount: Pico,
) -> Result<Posted, EntryError> {
    let account = world.account();
    let entry = Entry::new(&account, kind, reference, amount).unwrap();
    world.store().post_entry(&entry, NOW).await
}

/// Sends the body to the operator's route for `account`, as the operator.
async fn enter(world: &World, account: &str, body: &str) -> Answer {
    let path = format!("/operator/accounts/{account}/entries");
    let request = world.request(http::Method::POST, &path).body(body.to_owned());
    world.send(request.bearer_auth(world.demo("LAOZHANG_OPERATOR_TOKEN"))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_changes_the_balance_once_and_by_its_sign() {
    let world = World::new().await;
    for (kind, reference, amount, balance) in [
        (EntryKind::TopUp, "a", 5, 15),
        (EntryKind::Refund, "a", 7, 8),
        (EntryKind::Adjustment, "a", -3, 5),
        (EntryKind::Adjustment, "b", 1, 6),
        // Down to nothing, and no further.
        (EntryKind::Refund, "b", 6, 0),
    ] {
        assert_eq!(post(&world, kind, reference, dollars(amount)).await, Ok(Posted::Now));
        assert_eq!(world.wallet().await.balance, dollars(balance));
        let again = post(&world, kind, reference, dollars(amount)).await;
        assert_eq!(again, Ok(Posted::Before(NOW)));
        let other = post(&world, kind, reference, dollars(if amount == 4 { 3 } else { 4 })).await;
        assert_eq!(other, Err(EntryError::Different));
        assert_eq!(world.wallet().await.balance, dollars(balance));
    }
    for kind in [EntryKind::Refund, EntryKind::Adjustment] {
        let amount = if kind == EntryKind::Refund { Pico::new(1) } else { Pico::new(-1) };
        assert_eq!(post(&world, kind, "c", amount).await, Err(EntryError::BalanceTooLow));
    }
    let entries = world.store().read_entries(&world.account()).await.unwrap();
    assert_eq!(entries.len(), 6);
    let sum: i128 = entries.iter().map(|entry| entry.amount.pico()).sum();
    assert_eq!(Some(Pico::new(sum)), world.wallet().await.total());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_post_an_entry_at_once_it_is_entered_once() {
    let world = World::new().await;
    let posts = (0..12).map(|_| post(&world, EntryKind::TopUp, "once", dollars(1)));
    let posted = join_all(posts).await;
    assert_eq!(posted.iter().filter(|posted| **posted == Ok(Posted::Now)).count(), 1);
    for posted in posted {
        let fine = matches!(posted, Ok(_) | Err(EntryError::Unavailable));
        assert!(fine, "{posted:?}");
    }
    assert_eq!(world.wallet().await.balance, dollars(11));
    // Debits that the balance covers one by one and not together.
    let references: Vec<_> = (0..12).map(|number| format!("debit-{number}")).collect();
    let debits = references.iter().map(|reference| {
        let world = &world;
        async move {
            loop {
                let posted = post(world, EntryKind::Refund, reference, dollars(3)).await;
                if posted != Err(EntryError::Unavailable) {
                    return posted;
                }
            }
        }
    });
    let posted = join_all(debits).await;
    assert_eq!(posted.iter().filter(|posted| posted.is_ok()).count(), 3);
    assert!(posted.contains(&Err(EntryError::BalanceTooLow)));
    assert_eq!(world.wallet().await.balance, dollars(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_nothing_is_said_of_an_entry() {
    let world = World::new().await;
    let mut config = world.store_config();
    // Nothing listens there.
    config.aws.endpoint = Some("http://127.0.0.1:9".to_owned());
    let store = Store::connect(config).unwrap();
    let account = world.account();
    let entry = Entry::new(&account, EntryKind::TopUp, "lost", dollars(1)).unwrap();
    assert_eq!(store.post_entry(&entry, NOW).await, Err(EntryError::Unavailable));
    assert_eq!(store.read_entries(&account).await, Err(StoreError::Unavailable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_of_entries_is_read_and_what_is_no_entry_passed_over() {
    let world = World::new().await;
    let account = world.account();
    let (client, text) = (world.admin().await, |text: &str| AttributeValue::S(text.to_owned()));
    // Between `adjustment` and `top_up`, and more than the megabyte of a page.
    for number in 0..5 {
        let put = client.put_item().table_name("Ledger").item("account", text(account.as_str()));
        let put = put.item("entry", text(&format!("line#{number}")));
        put.item("filler", text(&"x".repeat(300_000))).send().await.unwrap();
    }
    post(&world, EntryKind::Adjustment, "x", dollars(-2)).await.unwrap();
    let entries = world.store().read_entries(&account).await.unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["adjustment#x", "top_up#demo"].as_slice(), "oldest first");
    assert_eq!(entries[0].amount, dollars(-2));
    assert_eq!((entries[0].kind, entries[0].time), (EntryKind::Adjustment, NOW));
    let nobody = AccountId::random().unwrap();
    assert_eq!(world.store().read_entries(&nobody).await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_entry_is_answered_with_what_stands_in_the_ledger() {
    let world = World::new().await;
    let account = world.account();
    for (kind, amount, changed, balance) in [
        ("top_up", "2.50", "2.500000000000", "12.500000000000"),
        ("refund", "2", "-2.000000000000", "10.500000000000"),
        ("adjustment", "-0.5", "-0.500000000000", "10.000000000000"),
    ] {
        let body = json!({"kind": kind, "amount_usd": amount, "reference": "invoice-1"});
        let answer = enter(&world, account.as_str(), &body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let mut shown = answer.json();
        assert!(shown["time"].is_i64());
        shown["time"] = Value::Null;
        let expected = json!({
            "object": "ledger_entry", "id": format!("{kind}#invoice-1"),
            "account": account.as_str(), "kind": kind, "reference": "invoice-1",
            "amount_usd": changed, "time": null, "balance_usd": balance,
        });
        assert_eq!(shown, expected);
        // The same again is the same entry, whenever it was.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        let again = enter(&world, account.as_str(), &body.to_string()).await;
        assert_eq!((again.status, again.json()), (200, answer.json()));
        let other = json!({"kind": kind, "amount_usd": "1", "reference": "invoice-1"});
        let other = enter(&world, account.as_str(), &other.to_string()).await;
        assert_eq!(other.status, 409);
        assert_eq!(other.json()["error"]["code"], "already_entered");
    }
    let much = r#"{"kind":"refund","amount_usd":"10.000000000001","reference":"much"}"#;
    let much = enter(&world, account.as_str(), much).await;
    assert_eq!((much.status, &much.json()["error"]["code"]), (409, &json!("balance_too_low")));
    let one = r#"{"kind":"top_up","amount_usd":"1","reference":"x"}"#;
    for nobody in [AccountId::random().unwrap().as_str(), "nobody"] {
        let answer = enter(&world, nobody, one).await;
        let code = &answer.json()["error"]["code"];
        assert_eq!((answer.status, code), (404, &json!("unknown_account")));
    }
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_that_is_none_is_refused_by_the_field() {
    let world = World::new().await;
    let whole = json!({"kind": "top_up", "amount_usd": "1", "reference": "x"});
    for (field, value) in [
        ("kind", json!("line")),
        ("kind", json!("")),
        ("kind", json!(1)),
        ("amount_usd", json!("0")),
        ("amount_usd", json!("-1")),
        ("amount_usd", json!("--1")),
        ("amount_usd", json!(1)),
        ("amount_usd", json!("1e3")),
        ("amount_usd", json!("1000000000.01")),
        ("amount_usd", json!("170141183460469231731687303")),
        ("reference", json!("")),
        ("reference", json!("a#b")),
        ("reference", json!(format!("{} ", world.canary()))),
        ("reference", json!("x".repeat(65))),
        ("reference", Value::Null),
    ] {
        let mut body = whole.clone();
        body[field] = value;
        let answer = enter(&world, world.account().as_str(), &body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"]["param"], field, "{body}");
        body.as_object_mut().unwrap().remove(field);
        let answer = enter(&world, world.account().as_str(), &body.to_string()).await;
        let code = &answer.json()["error"]["code"];
        assert_eq!((answer.status, code), (400, &json!("missing_field")), "{body}");
    }
    for body in ["", "{", "[]", "7", r#"{"kind":"top_up","kind":"refund"}"#] {
        assert_eq!(enter(&world, world.account().as_str(), body).await.status, 400, "{body}");
    }
    assert_eq!(world.items("Ledger").await.len(), 1);
}
