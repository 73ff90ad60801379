//! The secrets of the deployed functions: rotated, missing and malformed.

use serde_json::{Value, json};
use shared::{
    key::{Pepper, PlainKey},
    store::calls::{ReadCalls, Wanted},
    time::Timestamp,
};
use tests::{
    deployment::{ACCOUNT, Deployment, KEY, PEPPER, PROVIDERS, credentials, event, streamed},
    provider::Script,
    runtime_api::Function,
    world::PROVIDER_SECRET,
};

use super::PAUSE;

/// What the operator's credentials are rotated to.
const NEW_SECRET: &str = "the-operators-new-secret";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_providers_credential_is_rotated_without_a_failed_call() {
    let world = Deployment::new().await;
    let mut function = world.start("proxy").await;
    function.ready().await;
    let chat = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    let gemini = r#"{"candidates":[],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":4,"totalTokenCount":13}}"#;
    let invalid = r#"{"error":{"details":[{"reason":"API_KEY_INVALID"}]}}"#;
    // What each provider says to a key that is no longer one.
    let refused = [
        ("proxy.chat", 401, r#"{"error":{"code":"invalid_api_key"}}"#, chat),
        ("proxy.generate-content", 400, invalid, gemini),
        ("proxy.chat", 403, "{}", chat),
    ];
    let mut rounds = 0;
    for (name, status, error, answer) in refused {
        // Nothing new is there: the secret is read, and the call is sent once.
        tokio::time::sleep(PAUSE).await;
        let reads = world.secrets.reads();
        world.provider().forget();
        world.provider().answer(Script::json(status, error));
        let (prelude, _) = streamed(&function.invoke(event(name)).await);
        assert_eq!(prelude["statusCode"], 502, "{name}");
        assert_eq!((world.provider().received().len(), world.secrets.reads()), (1, reads + 1));

        rounds += 1;
        let secret = format!("{NEW_SECRET}-{rounds}");
        world.secrets.put(PROVIDERS, credentials(&secret));
        tokio::time::sleep(PAUSE).await;
        world.provider().answer(Script::json(status, error));
        world.provider().answer(Script::json(200, answer));
        let (prelude, body) = streamed(&function.invoke(event(name)).await);
        assert_eq!((&prelude["statusCode"], &body[..]), (&200.into(), answer.as_bytes()), "{name}");
        assert_eq!(world.secrets.reads(), reads + 2);
        let received = world.provider().received();
        let [.., refused, carried] = &received[..] else { panic!("{name} is sent again") };
        assert!(refused.body == carried.body && !carried.body.is_empty());
        let sent = |name: &str| carried.headers.get(name).map(|value| value.to_str().unwrap());
        let sent = sent("authorization").or_else(|| sent("x-goog-api-key")).unwrap();
        assert!(sent.ends_with(&secret), "{name}");
    }
    let account = ACCOUNT.parse().unwrap();
    let records = world
        .store()
        .read_calls(&account, &Wanted::newest(100), Timestamp::now())
        .await
        .unwrap()
        .records;
    assert_eq!(records.iter().filter(|record| record.status == 200).count(), 3);
    let output = function.output().await.all();
    assert!(!output.windows(NEW_SECRET.len()).any(|window| window == NEW_SECRET.as_bytes()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_put_in_later_serves_and_one_that_is_gone_sends_nothing() {
    let world = Deployment::new().await;
    world.secrets.put(PROVIDERS, r#"{"openai":"","anthropic":"","gemini":""}"#);
    let mut function = world.start("proxy").await;
    function.ready().await;
    let answer = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    let call = async |function: &mut Function| {
        streamed(&function.invoke(event("proxy.chat")).await).0["statusCode"].as_i64().unwrap()
    };
    // As it is deployed there is no credential; the first call that wants one looks again.
    assert_eq!(call(&mut function).await, 503);
    world.secrets.put(PROVIDERS, credentials(PROVIDER_SECRET));
    tokio::time::sleep(PAUSE).await;
    world.provider().answer(Script::json(200, answer));
    assert_eq!(call(&mut function).await, 200);

    // Malformed, it changes nothing, and stands in the log.
    tokio::time::sleep(PAUSE).await;
    world.secrets.put(PROVIDERS, r#"{"open_ai":"the-operators-new-secret"}"#);
    world.provider().answer(Script::json(401, "{}"));
    assert_eq!(call(&mut function).await, 502);
    world.provider().answer(Script::json(200, answer));
    assert_eq!(call(&mut function).await, 200);

    // Revoked and blanked: the provider refuses once, and the call is not sent without a key.
    tokio::time::sleep(PAUSE).await;
    world.secrets.put(PROVIDERS, credentials(""));
    world.provider().forget();
    world.provider().answer(Script::json(401, "{}"));
    assert_eq!(call(&mut function).await, 502);
    assert_eq!(call(&mut function).await, 503);
    assert_eq!(world.provider().received().len(), 1);

    let output = function.output().await.all();
    let lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    let malformed = json!({"line": "secret", "at": "malformed"});
    assert_eq!(lines.iter().filter(|line| **line == malformed).count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pepper_is_rotated_and_no_key_dies() {
    let world = Deployment::new().await;
    let mut authorizer = world.start("authorizer").await;
    authorizer.ready().await;
    // A version is added, and a key is made under it by a function that began before.
    let mut account = world.start("account").await;
    account.ready().await;
    let both = json!({"1": "5a".repeat(32), "2": "a5".repeat(32)}).to_string();
    world.secrets.put(PEPPER, &both);
    tokio::time::sleep(PAUSE).await;
    let (_, body) = streamed(&account.invoke(event("account.open")).await);
    let opened: Value = serde_json::from_slice(&body).unwrap();
    let new = opened["keys"][0]["key"].as_str().unwrap();
    let hash = Pepper::parse(&both).unwrap().hash(&PlainKey::parse(new).unwrap()).unwrap();
    assert!(hash.as_str().starts_with("2#"));
    let reads = world.secrets.reads();
    for (key, effect) in [(KEY, "Allow"), (new, "Allow"), (KEY, "Allow")] {
        let mut asked: Value = serde_json::from_slice(&event("authorizer.x-api-key")).unwrap();
        asked["headers"] = json!({"x-api-key": key});
        let posted = authorizer.invoke(asked.to_string()).await;
        let decision: Value = serde_json::from_slice(&posted.body).unwrap();
        assert_eq!(decision["policyDocument"]["Statement"][0]["Effect"], effect);
    }
    assert_eq!(world.secrets.reads(), reads + 1, "it is read again once");
    // However many unknown keys come, the secret is not read for each.
    for _ in 0..20 {
        let mut asked: Value = serde_json::from_slice(&event("authorizer.x-api-key")).unwrap();
        asked["headers"] = json!({"x-api-key": PlainKey::random().unwrap().reveal()});
        let posted = authorizer.invoke(asked.to_string()).await;
        assert_eq!(posted.to, "response");
    }
    assert!(world.secrets.reads() <= reads + 2);
    world.end(account).await;
    world.end(authorizer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_missing_or_malformed_stops_the_start_and_is_not_repeated() {
    let world = Deployment::new().await;
    for (name, text) in [
        ("authorizer", Some(r#"{"1":"canary-5a5a5a5a"}"#)),
        ("authorizer", Some("canary")),
        ("account", Some(r#"{"canary":"5a"}"#)),
        ("proxy", Some(r#"{"openai":1}"#)),
        ("proxy", None),
    ] {
        match text {
            Some(text) => [PEPPER, PROVIDERS].map(|arn| world.secrets.put(arn, text)),
            None => [PEPPER, PROVIDERS].map(|arn| world.secrets.remove(arn)),
        };
        let output = world.start(name).await.ended().await.all();
        let output: Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(output, json!({"line": "init", "at": "secret"}));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_without_its_variables_says_which_and_ends() {
    let function = Function::start("proxy", &[]).await;
    let output = function.ended().await.all();
    let output: Value = serde_json::from_slice(&output).unwrap();
    assert_eq!(output, json!({"line": "init", "at": "AWS_REGION"}));
}
