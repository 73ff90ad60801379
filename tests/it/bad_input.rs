//! Bad input: a 400 or 413 in the caller's dialect that says where, quotes nothing and costs
//! nothing; never a 5xx, never a panic.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use shared::{
    catalogue::Catalogue,
    money::{Markup, Pico},
};
use tests::{
    asked::{Asked, Limit},
    canary::Canary,
    provider::Script,
    recordings,
    world::{Answer, World},
};

/// One good request for each endpoint.
fn good() -> BTreeMap<String, Asked> {
    let mut good = BTreeMap::new();
    for recording in recordings::all() {
        let asked = || Asked::for_answer(&recording, 1, Limit::Close);
        // Of the shortest recording, since the prompt is as long as it reports.
        let small = recording.units.prompt_tokens() < 2_000;
        if small && recording.tier.name() == "standard" {
            good.entry(recording.endpoint.clone()).or_insert_with(asked);
        }
    }
    assert_eq!(good.len(), 19, "{:?}", good.keys());
    good
}

fn is_form(asked: &Asked) -> bool {
    asked.content_type.starts_with("multipart/")
}

fn text(asked: &Asked) -> String {
    String::from_utf8(asked.body.clone()).unwrap()
}

/// The message of an error in whichever dialect, with what must stand in each.
fn message(path: &str, answer: &Answer) -> String {
    let body = answer.json();
    let error = &body["error"];
    if path.starts_with("/v1beta/") {
        assert_eq!(error["code"], json!(answer.status), "{path}");
        assert!(error["status"].is_string(), "{path}");
    } else if path.starts_with("/v1/messages") {
        assert_eq!(body["type"], "error", "{path}");
        assert!(error["type"].is_string() && body["request_id"].is_string(), "{path}");
    } else {
        assert!(error["code"].is_string() && error.get("param").is_some(), "{path}");
    }
    error["message"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_json_is_told_where_it_goes_wrong() {
    let world = World::new().await;
    let canary = world.canary().to_owned();
    for (endpoint, asked) in good().iter().filter(|(_, asked)| !is_form(asked)) {
        let good = text(asked);
        let within = |inside: &str| good.replacen('{', &format!("{{{inside},"), 1).into_bytes();
        let deep = format!("\"{canary}\":{}{}", "[".repeat(600), "]".repeat(600));
        let invalid = [b"{\"".as_slice(), canary.as_bytes(), b"\xff\":1,", &good.as_bytes()[1..]];
        for (body, place) in [
            (Vec::new(), "line 1"),
            (good.as_bytes()[..good.len() / 2].to_vec(), "line 1"),
            (format!("{good}{{\"{canary}\"").into_bytes(), "line 1"),
            (within(&format!("\"{canary}\":01")), "line 1, column"),
            (within(&format!("\n\"{canary}\":\"\u{1}\"")), "line 2"),
            (within(&format!("\"{canary}\":NaN")), "line 1"),
            (within(&deep), "512 levels"),
            (invalid.concat(), "line 1"),
            (format!("[\"{canary}\"]").into_bytes(), "JSON object"),
            (format!("\"{canary}\"").into_bytes(), "JSON object"),
        ] {
            let answer = world.send(world.post(&asked.path, body)).await;
            let message = message(&asked.path, &answer);
            assert_eq!(answer.status, 400, "{endpoint}: {message}");
            assert!(message.contains(place), "{endpoint}: {message} does not say {place}");
        }
    }
    nothing_was_spent(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_of_the_wrong_kind_is_named() {
    let world = World::new().await;
    let canary = world.canary().to_owned();
    let quoted = format!("\"{canary}\"");
    for (endpoint, asked) in good().iter().filter(|(_, asked)| !is_form(asked)) {
        let good: Value = serde_json::from_slice(&asked.body).unwrap();
        let with = |name: &str, value: &str| {
            let mut other = good.clone();
            other.as_object_mut().unwrap().remove(name);
            let rest = other.to_string();
            let comma = if rest == "{}" { "" } else { "," };
            rest.replacen('{', &format!("{{\"{name}\":{value}{comma}"), 1)
        };
        let in_path = asked.path.starts_with("/v1beta/");
        let mut cases = Vec::new();
        if in_path {
            let batch = endpoint == "batch_embed_contents";
            let generates = endpoint.contains("generate_content");
            cases.push((batch, "requests", quoted.as_str()));
            cases.push((generates, "generationConfig", quoted.as_str()));
            cases.push((generates, "generationConfig", r#"{"maxOutputTokens":1e99}"#));
            cases.push((generates, "generationConfig", r#"{"maxOutputTokens":-1}"#));
            cases.push((generates, "serviceTier", "7"));
            cases.push((generates, "tools", quoted.as_str()));
        } else {
            let streams = ["chat_completions", "completions", "responses", "messages"];
            let streams = streams.contains(&endpoint.as_str());
            let limit = match endpoint.as_str() {
                "responses" => "max_output_tokens",
                _ => "max_tokens",
            };
            for wrong in ["7", "{}", "[]", "true"] {
                cases.push((true, "model", wrong));
            }
            for wrong in [quoted.as_str(), "1"] {
                cases.push((streams, "stream", wrong));
            }
            for wrong in [quoted.as_str(), "-1", "1.5", "1e99", "123456789012345678901234567890"] {
                cases.push((streams, limit, wrong));
            }
            cases.push((endpoint == "audio_speech", "input", "7"));
            cases.push((endpoint == "image_generations", "n", quoted.as_str()));
            cases.push((endpoint == "chat_completions", "tools", quoted.as_str()));
            cases.push((endpoint == "chat_completions", "stream_options", quoted.as_str()));
        }
        for (_, name, value) in cases.into_iter().filter(|(applies, ..)| *applies) {
            let answer = world.send(world.post(&asked.path, with(name, value))).await;
            let message = message(&asked.path, &answer);
            assert_eq!(answer.status, 400, "{endpoint}, {name}: {value}: {message}");
            let inner = value.contains("maxOutputTokens").then_some("maxOutputTokens");
            let named = format!("`{}`", inner.unwrap_or(name));
            assert!(message.contains(&named), "{endpoint}: {message} does not name {named}");
        }
        if in_path || endpoint == "moderations" {
            continue;
        }
        let without = with("model", "null");
        let answer = world.send(world.post(&asked.path, without)).await;
        assert!(message(&asked.path, &answer).contains("`model`"), "{endpoint}");
        for key in ["model", r"mod\u0065l", r"\u006dodel"] {
            let twice = text(asked).replacen('{', &format!("{{\"{key}\":{quoted},"), 1);
            let answer = world.send(world.post(&asked.path, twice)).await;
            assert_eq!(answer.status, 400, "{endpoint}: {key} twice");
            assert!(message(&asked.path, &answer).contains("`model` appears more than once"));
        }
        let unknown = with("model", &quoted);
        assert_eq!(world.send(world.post(&asked.path, unknown)).await.status, 404, "{endpoint}");
    }
    nothing_was_spent(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_is_none_is_told_where() {
    let world = World::new().await;
    let canary = world.canary().to_owned();
    for (endpoint, asked) in good().iter().filter(|(_, asked)| is_form(asked)) {
        let good = text(asked);
        let (before, _) = good.split_once("; filename").unwrap();
        let (all, _) = good.rsplit_once("boundary").unwrap();
        for (body, place) in [
            (String::new(), "byte 0"),
            (before.to_owned(), "at byte"),
            (all.to_owned(), "at byte"),
            (format!("{canary}{good}"), "byte 0"),
            (format!("{good}{canary}"), "at byte"),
            (good.replace("\r\n", "\n"), "at byte"),
            (good.replace("name=\"model\"", &format!("name=\"{canary} \"")), "at byte"),
            (good.replace("name=\"model\"", &format!("name=\"{canary}\"")), "`model`"),
            (good.replace("name=\"stream\"", "name=\"model\""), "`model`"),
            (good.replace("false\r\n", &format!("{canary}\r\n")), "`stream`"),
        ] {
            if body == good {
                continue;
            }
            let request = world.post(&asked.path, body);
            let answer = world.send(request.header("content-type", &asked.content_type)).await;
            let message = message(&asked.path, &answer);
            assert_eq!(answer.status, 400, "{endpoint}: {message}");
            assert!(message.contains(place), "{endpoint}: {message} does not say {place}");
        }
        for kind in ["multipart/form-data", "application/octet-stream"] {
            let request = world.post(&asked.path, asked.body.clone());
            let answer = world.send(request.header("content-type", kind)).await;
            assert_eq!(answer.status, 400, "{endpoint} as {kind}");
        }
    }
    nothing_was_spent(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_a_413_that_every_sdk_reads() {
    let world = World::new().await;
    for (endpoint, asked) in good() {
        // Beyond what API Gateway takes, and beyond what Lambda does.
        for length in [10 * 1_024 * 1_024 + 1, 7 * 1_024 * 1_024] {
            let mut body = asked.body.clone();
            body.resize(length, b' ');
            let request = world.post(&asked.path, body);
            let answer = world.send(request.header("content-type", &asked.content_type)).await;
            assert_eq!(answer.status, 413, "{endpoint}");
            let body = answer.json();
            assert_eq!(body["type"], "error");
            assert_eq!(body["error"]["type"], "request_too_large");
            assert!(body["error"]["message"].as_str().unwrap().contains("MB"));
        }
    }
    nothing_was_spent(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_may_be_as_large_as_is_said() {
    let readme = include_str!("../../README.md");
    assert!(readme.contains("forms with files up to 4.4 MB"));
    let world = World::new().await;
    let mut asked = good().remove("audio_transcriptions").unwrap();
    let form = text(&asked);
    let (before, after) = form.split_at(form.rfind("\r\n--").unwrap());
    asked.body = format!("{before}{}{after}", "f".repeat(4_400_000)).into_bytes();
    world.provider().answer(Script::json(200, r#"{"text":"a text"}"#));
    let request = world.post(&asked.path, asked.body.clone());
    let answer = world.send(request.header("content-type", &asked.content_type)).await;
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    assert_eq!(world.provider().received()[0].body, asked.body);
    world.settled_wallet(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_body_is_refused_and_not_guessed_at() {
    let world = World::new().await;
    for (endpoint, asked) in good() {
        let request = world.post(&asked.path, asked.body);
        let request = request.header("content-type", &asked.content_type);
        let answer = world.send(request.header("content-encoding", "zstd")).await;
        assert_eq!(answer.status, 415, "{endpoint}");
        message(&asked.path, &answer);
    }
    nothing_was_spent(&world).await;
}

async fn nothing_was_spent(world: &World) {
    assert_eq!(world.provider().received().len(), 0);
    assert_eq!(world.all_records().await.len(), 0);
    assert_eq!(world.wallet().await.balance, Pico::from_dollars(10));
    let of_runs = r#"{"line":"retention""#;
    let logged = world.logged();
    let mut others = logged.lines().filter(|line| !line.starts_with(of_runs));
    assert_eq!(others.next(), None, "what a caller can mend is not logged");
}

/// A change to a body.
#[derive(Clone, Debug)]
enum Change {
    Cut(usize),
    Put(usize, Vec<u8>),
    Take(usize, usize),
    Swap(usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let pieces = prop_oneof![
        Just(b"{".to_vec()),
        Just(b"}".to_vec()),
        Just(b"[".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\\".to_vec()),
        Just(b"\\u0065".to_vec()),
        Just(b",\"model\":".to_vec()),
        Just(b"\"type\":\"image_url\",".to_vec()),
        Just(b"\r\n--a-boundary-of-the-tests".to_vec()),
        Just(b"\r\n\r\n".to_vec()),
        Just(b"e999999".to_vec()),
        Just(vec![b'['; 700]),
        prop::collection::vec(any::<u8>(), 1..8),
    ];
    let place = 0_usize..4_000;
    let change = prop_oneof![
        place.clone().prop_map(Change::Cut),
        (place.clone(), pieces).prop_map(|(at, bytes)| Change::Put(at, bytes)),
        (place.clone(), 1_usize..40).prop_map(|(at, length)| Change::Take(at, length)),
        (place.clone(), place).prop_map(|(one, other)| Change::Swap(one, other)),
    ];
    prop::collection::vec(change, 1..6)
}

#[expect(clippy::arithmetic_side_effects, reason = "a panic here fails the test")]
fn changed(mut body: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let length = body.len().max(1);
        match change {
            Change::Cut(at) => body.truncate(at % length),
            Change::Put(at, bytes) => {
                let at = (at % length).min(body.len());
                body.splice(at..at, bytes.iter().copied());
            }
            Change::Take(at, count) => {
                let at = (at % length).min(body.len());
                body.drain(at..(at + count).min(body.len()));
            }
            Change::Swap(one, other) if !body.is_empty() => body.swap(one % length, other % length),
            Change::Swap(..) => {}
        }
    }
    body
}

#[test]
fn no_bytes_make_the_proxy_panic_fail_or_quote_them() {
    let catalogue = Catalogue::load(Markup::default()).unwrap();
    let canary = Canary::new();
    for (endpoint, asked) in good() {
        // A prompt is all one letter, and so is a file; the canary takes their place, and stands
        // in a member of its own.
        let body = text(&asked).replace("aaaa", canary.text()).replace("ffff", canary.text());
        let member = format!("{{\"{0}\":\"{0}\",", canary.text());
        let body = if is_form(&asked) { body } else { body.replacen('{', &member, 1) };
        assert!(body.contains(canary.text()), "{endpoint}");
        let body = body.into_bytes();
        let config = Config { cases: 400, failure_persistence: None, ..Config::default() };
        let tested = TestRunner::new(config).run(&changes(), |changes| {
            let asked = Asked { body: changed(body.clone(), &changes), ..asked.clone() };
            if let Err(fault) = proxy::most_it_can_cost(&catalogue, asked.event().request()) {
                let status = fault.status().as_u16();
                prop_assert!((400..500).contains(&status), "{fault:?}");
                canary.must_not_be_in("an error", fault.to_string().as_bytes());
            }
            Ok(())
        });
        tested.unwrap_or_else(|failed| panic!("{endpoint}: {failed}"));
    }
}
