//! The same SDKs and scenarios, with providers that were not made for these tests: the stand-ins
//! of `local`, and llmock and aimock, which others have written.
//!
//! What they say is theirs, so less can be known of it: that the SDK finds in it what it looks
//! for, and that the platform counts what the SDK counts.

use serde_json::{Value, json};
use shared::{
    store::calls::{Basis, Record},
    units::UnitClass,
};
use tests::{standin::Running, world::World};
use toolchain::{Sdk, Sdks, Standin};

use super::{
    both, made,
    matrix::{Outcome, Row, conclude},
    stage::{Stage, caught},
};

/// What `local`'s stand-ins play.
const LOCAL: [(Sdk, &[&str]); 3] = [
    (
        Sdk::OpenAi,
        &[
            "plain",
            "stream",
            "stream_usage",
            "image",
            "other_model",
            "other_stream",
            "embeddings",
            "count_tokens",
            "responses",
            "responses_stream",
            "completions",
            "moderation",
            "images",
            "image_edit",
            "transcription",
            "speech",
        ],
    ),
    (Sdk::Anthropic, &["plain", "stream", "image", "count_tokens"]),
    (Sdk::GenAi, &["plain", "plain_v1beta", "stream", "image", "embeddings", "count_tokens"]),
];

/// What llmock plays.
const LLMOCK: [(Sdk, &[&str]); 3] = [
    (
        Sdk::OpenAi,
        &[
            "plain",
            "stream",
            "stream_usage",
            "tools",
            "image",
            "embeddings",
            "provider_error",
            "stream_cut",
            "responses",
            "responses_stream",
        ],
    ),
    (Sdk::Anthropic, &["plain", "stream", "tools", "image", "provider_error", "stream_cut"]),
    (Sdk::GenAi, &["plain", "stream", "tools", "image", "provider_error", "stream_cut"]),
];

/// What aimock plays. It ends Gemini's tool calls with a reason that Google does not have.
const AIMOCK: [(Sdk, &[&str]); 3] = [
    (
        Sdk::OpenAi,
        &[
            "plain",
            "stream",
            "stream_usage",
            "tools",
            "image",
            "responses",
            "responses_stream",
            "moderation",
            "speech",
        ],
    ),
    (Sdk::Anthropic, &["plain", "stream", "tools", "image"]),
    (Sdk::GenAi, &["plain", "stream", "image"]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdks_run_with_the_standins_of_local() {
    play(both(toolchain::python).await, None, LOCAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_sdks_run_with_the_standins_of_local() {
    play(both(toolchain::node).await, None, LOCAL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdks_run_with_llmock() {
    play(both(toolchain::python).await, Some(made(toolchain::llmock).await), LLMOCK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_sdks_run_with_llmock() {
    play(both(toolchain::node).await, Some(made(toolchain::llmock).await), LLMOCK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdks_run_with_aimock() {
    play(both(toolchain::python).await, Some(made(toolchain::aimock).await), AIMOCK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_sdks_run_with_aimock() {
    play(both(toolchain::node).await, Some(made(toolchain::aimock).await), AIMOCK).await;
}

/// Plays with a stand-in of others, or without one with those of `local`.
async fn play(sdks: [Sdks; 2], others: Option<Standin>, plays: [(Sdk, &[&'static str]); 3]) {
    let [current, previous] = &sdks;
    let mut rows = Vec::new();
    for (sdk, scenarios) in plays {
        let current = Box::pin(row(others.as_ref(), current, sdk, scenarios));
        let previous = Box::pin(row(others.as_ref(), previous, sdk, scenarios));
        rows.extend(<[Row; 2]>::from(tokio::join!(current, previous)));
    }
    let name = others.map_or("the stand-ins of local", |others| others.name);
    conclude(&format!("{:?} SDKs through the platform, with {name}", current.language), &rows);
}

async fn row(others: Option<&Standin>, sdks: &Sdks, sdk: Sdk, scenarios: &[&'static str]) -> Row {
    // Each has its own, since what it is told holds for whoever asks next.
    let running = match others {
        Some(standin) => Some(Running::start(standin).await),
        None => None,
    };
    let (world, variables) = match &running {
        None => (World::with_standins().await, [].as_slice()),
        // They have Gemini's older version alone, which every SDK can be told to speak.
        Some(running) => (
            World::with_providers(running.places()).await,
            [("GOOGLE_GENAI_API_VERSION", "v1beta")].as_slice(),
        ),
    };
    let mut stage = Stage::new(world, sdks, sdk, variables).await;
    let mut played = Vec::new();
    for scenario in scenarios {
        if let Some(running) = &running {
            prepare(running, scenario).await;
        }
        let outcome = match caught(Box::pin(check(&mut stage, scenario))).await {
            Ok(()) => Outcome::Passed,
            Err(why) => Outcome::Failed(why),
        };
        stage.forget().await;
        played.push((*scenario, outcome));
    }
    Row { name: sdks.version(sdk), scenarios: scenarios.to_vec(), played }
}

/// Makes it fail where the scenario is about that.
async fn prepare(llmock: &Running, scenario: &str) {
    match scenario {
        "provider_error" => llmock.behave(&json!([{"type": "fail", "status": 400}])).await,
        "stream_cut" => {
            // Its own answers may be so short that they are over before the cut.
            let long = "Hello again. ".repeat(20);
            let cut = json!({"type": "stream_fault", "kind": "disconnect", "after_chunks": 4});
            llmock.behave(&json!([{"type": "reply", "text": long}, cut])).await;
        }
        _ => {}
    }
}

async fn check(stage: &mut Stage, scenario: &'static str) {
    let model = match scenario {
        "other_model" => Some("claude-haiku-4-5"),
        "other_stream" => Some("gemini-2.5-flash"),
        _ => None,
    };
    let seen = stage.see(scenario, model).await;
    let is_text = |name: &str| seen[name].as_str().is_some_and(|text| !text.is_empty());
    let calls = if scenario == "tools" { 2 } else { 1 };
    assert_eq!(stage.asked().len(), calls, "{seen}");
    match scenario {
        "provider_error" => {
            assert!(seen["status"] == 400 && is_text("message"), "{seen}");
        }
        "stream_cut" => assert!(is_text("class") && is_text("text"), "{seen}"),
        "tools" => {
            for call in seen["calls"].as_array().unwrap() {
                assert_eq!(call["name"], "get_weather");
                assert!(call["arguments"]["city"].is_string(), "{call}");
            }
        }
        "embeddings" => assert!(seen["vectors"][0][0].is_number(), "{seen}"),
        "moderation" => assert!(seen["flagged"].is_boolean(), "{seen}"),
        "count_tokens" => assert!(seen["input_tokens"].as_u64() > Some(0), "{seen}"),
        "images" | "image_edit" => assert!(is_text("image"), "{seen}"),
        "transcription" => assert!(is_text("text"), "{seen}"),
        "speech" => {
            // A stand-in of ours sends a file; aimock's is a text.
            let audio = seen["audio"].as_str().unwrap();
            assert!(audio == "Hello." || audio.starts_with("RIFF"), "{audio:?}");
        }
        _ => assert!(is_text("text") && is_text("finish"), "{seen}"),
    }
    let records = stage.new_records(calls).await;
    assert_eq!(records.len(), calls);
    assert_counted(scenario, &seen, &records);
}

/// The tokens that a model reads.
const INPUT: [UnitClass; 4] =
    [UnitClass::Input, UnitClass::CacheRead, UnitClass::AudioInput, UnitClass::ImageInput];

/// The tokens that it writes.
const OUTPUT: [UnitClass; 3] = [UnitClass::Output, UnitClass::Reasoning, UnitClass::ImageOutput];

/// The platform has counted what the SDK was told.
fn assert_counted(scenario: &str, seen: &Value, records: &[Record]) {
    let used = |record: &Record, classes: &[UnitClass]| -> u64 {
        classes.iter().map(|class| record.units.get(*class)).sum()
    };
    for record in records {
        match scenario {
            "provider_error" => assert_eq!((record.status, record.cost.pico()), (400, 0)),
            "stream_cut" => assert_eq!((record.status, record.basis), (502, Basis::Estimated)),
            // Audio alone says nothing of what it took.
            "speech" => assert_eq!(record.status, 200),
            _ => assert_eq!((record.status, record.basis), (200, Basis::Reported)),
        }
        let free = matches!(scenario, "provider_error" | "moderation" | "speech" | "count_tokens");
        assert!(free || used(record, &INPUT) > 0, "{record:?}");
    }
    // What is counted is told, and not used.
    if scenario == "count_tokens" {
        return;
    }
    let counted = records.iter().any(|record| {
        let is = |name: &str, classes: &[UnitClass]| {
            seen[name].as_u64().is_none_or(|told| told == used(record, classes))
        };
        // Google's models, asked in OpenAI's words, count their reasoning in the total alone.
        let all = [&INPUT[..], &OUTPUT[..]].concat();
        is("input_tokens", &INPUT)
            && if seen["total_tokens"].is_null() {
                is("output_tokens", &OUTPUT)
            } else {
                is("total_tokens", &all)
            }
    });
    assert!(counted, "{seen} is counted as {records:?}");
}
