//! Accounts: how the operator opens one.

use http::Method;
use serde_json::{Value, json};
use shared::time::Timestamp;
use tests::{
    provider::Script,
    world::{Answer, World},
};

use crate::keys::{ask, call, fine, text};

/// Opens an account as the operator.
async fn open(world: &World, body: &str) -> Answer {
    let token = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let request = world.request(http::Method::POST, "/operator/accounts");
    world.send(request.bearer_auth(token).body(body.to_owned())).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opened_account_calls_what_it_has_agreed_to_once_it_is_credited() {
    let world = World::new().await;
    let answer = open(&world, r#"{"consents": ["openai"]}"#).await;
    assert_eq!(answer.status, 200);
    let opened = answer.json();
    assert_eq!((&opened["object"], &opened["consents"]), (&json!("account"), &json!(["openai"])));
    let key = |scope: &str| {
        let keys = opened["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["scopes"] == json!([scope])).unwrap();
        key["key"].as_str().unwrap().to_owned()
    };
    let inference = key("inference");
    let chat = |key: &str, model: &str| {
        let body = json!({"model": model, "messages": [], "max_completion_tokens": 9});
        let request = world.request(http::Method::POST, "/v1/chat/completions");
        world.send(request.bearer_auth(key).body(body.to_string()))
    };
    let poor = chat(&inference, "gpt-5-mini").await;
    assert_eq!((poor.status, &poor.json()["error"]["code"]), (429, &json!("insufficient_quota")));

    let account = opened["id"].as_str().unwrap();
    let entries = format!("/operator/accounts/{account}/entries");
    let entry = json!({"kind": "top_up", "amount_usd": "1", "reference": "first"});
    let token = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let request = world.request(http::Method::POST, &entries).bearer_auth(token);
    assert_eq!(world.send(request.body(entry.to_string())).await.status, 200);

    let usage = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    world.provider().answer(Script::json(200, usage));
    assert_eq!(chat(&inference, "gpt-5-mini").await.status, 200);
    let other = chat(&inference, "claude-haiku-4-5").await;
    assert_eq!((other.status, &other.json()["error"]["code"]), (403, &json!("consent_required")));

    let get = |path: &str, key: &str| world.send(world.get(path).bearer_auth(key));
    let shown = get("/v1/account", &key("account:manage")).await.json();
    assert_eq!((&shown["id"], &shown["consents"]), (&opened["id"], &json!({"openai": 1})));
    for _ in 0..200 {
        let calls = get("/v1/usage/calls", &key("usage:read")).await.json();
        if calls["data"].as_array().is_some_and(|calls| calls.len() == 1) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the call is not in the account's records");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_opened_by_the_operator_alone_and_says_what_it_agrees_to() {
    let world = World::new().await;
    for (body, code) in [
        ("{}", "missing_field"),
        (r#"{"consents": "openai"}"#, "invalid_value"),
        (r#"{"consents": ["openai", "other"]}"#, "invalid_value"),
        (r#"{"consents": [1]}"#, "invalid_value"),
        ("consents", "malformed_json"),
    ] {
        let answer = open(&world, body).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(code)), "{body}");
    }
    let none = open(&world, r#"{"consents": []}"#).await;
    assert_eq!((none.status, &none.json()["consents"]), (200, &json!([])));
    for key in ["LAOZHANG_API_KEY", "LAOZHANG_MANAGEMENT_KEY"] {
        let request = world.request(http::Method::POST, "/operator/accounts");
        let request = request.bearer_auth(world.demo(key)).body(r#"{"consents": []}"#);
        assert_eq!(world.send(request).await.status, 403);
    }
    let twice: Vec<Value> =
        vec![none.json(), open(&world, r#"{"consents": ["gemini", "gemini"]}"#).await.json()];
    assert_ne!(twice[0]["id"], twice[1]["id"]);
    assert_eq!(twice[1]["consents"], json!(["gemini"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_limits_an_account_and_is_told_of_its_balance_where_it_says() {
    let world = World::new().await;
    let change = async |body: Value| {
        let request = world.request(http::Method::PATCH, "/v1/account");
        let request = request.bearer_auth(world.demo("LAOZHANG_MANAGEMENT_KEY"));
        world.send(request.body(body.to_string())).await
    };
    let body = json!({"limits": {"month_usd": "0.000001", "requests_per_minute": 60}, "alert_below_usd": "5"});
    let shown = change(body).await.json();
    let limits = json!({"month_usd": "0.000001000000", "requests_per_minute": 60});
    assert_eq!((&shown["limits"], &shown["alert_below_usd"]), (&limits, &json!("5.000000000000")));
    let wallet = world.wallet().await;
    assert_eq!(wallet.alert_below, Some(shared::money::Pico::from_dollars(5)));
    let call = r#"{"model": "gpt-5-mini", "messages": [], "max_completion_tokens": 9}"#;
    let refused = world.send(world.post("/v1/chat/completions", call)).await;
    assert_eq!(
        (refused.status, &refused.json()["error"]["code"]),
        (429, &json!("insufficient_quota"))
    );
    // One limit is lifted, and the other stays.
    let shown = change(json!({"limits": {"month_usd": null}})).await.json();
    assert_eq!(shown["limits"], json!({"requests_per_minute": 60}));
    let usage = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    world.provider().answer(Script::json(200, usage));
    assert_eq!(world.send(world.post("/v1/chat/completions", call)).await.status, 200);
    assert_eq!(change(json!({"limits": null})).await.json()["limits"], json!({}));
    for (body, param) in [
        (json!({"limits": {"day_usd": "1"}}), "limits"),
        (json!({"limits": {"month_usd": 1}}), "limits"),
        (json!({"alert_below_usd": "-1"}), "alert_below_usd"),
        (json!({"alert_below_usd": null}), "alert_below_usd"),
    ] {
        let answer = change(body).await;
        assert_eq!((answer.status, &answer.json()["error"]["param"]), (400, &json!(param)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_know_that_requests_go_to_overseas_providers_and_confirm_they_may_send_them() {
    let world = World::new().await;
    let token = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let opened = open(&world, r#"{"consents": []}"#).await.json();
    let account = text(&opened["id"]);
    let key = |number: usize| text(&opened["keys"][number]["key"]);
    let entry = json!({"kind": "top_up", "amount_usd": "1", "reference": "first"});
    let path = format!("/operator/accounts/{account}/entries");
    assert_eq!(ask(&world, &token, Method::POST, &path, entry).await.status, 200);
    // Who they are, where they process requests and what they keep is there for everyone to read.
    let published = world.send(world.get("/v1/providers")).await.json();
    for (provider, model) in PROVIDERS {
        let is = |it: &&Value| it["id"] == provider;
        let published = published["data"].as_array().unwrap().iter().find(is).unwrap();
        assert!(
            published["countries"].as_str().unwrap().contains("countr")
                || published["countries"].as_str().unwrap().contains("United States")
        );
        world.provider().forget();
        let refused = call(&world, &key(0), model).await;
        assert_eq!(refused, (403, "consent_required".to_owned()), "{provider}");
        assert!(world.provider().received().is_empty(), "a byte has left for {provider}");
    }
    // In the words of whoever asks, and with what to do.
    for (path, body) in [
        ("/v1/messages", r#"{"model": "claude-haiku-4-5", "max_tokens": 9, "messages": []}"#),
        ("/v1beta/models/gemini-2.5-flash:generateContent", r#"{"contents": []}"#),
    ] {
        let request = world.request(Method::POST, path).bearer_auth(key(0));
        let answer = world.send(request.body(body)).await;
        let told = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, 403);
        assert!(told.contains("PUT /v1/account/consents/"), "{told}");
    }
    assert!(world.provider().received().is_empty());
    let manage = async |method: Method, path: &str, body: Value| {
        let path = format!("/v1/account/consents{path}");
        ask(&world, &key(2), method, &path, body).await
    };
    for (body, code) in [
        (json!({}), "missing_field"),
        (json!({"policy_version": 2}), "other_policy"),
        (json!({"policy_version": "1"}), "invalid_value"),
    ] {
        let refused = manage(Method::PUT, "/openai", body).await;
        assert_eq!(refused.json()["error"]["code"], code);
    }
    let unknown = manage(Method::PUT, "/somebody", json!({"policy_version": 1})).await;
    assert_eq!(
        (unknown.status, &unknown.json()["error"]["code"]),
        (404, &json!("unknown_provider"))
    );
    for (provider, model) in PROVIDERS {
        let path = format!("/{provider}");
        let given = manage(Method::PUT, &path, json!({"policy_version": 1})).await;
        let shown = json!({
            "object": "consent", "provider": provider, "policy_version": 1, "valid": true,
            "valid_until": null,
        });
        assert_eq!((given.status, given.json()), (200, shown));
        assert_eq!(call(&world, &key(0), model).await, fine(), "{provider}");
        let withdrawn = manage(Method::DELETE, &path, Value::Null).await;
        assert_eq!((withdrawn.status, &withdrawn.json()["valid"]), (200, &json!(false)));
        world.provider().forget();
        assert_eq!(call(&world, &key(0), model).await.1, "consent_required");
        assert!(world.provider().received().is_empty(), "a byte has left for {provider}");
    }
    // What was agreed to and taken back stays, with who has done it.
    let listed = manage(Method::GET, "", Value::Null).await.json();
    let history = listed["history"].as_array().unwrap();
    let kinds: Vec<_> = history.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["given", "withdrawn"].repeat(3));
    assert!(history.iter().all(|event| event["by"] == opened["keys"][2]["id"]));
    assert!(listed["data"].as_array().unwrap().iter().all(|it| it["policy_version"].is_null()));
    // Consents that were given with the account are in it, too.
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let listed = ask(&world, &who, Method::GET, "/v1/account/consents", Value::Null).await.json();
    assert_eq!(listed["history"].as_array().unwrap().len(), 3);
    assert!(listed["data"].as_array().unwrap().iter().all(|it| it["valid"] == true));
}

/// Every provider, and a model of its.
const PROVIDERS: [(&str, &str); 3] =
    [("openai", "gpt-5-mini"), ("anthropic", "claude-haiku-4-5"), ("gemini", "gemini-2.5-flash")];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_used_for_billing_troubleshooting_support_and_service_notices_only() {
    let world = World::new().await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let account = format!("/operator/accounts/{}", world.account());
    let today = Timestamp::now().hour().day();
    let seen = async || {
        let listed = ask(&world, &who, Method::GET, "/v1/account/accesses", Value::Null).await;
        listed.json()["data"].as_array().unwrap().clone()
    };
    // Without a purpose, or with another, nothing is shown or changed, and nothing is noted.
    for (query, code) in [
        ("", "missing_field"),
        ("?purpose=", "invalid_value"),
        ("?purpose=curiosity", "invalid_value"),
        ("?purpose=training", "invalid_value"),
    ] {
        let path = format!("{account}{query}");
        let refused = ask(&world, &operator, Method::GET, &path, Value::Null).await;
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (400, &json!(code)));
    }
    let refused = ask(&world, &operator, Method::PATCH, &account, json!({"state": "frozen"})).await;
    assert_eq!(refused.json()["error"]["code"], "missing_field");
    let unknown = "/operator/accounts/acct_0000000000000000000000?purpose=support";
    assert_eq!(ask(&world, &operator, Method::GET, unknown, Value::Null).await.status, 404);
    assert_eq!(seen().await, Vec::<Value>::new());

    for purpose in ["billing", "troubleshooting", "support", "support"] {
        let path = format!("{account}?purpose={purpose}");
        let shown = ask(&world, &operator, Method::GET, &path, Value::Null).await;
        assert_eq!((shown.status, &shown.json()["object"]), (200, &json!("account")));
    }
    let body = json!({"purpose": "support", "state": "active"});
    assert_eq!(ask(&world, &operator, Method::PATCH, &account, body).await.status, 200);
    let entry = json!({"kind": "top_up", "amount_usd": "1", "reference": "first"});
    let entries = format!("{account}/entries");
    assert_eq!(ask(&world, &operator, Method::POST, &entries, entry).await.status, 200);
    // Its owner sees each, the newest first.
    let rows = seen().await;
    let all: Vec<_> =
        rows.iter().rev().map(|row| (text(&row["what"]), text(&row["purpose"]))).collect();
    let pairs = [
        ("look_up", "billing"),
        ("look_up", "troubleshooting"),
        ("look_up", "support"),
        ("look_up", "support"),
        ("set", "support"),
        ("enter", "billing"),
    ];
    assert_eq!(all, pairs.map(|(what, purpose)| (what.to_owned(), purpose.to_owned())));
    assert!(rows.iter().all(|row| row["who"] == "user/operator" && row["time"].is_i64()));
    // A review counts them by person and purpose.
    let review = async |from: &str, to: &str| {
        let path = format!("/operator/accesses?from={from}&to={to}");
        ask(&world, &operator, Method::GET, &path, Value::Null).await
    };
    let (from, to) = (today.to_string(), today.next().to_string());
    let reviewed = review(&from, &to).await.json();
    let counts: Vec<_> = reviewed["summary"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| (text(&it["who"]), text(&it["purpose"]), it["count"].as_u64().unwrap()))
        .collect();
    let person = || "user/operator".to_owned();
    assert_eq!(
        counts,
        [
            (person(), "billing".to_owned(), 2),
            (person(), "troubleshooting".to_owned(), 1),
            (person(), "support".to_owned(), 3),
        ]
    );
    assert_eq!(reviewed["data"].as_array().unwrap().len(), 6);
    assert!(
        reviewed["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|it| it["account"] == world.account().as_str())
    );
    for (from, to) in
        [(&*to, &*from), ("20260101", "20260201"), ("x", "20260101"), ("20261341", "20261341")]
    {
        assert_eq!(review(from, to).await.status, 400, "{from} {to}");
    }
    // No other account sees them.
    let other = open(&world, r#"{"consents": []}"#).await.json();
    let other = text(&other["keys"][2]["key"]);
    let listed = ask(&world, &other, Method::GET, "/v1/account/accesses", Value::Null).await;
    // But that the operator has opened it.
    let rows = listed.json()["data"].as_array().unwrap().clone();
    let rows =
        rows.iter().map(|row| (text(&row["what"]), text(&row["purpose"]))).collect::<Vec<_>>();
    assert_eq!(rows, [("open".to_owned(), "support".to_owned())]);
}
