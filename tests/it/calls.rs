//! A call is carried: what reaches the provider, what reaches the caller, what is recorded.

use std::time::Duration;

use proxy::Silence;
use serde_json::{Value, json};
use shared::{money::Pico, store::calls::Basis, units::UnitClass};
use tests::{
    provider::Script,
    world::{PROVIDER_SECRET, World},
};

const CHAT_ANSWER: &str = r#"{"id":"c","object":"chat.completion","model":"gpt-5-mini-2025-08-07","choices":[{"index":0,"message":{"role":"assistant","content":"CANARY"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1200,"completion_tokens":310,"total_tokens":1510,"prompt_tokens_details":{"cached_tokens":1024},"completion_tokens_details":{"reasoning_tokens":192}}}"#;

fn chat(world: &World, more: &str) -> String {
    let prompt = world.canary();
    format!(r#"{{"model":"gpt-5-mini","messages":[{{"role":"user","content":"{prompt}"}}]{more}}}"#)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_call_is_carried_metered_and_settled() {
    let world = World::new().await;
    let body = CHAT_ANSWER.replace("CANARY", world.canary());
    world.provider().answer(Script::json(200, body.clone()));

    let answer = world.send(world.post("/v1/chat/completions", chat(&world, ""))).await;

    assert_eq!((answer.status, answer.text()), (200, body));
    // 176 × 250,000 + 1,024 × 25,000 + 310 × 2,000,000 pico-dollars.
    assert_eq!(answer.header("x-laozhang-cost-usd"), "0.000689600000");
    let record = world.record().await;
    assert_eq!(answer.header("x-laozhang-call-id"), record.call.as_str());
    assert_eq!(answer.header("x-request-id"), record.call.as_str());
    assert_eq!(record.cost, Pico::new(689_600_000));
    assert_eq!(record.units.get(UnitClass::Input), 176);
    assert_eq!(record.units.get(UnitClass::CacheRead), 1_024);
    assert_eq!(record.units.get(UnitClass::Output), 118);
    assert_eq!(record.units.get(UnitClass::Reasoning), 192);
    assert_eq!((record.model.as_str(), record.endpoint.name()), ("gpt-5-mini", "chat_completions"));
    assert_eq!((record.status, record.basis), (200, Basis::Reported));
    let wallet = world.settled_wallet(1).await;
    assert_eq!(wallet.balance, Pico::new(10_000_000_000_000 - 689_600_000));
    assert_eq!(wallet.total(), Some(Pico::from_dollars(10)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_recorded_is_the_catalogues_and_the_one_sent_is_the_callers() {
    let world = World::new().await;
    for (path, body, name) in [
        ("/v1/chat/completions", r#"{"model":"gpt-4o-2024-11-20"}"#, "gpt-4o"),
        ("/v1/chat/completions", r#"{"model":"models/gemini-2.5-pro"}"#, "gemini-2.5-pro"),
        (
            "/v1/messages",
            r#"{"model":"claude-haiku-4-5-20251001","max_tokens":1}"#,
            "claude-haiku-4-5",
        ),
    ] {
        world.provider().answer(Script::json(400, "{}"));
        let answer = world.send(world.post(path, body)).await;
        let call = answer.header("x-laozhang-call-id");
        let records = world.records(world.provider().received().len()).await;
        let record = records.iter().find(|record| record.call.as_str() == call).unwrap();
        assert_eq!(record.model, name);
        let sent: Value =
            serde_json::from_slice(&world.provider().received().last().unwrap().body).unwrap();
        let asked: Value = serde_json::from_str(body).unwrap();
        assert_eq!(sent["model"], asked["model"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_the_provider_needs_reaches_it() {
    let world = World::new().await;
    world.provider().answer(Script::json(200, CHAT_ANSWER));
    let canary = world.canary().to_owned();
    let more = format!(r#","user":"{canary}-user","metadata":{{"a":"{canary}-meta"}},"n":1"#);
    let request = world
        .post("/v1/chat/completions?key=ignored&beta=true", chat(&world, &more))
        .header("x-stainless-os", &canary)
        .header("user-agent", &canary)
        .header("openai-organization", &canary)
        .header("x-forwarded-for", &canary)
        .header("cookie", &canary)
        .header("traceparent", &canary);
    world.send(request).await;

    let received = world.provider().received();
    assert_eq!(received.len(), 1);
    let received = received.first().unwrap();
    assert_eq!(received.path, "/openai/v1/chat/completions");
    let mut names: Vec<_> = received.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let allowed = [
        "accept",
        "accept-encoding",
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
    ];
    assert_eq!(names, allowed);
    assert_eq!(received.headers["authorization"], format!("Bearer {PROVIDER_SECRET}"));
    assert_eq!(received.headers["accept-encoding"], "identity");
    assert_eq!(received.headers["user-agent"], "laozhang-api");
    // The prompt is there once, and byte for byte; the people's names are not.
    let sent = String::from_utf8(received.body.to_vec()).unwrap();
    assert_eq!(sent, chat(&world, r#","n":1"#).replacen('{', r#"{"store":false,"#, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_passes_byte_for_byte_but_for_the_usage_nobody_asked_for() {
    let world = World::new().await;
    let part = format!(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}}}}],\"usage\":null}}\n\n",
        world.canary()
    );
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":79,\"completion_tokens\":11,\"total_tokens\":90}}\n\n";
    let done = "data: [DONE]\n\n";
    for (options, expected) in [
        ("", format!("{part}{done}")),
        (r#","stream_options":{"include_usage":true}"#, format!("{part}{usage}{done}")),
    ] {
        let (first, second) = usage.split_at(20);
        let script = Script::events(part.clone()).then(first).then(second).then(done);
        world.provider().answer(script);
        let body = chat(&world, &format!(r#","stream":true{options}"#));
        let answer = world.send(world.post("/v1/chat/completions", body)).await;
        assert_eq!((answer.status, answer.text()), (200, expected));
        assert_eq!(answer.header("content-type"), "text/event-stream");
    }
    let records = world.records(2).await;
    assert!(records.iter().all(|record| record.cost == Pico::new(79 * 250_000 + 11 * 2_000_000)));
    let sent = world.provider().received();
    for received in sent {
        let sent: Value = serde_json::from_slice(&received.body).unwrap();
        assert_eq!(sent["stream_options"], json!({"include_usage": true}));
        assert_eq!(sent["store"], json!(false));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_call_goes_to_its_own_place_with_its_own_credential() {
    let chat_to = |model: &str| format!(r#"{{"model":"{model}","messages":[]}}"#);
    let gemini = r#"{"contents":[]}"#.to_owned();
    let messages = r#"{"model":"claude-haiku-4-5","max_tokens":9,"messages":[]}"#.to_owned();
    for (path, body, place, header) in [
        ("/v1/chat/completions", chat_to("gpt-4o"), "/openai/v1/chat/completions", "authorization"),
        (
            "/v1/chat/completions",
            chat_to("claude-haiku-4-5-20251001"),
            "/anthropic/v1/chat/completions",
            "authorization",
        ),
        (
            "/v1/chat/completions",
            chat_to("models/gemini-2.5-pro"),
            "/gemini/v1beta/openai/chat/completions",
            "authorization",
        ),
        ("/v1/messages", messages.clone(), "/anthropic/v1/messages", "x-api-key"),
        ("/v1/messages?beta=true", messages, "/anthropic/v1/messages?beta=true", "x-api-key"),
        (
            "/v1beta/models/gemini-2.5-pro:generateContent",
            gemini.clone(),
            "/gemini/v1beta/models/gemini-2.5-pro:generateContent",
            "x-goog-api-key",
        ),
        (
            "/v1/models/gemini-2.5-pro:streamGenerateContent?alt=sse&key=x",
            gemini.clone(),
            "/gemini/v1/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
            "x-goog-api-key",
        ),
        (
            "/v1/models/gemini-2.5-pro:streamGenerateContent",
            gemini,
            "/gemini/v1/models/gemini-2.5-pro:streamGenerateContent",
            "x-goog-api-key",
        ),
    ] {
        let world = World::new().await;
        world.provider().answer(Script::json(400, "{}"));
        world.send(world.post(path, body)).await;
        let received = world.provider().received();
        let received = received.first().unwrap_or_else(|| panic!("nothing was sent for {path}"));
        assert_eq!(received.path, place);
        let value = received.headers.get(header).map(|value| value.to_str().unwrap());
        assert!(value.is_some_and(|value| value.ends_with(PROVIDER_SECRET)), "{path}");
        let credentials = ["authorization", "x-api-key", "x-goog-api-key"];
        let sent = credentials.iter().filter(|name| received.headers.contains_key(**name));
        assert_eq!(sent.count(), 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_anthropic_version_is_the_callers_or_the_published_one() {
    let world = World::new().await;
    let body = r#"{"model":"claude-haiku-4-5","max_tokens":9,"messages":[]}"#;
    for _ in 0..2 {
        world.provider().answer(Script::json(400, "{}"));
    }
    world.send(world.post("/v1/messages", body).header("anthropic-version", "2026-10-21")).await;
    world.send(world.post("/v1/messages", body)).await;
    let versions: Vec<_> = world
        .provider()
        .received()
        .iter()
        .map(|received| received.headers["anthropic-version"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(versions, ["2026-10-21", "2023-06-01"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_breaks_off_ends_in_an_error_the_sdk_raises_and_is_estimated() {
    let gemini = "/v1/models/gemini-2.5-pro:streamGenerateContent";
    let (sse, array) = (format!("{gemini}?alt=sse"), gemini.to_owned());
    let chat = r#"{"model":"gpt-5-mini","stream":true,"messages":[]}"#;
    let messages = r#"{"model":"claude-haiku-4-5","max_tokens":9,"stream":true,"messages":[]}"#;
    let candidate = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#;
    for (path, body, whole, half, error) in [
        (
            "/v1/chat/completions",
            chat,
            "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n".to_owned(),
            "data: {\"cho",
            "data: {\"error\":{",
        ),
        (
            "/v1/messages",
            messages,
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n".to_owned(),
            "event: content",
            "event: error\ndata: {",
        ),
        (sse.as_str(), "{}", format!("data: {candidate}\r\n\r\n"), "data: {", "data: {\"error\":{"),
        (array.as_str(), "{}", format!("[{candidate}"), ",{\"cand", ",{\"error\":{"),
    ] {
        let world = World::new().await;
        let script = Script::events(whole.clone()).then(half).pause(Duration::from_millis(50));
        world.provider().answer(script.cut());
        let answer = world.send(world.post(path, body)).await;
        let text = answer.text();
        let rest = text.strip_prefix(&whole).unwrap_or_else(|| panic!("{path}: {text}"));
        assert!(rest.starts_with(error), "{path}: {rest}");
        let end = if path == array { "]" } else { "\n" };
        assert!(rest.ends_with(end), "{path}: {rest}");
        let record = world.record().await;
        assert_eq!((record.status, record.basis), (502, Basis::Estimated), "{path}");
        assert_eq!(record.units.get(UnitClass::Output), 1, "{path}");
        assert!(record.cost > Pico::ZERO);
        assert!(world.logged().contains("provider_cut"));
        world.settled_wallet(1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_is_kept_open_between_its_frames() {
    let silence = Duration::from_millis(200);
    let world = World::with_silence(Silence { within_stream: silence / 4, ..Silence::USUAL }).await;
    let stream = |first: &'static str, second: &'static str| {
        let script = Script::new(200, "text/event-stream").pause(silence).then(first);
        script.pause(silence).then(second)
    };
    // The frame is cut in the middle, and nothing may stand in it.
    let first = "data: {\"choices\":[{\"delta\":{\"con";
    let second = "tent\":\"a\"}}]}\n\ndata: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    world.provider().answer(stream(first, second));
    let body = r#"{"model":"gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"messages":[]}"#;
    let answer = world.send(world.post("/v1/chat/completions", body)).await.text();
    assert!(answer.starts_with(":\n\n"), "{answer}");
    assert!(answer.matches(":\n\n").count() >= 2);
    assert_eq!(answer.replace(":\n\n", ""), format!("{first}{second}"));

    let array = r#"[{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#;
    let rest = r#",{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}}]"#;
    world.provider().answer(stream(array, rest));
    let path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent";
    let answer = world.send(world.post(path, r#"{"contents":[]}"#)).await;
    assert!(answer.text().starts_with("\r\n\r\n"));
    let elements = answer.json();
    assert_eq!(elements.as_array().map(Vec::len), Some(2));
    assert!(world.records(2).await.iter().all(|record| record.basis == Basis::Reported));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_one_piece_is_cut_before_api_gateway_would_give_it_up() {
    let late = Duration::from_millis(600);
    let silence = Silence { before_whole: late / 2, ..Silence::USUAL };
    let world = World::with_silence(silence).await;
    let whole = r#"{"choices":[{"message":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    world.provider().answer(Script::new(200, "application/json").pause(late).then(whole));
    let answer = world.send(world.post("/v1/chat/completions", chat(&world, ""))).await;
    assert_eq!(answer.status, 504);
    assert_eq!(answer.json()["error"]["code"], "provider_timed_out");
    assert_eq!(answer.header("x-should-retry"), "false");
    assert_eq!(world.record().await.cost, Pico::ZERO);
    // What streams is sent something before.
    let part = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n";
    world.provider().answer(Script::new(200, "text/event-stream").pause(late).then(part));
    let body = chat(&world, r#","stream":true"#);
    let answer = world.send(world.post("/v1/chat/completions", body)).await;
    assert_eq!((answer.status, answer.text().contains("[DONE]")), (200, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_ends_without_its_end_is_no_clean_end() {
    let world = World::new().await;
    let part = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    world.provider().answer(Script::events(part));
    let body = chat(&world, r#","stream":true"#);
    let answer = world.send(world.post("/v1/chat/completions", body)).await;
    assert!(answer.text().contains("provider_cut"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_who_hangs_up_is_drained_to_the_usage_and_settled() {
    let world = World::new().await;
    let part = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let mut script = Script::events(part);
    for _ in 0..40 {
        script = script.pause(Duration::from_millis(5)).then(part);
    }
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":41}}\n\n";
    world.provider().answer(script.then(usage).then("data: [DONE]\n\n"));
    let body = chat(&world, r#","stream":true"#);
    let mut response = world.post("/v1/chat/completions", body).send().await.unwrap();
    response.chunk().await.unwrap();
    drop(response);
    let record = world.record().await;
    assert_eq!((record.status, record.basis), (200, Basis::Reported));
    assert_eq!(record.units.get(UnitClass::Output), 41);
    world.settled_wallet(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_own_error_passes_unless_it_names_the_operators_account() {
    let own = r#"{"error":{"message":"max_tokens is too large","type":"invalid_request_error"}}"#;
    let named = r#"{"error":{"message":"org-secret is over its limit"}}"#;
    for (status, body, expected, code) in [
        (400, own, 400, None),
        (404, own, 404, None),
        (
            400,
            r#"{"error":{"details":[{"reason":"API_KEY_INVALID"}],"message":"org-secret"}}"#,
            502,
            Some("provider_refused"),
        ),
        (500, own, 500, None),
        (529, own, 529, None),
        (401, named, 502, Some("provider_refused")),
        (403, named, 502, Some("provider_refused")),
        (429, named, 429, Some("provider_busy")),
    ] {
        let world = World::new().await;
        let script = Script::json(status, body)
            .header("retry-after", "7")
            .header("openai-organization", "org-secret")
            .header("set-cookie", "org-secret")
            .header("x-request-id", "req-secret");
        world.provider().answer(script);
        let answer = world.send(world.post("/v1/chat/completions", chat(&world, ""))).await;
        assert_eq!(answer.status, expected);
        assert!(!format!("{:?}", answer.headers).contains("secret"), "{:?}", answer.headers);
        match code {
            Some(code) => {
                assert_eq!(answer.json()["error"]["code"], code);
                assert!(!answer.text().contains("org-secret"));
            }
            None => assert_eq!(answer.text(), body),
        }
        if status == 429 {
            assert_eq!(answer.header("retry-after"), "7");
        }
        let record = world.record().await;
        assert_eq!((record.status, record.cost), (expected, Pico::ZERO));
        let wallet = world.settled_wallet(1).await;
        assert_eq!(wallet.balance, Pico::from_dollars(10));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_answer_may_hold_what_was_said_and_nothing_else_does() {
    let world = World::new().await;
    let error = format!(r#"{{"error":{{"message":"I do not like {}"}}}}"#, world.canary());
    world.provider().answer(Script::json(400, error.clone()));
    let request = world.post("/v1/chat/completions", chat(&world, ""));
    assert_eq!(world.send_to_provider(request).await.text(), error);
    world.record().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_models_are_listed_in_the_shape_of_whoever_asks() {
    let world = World::new().await;
    let key = world.demo("LAOZHANG_API_KEY");
    let openai = world.send(world.get("/v1/models").bearer_auth(&key)).await.json();
    assert_eq!(openai["object"], "list");
    let ids: Vec<_> = openai["data"].as_array().unwrap().iter().map(|m| m["id"].clone()).collect();
    for id in ["gpt-5-mini", "claude-haiku-4-5", "gemini-2.5-pro"] {
        assert!(ids.contains(&json!(id)), "{id}");
    }
    let anthropic = world.get("/v1/models").bearer_auth(&key);
    let anthropic = world.send(anthropic.header("anthropic-version", "2026-10-21")).await.json();
    assert_eq!(anthropic["has_more"], false);
    assert_eq!(anthropic["data"][0]["type"], "model");
    for path in ["/v1/models", "/v1beta/models"] {
        let gemini = world.send(world.get(path).header("x-goog-api-key", &key)).await.json();
        let name = gemini["models"][0]["name"].as_str().unwrap();
        assert!(name.starts_with("models/gemini-"), "{name}");
    }
    // One of them, by its name or an alias.
    let one = world.send(world.get("/v1/models/gpt-4o-2024-11-20").bearer_auth(&key)).await;
    assert_eq!((one.status, &one.json()["id"]), (200, &json!("gpt-4o")));
    let one = world.get("/v1/models/claude-haiku-4-5").bearer_auth(&key);
    let one = world.send(one.header("anthropic-version", "2026-10-21")).await.json();
    assert_eq!(one["type"], "model");
    let one = world.get("/v1beta/models/gemini-2.5-pro").header("x-goog-api-key", &key);
    assert_eq!(world.send(one).await.json()["name"], "models/gemini-2.5-pro");
    // What cannot be called in a dialect is not in it.
    for name in ["claude-haiku-4-5", "no-such-model"] {
        let none = world.get(&format!("/v1beta/models/{name}")).header("x-goog-api-key", &key);
        let none = world.send(none).await;
        assert_eq!((none.status, &none.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    }
    assert_eq!(world.provider().received().len(), 0);
}
