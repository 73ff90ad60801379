//! Who may call, and what is refused before a byte leaves.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use shared::{
    event::HttpEvent,
    id::CallId,
    key::KeyHash,
    money::Pico,
    provider::Provider,
    store::{
        StoreError,
        accounts::{CreateAccount, NewAccount},
        keys::ChangeKeys,
        ledger::{Entry, EntryError, EntryKind, PostEntry},
        wallet::{ChangeWallet, Hold, HoldError, KeyRead, MoveMoney, Settle, Settled},
    },
    time::Timestamp,
};
use tests::{provider::Script, world::World};

const CHAT: &str = r#"{"model":"gpt-5-mini","messages":[{"role":"user","content":"hello"}]}"#;
const MESSAGES: &str = r#"{"model":"claude-haiku-4-5","max_tokens":9,"messages":[]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_taken_from_each_of_its_four_places() {
    let world = World::new().await;
    let key = world.demo("LAOZHANG_API_KEY");
    for request in [
        world.get("/v1/models").bearer_auth(&key),
        world.get("/v1/models").header("x-api-key", &key),
        world.get("/v1/models").header("x-goog-api-key", &key),
        world.get(&format!("/v1/models?key={key}")),
        // What another proxy has put into the first place is no key, and not in the way.
        world.get("/v1/models").header("authorization", "Basic eDp5").header("x-api-key", &key),
    ] {
        assert_eq!(world.send(request).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_malformed_key_is_refused_before_any_table_is_read() {
    let world = World::new().await;
    let mut config = world.store_config();
    // Nothing listens there, so whoever reads a table fails.
    config.aws.endpoint = Some("http://127.0.0.1:9".to_owned());
    let pepper = shared::key::Pepper::parse(&format!(r#"{{"1":"{}"}}"#, "5a".repeat(32))).unwrap();
    let store = shared::store::Store::connect(config).unwrap();
    let app = authorizer::App::new(store, shared::secrets::Renewable::fixed(pepper));
    let app = std::sync::Arc::new(app);
    let ask = async |key: &str| {
        let event = json!({"methodArn": "arn:a/b/c", "headers": {"x-api-key": key}});
        let event = serde_json::from_value(event).unwrap();
        std::sync::Arc::clone(&app).authorize(event).await
    };
    let whole = shared::key::PlainKey::random().unwrap();
    let mut typo = whole.reveal().to_owned();
    let last = typo.pop().unwrap();
    typo.push(if last == 'a' { 'b' } else { 'a' });
    assert!(ask(&typo).await.unwrap().context().is_none());
    // Where the store cannot be asked nobody is let in, nor told that the key is wrong.
    assert!(ask(whole.reveal()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_key_is_a_401_that_every_sdk_understands() {
    let world = World::new().await;
    let unknown = shared::key::PlainKey::random().unwrap();
    for key in ["", "sk-lz-wrong", "sk-proj-of-another-provider", unknown.reveal()] {
        let answer = world.send(world.get("/v1/models").header("x-api-key", key)).await;
        assert_eq!(answer.status, 401);
        let body = answer.json();
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], "authentication_error");
        assert_eq!(body["error"]["code"], "invalid_api_key");
        assert_eq!(body["error"]["status"], "UNAUTHENTICATED");
        assert!(body["error"]["message"].as_str().unwrap().contains("API key"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_served_is_refused_in_the_callers_dialect_and_quotes_nothing() {
    let world = World::new().await;
    let canary = world.canary().to_owned();
    let gemini = format!("/v1beta/models/{canary}:generateContent");
    for (path, body, status, code) in [
        ("/v1/chat/completions", format!(r#"{{"model":"{canary}"}}"#), 404, "model_not_found"),
        ("/v1/messages", format!(r#"{{"model":"{canary}"}}"#), 404, "model_not_found"),
        (gemini.as_str(), "{}".to_owned(), 404, "model_not_found"),
        ("/v1/messages", r#"{"model":"gpt-5-mini"}"#.to_owned(), 400, "wrong_endpoint"),
        ("/v1/chat/completions", r#"{"model":"whisper-1"}"#.to_owned(), 400, "wrong_endpoint"),
        ("/v1/chat/completions", format!(r#"{{"x":"{canary}""#), 400, "malformed_json"),
        ("/v1/chat/completions", format!(r#"{{"{canary}":01}}"#), 400, "malformed_json"),
        ("/v1/chat/completions", String::new(), 400, "malformed_json"),
        ("/v1/chat/completions", format!(r#"["{canary}"]"#), 400, "not_an_object"),
        ("/v1/chat/completions", format!(r#"{{"messages":"{canary}"}}"#), 400, "missing_field"),
        ("/v1/chat/completions", format!(r#"{{"model":["{canary}"]}}"#), 400, "invalid_value"),
        (
            "/v1/chat/completions",
            format!(r#"{{"model":"gpt-5-mini","stream":"{canary}"}}"#),
            400,
            "invalid_value",
        ),
        (
            "/v1/chat/completions",
            format!(r#"{{"model":"gpt-5-mini","max_tokens":"{canary}"}}"#),
            400,
            "invalid_value",
        ),
        (
            "/v1/chat/completions",
            format!(r#"{{"model":"gpt-5-mini","mod\u0065l":"{canary}"}}"#),
            400,
            "duplicate_field",
        ),
        (
            "/v1/chat/completions",
            format!(r#"{{"model":"gpt-5-mini","service_tier":"{canary}"}}"#),
            400,
            "field_not_accepted",
        ),
        ("/v1/models/gemini-2.5-pro:predict", "{}".to_owned(), 404, "unknown_endpoint"),
    ] {
        let answer = world.send(world.post(path, body.clone())).await;
        assert_eq!(answer.status, status, "{body}");
        let error = &answer.json()["error"];
        if path == "/v1/messages" {
            assert_eq!(answer.json()["type"], "error");
            assert!(error["type"].is_string());
        } else if path.contains(':') {
            assert_eq!(error["code"], json!(status));
            assert_eq!(error["details"][0]["reason"], code.to_uppercase());
        } else {
            assert_eq!(error["code"], code, "{body}");
            assert!(error.get("param").is_some());
        }
        assert_eq!(answer.header("x-should-retry"), "false");
        assert!(answer.header("x-laozhang-call-id").starts_with("call_"));
    }
    assert_eq!(world.provider().received().len(), 0);
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_do_what_its_scope_says_and_nothing_else() {
    let world = World::new().await;
    for (variable, allowed) in [
        ("LAOZHANG_API_KEY", "/v1/models"),
        ("LAOZHANG_USAGE_KEY", "/v1/usage/calls"),
        ("LAOZHANG_MANAGEMENT_KEY", "/v1/account"),
    ] {
        for path in ["/v1/models", "/v1/usage/calls", "/v1/account"] {
            let answer = world.send(world.get(path).bearer_auth(world.demo(variable))).await;
            let expected = if path == allowed { 200 } else { 403 };
            assert_eq!(answer.status, expected, "{variable} at {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operators_route_takes_the_operator_alone() {
    let world = World::new().await;
    let path = format!("/operator/accounts/{}/entries", world.account());
    let body = r#"{"kind":"top_up","amount_usd":"2.50","reference":"invoice-1"}"#;
    for key in ["LAOZHANG_API_KEY", "LAOZHANG_MANAGEMENT_KEY"] {
        let request = world.post(&path, body).headers(http::HeaderMap::new());
        let request = request.header("x-api-key", world.demo(key));
        assert_eq!(world.send(request).await.status, 403);
    }
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(10));
    let request = world.request(http::Method::POST, &path).body(body);
    let request = request.bearer_auth(world.demo("LAOZHANG_OPERATOR_TOKEN"));
    let answer = world.send(request).await;
    assert_eq!((answer.status, &answer.json()["balance_usd"]), (200, &json!("12.500000000000")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_key_starts_no_call() {
    let world = World::new().await;
    let items = world.items("Keys").await;
    let inference = items.iter().find(|item| {
        item["scopes"].as_ss().is_ok_and(|scopes| scopes.contains(&"inference".to_owned()))
    });
    let hash = inference.unwrap()["hash"].as_s().unwrap();
    let hash = KeyHash::parse(hash).unwrap();
    let now = Timestamp::now();
    world.store().revoke_key(&hash, None, now).await.unwrap();
    let mark = now.plus(Duration::from_secs(5));
    world.store().require_fresh_keys(&world.account(), mark).await.unwrap();
    let answer = world.send(world.post("/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.status, 401);
    // A call that the authorizer let through just before the revocation gets no further.
    for auth_at in [now, mark] {
        let event = json!({
            "httpMethod": "POST",
            "path": "/v1/chat/completions",
            "body": CHAT,
            "requestContext": {"httpMethod": "POST", "authorizer": {
                "account": world.account().as_str(),
                "key": "key_0000000000000000000000",
                "hash": hash.as_str(),
                "scopes": "inference",
                "auth_at": auth_at.millis().to_string(),
            }},
        });
        let event = HttpEvent::parse(event.to_string().as_bytes()).unwrap();
        let reply = world.proxy().handle(event.request()).await;
        assert_eq!(reply.status(), 401);
    }
    assert_eq!(world.provider().received().len(), 0);
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_any_change_to_a_key_the_others_are_read_again_and_go_on() {
    let world = World::new().await;
    let mark = Timestamp::now().plus(Duration::from_secs(5));
    world.store().require_fresh_keys(&world.account(), mark).await.unwrap();
    world.provider().answer(Script::json(200, r#"{"choices":[{}],"usage":{"prompt_tokens":1}}"#));
    assert_eq!(world.send(world.post("/v1/chat/completions", CHAT)).await.status, 200);
    // The mark moves every time, also under a clock that is behind.
    world.store().require_fresh_keys(&world.account(), Timestamp::now()).await.unwrap();
    let moved = world.wallet().await.auth_after;
    assert_eq!(moved, mark.plus(Duration::from_millis(1)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_consent_no_byte_leaves() {
    let world = World::new().await;
    world.set_wallet("consent_anthropic", AttributeValue::N("0".into())).await;
    let answer = world.send(world.post("/v1/messages", MESSAGES)).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.json()["error"]["type"], "permission_error");
    assert!(answer.text().contains("anthropic"));
    world.set_wallet("state", AttributeValue::S("frozen".into())).await;
    let answer = world.send(world.post("/v1/chat/completions", CHAT)).await;
    assert_eq!(answer.json()["error"]["code"], "account_frozen");
    assert_eq!(world.provider().received().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_balance_that_does_not_cover_the_hold_is_refused_as_each_provider_would() {
    let world = World::new().await;
    world.set_wallet("balance", AttributeValue::N("1000".into())).await;
    let gemini = "/v1/models/gemini-2.5-pro:generateContent";
    for (path, body, status, place, word) in [
        ("/v1/chat/completions", CHAT, 429, "/error/code", "insufficient_quota"),
        ("/v1/messages", MESSAGES, 402, "/error/type", "billing_error"),
        (gemini, "{}", 402, "/error/status", "FAILED_PRECONDITION"),
    ] {
        let answer = world.send(world.post(path, body)).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.json().pointer(place), Some(&json!(word)), "{path}");
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    assert_eq!(world.provider().received().len(), 0);
    assert_eq!(world.wallet().await.balance, Pico::new(1_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_limit_the_answer_is_limited_to_what_the_balance_covers() {
    let gemini = "/v1beta/models/gemini-4-argon:generateContent";
    let chat = "/v1/chat/completions";
    for (path, body, field) in [
        (chat, r#"{"model":"gpt-6-astra"}"#, "/max_completion_tokens"),
        (chat, r#"{"model":"gpt-6-astra","max_completion_tokens":null}"#, "/max_completion_tokens"),
        (chat, r#"{"model":"claude-opus-5"}"#, "/max_tokens"),
        (chat, r#"{"model":"gemini-4-argon"}"#, "/max_tokens"),
        (gemini, "{}", "/generationConfig/maxOutputTokens"),
        (gemini, r#"{"contents":[]}"#, "/generationConfig/maxOutputTokens"),
        (gemini, r#"{"a":1,"generationConfig":null}"#, "/generationConfig/maxOutputTokens"),
        (gemini, r#"{"generationConfig":{"topK":1}}"#, "/generationConfig/maxOutputTokens"),
        (gemini, r#"{"generation_config":{}}"#, "/generation_config/maxOutputTokens"),
    ] {
        let world = World::new().await;
        world.set_wallet("balance", AttributeValue::N("1000000000000".into())).await;
        world
            .provider()
            .answer(Script::json(200, r#"{"choices":[{}],"usage":{"prompt_tokens":1}}"#));
        let answer = world.send(world.post(path, body)).await;
        assert_eq!(answer.status, 200, "{body}");
        let sent: serde_json::Value =
            serde_json::from_slice(&world.provider().received().first().unwrap().body).unwrap();
        let limit = sent.pointer(field).and_then(serde_json::Value::as_u64);
        assert!(limit.is_some_and(|limit| limit > 1_024), "{sent}");
        assert_eq!(answer.header("x-laozhang-output-limit"), limit.unwrap().to_string());
        let wallet = world.settled_wallet(1).await;
        assert_eq!(wallet.total(), Some(Pico::new(1_000_000_000_000)));
        // A caller who has set a limit is told, not cut short.
        if path == chat {
            world.set_wallet("balance", AttributeValue::N("1000000000".into())).await;
            let limited = body.replacen('{', r#"{"max_tokens":100000,"#, 1);
            assert_eq!(world.send(world.post(path, limited)).await.status, 429, "{body}");
        }
        // And one token is not worth a call.
        world.set_wallet("balance", AttributeValue::N("1000".into())).await;
        let refused = if path == chat { 429 } else { 402 };
        assert_eq!(world.send(world.post(path, body)).await.status, refused, "{body}");
        assert_eq!(world.provider().received().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_never_limited_to_less_than_what_it_is_to_think() {
    for (path, body, field) in [
        (
            "/v1/chat/completions",
            r#"{"model":"claude-haiku-4-5","thinking":{"type":"enabled","budget_tokens":20000}}"#,
            "/max_tokens",
        ),
        (
            "/v1beta/models/gemini-2.5-flash:generateContent",
            r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":20000}}}"#,
            "/generationConfig/maxOutputTokens",
        ),
    ] {
        let world = World::new().await;
        // More than the budget costs, and less than four times as much.
        let balance = if field == "/max_tokens" { "300000000000" } else { "150000000000" };
        world.set_wallet("balance", AttributeValue::N(balance.into())).await;
        world.provider().answer(Script::json(200, "{}"));
        assert_eq!(world.send(world.post(path, body)).await.status, 200, "{path}");
        let received = world.provider().received();
        let sent: serde_json::Value = serde_json::from_slice(&received[0].body).unwrap();
        let limit = sent.pointer(field).and_then(serde_json::Value::as_u64).unwrap();
        assert!(limit > 20_000, "{path}: {limit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_sent_twice_is_placed_once_and_a_closed_hour_takes_none() {
    let world = World::new().await;
    let account = world.account();
    let now = Timestamp::now();
    let call = CallId::new(now).unwrap();
    let hold = Hold {
        account: &account,
        call: &call,
        amount: Pico::new(700),
        provider: Provider::OpenAi,
        policy: 1,
        key: KeyRead::At(now),
    };
    world.store().hold(&hold, &|| now).await.unwrap();
    // The first answer was lost and the hold is sent again: it stands, once.
    world.store().hold(&hold, &|| now).await.unwrap();
    let wallet = world.wallet().await;
    assert_eq!(wallet.balance, Pico::new(10_000_000_000_000 - 700));
    assert_eq!(wallet.out, [(call.hour(), Pico::new(700))]);

    let settle = Settle { account: &account, call: &call, returned: Pico::new(200) };
    assert_eq!(world.store().settle(&settle, &|| now).await, Settled::Done);
    assert_eq!(world.wallet().await.out, [(call.hour(), Pico::new(500))]);

    // Long after the hour nothing is written for it.
    let late = call.hour().end().plus(Duration::from_secs(901));
    assert_eq!(world.store().settle(&settle, &|| late).await, Settled::LeftToTheClose);
    assert_eq!(world.store().hold(&hold, &|| late).await, Err(HoldError::HourClosed));

    world.set_wallet("closed", AttributeValue::N(call.hour().to_string())).await;
    assert_eq!(world.store().settle(&settle, &|| now).await, Settled::LeftToTheClose);
    let next = CallId::new(now).unwrap();
    let after = Hold { call: &next, ..hold };
    assert_eq!(world.store().hold(&after, &|| now).await, Err(HoldError::HourClosed));
    assert_eq!(world.wallet().await.out, [(call.hour(), Pico::new(500))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_makes_a_ghost_of_an_account() {
    let world = World::new().await;
    let ghost = shared::id::AccountId::random().unwrap();
    let now = Timestamp::now();
    let call = CallId::new(now).unwrap();
    let hold = Hold {
        account: &ghost,
        call: &call,
        amount: Pico::ZERO,
        provider: Provider::OpenAi,
        policy: 1,
        key: KeyRead::At(now),
    };
    assert_eq!(world.store().hold(&hold, &|| now).await, Err(HoldError::NoAccount));
    let settle = Settle { account: &ghost, call: &call, returned: Pico::new(1) };
    assert_eq!(world.store().settle(&settle, &|| now).await, Settled::LeftToTheClose);
    for kind in EntryKind::ALL {
        let entry = Entry::new(&ghost, kind, "x", Pico::new(1)).unwrap();
        let posted = world.store().post_entry(&entry, now).await;
        assert_eq!(posted, Err(EntryError::UnknownAccount));
    }
    assert!(world.items("Ledger").await.len() == 1);
    let mark = world.store().require_fresh_keys(&ghost, now).await;
    assert_eq!(mark, Err(StoreError::Conflict));
    let found = world.items("Accounts").await;
    assert!(found.iter().all(|item| item["account"].as_s().unwrap() != ghost.as_str()));
    // And what exists is not made anew.
    let account = world.account();
    let again = NewAccount::bare(&account, &[], 1);
    assert_eq!(world.store().create_account(&again, now).await, Err(StoreError::Conflict));
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(10));
}
