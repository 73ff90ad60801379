//! The functions' real binaries, built as they are deployed, under the Runtime API, with every
//! event of `events/`. They run at the noisiest log level there is.

use std::{fs, path::PathBuf, time::Duration};

use bytes::Bytes;
use serde_json::Value;
use shared::{
    caller::Scope,
    key::{Pepper, PlainKey},
    limits::Limits,
    money::Pico,
    provider::Provider,
    store::{
        accounts::NewAccount,
        calls::ReadCalls,
        keys::NewKey,
        ledger::{Entry, EntryKind, PostEntry},
        wallet::ReadWallet,
    },
    time::Timestamp,
};
use tests::{
    provider::Script,
    runtime_api::{Function, Posted},
    world::{PROVIDER_SECRET, World},
};

/// The key, account and key id that the events are written with.
const KEY: &str = "sk-lz-SampleKeyForEventsDoNotUseItAnywhereElse0002KZBCM";
const ACCOUNT: &str = "acct_0000000000000000000000";
const KEY_ID: &str = "key_0000000000000000000000";

fn pepper() -> String {
    format!("1:{}", "5a".repeat(32))
}

fn event(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../events");
    fs::read(folder.join(format!("{name}.json"))).unwrap_or_else(|_| panic!("{name}"))
}

/// Makes the account that the events are written for.
async fn world() -> World {
    let world = World::new().await;
    let (account, now) = (ACCOUNT.parse().unwrap(), Timestamp::now());
    let new = NewAccount { account: &account, consents: &Provider::ALL, policy: proxy::POLICY };
    world.store().create_account(&new, now).await.unwrap();
    let top_up = Entry::new(&account, EntryKind::TopUp, "first", Pico::from_dollars(5)).unwrap();
    world.store().post_entry(&top_up, now).await.unwrap();
    let key = NewKey {
        hash: &Pepper::parse(&pepper()).unwrap().hash(&PlainKey::parse(KEY).unwrap()).unwrap(),
        account: &account,
        key: &KEY_ID.parse().unwrap(),
        label: "sample",
        scopes: &[Scope::Inference],
        models: &[],
        limits: &Limits::default(),
        expires_at: None,
    };
    world.store().create_key(&key, now).await.unwrap();
    world
}

async fn start(world: &World, name: &'static str) -> Function {
    let config = world.store_config();
    let provider = world.provider().url();
    let secret = || PROVIDER_SECRET.to_owned();
    let variables = [
        ("AWS_REGION", config.region),
        ("AWS_ACCESS_KEY_ID", config.credentials.access_key_id),
        ("AWS_SECRET_ACCESS_KEY", config.credentials.secret_access_key.expose().to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", config.endpoint.unwrap()),
        ("TABLE_ACCOUNTS", config.accounts),
        ("TABLE_KEYS", config.keys),
        ("TABLE_CALLS", config.calls),
        ("TABLE_LEDGER", config.ledger),
        ("PEPPER", pepper()),
        ("OPENAI_API_KEY", secret()),
        ("ANTHROPIC_API_KEY", secret()),
        ("GEMINI_API_KEY", secret()),
        ("OPENAI_BASE_URL", format!("{provider}/openai/v1")),
        ("ANTHROPIC_BASE_URL", format!("{provider}/anthropic")),
        ("GEMINI_BASE_URL", format!("{provider}/gemini")),
    ];
    Function::start(name, &variables).await
}

/// Ends a function: nothing it has written may hold what was said, nor a secret.
async fn end(world: &World, function: Function) {
    let output = function.output().await;
    for secret in [KEY, PROVIDER_SECRET, "Say hello", world.canary()] {
        let found = output.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!found, "the function's output holds {secret}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authorizer_finds_the_key_in_each_of_its_places() {
    let world = world().await;
    let mut function = start(&world, "authorizer").await;
    for (name, effect) in [
        ("bearer", "Allow"),
        ("x-api-key", "Allow"),
        ("x-goog-api-key", "Allow"),
        ("query", "Allow"),
        ("missing", "Deny"),
        ("malformed", "Deny"),
    ] {
        let posted = function.invoke(event(&format!("authorizer.{name}"))).await;
        assert_eq!(posted.to, "response", "{name}");
        let decision: Value = serde_json::from_slice(&posted.body).unwrap();
        let statement = &decision["policyDocument"]["Statement"][0];
        assert_eq!(statement["Effect"], effect, "{name}");
        assert_eq!(
            statement["Resource"],
            "arn:aws:execute-api:eu-west-1:000000000000:sample0000/v0/*"
        );
        let context = decision["context"].as_object().unwrap();
        assert!(context.values().all(Value::is_string), "API Gateway carries strings alone");
        if effect == "Allow" {
            assert_eq!(decision["principalId"], KEY_ID);
            assert_eq!(context["account"], ACCOUNT);
            assert_eq!(context["scopes"], "inference");
            let auth_at: i64 = context["auth_at"].as_str().unwrap().parse().unwrap();
            assert!(auth_at.abs_diff(Timestamp::now().millis()) < 60_000);
        } else {
            assert!(context.is_empty());
        }
    }
    // An event that is none is answered without being quoted.
    let broken = format!(r#"{{"methodArn":{{"{0}":"{0}"}}}}"#, world.canary());
    let posted = function.invoke(broken).await;
    assert_eq!(posted.to, "error");
    let canary = world.canary().as_bytes();
    assert!(!posted.body.windows(canary.len()).any(|window| window == canary));
    end(&world, function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_answers_every_event_by_streaming() {
    let world = world().await;
    let mut function = start(&world, "proxy").await;
    let canary = world.canary().to_owned();
    let chat = format!(
        r#"{{"choices":[{{"message":{{"content":"{canary}"}}}}],"usage":{{"prompt_tokens":9,"completion_tokens":4}}}}"#
    );
    let messages = format!(
        r#"{{"type":"message","content":[{{"text":"{canary}"}}],"usage":{{"input_tokens":9,"output_tokens":4}}}}"#
    );
    let gemini = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{canary}"}}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}}}}"#
    );
    let chat_stream = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{canary}\"}}}}]}}\n\ndata: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":4}}}}\n\ndata: [DONE]\n\n"
    );
    let messages_stream = format!(
        "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"usage\":{{\"input_tokens\":9,\"output_tokens\":1}}}}}}\n\nevent: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"{canary}\"}}}}\n\nevent: message_delta\ndata: {{\"type\":\"message_delta\",\"usage\":{{\"output_tokens\":4}}}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
    );
    let gemini_stream = format!("data: {gemini}\r\n\r\n");
    let response =
        format!(r#"{{"text":"{canary}","usage":{{"input_tokens":9,"output_tokens":4}}}}"#);
    let response_stream = format!(
        "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{response}}}\n\n"
    );
    let vectors = format!(
        r#"{{"data":["{canary}"],"usage":{{"prompt_tokens":9}},"usageMetadata":{{"promptTokenCount":9}}}}"#
    );
    let calls = [
        ("chat", Script::json(200, chat.clone()), chat.clone()),
        ("chat-claude", Script::json(200, chat.clone()), chat),
        ("chat-stream", Script::events(chat_stream.clone()), chat_stream),
        ("messages", Script::json(200, messages.clone()), messages),
        ("messages-stream", Script::events(messages_stream.clone()), messages_stream),
        ("generate-content", Script::json(200, gemini.clone()), gemini),
        ("stream-generate-content", Script::events(gemini_stream.clone()), gemini_stream),
        ("responses", Script::json(200, response.clone()), response.clone()),
        ("responses-stream", Script::events(response_stream.clone()), response_stream),
        ("embeddings", Script::json(200, vectors.clone()), vectors.clone()),
        ("batch-embed-contents", Script::json(200, vectors.clone()), vectors),
        ("image", Script::json(200, response.clone()), response.clone()),
        ("speech", Script::new(200, "audio/mpeg").then(canary.clone()), canary.clone()),
        ("transcription", Script::json(200, response.clone()), response.clone()),
        ("moderation", Script::json(200, response.clone()), response.clone()),
        ("count-tokens", Script::json(200, response.clone()), response),
    ];
    let count = calls.len();
    for (name, script, expected) in calls {
        world.provider().answer(script);
        let posted = function.invoke(event(&format!("proxy.{name}"))).await;
        let (prelude, body) = streamed(&posted);
        assert_eq!(prelude["statusCode"], 200, "{name}");
        assert_eq!(body, expected, "{name}");
        let headers = prelude["headers"].as_object().unwrap();
        assert!(headers.values().all(Value::is_string), "API Gateway takes each header once");
        assert!(headers["x-laozhang-call-id"].as_str().unwrap().starts_with("call_"));
        // An answer that passes as it comes has no cost yet when its head goes out.
        let passes = name.contains("stream") || name == "speech";
        assert_eq!(headers.contains_key("x-laozhang-cost-usd"), !passes, "{name}");
    }
    // A form is decoded on its way.
    let received = world.provider().received();
    let form = received.iter().find(|it| it.path.ends_with("/audio/transcriptions")).unwrap();
    assert_eq!(form.headers["content-type"], "multipart/form-data; boundary=sample");
    assert_eq!(form.headers["content-length"], form.body.len().to_string());
    assert!(form.body.starts_with(b"--sample\r\n") && form.body.ends_with(b"--sample--\r\n"));
    for (name, status) in
        [("models", 200), ("unknown-model", 404), ("malformed", 400), ("not-served", 404)]
    {
        let posted = function.invoke(event(&format!("proxy.{name}"))).await;
        let (prelude, body) = streamed(&posted);
        assert_eq!(prelude["statusCode"], status, "{name}");
        assert_eq!(prelude["headers"]["content-type"], "application/json");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body.is_object());
    }
    // An event that is none is answered without being quoted.
    let posted = function.invoke(format!(r#"{{"{canary}":"{canary}"}}"#)).await;
    assert_eq!(posted.to, "error");
    assert!(!posted.body.windows(canary.len()).any(|window| window == canary.as_bytes()));

    let account = ACCOUNT.parse().unwrap();
    let records = world.store().read_calls(&account, 100, Timestamp::now()).await.unwrap();
    assert_eq!(records.len(), count);
    let spent: i128 = records.iter().map(|record| record.cost.pico()).sum();
    let wallet = world.store().read_wallet(&account).await.unwrap().unwrap();
    assert_eq!(wallet.balance.pico() + spent, Pico::from_dollars(5).pico());
    end(&world, function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_leaves_the_function_as_it_comes() {
    let world = world().await;
    let mut function = start(&world, "proxy").await;
    let part = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    // The provider never goes on, so what comes out has not waited for its end.
    world.provider().answer(Script::events(part).pause(Duration::from_secs(3_600)));
    function.first_piece(event("proxy.chat-stream"), part.as_bytes()).await;
    end(&world, function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_finish_is_cut_in_time_to_settle() {
    let world = world().await;
    let mut function = start(&world, "proxy").await;
    // The proxy cuts the provider twenty seconds before its deadline.
    let time = Duration::from_secs(21);
    let long = Duration::from_secs(60);
    let part = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    world.provider().answer(Script::events(part).pause(long));
    let posted = function.invoke_within(event("proxy.chat-stream"), time).await;
    let (prelude, body) = streamed(&posted);
    assert_eq!(prelude["statusCode"], 200);
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert!(body.starts_with(part) && body.contains("provider_timed_out"), "{body}");

    world.provider().answer(Script::json(200, "{").pause(long));
    let (prelude, _) = streamed(&function.invoke_within(event("proxy.chat"), time).await);
    assert_eq!(prelude["statusCode"], 504);
    // A provider's own error is settled before the process stops, too.
    world.provider().answer(Script::json(400, "{}"));
    let (prelude, _) = streamed(&function.invoke(event("proxy.chat")).await);
    assert_eq!(prelude["statusCode"], 400);

    let account = ACCOUNT.parse().unwrap();
    let records = world.store().read_calls(&account, 100, Timestamp::now()).await.unwrap();
    let mut statuses: Vec<_> = records.iter().map(|record| record.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [400, 504, 504]);
    let spent: i128 = records.iter().map(|record| record.cost.pico()).sum();
    let wallet = world.store().read_wallet(&account).await.unwrap().unwrap();
    assert_eq!(wallet.balance.pico() + spent, Pico::from_dollars(5).pico());
    end(&world, function).await;
}

/// The event of `proxy.chat-stream`, with another path, content type and body.
fn other_event(path: &str, content_type: &str, body: &str, encoded: bool) -> String {
    let mut event: Value = serde_json::from_slice(&event("proxy.chat-stream")).unwrap();
    event["path"] = path.into();
    event["body"] = body.into();
    event["isBase64Encoded"] = encoded.into();
    event["headers"]["Content-Type"] = content_type.into();
    event["multiValueHeaders"]["Content-Type"] = serde_json::json!([content_type]);
    event.to_string()
}

/// The memory of the proxy, as it is deployed, where the system tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_grows_neither_with_a_stream_nor_with_the_number_of_calls() {
    const MIB: usize = 1_024 * 1_024;
    let world = world().await;
    let mut function = start(&world, "proxy").await;
    let answer = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    let small = event("proxy.chat");
    world.provider().answer(Script::json(200, answer));
    function.invoke(small).await;
    if function.forget_peak().is_none() || function.peak_kib().is_none() {
        // Another system than Linux: there is nothing to measure, and nothing else to see.
        return tests::show("The memory of the proxy cannot be measured on this system.");
    }
    let mut table = String::from("peak of the proxy's memory\n");
    let mut measured = |function: &Function, what: String| {
        let peak = function.peak_kib().unwrap();
        table += &format!("{what:58} {:>4}.{} MiB\n", peak / 1_024, peak % 1_024 * 10 / 1_024);
        function.forget_peak().unwrap();
        peak
    };
    measured(&function, "idle after a first call".to_owned());

    // Whole frames of a kilobyte each, a piece of the stream at a time.
    let frame = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "a".repeat(970)
    );
    let piece = Bytes::from(frame.repeat(64));
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    let mut streams = Vec::new();
    for length in [1, 10, 100] {
        let mut script = Script::events(piece.clone());
        for _ in 1..length * MIB / piece.len() {
            script = script.then(piece.clone());
        }
        world.provider().answer(script.then(usage));
        let posted = function.invoke(event("proxy.chat-stream")).await;
        assert!(posted.body.len() > length * MIB * 9 / 10);
        streams.push(measured(&function, format!("a streamed answer of {length} MiB")));
    }
    let (shortest, longest) = (streams[0], streams[2]);
    assert!(longest < shortest + 8 * 1_024, "{streams:?} KiB");

    // As large as Lambda lets an event be: text, and a form with a file.
    let prompt = "a".repeat(5 * MIB);
    let chat = format!(r#"{{"model":"gpt-5-mini","messages":["{prompt}"]}}"#);
    let chat = other_event("/v1/chat/completions", "application/json", &chat, false);
    let file = "f".repeat(4 * MIB);
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{file}\r\n--b--\r\n"
    );
    let form = base64::engine::Engine::encode(&base64::engine::general_purpose::STANDARD, form);
    let kind = "multipart/form-data; boundary=b";
    let form = other_event("/v1/audio/transcriptions", kind, &form, true);
    for (name, event) in [("text", chat), ("a form in base 64", form)] {
        let size = event.len() * 10 / MIB;
        let what = format!("an event of {}.{} MiB, {name}", size / 10, size % 10);
        let mut peaks = Vec::new();
        for count in [20, 60] {
            for _ in 0..count {
                world.provider().answer(Script::json(200, answer));
                let posted = function.invoke(event.clone()).await;
                assert_eq!(streamed(&posted).0["statusCode"], 200, "{what}");
            }
            peaks.push(measured(&function, format!("{what}, {count} calls")));
        }
        assert!(peaks[1] < peaks[0] + 8 * 1_024, "{what}: {peaks:?} KiB");
    }
    tests::show(&table);
    end(&world, function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_functions_answer_their_events() {
    let world = world().await;
    let mut account = start(&world, "account").await;
    let (prelude, body) = streamed(&account.invoke(event("account.entry")).await);
    assert_eq!(prelude["statusCode"], 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["balance_usd"], "7.500000000000");
    let (prelude, body) = streamed(&account.invoke(event("account.show")).await);
    assert_eq!(prelude["statusCode"], 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["id"], ACCOUNT);
    end(&world, account).await;

    let mut usage = start(&world, "usage").await;
    let (prelude, body) = streamed(&usage.invoke(event("usage.calls")).await);
    assert_eq!(prelude["statusCode"], 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["object"], "list");
    end(&world, usage).await;

    let mut retention = start(&world, "retention").await;
    let posted = retention.invoke(event("retention.hour")).await;
    assert_eq!(posted.to, "response");
    let report: Value = serde_json::from_slice(&posted.body).unwrap();
    assert_eq!(report["deleted_records"], 0);
    end(&world, retention).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_without_its_variables_says_which_and_ends() {
    let function = Function::start("proxy", &[]).await;
    let output = function.ended().await;
    let output: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(output, serde_json::json!({"line": "init", "at": "AWS_REGION"}));
}

fn streamed(posted: &Posted) -> (Value, Bytes) {
    assert_eq!(posted.to, "response");
    assert_eq!(posted.headers["lambda-runtime-function-response-mode"], "streaming");
    let kind = &posted.headers["content-type"];
    assert_eq!(kind, "application/vnd.awslambda.http-integration-response");
    posted.streamed()
}
