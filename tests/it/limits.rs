//! The limits of keys and accounts, and calls that are named so as to be carried once.

use std::{num::NonZeroU64, time::Duration};

use serde_json::Value;
use shared::{
    limits::{Concurrent, Limits},
    money::Pico,
    store::wallet::{ChangeWallet, State},
    time::Timestamp,
};
use tests::{
    provider::Script,
    world::{Answer, LimitedKey, World},
};

const CHAT: &str = r#"{"model":"gpt-5-mini","max_tokens":100,"messages":[]}"#;
const ANSWER: &str =
    r#"{"choices":[{}],"usage":{"prompt_tokens":10,"completion_tokens":100,"total_tokens":110}}"#;
/// What that costs: 10 tokens at 0.25 USD a million, and 100 at 2 USD.
const COST: i128 = 10 * 250_000 + 100 * 2_000_000;

async fn ask(world: &World, key: &LimitedKey, body: &str) -> Answer {
    world.provider().answer(Script::json(200, ANSWER));
    let request = world.request(http::Method::POST, "/v1/chat/completions");
    world.send(request.bearer_auth(key.plain.reveal()).body(body.to_owned())).await
}

/// An answer that takes its time.
fn delayed(millis: u64) -> Script {
    Script::new(200, "application/json").pause(Duration::from_millis(millis)).then(ANSWER)
}

fn number(value: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(value)
}

/// The attributes of a key's item, as text.
async fn attribute(world: &World, key: &LimitedKey, name: &str) -> Option<i128> {
    let items = world.items("Keys").await;
    let item = items.into_iter().find(|item| item["hash"].as_s().unwrap() == key.hash.as_str());
    item.unwrap().get(name).map(|value| value.as_n().unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_with_an_end_or_for_some_models_may_do_no_more() {
    let world = World::new().await;
    let none = Limits::default();
    let ended = world.new_key(&none, &[], Some(Timestamp::now())).await;
    let answer = ask(&world, &ended, CHAT).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("expired"));
    let models = ["claude-haiku-4-5".to_owned()];
    let of_one = world.new_key(&none, &models, None).await;
    let answer = ask(&world, &of_one, CHAT).await;
    assert_eq!(
        (answer.status, &answer.json()["error"]["code"]),
        (403, &"model_not_allowed".into())
    );
    assert_eq!(world.provider().received().len(), 0);
    let listed = world.get("/v1/models").bearer_auth(of_one.plain.reveal());
    let listed = world.send(listed).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_spends_its_budget_and_no_more_and_gets_back_what_it_did_not_spend() {
    let world = World::new().await;
    let day = Some(Pico::new(3 * COST));
    let key = world
        .limited_key(&Limits { total: Some(Pico::from_dollars(1)), day, ..Limits::default() })
        .await;
    let hour = Timestamp::now().hour();
    let left = format!("left_{}", hour.day());
    let mut spent = 0;
    let refused = loop {
        let answer = ask(&world, &key, CHAT).await;
        if answer.status != 200 {
            break answer;
        }
        spent += COST;
        world.records(usize::try_from(spent / COST).unwrap()).await;
        for _ in 0..200 {
            if attribute(&world, &key, &left).await == Some(3 * COST - spent) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(attribute(&world, &key, &left).await, Some(3 * COST - spent));
        assert_eq!(attribute(&world, &key, "left_total").await, Some(1_000_000_000_000 - spent));
        assert_eq!(attribute(&world, &key, &format!("out_{hour}")).await, Some(spent));
    };
    assert!(spent > 0 && spent <= 3 * COST);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["type"], "insufficient_quota");
    assert!(refused.text().contains("budget for the day"));
    assert_eq!(refused.header("x-should-retry"), "false");
    assert_eq!(refused.header("retry-after"), "");
    // A caller who leaves the length open is given what the budget covers.
    let open = r#"{"model":"gpt-5-mini","messages":[]}"#;
    let answer = ask(&world, &key, open).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(!answer.header("x-laozhang-output-limit").is_empty());
    // What the key may not spend costs the wallet nothing.
    let wallet = world.settled_wallet(world.all_records().await.len()).await;
    assert_eq!(wallet.total(), Some(Pico::from_dollars(10)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_calls_and_tokens_of_a_minute_are_limited_and_its_end_is_told() {
    let world = World::new().await;
    // Let no minute end between two calls.
    let second = Timestamp::now().seconds().rem_euclid(60);
    if second > 50 {
        tokio::time::sleep(Duration::from_secs(u64::try_from(61 - second).unwrap())).await;
    }
    let two = world.limited_key(&Limits { requests: number(2), ..Limits::default() }).await;
    for status in [200, 200, 429] {
        let answer = ask(&world, &two, CHAT).await;
        assert_eq!(answer.status, status, "{}", answer.text());
        if status == 429 {
            assert_eq!(answer.header("x-ratelimit-limit-requests"), "2");
            assert_eq!(answer.header("x-ratelimit-remaining-requests"), "0");
            let after: u64 = answer.header("retry-after").parse().unwrap();
            assert!((1..=60).contains(&after));
            assert_eq!(answer.header("x-should-retry"), "true");
        }
    }
    // A call that could take more tokens than a minute has gets the whole minute, and gives back
    // what it did not take.
    let tokens = world.limited_key(&Limits { tokens: number(2_000), ..Limits::default() }).await;
    let long = CHAT.replace("100,", "50000,");
    assert_eq!(ask(&world, &tokens, &long).await.status, 200);
    for _ in 0..200 {
        if attribute(&world, &tokens, "left_tokens").await == Some(1_890) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(attribute(&world, &tokens, "left_tokens").await, Some(1_890));
    let answer = ask(&world, &tokens, &long).await;
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("x-ratelimit-limit-tokens"), "2000");
    assert_eq!(answer.header("x-ratelimit-remaining-tokens"), "1890");
    // The account's own limit counts all of its keys.
    let limits = Limits { requests: number(1), ..Limits::default() };
    world.store().set_account_limits(&world.account(), &limits, Timestamp::now()).await.unwrap();
    let free = world.limited_key(&Limits::default()).await;
    assert_eq!(ask(&world, &free, CHAT).await.status, 200);
    let answer = ask(&world, &free, CHAT).await;
    assert_eq!(answer.status, 429);
    assert!(answer.text().contains("account"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_at_once_have_slots_that_are_given_back() {
    let world = World::new().await;
    let limits = Limits { concurrent: Concurrent::new(2), ..Limits::default() };
    let key = world.limited_key(&limits).await;
    let slow = || delayed(600);
    for _ in 0..3 {
        world.provider().answer(slow());
    }
    let one = || {
        let request = world.request(http::Method::POST, "/v1/chat/completions");
        world.send(request.bearer_auth(key.plain.reveal()).body(CHAT))
    };
    let (a, b, c) = tokio::join!(one(), one(), one());
    let mut statuses = [a.status, b.status, c.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 429]);
    world.settled_wallet(2).await;
    for _ in 0..200 {
        let slots = [attribute(&world, &key, "s_0").await, attribute(&world, &key, "s_1").await];
        if slots == [None, None] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(one().await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accounts_month_is_a_hard_limit_that_counts_what_was_spent_before_it_was_set() {
    let world = World::new().await;
    let free = world.limited_key(&Limits::default()).await;
    assert_eq!(ask(&world, &free, CHAT).await.status, 200);
    world.settled_wallet(1).await;
    let limits = Limits { month: Some(Pico::new(COST)), ..Limits::default() };
    let set = |limits: Limits| async move { limits };
    world.store().set_account_limits(&world.account(), &limits, Timestamp::now()).await.unwrap();
    let answer = ask(&world, &free, CHAT).await;
    assert_eq!(answer.status, 429);
    assert!(answer.text().contains("monthly limit"), "{}", answer.text());
    let left = world.wallet().await;
    let month = left.left.in_period(shared::period::Period::Month, Timestamp::now().hour());
    assert_eq!(month, Some(Pico::ZERO));
    // Lifted, the account goes on, and the month goes on being counted.
    let none = set(Limits::default()).await;
    world.store().set_account_limits(&world.account(), &none, Timestamp::now()).await.unwrap();
    assert_eq!(ask(&world, &free, CHAT).await.status, 200);
    let wallet = world.settled_wallet(2).await;
    let month = wallet.left.in_period(shared::period::Period::Month, Timestamp::now().hour());
    assert_eq!(month, Some(Pico::new(-2 * COST)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn freezing_and_consent_hold_from_the_next_call_on() {
    let world = World::new().await;
    let free = world.limited_key(&Limits::default()).await;
    let account = world.account();
    world.store().set_state(&account, State::Frozen).await.unwrap();
    assert_eq!(ask(&world, &free, CHAT).await.json()["error"]["code"], "account_frozen");
    world.store().set_state(&account, State::Active).await.unwrap();
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let path = "/v1/account/consents/openai";
    let withdrawn = crate::keys::ask(&world, &who, http::Method::DELETE, path, Value::Null).await;
    assert_eq!(withdrawn.json()["valid"], false);
    assert_eq!(ask(&world, &free, CHAT).await.json()["error"]["code"], "consent_required");
    let agrees = serde_json::json!({"policy_version": 1});
    let given = crate::keys::ask(&world, &who, http::Method::PUT, path, agrees).await;
    assert_eq!(given.json()["valid"], true);
    assert_eq!(ask(&world, &free, CHAT).await.status, 200);
}

/// A call under an idempotency key, whose answer is already set.
async fn named(world: &World, name: &str) -> Answer {
    let request = world.post("/v1/chat/completions", CHAT).header("idempotency-key", name);
    world.send(request).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_named_is_carried_once() {
    let world = World::new().await;
    let name = world.canary().to_owned();
    world.provider().answer(delayed(800));
    let (first, second) = tokio::join!(named(&world, &name), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        named(&world, &name).await
    });
    assert_eq!(first.status, 200);
    assert_eq!(second.status, 409);
    assert_eq!(second.json()["error"]["code"], "idempotency_in_flight");
    assert_eq!((second.header("x-should-retry"), second.header("retry-after")), ("true", "5"));
    world.settled_wallet(1).await;
    let charged = named(&world, &name).await;
    assert_eq!(charged.status, 409);
    assert_eq!(charged.json()["error"]["code"], "idempotency_charged");
    assert_eq!(charged.header("x-should-retry"), "false");
    let call = first.header("x-laozhang-call-id");
    assert!(charged.text().contains(call));
    assert_eq!(charged.header("x-laozhang-cost-usd"), first.header("x-laozhang-cost-usd"));
    assert_eq!(world.provider().received().len(), 1);
    // Another name is another call, and so is the same one in another account.
    world.provider().answer(Script::json(200, ANSWER));
    assert_eq!(named(&world, "another").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_call_that_cost_nothing_may_be_sent_again() {
    let world = World::new().await;
    // Refused before anything was sent.
    world.set_balance(Pico::new(1)).await;
    assert_eq!(named(&world, "refused").await.status, 429);
    world.set_balance(Pico::from_dollars(10)).await;
    world.provider().answer(Script::json(200, ANSWER));
    assert_eq!(named(&world, "refused").await.status, 200);
    // Refused by the provider.
    world.provider().answer(Script::json(400, r#"{"error":{"message":"no"}}"#));
    assert_eq!(named(&world, "theirs").await.status, 400);
    world.settled_wallet(2).await;
    world.provider().answer(Script::json(200, ANSWER));
    assert_eq!(named(&world, "theirs").await.status, 200);
    assert_eq!(world.provider().received().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_none_is_refused() {
    let world = World::new().await;
    for name in [String::new(), "x".repeat(256), "a\tb".to_owned()] {
        let answer = named(&world, &name).await;
        assert_eq!(answer.status, 400, "{name}");
        let body: Value = answer.json();
        assert_eq!(body["error"]["code"], "invalid_idempotency_key");
    }
    assert_eq!(world.provider().received().len(), 0);
}
