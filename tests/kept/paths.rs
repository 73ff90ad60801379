//! Everything that a function can meet, and everywhere it could leave what was said: each path by
//! each sink is a cell of the table in PRIVACY.md, and its number is what was found there.

use std::{collections::BTreeSet, fmt::Write, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use serde_json::{Value, json};
use shared::{
    key::PlainKey,
    money::Pico,
    store::ledger::{Entry, EntryKind, PostEntry},
    time::Timestamp,
};
use tests::{
    deployment::{ACCOUNT, PEPPER, PROVIDERS, credentials, event, pepper},
    provider::Script,
    show,
    tap::Fate,
    world::PROVIDER_SECRET,
};

use crate::{
    planted::{self, PLACES, calls, chat, chat_stream, planted, streams, with_body},
    stage::{Build, Found, Sink, Stage, privacy_says},
};

/// What a function meets, and how a test makes it meet that.
pub(crate) struct Path {
    pub(crate) name: &'static str,
    pub(crate) take: for<'a> fn(&'a mut Stage) -> BoxFuture<'a, ()>,
}

macro_rules! paths {
    ($($name:literal => $take:ident,)*) => {
        [$(Path { name: $name, take: |stage| $take(stage).boxed() }),*]
    };
}

/// Every path.
pub(crate) const PATHS: [Path; 29] = paths![
    "an answer in one piece" => an_answer,
    "a stream" => a_stream,
    "a body that is no JSON" => malformed_bodies,
    "a field that is refused" => refused_fields,
    "a form that is none" => malformed_forms,
    "an unknown model or path" => unknown_names,
    "an event that is none" => malformed_events,
    "a caller who may not" => callers_who_may_not,
    "no balance" => no_balance,
    "the provider's error" => the_providers_error,
    "the provider's error about the operator" => errors_about_the_operator,
    "the provider redirects" => redirects,
    "the provider is not there" => no_provider,
    "the provider breaks off" => broken_answers,
    "the provider's answer is nonsense" => nonsense,
    "an error within a stream" => errors_in_streams,
    "the provider takes too long" => late_answers,
    "the front door hangs up" => hung_up,
    "the function is killed" => killed,
    "the tables are not there" => no_tables,
    "the tables answer with an error" => errors_of_the_tables,
    "the record is not written" => no_record,
    "the settle is not written" => no_settle,
    "a secret cannot be read again" => no_secret,
    "a secret or a variable is malformed" => malformed_secrets,
    "a key that is none" => keys_that_are_none,
    "a query that is refused" => refused_queries,
    "a change that is refused" => refused_changes,
    "SES is not there or refuses" => no_mail,
];

pub(crate) async fn an_answer(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    for call in calls(&stage.canaries) {
        stage.lab.provider().answer(call.answer);
        assert_eq!(stage.ask_provider(call.event).await, 200, "{}", call.name);
    }
    stage.end_after_another("proxy").await;
}

pub(crate) async fn a_stream(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    for call in streams(&stage.canaries) {
        stage.lab.provider().answer(call.answer);
        assert_eq!(stage.ask_provider(call.event).await, 200, "{}", call.name);
    }
    stage.end_after_another("proxy").await;
}

async fn malformed_bodies(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("prompt").to_owned();
    let deep = format!("{}\"{said}\"{}", "[".repeat(200), "]".repeat(200));
    let bodies = [
        format!(r#"{{"model":"gpt-5-mini","messages":[{{"content":"{said}"}},]}}"#),
        format!(r#"{{"{said}":"{said}""#),
        format!(r#"{{"model":{{"{said}":1}}}}"#),
        format!(r#"{{"model":"gpt-5-mini","messages":"\ud800{said}"}}"#),
        format!(r#"["{said}"]"#),
        format!(r#""{said}""#),
        said.clone(),
        format!(r#"{{"model":"gpt-5-mini","model":"{said}"}}"#),
        format!(r#"{{"model":"gpt-5-mini","messages":{deep}}}"#),
        format!(r#"{{"model":"gpt-5-mini","stream":"{said}","messages":[]}}"#),
        format!(r#"{{"model":"gpt-5-mini","max_tokens":"{said}","messages":[]}}"#),
        format!(r#"{{"model":["{said}"]}}"#),
    ];
    for name in ["proxy.chat", "proxy.messages", "proxy.generate-content", "proxy.responses"] {
        for body in &bodies {
            let event = with_body(name, body, &stage.canaries);
            stage.lab.provider().answer(Script::json(400, "{}"));
            let status = stage.ask(event).await;
            assert!((400..500).contains(&status), "{name}: {status}");
            stage.lab.provider().forget();
        }
    }
    stage.end_after_another("proxy").await;
}

async fn refused_fields(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("metadata").to_owned();
    for field in ["previous_response_id", "conversation", "prompt", "background"] {
        let mut body = json!({"model": "gpt-5-mini", "input": said});
        body[field] = if field == "background" { true.into() } else { said.clone().into() };
        let event = with_body("proxy.responses", &body.to_string(), &stage.canaries);
        assert_eq!(stage.ask(event).await, 400, "{field}");
    }
    let body = json!({"cachedContent": said, "contents": [{"parts": [{"text": said}]}]});
    let event = with_body("proxy.generate-content", &body.to_string(), &stage.canaries);
    assert_eq!(stage.ask(event).await, 400);
    let body = json!({"model": "gpt-5-mini", "service_tier": said, "messages": []});
    let event = with_body("proxy.chat", &body.to_string(), &stage.canaries);
    assert_eq!(stage.ask(event).await, 400);
    stage.end_after_another("proxy").await;
}

async fn malformed_forms(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let form = planted::form(&stage.canaries);
    let said = stage.canaries.at("form value").to_owned();
    for (content_type, body) in [
        (format!("multipart/form-data; boundary={said}"), None),
        (format!("multipart/form-data; {said}=sample"), None),
        ("multipart/form-data; boundary=sample".to_owned(), Some(said.clone())),
        ("multipart/form-data; boundary=sample".to_owned(), Some(format!("!{said}"))),
        (format!("text/{said}"), None),
    ] {
        let mut event = form.clone();
        for header in ["Content-Type", "content-type"] {
            event["headers"][header] = content_type.clone().into();
            event["multiValueHeaders"][header] = json!([content_type]);
        }
        if let Some(body) = body {
            event["body"] = body.into();
        }
        let status = stage.ask(event).await;
        assert!((400..500).contains(&status), "{content_type}: {status}");
    }
    stage.end_after_another("proxy").await;
}

async fn unknown_names(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("path").to_owned();
    let mut model = with_body(
        "proxy.chat",
        &json!({"model": said, "messages": [{"content": said}]}).to_string(),
        &stage.canaries,
    );
    assert_eq!(stage.ask(&model).await, 404);
    let paths = [
        format!("/v1/{said}"),
        format!("/v1beta/models/{said}:generateContent"),
        format!("/v1beta/models/gemini-2.5-flash:{said}"),
        format!("/v1/models/{said}"),
        format!("/v1/files/{said}"),
    ];
    for path in paths {
        model["path"] = path.clone().into();
        model["requestContext"]["path"] = path.clone().into();
        model["httpMethod"] = if path.starts_with("/v1/models/") { "GET" } else { "POST" }.into();
        assert_eq!(stage.ask(&model).await, 404, "{path}");
    }
    model["httpMethod"] = said.to_uppercase().into();
    stage.ask(&model).await;
    stage.end_after_another("proxy").await;
}

async fn malformed_events(stage: &mut Stage) {
    for name in ["proxy", "authorizer", "usage", "account", "retention"] {
        stage.start(name, &[]).await;
        let said = stage.canaries.at("prompt").to_owned();
        let events = [
            format!(r#"{{"{said}":"{said}"}}"#),
            format!(r#"{{"httpMethod":{{"{said}":1}},"methodArn":["{said}"],"segment":"{said}"}}"#),
            format!(r#"{{"body":"{said}"#),
            format!("\"{said}\""),
            said.clone(),
        ];
        for event in events {
            let status = stage.ask(&event).await;
            // To retention every object is one, whatever else is in it.
            let may = name == "retention" && event.starts_with('{');
            assert!(status == 0 || may, "{name} takes {event} for an event");
        }
        stage.end_after_another(name).await;
    }
}

async fn callers_who_may_not(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let chat = chat(&stage.canaries);
    let context = |name: &str, value: &str| {
        let mut event = chat.clone();
        event["requestContext"]["authorizer"][name] = value.into();
        event
    };
    // Another account than there is, another scope, another list of models.
    for (event, status) in [
        (context("account", "acct_0000000000000000000001"), 403),
        (context("scopes", "usage:read"), 403),
        (context("models", "gpt-5"), 403),
        (context("auth_at", "0"), 401),
    ] {
        let answered = stage.ask(event).await;
        assert!([status, 401, 403].contains(&answered), "{answered}");
    }
    // Compressed, and with a key for doing it once that is none.
    for (name, value) in [
        ("Content-Encoding", stage.canaries.at("header value").to_owned()),
        ("Idempotency-Key", stage.canaries.at("idempotency key").repeat(20)),
    ] {
        let mut event = chat.clone();
        event["headers"][name] = value.clone().into();
        event["multiValueHeaders"][name] = json!([value]);
        let answered = stage.ask(event).await;
        assert!((400..500).contains(&answered), "{name}: {answered}");
    }
    stage.end_after_another("proxy").await;
}

async fn no_balance(stage: &mut Stage) {
    let account = ACCOUNT.parse().expect("an id");
    let all = Pico::from_dollars(5);
    let entry = Entry::new(&account, EntryKind::Refund, "all", all).expect("an entry");
    stage.lab.store().post_entry(&entry, Timestamp::now()).await.expect("a debit");
    stage.start("proxy", &[]).await;
    for event in [chat(&stage.canaries), chat_stream(&stage.canaries)] {
        assert_eq!(stage.ask(event).await, 429);
    }
    stage.end_after_another("proxy").await;
}

/// An error as a provider writes it, with what was said in every place of it.
fn error_of(stage: &Stage) -> String {
    let said = stage.canaries.at("provider's error");
    json!({"error": {"message": said, "type": said, "code": said, "param": said, "status": said,
        "details": [{"reason": said, said: said}]}, "type": "error", "request_id": said})
    .to_string()
}

async fn the_providers_error(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let error = error_of(stage);
    let broken = stage.canaries.at("end of a broken answer").to_owned();
    for status in [400, 404, 409, 413, 422, 500, 503, 529] {
        for event in [chat(&stage.canaries), chat_stream(&stage.canaries)] {
            let header = stage.canaries.at("provider's header").to_owned();
            let script = Script::json(status, error.clone()).header("x-provider", &header);
            stage.lab.provider().answer(script);
            assert_eq!(stage.ask_provider(event).await, status);
        }
    }
    // An error that is no JSON, one that is none at all, and one that breaks off.
    for script in [
        Script::new(400, "text/html").then(broken.clone()),
        Script::new(418, "text/plain").then(broken.clone()),
        Script::json(400, broken).cut(),
    ] {
        stage.lab.provider().answer(script);
        stage.ask_provider(chat(&stage.canaries)).await;
    }
    stage.end_after_another("proxy").await;
}

async fn errors_about_the_operator(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let error = error_of(stage);
    for status in [401, 402, 403, 429] {
        for event in [chat(&stage.canaries), chat_stream(&stage.canaries)] {
            stage.lab.provider().answer(Script::json(status, error.clone()));
            let answered = stage.ask(event).await;
            assert!(answered >= 429, "{status}: {answered}");
        }
    }
    stage.end_after_another("proxy").await;
}

async fn redirects(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("provider's redirect").to_owned();
    for status in [301, 302, 307, 308] {
        let place = format!("http://127.0.0.1:9/{said}");
        stage.lab.provider().answer(Script::json(status, said.clone()).header("location", &place));
        assert_eq!(stage.ask(chat(&stage.canaries)).await, 502, "it is not followed");
    }
    stage.end_after_another("proxy").await;
}

async fn no_provider(stage: &mut Stage) {
    // The line ends before anything has come.
    for provider in &stage.lab.providers {
        provider.fail(|_| Some(Fate::Lost));
    }
    stage.start("proxy", &[]).await;
    for event in [chat(&stage.canaries), chat_stream(&stage.canaries)] {
        assert_eq!(stage.ask(event).await, 502);
    }
    stage.end_after_another("proxy").await;
}

async fn broken_answers(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("end of a broken answer").to_owned();
    let part = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{said}\"}}}}]}}\n\n");
    let begun = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{said}");
    stage.lab.provider().answer(Script::json(200, format!("{{\"{said}")).cut());
    assert_eq!(stage.ask(chat(&stage.canaries)).await, 502);
    for script in [
        Script::events(part.clone()).cut(),
        Script::events(part.clone()).then(begun).cut(),
        Script::events(part),
    ] {
        stage.lab.provider().answer(script);
        assert_eq!(stage.ask_provider(chat_stream(&stage.canaries)).await, 200);
    }
    let speech = calls(&stage.canaries).into_iter().find(|call| call.name == "proxy.speech");
    stage.lab.provider().answer(Script::new(200, "audio/mpeg").then(said).cut());
    assert_eq!(stage.ask_provider(speech.expect("speech").event).await, 200);
    stage.end_after_another("proxy").await;
}

async fn nonsense(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("provider's text").to_owned();
    for script in [
        Script::json(200, said.clone()),
        Script::json(200, format!(r#"{{"usage":"{said}"}}"#)),
        Script::json(200, format!(r#"{{"usage":{{"prompt_tokens":"{said}"}}}}"#)),
        Script::json(
            200,
            format!(r#"{{"choices":[{{}}],"usage":{{"prompt_tokens":-1,"x":"{said}"}}}}"#),
        ),
        Script::json(
            200,
            format!(
                r#"{{"service_tier":"{said}","model":"{said}","usage":{{"prompt_tokens":9,"completion_tokens":4}}}}"#
            ),
        ),
        Script::json(200, ""),
    ] {
        stage.lab.provider().answer(script);
        stage.ask_provider(chat(&stage.canaries)).await;
    }
    for script in [
        Script::events(format!("data: {said}\n\ndata: [DONE]\n\n")),
        Script::events(format!("{said}\n\n{said}")),
        Script::events(format!("data: {{\"usage\":{{\"prompt_tokens\":\"{said}\"}}}}\n\n")),
        Script::json(200, said.clone()),
    ] {
        stage.lab.provider().answer(script);
        stage.ask_provider(chat_stream(&stage.canaries)).await;
    }
    stage.end_after_another("proxy").await;
}

async fn errors_in_streams(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let error = error_of(stage);
    for call in streams(&stage.canaries) {
        let script = Script::events(format!("event: error\ndata: {error}\n\n"));
        stage.lab.provider().answer(script);
        assert_eq!(stage.ask_provider(call.event).await, 200, "{}", call.name);
    }
    stage.end_after_another("proxy").await;
}

async fn late_answers(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    // The proxy cuts the provider twenty seconds before its deadline.
    let (time, long) = (Duration::from_secs(21), Duration::from_secs(60));
    let said = stage.canaries.at("end of a broken answer").to_owned();
    let part = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{said}\"}}}}]}}\n\n");
    stage.lab.provider().answer(Script::json(200, said.clone()).pause(long));
    assert_eq!(stage.ask_within(chat(&stage.canaries), time).await, 504);
    stage.lab.provider().answer(Script::events(part).pause(long));
    assert_eq!(stage.ask_provider_within(chat_stream(&stage.canaries), time).await, 200);
    stage.end_after_another("proxy").await;
}

async fn hung_up(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("provider's text").to_owned();
    let part = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{said}\"}}}}]}}\n\n");
    let end = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    let pause = Duration::from_millis(200);
    let script = Script::events(part.clone()).pause(pause).then(part).pause(pause).then(end);
    stage.lab.provider().answer(script);
    let event = chat_stream(&stage.canaries).to_string();
    stage.function().hang_up_on(event).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    stage.end().await;
}

async fn killed(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let said = stage.canaries.at("provider's text").to_owned();
    let part = format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{said}\"}}}}]}}\n\n");
    stage.lab.provider().answer(Script::events(part.clone()).pause(Duration::from_secs(60)));
    let event = chat_stream(&stage.canaries).to_string();
    stage.function().first_piece(event, part.as_bytes()).await;
    stage.end().await;
}

/// Whether a request to the tables is this operation.
fn is(request: &[u8], operation: &str) -> bool {
    let head = request.split(|byte| *byte == b'{').next().unwrap_or_default();
    String::from_utf8_lossy(head).contains(&format!("DynamoDB_20120810.{operation}"))
}

async fn no_tables(stage: &mut Stage) {
    stage.lab.tables.fail(|_| Some(Fate::Lost));
    ask_of_each(stage).await;
}

async fn errors_of_the_tables(stage: &mut Stage) {
    let said = stage.canaries.at("error of the tables").to_owned();
    for (status, kind) in [
        (400, "ValidationException"),
        (400, "ProvisionedThroughputExceededException"),
        (500, "InternalServerError"),
    ] {
        let body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{kind}"),
            "message": said, "Message": said});
        let fate = Fate::Answered(status, body.to_string());
        stage.lab.tables.fail(move |_| Some(fate.clone()));
        if kind == "ValidationException" {
            ask_of_each(stage).await;
        } else {
            // What may be sent again is, for as long as a function has patience.
            ask_of_proxy(stage).await;
        }
    }
}

async fn ask_of_proxy(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    let many =
        [chat(&stage.canaries), chat_stream(&stage.canaries), planted::form(&stage.canaries)];
    for event in many {
        assert!(stage.ask(event).await >= 429);
    }
    stage.end().await;
}

/// Asks every function for something, for which it needs the tables.
async fn ask_of_each(stage: &mut Stage) {
    ask_of_proxy(stage).await;
    for (name, asked) in [
        ("authorizer", "authorizer.bearer"),
        ("usage", "usage.calls"),
        ("account", "account.show"),
        ("retention", "retention.hour"),
    ] {
        stage.start(name, &[]).await;
        let event = if name == "retention" {
            serde_json::from_slice(&event(asked)).expect("JSON")
        } else {
            planted(asked, &stage.canaries)
        };
        let status = stage.ask(event).await;
        assert!(status == 0 || status >= 400, "{name}: {status}");
    }
    stage.end().await;
}

async fn no_record(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    stage.lab.tables.fail(|request| is(request, "PutItem").then_some(Fate::Lost));
    carry_both(stage).await;
}

async fn no_settle(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    // Of a call's two updates of the wallet this is the one that returns.
    stage.lab.tables.fail(|request| {
        let returns = !String::from_utf8_lossy(request).contains(":active");
        (is(request, "UpdateItem") && returns).then_some(Fate::Lost)
    });
    carry_both(stage).await;
}

/// A call in one piece and a stream, which the provider answers.
async fn carry_both(stage: &mut Stage) {
    let before = stage.lab.tables.failed();
    let whole = calls(&stage.canaries).into_iter().next().expect("a call");
    let stream = streams(&stage.canaries).into_iter().next().expect("a stream");
    for call in [whole, stream] {
        stage.lab.provider().answer(call.answer);
        assert_eq!(stage.ask_provider(call.event).await, 200, "{}", call.name);
    }
    assert!(stage.lab.tables.failed() >= before + 2, "the write was tried");
    stage.end_after_another("proxy").await;
    assert!(stage.logged("line", "unsettled") >= 2, "and the log says so");
}

async fn no_secret(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    stage.function().ready().await;
    let said = stage.canaries.at("error of Secrets Manager").to_owned();
    // A little longer than a secret is not read again.
    for fate in
        [Fate::Lost, Fate::Answered(400, json!({"__type": said, "message": said}).to_string())]
    {
        tokio::time::sleep(Duration::from_secs(11)).await;
        stage.lab.to_secrets.fail(move |_| Some(fate.clone()));
        stage.lab.provider().answer(Script::json(401, error_of(stage)));
        assert_eq!(stage.ask(chat(&stage.canaries)).await, 502);
    }
    stage.end_after_another("proxy").await;
}

async fn malformed_secrets(stage: &mut Stage) {
    let said = stage.canaries.at("secret").to_owned();
    let texts = [
        said.clone(),
        format!(r#"{{"{said}":"{said}"}}"#),
        format!(r#"{{"1":"{said}","openai":["{said}"]}}"#),
    ];
    for text in texts {
        for name in ["authorizer", "account", "proxy"] {
            stage.lab.secrets.put(PEPPER, text.clone());
            stage.lab.secrets.put(PROVIDERS, text.clone());
            stage.start(name, &[]).await;
            stage.ended().await;
        }
    }
    assert_eq!(stage.logged("at", "secret"), 9);
    stage.lab.secrets.put(PEPPER, pepper());
    stage.lab.secrets.put(PROVIDERS, credentials(PROVIDER_SECRET));
    for (variable, names) in [
        ("PAYMENT_RECORD_YEARS", &["authorizer", "usage", "account", "retention", "proxy"][..]),
        ("MARKUP_BASIS_POINTS", &["usage", "retention", "proxy"]),
        ("ACCOUNT_BACKUP_DAYS", &["retention"]),
        ("EXTRA_CA_PEM", &["proxy"]),
    ] {
        for name in names {
            stage.start(name, &[(variable, said.clone())]).await;
            stage.ended().await;
        }
        assert_eq!(stage.logged("at", variable), names.len(), "{variable}");
    }
}

async fn keys_that_are_none(stage: &mut Stage) {
    stage.start("authorizer", &[]).await;
    let said = stage.canaries.at("key").to_owned();
    // One that is a key, and nobody's.
    let nobodys = PlainKey::random().expect("randomness").reveal().to_owned();
    stage.keep_secret("a key", nobodys.clone());
    for (name, header, key) in [
        ("authorizer.bearer", "Authorization", format!("Bearer {said}")),
        ("authorizer.bearer", "Authorization", format!("Bearer sk-lz-{said}")),
        ("authorizer.bearer", "Authorization", format!("Bearer {nobodys}")),
        ("authorizer.x-api-key", "x-api-key", said.clone()),
        ("authorizer.x-goog-api-key", "x-goog-api-key", nobodys),
    ] {
        let mut event = planted(name, &stage.canaries);
        event["headers"][header] = key.into();
        assert_eq!(stage.decide(event).await, "Deny", "{name}");
    }
    assert_eq!(stage.decide(planted("authorizer.malformed", &stage.canaries)).await, "Deny");
    // And one that is somebody's, with what it is to be done under.
    for name in ["authorizer.bearer", "authorizer.query"] {
        let mut event = planted(name, &stage.canaries);
        event["headers"]["Idempotency-Key"] = stage.canaries.at("idempotency key").into();
        assert_eq!(stage.decide(event).await, "Allow", "{name}");
    }
    stage.end_after_another("authorizer").await;
}

async fn refused_queries(stage: &mut Stage) {
    stage.start("usage", &[]).await;
    let said = stage.canaries.at("query value").to_owned();
    let asks = [
        "usage.calls",
        "usage.completions",
        "usage.costs",
        "usage.usage-report",
        "usage.cost-report",
        "usage.billing-usage",
    ];
    for name in asks {
        for parameter in
            ["start_time", "starting_at", "limit", "page", "group_by[]", "api_key_ids", "after"]
        {
            let mut event = planted(name, &stage.canaries);
            event["queryStringParameters"] = json!({parameter: said});
            event["multiValueQueryStringParameters"] = json!({parameter: [said]});
            let status = stage.ask(event).await;
            assert!([200, 400].contains(&status), "{name}, {parameter}: {status}");
        }
    }
    let mut event = planted("usage.for-operator", &stage.canaries);
    event["pathParameters"] = json!({"account": said});
    event["path"] = format!("/operator/accounts/{said}/v1/usage/calls").into();
    assert!(stage.ask(event).await >= 400);
    stage.end_after_another("usage").await;
}

async fn refused_changes(stage: &mut Stage) {
    stage.start("account", &[]).await;
    let said = stage.canaries.at("prompt").to_owned();
    let asks = [
        "account.change",
        "account.create-key",
        "account.change-key",
        "account.give-consent",
        "account.recover",
        "account.register",
        "account.correct",
        "account.close",
        "account.entry",
        "account.open",
        "account.set-state",
        "account.publish-policy",
    ];
    // What its owner or the operator writes to be kept is kept.
    let free = ["label", "tag", "text", "reference"];
    for name in asks {
        let sample: Value = serde_json::from_slice(&event(name)).expect("JSON");
        let sample: Value =
            serde_json::from_str(sample["body"].as_str().expect("a body")).expect("JSON");
        let mut bodies =
            vec![json!({said.clone(): said}), json!([said]), json!(said), json!({"purpose": said})];
        for field in sample.as_object().expect("an object").keys() {
            let wrong = [json!(said), json!([said]), json!({said.clone(): said})];
            for wrong in wrong.into_iter().skip(usize::from(free.contains(&field.as_str()))) {
                let mut body = sample.clone();
                body[field] = wrong;
                bodies.push(body);
            }
        }
        for body in bodies {
            let event = with_body(name, &body.to_string(), &stage.canaries);
            let status = stage.ask(event).await;
            assert!((400..500).contains(&status), "{name}: {status} to {body}");
        }
        let broken = with_body(name, &format!("{{\"{said}"), &stage.canaries);
        assert_eq!(stage.ask(broken).await, 400, "{name}");
    }
    let said = stage.canaries.at("path").to_owned();
    for (name, path) in [
        ("account.show-key", format!("/v1/account/keys/{said}")),
        ("account.policy-version", format!("/v1/policy/{said}")),
        ("account.receipt", format!("/v1/receipts/{said}")),
    ] {
        let mut event: Value = planted(name, &stage.canaries);
        event["path"] = path.into();
        assert!(stage.ask(event).await >= 400, "{name}");
    }
    stage.end_after_another("account").await;
}

async fn no_mail(stage: &mut Stage) {
    let said = stage.canaries.at("error of SES").to_owned();
    for fate in [
        Fate::Lost,
        Fate::Answered(400, json!({"__type": "MessageRejected", "message": said}).to_string()),
        Fate::Answered(500, said.clone()),
    ] {
        stage.lab.mail.fail(move |_| Some(fate.clone()));
        stage.start("account", &[]).await;
        assert_eq!(stage.ask(planted("account.ask-code", &stage.canaries)).await, 200);
        stage.end_after_another("account").await;
    }
    assert!(stage.lab.mail.failed() >= 3, "it was to be sent");
}

/// Takes one path, and gives what was found on it, and where there was something to look at.
pub(crate) async fn walk(path: &Path, build: Build) -> (Found, BTreeSet<Sink>) {
    let mut stage = Stage::new(build).await;
    (path.take)(&mut stage).await;
    stage.clear().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_found_in_any_sink_on_any_path() {
    let walks = PATHS.iter().map(async |path| {
        // One path that leads elsewhere does not keep the others from being shown.
        let walked = AssertUnwindSafe(walk(path, Build::Deployed)).catch_unwind().await;
        (path.name, walked.ok())
    });
    let mut walks = stream::iter(walks).buffered(3);
    let (mut table, mut hits, mut lost) = (head(), 0, 0);
    while let Some((name, walked)) = walks.next().await {
        let Some((found, looked)) = walked else {
            show(&format!("{name}: it leads elsewhere"));
            lost += 1;
            continue;
        };
        if !found.is_empty() {
            show(&format!("{name}: {found:?}"));
        }
        write!(table, "| {name} |").expect("text");
        for sink in Sink::ALL {
            let count = found.get(&sink).map_or(0, BTreeSet::len);
            hits += count;
            let there = looked.contains(&sink);
            write!(table, " {} |", if there { count.to_string() } else { "–".to_owned() })
                .expect("text");
        }
        table.push('\n');
    }
    show(&format!(
        "{} paths by {} sinks: what was said is found {hits} times",
        PATHS.len(),
        Sink::ALL.len()
    ));
    assert_eq!((hits, lost), (0, 0), "what was said is found, and paths that lead elsewhere");
    privacy_says(&format!("There are {} places where", PLACES.len()));
    // Elsewhere there is nobody yet who watches files and hosts.
    if cfg!(target_os = "linux") {
        privacy_says(&table);
    }
}

/// The first lines of the table.
fn head() -> String {
    let names = Sink::ALL.map(|sink| format!(" {sink} |")).concat();
    format!("| path |{names}\n|---|{}\n", "---|".repeat(Sink::ALL.len()))
}
