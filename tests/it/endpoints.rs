//! Every endpoint: where its calls go, what reaches the provider, and how they are charged.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use shared::{money::Pico, store::calls::Basis, units::UnitClass};
use tests::{
    asked::{Asked, Limit},
    provider::Script,
    recordings,
    world::{PROVIDER_SECRET, World},
};

const RESPONSE: &str = r#"{"model":"gpt-5-mini","input":"a text"}"#;

fn form(fields: &[(&str, &str)], file: &str) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        form +=
            &format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let head = "Content-Disposition: form-data; name=\"NAME\"; filename=\"a file\"";
    let head = head.replace("NAME", file);
    form + &format!("--b\r\n{head}\r\nContent-Type: audio/mpeg\r\n\r\n\u{1}\u{2}\r\n--b--\r\n")
}

const FORM: &str = "multipart/form-data; boundary=b";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_endpoint_goes_to_its_own_place_with_its_own_credential() {
    let recordings = recordings::all();
    for (endpoint, place, header) in [
        ("completions", "/openai/v1/completions", "authorization"),
        ("responses", "/openai/v1/responses", "authorization"),
        ("compact", "/openai/v1/responses/compact", "authorization"),
        ("input_tokens", "/openai/v1/responses/input_tokens", "authorization"),
        ("embeddings", "/openai/v1/embeddings", "authorization"),
        ("image_generations", "/openai/v1/images/generations", "authorization"),
        ("image_edits", "/openai/v1/images/edits", "authorization"),
        ("audio_speech", "/openai/v1/audio/speech", "authorization"),
        ("audio_transcriptions", "/openai/v1/audio/transcriptions", "authorization"),
        ("audio_translations", "/openai/v1/audio/translations", "authorization"),
        ("moderations", "/openai/v1/moderations", "authorization"),
        ("count_tokens", "/anthropic/v1/messages/count_tokens", "x-api-key"),
        ("gemini_count_tokens", "/gemini/v1beta/models/MODEL:countTokens", "x-goog-api-key"),
        ("embed_content", "/gemini/v1beta/models/MODEL:embedContent", "x-goog-api-key"),
        (
            "batch_embed_contents",
            "/gemini/v1beta/models/MODEL:batchEmbedContents",
            "x-goog-api-key",
        ),
    ] {
        let world = World::new().await;
        let recording = recordings.iter().find(|it| it.endpoint == endpoint).unwrap();
        world.provider().answer(Script::json(400, "{}"));
        let asked = Asked::for_answer(recording, 1, Limit::Close);
        let request = world.post(&asked.path, asked.body.clone());
        let request = request.header("content-type", &asked.content_type);
        let answer = world.send(request.header("openai-organization", world.canary())).await;
        assert_eq!(answer.status, 400, "{endpoint}: {:?}", answer.body);
        let received = world.provider().received();
        let received = received.first().unwrap_or_else(|| panic!("nothing was sent: {endpoint}"));
        assert_eq!(received.path, place.replace("MODEL", &recording.model));
        assert_eq!(received.headers["content-type"], asked.content_type);
        assert_eq!(received.headers["accept-encoding"], "identity");
        let sent: BTreeSet<_> = received.headers.keys().map(|name| name.as_str()).collect();
        let mut allowed = BTreeSet::from([
            "accept",
            "accept-encoding",
            "content-length",
            "content-type",
            "host",
            "user-agent",
            header,
        ]);
        if header == "x-api-key" {
            allowed.insert("anthropic-version");
        }
        assert_eq!(sent, allowed, "{endpoint}");
        let secret = received.headers[header].to_str().unwrap();
        assert!(secret.ends_with(PROVIDER_SECRET), "{endpoint}");
        let record = world.record().await;
        let expected = endpoint.strip_prefix("gemini_").unwrap_or(endpoint);
        let expected = expected.strip_prefix("batch_").unwrap_or(expected);
        let expected = match expected {
            "embed_contents" => "embed_content",
            "compact" => "responses",
            other => other,
        };
        assert_eq!(record.endpoint.name(), expected);
        assert_eq!(record.cost, Pico::ZERO);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_format_reaches_the_embeddings_and_images_of_google_too() {
    for (path, body, place) in [
        (
            "/v1/embeddings",
            r#"{"model":"gemini-embedding-001","input":"a"}"#,
            "/gemini/v1beta/openai/embeddings",
        ),
        (
            "/v1/images/generations",
            r#"{"model":"imagen-3.0-generate-001","prompt":"a","n":2}"#,
            "/gemini/v1beta/openai/images/generations",
        ),
    ] {
        let world = World::new().await;
        let answer = r#"{"data":[{"b64_json":"AAAA"},{"b64_json":"AAAA"}]}"#;
        world.provider().answer(Script::json(200, answer));
        assert_eq!(world.send(world.post(path, body)).await.status, 200);
        assert_eq!(world.provider().received()[0].path, place);
        // Nobody reports usage here: images are counted, and a text is estimated.
        let record = world.record().await;
        let (images, basis) = (record.units.get(UnitClass::Images), record.basis);
        let made = path.contains("images");
        let expected = if made { (2, Basis::Reported) } else { (0, Basis::Estimated) };
        assert_eq!((images, basis), expected);
        assert_eq!(record.units.get(UnitClass::Output), 0);
        assert!(record.cost > Pico::ZERO);
        world.settled_wallet(1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_reaches_the_provider_byte_for_byte_but_without_its_user() {
    let world = World::new().await;
    let canary = world.canary().to_owned();
    let fields = |user: &str| {
        let with = [
            ("prompt", canary.as_str()),
            ("model", "gpt-image-2"),
            ("size", "1024x1024"),
            ("user", user),
        ];
        form(if user.is_empty() { &with[..3] } else { &with[..] }, "image[]")
    };
    let answer = r#"{"created":1,"data":[{"b64_json":"AAAA"}],"usage":{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":50,"total_tokens":100}}"#;
    world.provider().answer(Script::json(200, answer));
    let request = world.post("/v1/images/edits", fields(&format!("{canary}-user")));
    let request = request.header("content-type", format!("{FORM}; charset=utf-8"));
    assert_eq!(world.send(request).await.status, 200);
    let received = &world.provider().received()[0];
    assert_eq!(received.body, fields(""));
    // Of the content type the boundary is passed on, and nothing else.
    assert_eq!(received.headers["content-type"], FORM);
    let record = world.record().await;
    assert_eq!(record.units.get(UnitClass::ImageInput), 40);
    assert_eq!(record.units.get(UnitClass::ImageOutput), 50);
    assert_eq!(record.cost, Pico::new(10 * 5_000_000 + 40 * 8_000_000 + 50 * 30_000_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_passes_as_it_comes_and_is_charged_by_its_text() {
    for (model, cost) in [("tts-1", 4 * 15_000_000), ("gpt-4o-mini-tts", 600_000 + 10 * 12_000_000)]
    {
        let world = World::new().await;
        let sound: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        let script = Script::new(200, "audio/mpeg").then(sound[..1_000].to_vec());
        let script = script.pause(Duration::from_millis(20)).then(sound[1_000..].to_vec());
        world.provider().answer(script);
        // Characters, not bytes; and what is no Latin letter takes longer to say.
        let body = format!(r#"{{"model":"{model}","input":"née!","voice":"alloy"}}"#);
        let answer = world.send(world.post("/v1/audio/speech", body)).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &sound[..]));
        assert_eq!(answer.header("content-type"), "audio/mpeg");
        let record = world.record().await;
        assert_eq!((record.basis, record.status), (Basis::Estimated, 200));
        assert_eq!(record.cost, Pico::new(cost), "{model}");
        world.settled_wallet(1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audio_that_breaks_off_is_recorded_as_such() {
    let world = World::new().await;
    world.provider().answer(Script::new(200, "audio/mpeg").then("sound").pause(TICK).cut());
    let body = r#"{"model":"tts-1","input":"text","voice":"alloy"}"#;
    let answer = world.send(world.post("/v1/audio/speech", body)).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &b"sound"[..]));
    assert_eq!(world.record().await.status, 502);
    assert!(world.logged().contains("provider_cut"));
}

const TICK: Duration = Duration::from_millis(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_costs_nothing_holds_nothing_and_is_recorded() {
    let world = World::new().await;
    for (count, (path, body)) in [
        ("/v1/moderations", r#"{"input":"a text"}"#),
        ("/v1/moderations", r#"{"model":"omni-moderation-2024-09-26","input":"a text"}"#),
        ("/v1/responses/input_tokens", RESPONSE),
        ("/v1/messages/count_tokens?beta=true", r#"{"model":"claude-opus-5","messages":[]}"#),
        ("/v1beta/models/gemini-2.5-pro:countTokens", r#"{"contents":[]}"#),
    ]
    .into_iter()
    .enumerate()
    {
        world.provider().answer(Script::json(200, r#"{"input_tokens":17,"results":[]}"#));
        let answer = world.send(world.post(path, body)).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("x-laozhang-cost-usd"), "0.000000000000");
        let record = world.record_of(answer.header("x-laozhang-call-id")).await;
        assert_eq!((record.cost, record.basis), (Pico::ZERO, Basis::Reported));
        assert_eq!(world.provider().received().len(), count + 1);
    }
    assert_eq!(world.settled_wallet(5).await.balance, Pico::from_dollars(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_is_priced_as_it_was_served() {
    // Asked for, told, and what a token of the prompt and one of the answer cost then.
    for (asked, told, version, cost) in [
        ("priority", "priority", "/priority", 450_000 + 3_600_000),
        ("fast", "default", "", 250_000 + 2_000_000),
        ("flex", "flex", "/flex", 125_000 + 1_000_000),
        ("flex", "auto", "/flex", 125_000 + 1_000_000),
        ("auto", "scale", "", 250_000 + 2_000_000),
    ] {
        let world = World::new().await;
        let answer = format!(
            r#"{{"object":"response","service_tier":"{told}","usage":{{"input_tokens":1,"output_tokens":1}}}}"#
        );
        world.provider().answer(Script::json(200, answer));
        let body = RESPONSE.replacen('{', &format!(r#"{{"service_tier":"{asked}","#), 1);
        assert_eq!(world.send(world.post("/v1/responses", body)).await.status, 200);
        let record = world.record().await;
        assert_eq!(record.cost, Pico::new(cost), "{asked} and {told}");
        assert_eq!(record.price_version, format!("{}{version}", world.price_version()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn searches_are_limited_to_what_the_balance_covers_and_billed() {
    let world = World::new().await;
    let answer = r#"{"object":"response","usage":{"input_tokens":1000,"output_tokens":10},"tool_usage":{"web_search":{"num_requests":2}}}"#;
    let body = RESPONSE.replacen('{', r#"{"tools":[{"type":"web_search"}],"#, 1);
    let sent_limit = |received: &tests::provider::Received| {
        let sent: Value = serde_json::from_slice(&received.body).unwrap();
        sent["max_tool_calls"].clone()
    };
    world.provider().answer(Script::json(200, answer));
    assert_eq!(world.send(world.post("/v1/responses", body.clone())).await.status, 200);
    assert_eq!(sent_limit(&world.provider().received()[0]), json!(3));
    let record = world.record().await;
    assert_eq!(record.units.get(UnitClass::Searches), 2);
    assert_eq!(record.cost, Pico::new(1_000 * 250_000 + 10 * 2_000_000 + 2 * 10_000_000_000));
    // Three turns of 128,000 tokens more each cost 0.28 USD at most, and one 0.05.
    world.set_balance(Pico::new(100_000_000_000)).await;
    world.provider().answer(Script::json(200, answer));
    assert_eq!(world.send(world.post("/v1/responses", body.clone())).await.status, 200);
    assert_eq!(sent_limit(&world.provider().received()[1]), json!(1));
    // The caller's own limit stands, and is refused where the balance does not cover it.
    let own = body.replacen('{', r#"{"max_tool_calls":50,"#, 1);
    let refused = world.send(world.post("/v1/responses", own)).await;
    assert_eq!(refused.json()["error"]["code"], "insufficient_quota");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_response_that_breaks_off_ends_in_the_error_its_sdks_raise() {
    let world = World::new().await;
    let part = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n";
    world.provider().answer(Script::events(part).then("event: resp").pause(TICK).cut());
    let body = RESPONSE.replacen('{', r#"{"stream":true,"#, 1);
    let answer = world.send(world.post("/v1/responses", body)).await;
    let text = answer.text();
    let rest = text.strip_prefix(part).and_then(|rest| rest.strip_prefix("event: error\ndata: "));
    let error: Value = serde_json::from_str(rest.unwrap().trim_end()).unwrap();
    assert_eq!(error["type"], "error");
    assert_eq!(error["sequence_number"], 1);
    assert_eq!(error["error"]["code"], "provider_cut");
    let record = world.record().await;
    assert_eq!((record.status, record.basis), (502, Basis::Estimated));
    assert_eq!(record.units.get(UnitClass::Output), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_within_a_stream_does_not_name_the_operators_account() {
    let world = World::new().await;
    let part = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    let own = "data: {\"error\":{\"message\":\"the model is overloaded\"}}\n\n";
    let theirs =
        "data: {\"error\":{\"message\":\"limit reached in organization org-a1b2c3d4e5f6\"}}\n\n";
    for (error, passes) in [(own, true), (theirs, false)] {
        world.provider().answer(Script::events(part).then(error));
        let body = r#"{"model":"gpt-5-mini","stream":true,"messages":[]}"#;
        let text = world.send(world.post("/v1/chat/completions", body)).await.text();
        if passes {
            assert_eq!(text, format!("{part}{error}"));
        } else {
            assert!(text.starts_with(part) && !text.contains("org-"), "{text}");
            assert!(text.contains("provider_refused"), "{text}");
        }
    }
    let records = world.records(2).await;
    assert!(records.iter().all(|record| record.status == 502));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_of_googles_compatible_endpoint_is_where_openais_sdk_looks_for_it() {
    let world = World::new().await;
    let error = r#"{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}"#;
    world.provider().answer(Script::json(400, format!("[{error}\n]\n")));
    let body = r#"{"model":"gemini-2.5-pro","messages":[]}"#;
    let answer = world.send(world.post("/v1/chat/completions", body)).await;
    assert_eq!((answer.status, answer.json()["error"]["message"].clone()), (400, json!("bad")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_served_is_a_404_in_dialect_that_says_why() {
    let world = World::new().await;
    let readme = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(readme).unwrap();
    for (path, why) in proxy::NOT_SERVED {
        assert!(readme.contains(&format!("`{path}`")), "README.md does not list {path}");
        // One that ends with a slash is about what stands below it.
        let below = if path.ends_with('/') { "resp_1" } else { "" };
        let answer = world.send(world.post(&format!("{path}{below}"), "{}")).await;
        assert_eq!(answer.status, 404, "{path}");
        let error = answer.json()["error"].clone();
        assert!(error["message"].as_str().unwrap().contains(why), "{path}: {error}");
        if path.starts_with("/v1beta/") {
            assert_eq!(error["status"], "NOT_FOUND");
        } else if path.starts_with("/v1/messages") {
            assert_eq!(error["type"], "not_found_error");
        } else {
            assert_eq!(error["code"], "endpoint_not_served");
        }
        assert_eq!(answer.header("x-should-retry"), "false");
    }
    // At a path that two providers have, the headers tell.
    let files = world.post("/v1/files", "{}").header("anthropic-version", "2026-10-21");
    assert_eq!(world.send(files).await.json()["error"]["type"], "not_found_error");
    assert_eq!(world.provider().received().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_read_is_estimated_and_alarmed() {
    let world = World::new().await;
    let text = "a".repeat(400);
    // A provider has changed the type of a member that is read.
    let answer = format!(
        r#"{{"service_tier":{{"n":1}},"choices":["{text}"],"usage":{{"prompt_tokens":9}}}}"#
    );
    world.provider().answer(Script::json(200, answer.clone()));
    let body = r#"{"model":"gpt-5-mini","messages":[]}"#;
    let passed = world.send(world.post("/v1/chat/completions", body)).await;
    assert_eq!((passed.status, passed.text()), (200, answer));
    let record = world.record().await;
    assert_eq!(record.basis, Basis::Estimated);
    assert!(record.units.get(UnitClass::Output) > 100, "{:?}", record.units);
    assert!(world.logged().contains("internal_error"));
    // A page that something in between has written is no answer, and costs nothing.
    world.provider().answer(Script::new(200, "text/html").then("<html></html>"));
    let page = world.send(world.post("/v1/chat/completions", body)).await;
    let record = world.record_of(page.header("x-laozhang-call-id")).await;
    assert_eq!(record.cost, Pico::ZERO);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_response_in_one_piece_does_not_name_the_operators_account() {
    let world = World::new().await;
    let answer = r#"{"object":"response","status":"failed","error":{"message":"limit reached in organization org-a1b2c3d4e5f6"}}"#;
    world.provider().answer(Script::json(200, answer));
    let answer = world.send(world.post("/v1/responses", RESPONSE)).await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (502, &json!("provider_refused")));
    assert_eq!(world.settled_wallet(1).await.balance, Pico::from_dollars(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_events_are_read_as_events_whatever_was_asked_for() {
    let world = World::new().await;
    let body = r#"{"model":"tts-1","input":"text","voice":"alloy","stream_format":"sse"}"#;
    world.provider().answer(Script::new(200, "audio/mpeg").then("\n\nsound\n\n"));
    let answer = world.send(world.post("/v1/audio/speech", body)).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "\n\nsound\n\n"));
    let record = world.record().await;
    assert_eq!((record.status, record.cost), (200, Pico::new(4 * 15_000_000)));
}
