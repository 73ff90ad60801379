//! The functions' real binaries, built as they are deployed, under the Runtime API, with every
//! event of `events/`. They run at the noisiest log level there is.

mod measured;
mod secrets;

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    money::Pico,
    store::{
        calls::{ReadCalls, Wanted},
        wallet::ReadWallet,
    },
    time::Timestamp,
};
use tests::{
    deployment::{ACCOUNT, Deployment, KEY_ID, event, streamed},
    provider::Script,
};

/// A little longer than a secret is not read again.
const PAUSE: Duration = Duration::from_secs(11);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authorizer_finds_the_key_in_each_of_its_places() {
    let world = Deployment::new().await;
    let mut function = world.start("authorizer").await;
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
    world.end(function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_answers_every_event_by_streaming() {
    let world = Deployment::new().await;
    let mut function = world.start("proxy").await;
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
    let records = world
        .store()
        .read_calls(&account, &Wanted::newest(100), Timestamp::now())
        .await
        .unwrap()
        .records;
    assert_eq!(records.len(), count);
    let spent: i128 = records.iter().map(|record| record.cost.pico()).sum();
    let wallet = world.store().read_wallet(&account).await.unwrap().unwrap();
    assert_eq!(wallet.balance.pico() + spent, Pico::from_dollars(5).pico());
    world.end(function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_leaves_the_function_as_it_comes() {
    let world = Deployment::new().await;
    let mut function = world.start("proxy").await;
    let part = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
    // The provider never goes on, so what comes out has not waited for its end.
    world.provider().answer(Script::events(part).pause(Duration::from_secs(3_600)));
    function.first_piece(event("proxy.chat-stream"), part.as_bytes()).await;
    world.end(function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_does_not_finish_is_cut_in_time_to_settle() {
    let world = Deployment::new().await;
    let mut function = world.start("proxy").await;
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
    let records = world
        .store()
        .read_calls(&account, &Wanted::newest(100), Timestamp::now())
        .await
        .unwrap()
        .records;
    let mut statuses: Vec<_> = records.iter().map(|record| record.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [400, 504, 504]);
    let spent: i128 = records.iter().map(|record| record.cost.pico()).sum();
    let wallet = world.store().read_wallet(&account).await.unwrap().unwrap();
    assert_eq!(wallet.balance.pico() + spent, Pico::from_dollars(5).pico());
    world.end(function).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_functions_answer_their_events() {
    let world = Deployment::new().await;
    let mut usage = world.start("usage").await;
    let (prelude, body) = streamed(&usage.invoke(event("usage.calls")).await);
    assert_eq!(prelude["statusCode"], 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["object"], "list");
    for (name, object) in [
        ("usage.completions", "page"),
        ("usage.costs", "page"),
        ("usage.subscription", "billing_subscription"),
        ("usage.billing-usage", "list"),
        ("usage.old-subscription", "billing_subscription"),
        ("usage.old-billing-usage", "list"),
        ("usage.for-operator", "page"),
    ] {
        let (prelude, body) = streamed(&usage.invoke(event(name)).await);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&prelude["statusCode"], &body["object"]),
            (&json!(200), &json!(object)),
            "{name}"
        );
    }
    for name in
        ["usage.usage-report", "usage.cost-report", "usage.token", "usage.credits", "usage.key"]
    {
        let (prelude, body) = streamed(&usage.invoke(event(name)).await);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(prelude["statusCode"] == 200 && !body["data"].is_null(), "{name}: {body}");
    }
    world.end(usage).await;

    let mut account = world.start("account").await;
    let (prelude, body) = streamed(&account.invoke(event("account.entry")).await);
    assert_eq!(prelude["statusCode"], 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["balance_usd"], "7.500000000000");
    let (prelude, body) = streamed(&account.invoke(event("account.show")).await);
    assert_eq!(prelude["statusCode"], 200);
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["id"], ACCOUNT);
    for (name, status) in [
        ("change", 200),
        ("list-keys", 200),
        ("create-key", 200),
        ("show-key", 200),
        ("change-key", 200),
        ("rotate-key", 200),
        // It is the key that asks.
        ("revoke-key", 409),
        ("list-consents", 200),
        ("give-consent", 200),
        ("withdraw-consent", 200),
        ("providers", 200),
        ("privacy", 200),
        ("policy", 200),
        ("policy-versions", 200),
        ("policy-version", 200),
        ("publish-policy", 200),
        ("review-policy", 200),
        ("openapi", 200),
        ("look-up", 200),
        ("set-state", 200),
        ("list-accesses", 200),
        ("review", 200),
        ("copy", 200),
        // There is no such receipt.
        ("receipt", 404),
        // It is frozen.
        ("close", 403),
        ("close-for", 200),
    ] {
        let posted = account.invoke(event(&format!("account.{name}"))).await;
        let (prelude, body) = streamed(&posted);
        assert_eq!(prelude["statusCode"], status, "{name}: {body:?}");
    }
    world.end(account).await;

    let mut retention = world.start("retention").await;
    let posted = retention.invoke(event("retention.hour")).await;
    assert_eq!(posted.to, "response");
    let report: Value = serde_json::from_slice(&posted.body).unwrap();
    assert_eq!(report["deleted_records"], 0);
    world.end(retention).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_opened_and_its_keys_work() {
    let world = Deployment::new().await;
    let mut account = world.start("account").await;
    let (prelude, body) = streamed(&account.invoke(event("account.open")).await);
    assert_eq!(prelude["statusCode"], 200);
    let opened: Value = serde_json::from_slice(&body).unwrap();
    let keys = opened["keys"].as_array().unwrap();
    let scopes: Vec<_> = keys.iter().map(|key| key["scopes"][0].as_str().unwrap()).collect();
    assert_eq!(scopes, ["inference", "usage:read", "account:manage"]);
    assert_eq!(opened["consents"], json!(["openai", "gemini"]));
    let mut authorizer = world.start("authorizer").await;
    for key in keys {
        let mut asked: Value = serde_json::from_slice(&event("authorizer.x-api-key")).unwrap();
        asked["headers"] = json!({"x-api-key": key["key"]});
        let posted = authorizer.invoke(asked.to_string()).await;
        let decision: Value = serde_json::from_slice(&posted.body).unwrap();
        assert_eq!(decision["policyDocument"]["Statement"][0]["Effect"], "Allow");
        assert_eq!(decision["context"]["account"], opened["id"]);
        assert_eq!(decision["principalId"], key["id"]);
    }
    world.end(account).await;
    world.end(authorizer).await;
}

/// An event of the account function with the newest code that was sent in its body.
fn with_code(world: &Deployment, name: &str) -> String {
    let message = world.messages().pop().unwrap();
    let code = message.split("Your code: ").nth(1).unwrap().split_whitespace().next().unwrap();
    let event = String::from_utf8(event(name)).unwrap();
    assert!(event.contains("SampleCodeForEvents000"));
    event.replace("SampleCodeForEvents000", code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_go_out_by_ses_and_register_recover_and_correct() {
    let world = Deployment::new().await;
    let mut account = world.start("account").await;
    for (asks, does, says) in [
        ("account.ask-code", "account.register", "keys"),
        ("account.ask-code", "account.recover", "revoked"),
        ("account.ask-correction", "account.correct", "balance_usd"),
    ] {
        let posted = account.invoke(event(asks)).await;
        let (prelude, body) = streamed(&posted);
        assert_eq!(prelude["statusCode"], 200, "{asks}: {body:?}");
        let posted = account.invoke(with_code(&world, does)).await;
        let (prelude, body) = streamed(&posted);
        assert_eq!(prelude["statusCode"], 200, "{does}: {body:?}");
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(!body[says].is_null(), "{does}");
        // Once.
        let posted = account.invoke(event(does)).await;
        assert_eq!(streamed(&posted).0["statusCode"], 400, "{does}");
    }
    world.end(account).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_ses_does_not_answer_the_operator_is_told_and_no_stranger_learns_anything() {
    let world = Deployment::new().await;
    // A port at which nobody listens.
    let nobody = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let mut account = world.start_with("account", &[("AWS_ENDPOINT_URL_SESV2", url)]).await;
    // Of one that may have an account and of one that may not, in the same time at least, and as often.
    let ask = String::from_utf8(event("account.ask-code")).unwrap();
    let mut answers = [Vec::new(), Vec::new()];
    for (email, answers) in ["ada@example.com", "ada@elsewhere.example"].iter().zip(&mut answers) {
        for time in 0..4 {
            let asked = std::time::Instant::now();
            let posted = account.invoke(ask.replace("ada@example.com", email)).await;
            let status = streamed(&posted).0["statusCode"].clone();
            assert_eq!(status, if time < 3 { 200 } else { 429 }, "{email}");
            assert!(status == 429 || asked.elapsed() >= account::ANSWER_AFTER);
            answers.push((status == 200).then_some(posted.body));
        }
    }
    assert_eq!(answers[0], answers[1]);
    // What an owner has asked for and could not be sent counts for nothing.
    for _ in 0..4 {
        let posted = account.invoke(event("account.ask-correction")).await;
        assert_eq!(streamed(&posted).0["statusCode"], 200);
    }
    let output = account.output().await.all();
    let output = String::from_utf8(output).unwrap();
    assert_eq!(output.matches("mail_unavailable").count(), 7, "{output}");
    assert!(!output.contains("@example.com"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_event_opens_no_connection() {
    let world = Deployment::new().await;
    let answer = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    world.provider().answer(Script::json(200, answer));
    for (name, first) in [
        ("proxy", "proxy.chat"),
        ("authorizer", "authorizer.bearer"),
        ("usage", "usage.calls"),
        ("account", "account.show"),
    ] {
        let before = (world.tables.connections(), world.reached());
        let mut function = world.start(name).await;
        function.ready().await;
        let at_init = (world.tables.connections(), world.reached());
        assert!(at_init.0 > before.0, "{name} opens one to the tables");
        let opens = if name == "proxy" { 1 } else { 0 };
        assert_eq!(at_init.1, before.1.map(|count| count + opens), "{name}");
        assert_eq!(function.invoke(event(first)).await.to, "response");
        let after = (world.tables.connections(), world.reached());
        assert_eq!(after, at_init, "{name}");
        world.end(function).await;
    }
    // Nothing is said to a provider that nobody has called.
    let greeted = world.provider().greeted();
    assert_eq!(greeted.len(), 3);
    for name in ["authorization", "x-api-key", "x-goog-api-key", "content-length"] {
        assert!(greeted.iter().all(|headers| !headers.contains_key(name)), "{name}");
    }
}
