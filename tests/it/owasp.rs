//! The OWASP API Security Top 10 of 2023, a test for each.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::{
    id::KeyId,
    key::{KeyHash, PlainKey},
    limits::Limits,
    money::Pico,
    store::keys::{CreateKey, NewKey},
    time::Timestamp,
};
use tests::{provider::Script, world::World};
use tokio::net::TcpListener;

use crate::keys::{ask, call, fine, manage, text};

const KEYS: &str = "/v1/account/keys";

/// Another account, and its keys by their scope.
async fn stranger(world: &World) -> Value {
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let opening = json!({"consents": ["openai"]});
    ask(world, &operator, Method::POST, "/operator/accounts", opening).await.json()
}

fn key_of(account: &Value, scope: &str) -> String {
    let keys = account["keys"].as_array().unwrap();
    text(&keys.iter().find(|key| key["scopes"][0] == scope).unwrap()["key"])
}

/// Every route of an owner's, with this key's id in it.
fn owners(key: &str) -> [(Method, String); 16] {
    let path = format!("{KEYS}/{key}");
    [
        (Method::GET, "/v1/account".to_owned()),
        (Method::PATCH, "/v1/account".to_owned()),
        (Method::POST, "/v1/account/email".to_owned()),
        (Method::PUT, "/v1/account/email".to_owned()),
        (Method::GET, "/v1/account/accesses".to_owned()),
        (Method::GET, "/v1/account/consents".to_owned()),
        (Method::PUT, "/v1/account/consents/openai".to_owned()),
        (Method::DELETE, "/v1/account/consents/gemini".to_owned()),
        (Method::GET, KEYS.to_owned()),
        (Method::POST, KEYS.to_owned()),
        (Method::GET, path.clone()),
        (Method::PATCH, path.clone()),
        (Method::DELETE, path.clone()),
        (Method::POST, format!("{path}/rotate")),
        (Method::GET, "/v1/account/copy".to_owned()),
        // The last, since for whom it goes well nothing comes after it.
        (Method::POST, "/v1/account/closing".to_owned()),
    ]
}

/// A body that its owner could send there.
fn body_of(path: &str) -> Value {
    match path {
        "/v1/account" => json!({}),
        "/v1/account/email" => json!({"email": "other@example.com"}),
        path if path.ends_with("/rotate") => Value::Null,
        path if path.contains("/consents/") => json!({"policy_version": 1}),
        _ => json!({"label": "x"}),
    }
}

/// Every route of the operator's, with this account's id in it.
fn operators(account: &str) -> [(Method, String); 9] {
    let path = format!("/operator/accounts/{account}");
    [
        (Method::POST, "/operator/accounts".to_owned()),
        (Method::GET, "/operator/accesses".to_owned()),
        (Method::GET, "/operator/policy".to_owned()),
        (Method::POST, "/operator/policy".to_owned()),
        (Method::GET, path.clone()),
        (Method::PATCH, path.clone()),
        (Method::POST, format!("{path}/entries")),
        (Method::POST, format!("{path}/closing")),
        (Method::GET, format!("{path}/v1/usage/calls")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api1_broken_object_level_authorization_no_account_reaches_what_is_anothers() {
    let world = World::new().await;
    let stranger = stranger(&world).await;
    let made = manage(&world, Method::POST, KEYS, json!({"label": "ours"})).await;
    let (id, secret) = (text(&made["id"]), text(&made["key"]));
    assert_eq!(call(&world, &secret, "gpt-5-mini").await, fine());
    let theirs = key_of(&stranger, "account:manage");
    for (method, path) in owners(&id) {
        let answer = ask(&world, &theirs, method.clone(), &path, body_of(&path)).await;
        if path.contains(&id) {
            let code = &answer.json()["error"]["code"];
            assert_eq!((answer.status, code), (404, &json!("unknown_key")), "{method} {path}");
        } else {
            for ours in [world.account().as_str(), &id, "\"ours\""] {
                assert!(!answer.text().contains(ours), "{method} {path}");
            }
        }
    }
    world.records(1).await;
    let theirs = key_of(&stranger, "usage:read");
    let kept = ask(&world, &theirs, Method::GET, "/v1/privacy", Value::Null).await.json();
    assert_eq!(kept["your_records"]["oldest_at"], Value::Null);
    let calls = ask(&world, &theirs, Method::GET, "/v1/usage/calls", Value::Null).await.json();
    assert_eq!(calls["data"], json!([]));
    let shown = manage(&world, Method::GET, &format!("{KEYS}/{id}"), Value::Null).await;
    assert_eq!((&shown["label"], &shown["revoked_at"]), (&json!("ours"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api2_broken_authentication_a_key_that_is_none_is_told_nothing() {
    let world = World::new().await;
    let made = manage(&world, Method::POST, KEYS, json!({"label": "gone"})).await;
    let revoked = text(&made["key"]);
    let path = format!("{KEYS}/{}", text(&made["id"]));
    manage(&world, Method::DELETE, &path, Value::Null).await;
    let unknown = PlainKey::random().unwrap().reveal().to_owned();
    let typo = unknown.get(..54).map(|text| format!("{text}-")).unwrap();
    let mut told = Vec::new();
    for key in ["", "Bearer", "sk-lz-", typo.as_str(), unknown.as_str(), revoked.as_str()] {
        let answer = ask(&world, key, Method::GET, "/v1/account", Value::Null).await;
        assert_eq!(answer.status, 401);
        told.push(answer.body);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "they are told the same");
    // A key that has ended is told so, by whom it was made for.
    let end = Timestamp::now().seconds() + 1;
    let made =
        manage(&world, Method::POST, KEYS, json!({"label": "short", "expires_at": end})).await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(call(&world, &text(&made["key"]), "gpt-5-mini").await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api3_broken_object_property_level_authorization_what_is_not_the_callers_to_set_stays() {
    let world = World::new().await;
    let theirs = json!({
        "id": "key_0000000000000000000000", "account": "acct_0000000000000000000000",
        "ordinal": 99, "created_at": 1, "revoked_at": 1, "hash": "1#00", "newest": "1#00",
        "until": 1, "of": "1#00", "closed": 1, "left_total": 1, "object": "wallet",
    });
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    for (name, value) in theirs.as_object().unwrap() {
        let body = json!({"label": "x", name: value});
        let answer = ask(&world, &who, Method::POST, KEYS, body).await;
        let code = &answer.json()["error"]["code"];
        assert_eq!((answer.status, code), (400, &json!("unknown_field")), "{name}");
    }
    let made = manage(&world, Method::POST, KEYS, json!({"label": "x"})).await;
    let (id, secret) = (text(&made["id"]), text(&made["key"]));
    assert_eq!((&made["ordinal"], &made["revoked_at"]), (&json!(4), &Value::Null));
    assert_ne!(made["id"], theirs["id"]);
    let path = format!("{KEYS}/{id}");
    assert_eq!(ask(&world, &who, Method::PATCH, &path, theirs.clone()).await.status, 400);
    let changed = manage(&world, Method::GET, &path, Value::Null).await;
    let mut expected = made.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(changed, expected);
    assert_eq!(call(&world, &secret, "gpt-5-mini").await, fine());
    // Nor is anything shown that is not for the caller.
    let listed = manage(&world, Method::GET, KEYS, Value::Null).await.to_string();
    for hidden in ["hash", "1#", "sk-lz-", "\"account\""] {
        assert!(!listed.contains(hidden), "{hidden}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api4_unrestricted_resource_consumption_requests_bodies_keys_and_money_have_an_end() {
    let world = World::new().await;
    let limits = json!({"requests_per_minute": 1, "total_usd": "0.01"});
    let made = manage(&world, Method::POST, KEYS, json!({"label": "x", "limits": limits})).await;
    let key = text(&made["key"]);
    // A minute may turn between two of three calls, and not twice.
    let mut refused = 0;
    for _ in 0..3 {
        refused += usize::from(call(&world, &key, "gpt-5-mini").await.0 == 429);
    }
    assert!((1..3).contains(&refused), "{refused}");
    let large = vec![b' '; 10 * 1_024 * 1_024 + 1];
    for path in [KEYS, "/v1/chat/completions"] {
        assert_eq!(world.send(world.post(path, large.clone())).await.status, 413, "{path}");
    }
    let (account, now) = (world.account(), Timestamp::now());
    for number in 0..500 {
        let new = NewKey {
            hash: &KeyHash::parse(&format!("9#{number:064x}")).unwrap(),
            account: &account,
            key: &KeyId::random().unwrap(),
            label: "one of many",
            tag: None,
            scopes: &[shared::caller::Scope::Inference],
            models: &[],
            limits: &Limits::default(),
            expires_at: None,
        };
        let profile = world.profile().await;
        world.store().create_key(&new, &profile, now).await.unwrap();
    }
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let more = ask(&world, &who, Method::POST, KEYS, json!({"label": "one more"})).await;
    assert_eq!((more.status, &more.json()["error"]["code"]), (409, &json!("too_many_keys")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api5_broken_function_level_authorization_each_scope_has_its_routes_and_no_other() {
    let world = World::new().await;
    let (inference, usage, manages) = (
        world.demo("LAOZHANG_API_KEY"),
        world.demo("LAOZHANG_USAGE_KEY"),
        world.demo("LAOZHANG_MANAGEMENT_KEY"),
    );
    let refused = async |who: &str, (method, path): &(Method, String)| {
        let answer = ask(&world, who, method.clone(), path, json!({"label": "x"})).await;
        let code = answer.json()["error"]["code"].clone();
        answer.status == 403 && code == "missing_scope"
    };
    for route in owners("key_0000000000000000000000") {
        for who in [&inference, &usage] {
            assert!(refused(who, &route).await, "{route:?}");
        }
    }
    // What is kept of them everybody may know.
    for who in [&inference, &usage, &manages] {
        assert_eq!(ask(&world, who, Method::GET, "/v1/privacy", Value::Null).await.status, 200);
    }
    let calls = ["/v1/chat/completions", "/v1/embeddings", "/v1/responses", "/v1/audio/speech"];
    for route in calls.map(|path| (Method::POST, path.to_owned())) {
        for who in [&manages, &usage] {
            assert!(refused(who, &route).await, "{route:?}");
        }
    }
    for who in [&inference, &manages] {
        assert!(refused(who, &(Method::GET, "/v1/usage/calls".to_owned())).await);
    }
    for (method, path) in operators(world.account().as_str()) {
        for who in [&inference, &usage, &manages] {
            let answer = ask(&world, who, method.clone(), &path, json!({})).await;
            assert_eq!(answer.json()["error"]["code"], "operators_only", "{method} {path}");
        }
        let nobody = world.send(world.request(method.clone(), &path).body("{}")).await;
        assert_eq!(nobody.status, 404, "{method} {path}");
    }
    assert!(world.provider().received().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api6_unrestricted_access_to_sensitive_business_flows_money_comes_once_and_from_the_operator()
 {
    let world = World::new().await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let path = format!("/operator/accounts/{}/entries", world.account());
    let entry = json!({"kind": "top_up", "amount_usd": "1", "reference": "once"});
    let many = (0..8).map(|_| ask(&world, &operator, Method::POST, &path, entry.clone()));
    for answer in join_all(many).await {
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
    }
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(11));
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let body = json!({"label": "x", "balance_usd": "100", "credit_usd": "100"});
    assert_eq!(ask(&world, &who, Method::POST, KEYS, body.clone()).await.status, 400);
    for (method, status) in [(Method::POST, 400), (Method::PATCH, 400), (Method::PUT, 404)] {
        let answer = ask(&world, &who, method, "/v1/account", body.clone()).await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(11));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api7_server_side_request_forgery_no_address_of_anybodys_is_called() {
    let world = World::new().await;
    let inside = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/latest/meta-data", inside.local_addr().unwrap());
    let image = json!({"type": "image_url", "image_url": {"url": url}});
    let body = json!({"model": "gpt-5-mini", "max_completion_tokens": 9, "base_url": url,
        "messages": [{"role": "user", "content": [image]}]});
    let key = world.demo("LAOZHANG_API_KEY");
    // The provider may fetch it or not; and may itself send us there.
    for script in [
        Script::json(200, r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#),
        Script::json(302, "{}").header("location", &url),
        Script::json(307, "{}").header("location", &url),
    ] {
        world.provider().answer(script);
        let request = world.request(Method::POST, "/v1/chat/completions");
        let request = request.header("x-forwarded-host", "127.0.0.1").bearer_auth(&key);
        let status = world.send_to_provider(request.body(body.to_string())).await.status;
        assert!([200, 502].contains(&status), "{status}");
    }
    assert_eq!(world.provider().received().len(), 3);
    let called = tokio::time::timeout(Duration::from_millis(100), inside.accept()).await;
    assert!(called.is_err(), "somebody called");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api8_security_misconfiguration_nothing_is_open_that_need_not_be_and_nothing_is_told() {
    let world = World::new().await;
    let key = world.demo("LAOZHANG_API_KEY");
    for method in ["TRACE", "OPTIONS", "PUT", "CONNECTED"] {
        let method: Method = method.parse().unwrap();
        let request = world.request(method.clone(), "/v1/account").bearer_auth(&key);
        let answer = world.send(request.header("origin", "https://example.com")).await;
        assert_eq!(answer.status, 404, "{method}");
        for header in ["access-control-allow-origin", "server", "x-powered-by", "allow"] {
            assert!(!answer.headers.contains_key(header), "{method} {header}");
        }
    }
    // Errors are JSON, and name no file, line or library.
    for path in ["/", "/v1/account/keys/%00", "/v1/../operator/accounts", "/.env", "/v1/account/"] {
        let answer = ask(&world, &key, Method::GET, path, Value::Null).await;
        assert!([403, 404].contains(&answer.status), "{path} {}", answer.status);
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        for told in [".rs", "panicked", "serde", "lambda"] {
            assert!(!answer.text().contains(told), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api9_improper_inventory_management_what_is_not_described_is_not_there() {
    // That what is described is there, and the other way round, is in `openapi.rs`.
    let world = World::new().await;
    let key = world.demo("LAOZHANG_MANAGEMENT_KEY");
    for path in [
        "/v0/account",
        "/v2/account",
        "/v1/accounts",
        "/v1/admin",
        "/v1/account/key",
        "/v1/account/keys/a/b",
        "/v1/usage",
        "/v1/debug",
        "/operator",
        "/operator/keys",
        "/operator/policy/versions",
        "/v1/policy/1.0",
        "/v1/privacy/providers",
        "/openapi.yaml",
        "/docs",
        "/metrics",
        "/health",
    ] {
        let answer = ask(&world, &key, Method::GET, path, Value::Null).await;
        // What begins as a provider's path is refused for the scope before it is looked at.
        assert!([403, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api10_unsafe_consumption_of_apis_a_provider_is_not_trusted() {
    let world = World::new().await;
    let key = world.demo("LAOZHANG_API_KEY");
    let large = format!(r#"{{"error":{{"message":"{}"}}}}"#, "x".repeat(1_024 * 1_024));
    for (script, statuses) in [
        (Script::json(200, "not JSON"), &[200, 502][..]),
        (
            Script::json(200, r#"{"usage":{"prompt_tokens":-1,"completion_tokens":1e400}}"#),
            &[200, 502],
        ),
        (Script::json(200, r#"{"usage":{"completion_tokens":18446744073709551615}}"#), &[200, 502]),
        (Script::new(200, "text/html").then("<script>alert(1)</script>"), &[200, 502]),
        (Script::json(400, large), &[400]),
        (Script::json(500, "").header("set-cookie", "a=b"), &[500, 502]),
        (Script::json(200, "{").cut(), &[502]),
        (Script::json(302, "{}").header("location", "/v1/elsewhere"), &[502]),
        (
            Script::json(200, "{}").header("x-should-retry", "true").header("server", "x"),
            &[200, 502],
        ),
    ] {
        world.provider().answer(script);
        let body = json!({"model": "gpt-5-mini", "messages": [], "max_completion_tokens": 9});
        let request = world.request(Method::POST, "/v1/chat/completions").bearer_auth(&key);
        let answer = world.send_to_provider(request.body(body.to_string())).await;
        assert!(statuses.contains(&answer.status), "{}: {}", answer.status, answer.text());
        for header in ["set-cookie", "location", "server"] {
            assert!(!answer.headers.contains_key(header), "{header}");
        }
    }
    world.drain().await;
    // Whatever it claims, no call costs more than was held, and the books agree.
    let spent: i128 = world.all_records().await.iter().map(|record| record.cost.pico()).sum();
    let wallet = world.wallet().await;
    assert!(wallet.balance >= Pico::ZERO);
    assert_eq!(wallet.total().unwrap().pico(), Pico::from_dollars(10).pico());
    assert!(spent <= Pico::from_dollars(10).pico() - wallet.balance.pico());
}
