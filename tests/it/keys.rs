//! Keys, as the owner of an account manages them, and what the operator does with an account.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::{
    key::PlainKey,
    money::Pico,
    store::ledger::{EntryKind, ReadEntries},
};
use tests::{
    provider::Script,
    world::{Answer, World},
};

/// A time to come.
const LATER: i64 = 4_102_444_800;

pub(crate) const ANSWER: &str =
    r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;

/// A request with a body, by a key or the operator.
pub(crate) async fn ask(
    world: &World,
    who: &str,
    method: Method,
    path: &str,
    body: Value,
) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    world.send(world.request(method, path).bearer_auth(who).body(body)).await
}

/// The same by the demo account's management key, which has to go well.
pub(crate) async fn manage(world: &World, method: Method, path: &str, body: Value) -> Value {
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let answer = ask(world, &who, method, path, body).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// A call of this model with this key, and its status and code.
pub(crate) async fn call(world: &World, key: &str, model: &str) -> (u16, String) {
    world.provider().forget();
    world.provider().answer(Script::json(200, ANSWER));
    let body = json!({"model": model, "messages": [], "max_completion_tokens": 9});
    let answer = ask(world, key, Method::POST, "/v1/chat/completions", body).await;
    let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code)
}

pub(crate) fn fine() -> (u16, String) {
    (200, String::new())
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_made_shown_changed_and_revoked_and_its_secret_is_seen_once() {
    let world = World::new().await;
    let end = shared::time::Timestamp::now().seconds() + 3_600;
    let asked = json!({
        "label": "ci", "tag": "cost-centre-7", "scopes": ["inference", "usage:read"], "models": ["gpt-5-mini"],
        "limits": {"day_usd": "1.5", "requests_per_minute": 60, "concurrent_requests": 4},
        "expires_at": end,
    });
    let made = manage(&world, Method::POST, "/v1/account/keys", asked).await;
    let secret = text(&made["key"]);
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(
        expected,
        json!({
            "object": "key", "id": made["id"], "ordinal": 4, "label": "ci", "tag": "cost-centre-7",
            "scopes": ["inference", "usage:read"], "models": ["gpt-5-mini"],
            "limits": {"day_usd": "1.500000000000", "requests_per_minute": 60, "concurrent_requests": 4},
            "created_at": made["created_at"], "expires_at": end, "revoked_at": null,
            "last_used_on": null,
        })
    );
    let path = format!("/v1/account/keys/{}", text(&made["id"]));
    assert_eq!(manage(&world, Method::GET, &path, Value::Null).await, expected);
    let listed = manage(&world, Method::GET, "/v1/account/keys", Value::Null).await;
    assert_eq!(listed["data"].as_array().unwrap().len(), 4);
    assert_eq!(listed["data"][3], expected);
    assert!(!listed.to_string().contains("sk-lz-"));

    assert_eq!(call(&world, &secret, "gpt-5-mini").await, fine());
    let refused = call(&world, &secret, "gpt-5").await;
    assert_eq!(refused, (403, "model_not_allowed".to_owned()));
    // What is not mentioned stays, also of limits.
    let change = json!({"limits": {"day_usd": null, "tokens_per_minute": 9_000}});
    let changed = manage(&world, Method::PATCH, &path, change).await;
    let limits =
        json!({"requests_per_minute": 60, "concurrent_requests": 4, "tokens_per_minute": 9_000});
    assert_eq!((&changed["limits"], &changed["label"]), (&limits, &json!("ci")));
    let change = json!({"tag": null, "label": "build", "models": ["gpt-5"], "limits": null, "expires_at": null});
    let changed = manage(&world, Method::PATCH, &path, change).await;
    assert_eq!(changed["tag"], Value::Null);
    assert_eq!((&changed["label"], &changed["models"]), (&json!("build"), &json!(["gpt-5"])));
    assert_eq!((&changed["limits"], &changed["expires_at"]), (&json!({}), &Value::Null));
    assert_eq!(call(&world, &secret, "gpt-5").await, fine());
    assert_eq!(call(&world, &secret, "gpt-5-mini").await.0, 403);

    let revoked = manage(&world, Method::DELETE, &path, Value::Null).await;
    assert!(revoked["revoked_at"].is_i64());
    assert_eq!(call(&world, &secret, "gpt-5").await.0, 401);
    // Again, it is the same; and nothing else can be done with it.
    assert_eq!(manage(&world, Method::DELETE, &path, Value::Null).await, revoked);
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    for (method, path, body) in [
        (Method::PATCH, path.clone(), json!({"label": "x"})),
        (Method::POST, format!("{path}/rotate"), Value::Null),
    ] {
        let answer = ask(&world, &who, method, &path, body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (409, &json!("key_revoked")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_one_key_with_two_secrets_and_one_budget() {
    let world = World::new().await;
    let made = json!({"label": "ci", "limits": {"total_usd": "0.0001"}});
    let made = manage(&world, Method::POST, "/v1/account/keys", made).await;
    let (first, id) = (text(&made["key"]), text(&made["id"]));
    let rotate = format!("/v1/account/keys/{id}/rotate");
    let rotated = manage(&world, Method::POST, &rotate, json!({"overlap_seconds": 3_600})).await;
    let second = text(&rotated["key"]);
    assert_eq!((&rotated["id"], &rotated["ordinal"]), (&made["id"], &made["ordinal"]));
    assert!(first != second && rotated["previous_ends_at"].is_i64());

    // Both call, and what one spends the other cannot: 9 and 4 tokens cost 10.25 micro-dollars.
    let mut calls = 0;
    loop {
        let secret = if calls % 2 == 0 { &first } else { &second };
        match call(&world, secret, "gpt-5-mini").await {
            (200, _) => calls += 1,
            refused => {
                assert_eq!(refused, (429, "insufficient_quota".to_owned()));
                break;
            }
        }
        world.drain().await;
    }
    assert!((2..=9).contains(&calls), "{calls} calls");
    for secret in [&first, &second] {
        assert_eq!(call(&world, secret, "gpt-5-mini").await.1, "insufficient_quota");
    }
    let records = world.records(calls).await;
    assert!(records.iter().all(|record| record.key.as_str() == id));
    let path = format!("/v1/account/keys/{id}");
    manage(&world, Method::PATCH, &path, json!({"limits": null})).await;

    // Not again while the one before goes on, unless every earlier one is to end at once.
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let again = ask(&world, &who, Method::POST, &rotate, json!({"overlap_seconds": 1})).await;
    assert_eq!((again.status, &again.json()["error"]["code"]), (409, &json!("key_rotating")));
    let third = manage(&world, Method::POST, &rotate, json!({"overlap_seconds": 0})).await;
    let third = text(&third["key"]);
    for secret in [&first, &second] {
        assert_eq!(call(&world, secret, "gpt-5-mini").await, (401, "invalid_api_key".to_owned()));
    }
    assert_eq!(call(&world, &third, "gpt-5-mini").await, fine());
    manage(&world, Method::DELETE, &path, Value::Null).await;
    for secret in [&first, &second, &third] {
        assert_eq!(call(&world, secret, "gpt-5-mini").await.0, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_many_rotate_at_once_there_is_always_a_secret_that_works_and_never_more_than_two() {
    let world = World::new().await;
    let made = manage(&world, Method::POST, "/v1/account/keys", json!({"label": "ci"})).await;
    let rotate = format!("/v1/account/keys/{}/rotate", text(&made["id"]));
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let mut secrets = vec![text(&made["key"])];
    for _ in 0..3 {
        let newest = secrets.last().unwrap().clone();
        let rotations = (0..4)
            .map(|_| ask(&world, &who, Method::POST, &rotate, json!({"overlap_seconds": 3_600})));
        let calls = async {
            for _ in 0..6 {
                assert_eq!(call(&world, &newest, "gpt-5-mini").await, fine());
            }
        };
        let (answers, ()) = tokio::join!(join_all(rotations), calls);
        let given: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 200)
            .map(|answer| text(&answer.json()["key"]))
            .collect();
        assert_eq!(given.len(), 1, "one of them was first");
        let others = answers.iter().filter(|answer| answer.status == 409);
        assert_eq!(others.count(), 3);
        secrets.extend(given);
        let [.., before, newest] = &secrets[..] else { panic!("two") };
        for secret in [before, newest] {
            assert_eq!(call(&world, secret, "gpt-5-mini").await, fine());
        }
        for secret in secrets.iter().rev().skip(2) {
            assert_eq!(call(&world, secret, "gpt-5-mini").await.0, 401);
        }
        // The overlap is over.
        let hash = world.pepper().hash(&PlainKey::parse(&secrets[0]).unwrap()).unwrap();
        world.end_overlap(&hash).await;
        assert_eq!(call(&world, before, "gpt-5-mini").await.0, 401);
        assert_eq!(call(&world, newest, "gpt-5-mini").await, fine());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_that_is_wrong_is_named() {
    let world = World::new().await;
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let long = "x".repeat(41);
    for (body, param) in [
        (json!({}), "label"),
        (json!({"label": ""}), "label"),
        (json!({"label": long}), "label"),
        (json!({"label": "a\nb"}), "label"),
        (json!({"label": 1}), "label"),
        (json!({"label": "x", "scopes": []}), "scopes"),
        (json!({"label": "x", "scopes": ["admin"]}), "scopes"),
        (json!({"label": "x", "models": ["no-such-model"]}), "models"),
        (json!({"label": "x", "models": "gpt-5"}), "models"),
        (json!({"label": "x", "models": []}), "models"),
        (json!({"label": "x", "limits": {"day_usd": "1000000000.1"}}), "limits"),
        (json!({"label": "x", "tag": ""}), "tag"),
        (json!({"label": "x", "tag": 7}), "tag"),
        (json!({"label": "x", "tag": "x".repeat(25)}), "tag"),
        (json!({"label": "x", "expires_at": 253_402_300_800_i64}), "expires_at"),
        (json!({"label": "x", "limits": {"week_usd": "1"}}), "limits"),
        (json!({"label": "x", "limits": {"day_usd": 1}}), "limits"),
        (json!({"label": "x", "limits": {"concurrent_requests": 33}}), "limits"),
        (json!({"label": "x", "limits": {"tokens_per_minute": 0}}), "limits"),
        (json!({"label": "x", "expires_at": 1}), "expires_at"),
        (json!({"label": "x", "expires_at": "tomorrow"}), "expires_at"),
    ] {
        let answer = ask(&world, &who, Method::POST, "/v1/account/keys", body.clone()).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!(param)),
            "{body}"
        );
    }
    let made = manage(&world, Method::POST, "/v1/account/keys", json!({"label": "x"})).await;
    let path = format!("/v1/account/keys/{}", text(&made["id"]));
    let answer = ask(&world, &who, Method::PATCH, &path, json!({"scopes": ["inference"]})).await;
    assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!("scopes")));
    for overlap in [json!(-1), json!("1"), json!(2_592_001)] {
        let body = json!({"overlap_seconds": overlap});
        let answer = ask(&world, &who, Method::POST, &format!("{path}/rotate"), body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["param"]),
            (400, &json!("overlap_seconds"))
        );
    }
    for (method, path, body) in [
        (Method::POST, "/v1/account/keys".to_owned(), json!({"label": "x", "limit": {}})),
        (Method::PATCH, path.clone(), json!({"model": ["gpt-5"]})),
        (Method::POST, format!("{path}/rotate"), json!({"overlap": 0})),
    ] {
        let answer = ask(&world, &who, method, &path, body).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (400, &json!("unknown_field"))
        );
    }
    let own = manage(&world, Method::GET, "/v1/account/keys", Value::Null).await;
    let own =
        own["data"].as_array().unwrap().iter().find(|key| key["scopes"][0] == "account:manage");
    let own = format!("/v1/account/keys/{}", text(&own.unwrap()["id"]));
    for (method, path, body) in [
        (Method::DELETE, own.clone(), Value::Null),
        (Method::PATCH, own.clone(), json!({"expires_at": LATER})),
        (Method::POST, format!("{own}/rotate"), json!({"overlap_seconds": 0})),
    ] {
        let answer = ask(&world, &who, method, &path, body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (409, &json!("own_key")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_account_calls_nothing_until_it_goes_on() {
    let world = World::new().await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let path = format!("/operator/accounts/{}", world.account());
    let key = world.demo("LAOZHANG_API_KEY");
    for (state, expected) in [("frozen", (403, "account_frozen".to_owned())), ("active", fine())] {
        let body = json!({"purpose": "support", "state": state});
        let set = ask(&world, &operator, Method::PATCH, &path, body).await;
        assert_eq!((set.status, &set.json()["state"]), (200, &json!(state)));
        assert_eq!(call(&world, &key, "gpt-5-mini").await, expected);
    }
    // A call of a moment ago may be settled in between.
    world.drain().await;
    let look = format!("{path}?purpose=support");
    let shown = ask(&world, &operator, Method::GET, &look, Value::Null).await.json();
    assert_eq!(shown, manage(&world, Method::GET, "/v1/account", Value::Null).await);
    for (account, state, status) in [
        ("nobody", json!("frozen"), 404),
        ("acct_0000000000000000000000", json!("frozen"), 404),
        (world.account().as_str(), json!("closed"), 400),
        (world.account().as_str(), Value::Null, 400),
    ] {
        let path = format!("/operator/accounts/{account}");
        let body = json!({"purpose": "support", "state": state});
        let answer = ask(&world, &operator, Method::PATCH, &path, body).await;
        assert_eq!(answer.status, status, "{account}");
    }
    let nobody = "/operator/accounts/acct_0000000000000000000000?purpose=support";
    assert_eq!(ask(&world, &operator, Method::GET, nobody, Value::Null).await.status, 404);
    assert_eq!(ask(&world, &key, Method::GET, &path, Value::Null).await.status, 403);
    // Nothing of this moved money.
    let entries = world.store().read_entries(&world.account()).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].kind, entries[0].amount), (EntryKind::TopUp, Pico::from_dollars(10)));
}
