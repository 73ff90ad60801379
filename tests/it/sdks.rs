//! The providers' own SDKs, unmodified, through the whole platform.

mod anthropic;
mod cell;
mod gemini;
mod matrix;
mod openai;
mod reports;
mod stage;
mod standins;

use tests::world::World;
use toolchain::{Major, Sdk, Sdks, ToolchainError};

use self::{
    cell::{Caller, Cell},
    matrix::{Outcome, Row, conclude},
    stage::{PATIENCE, Stage},
};

/// What every SDK has to play, in its current and its previous major version.
const SCENARIOS: [&str; 13] = [
    "plain",
    "stream",
    "tools",
    "image",
    "embeddings",
    "models",
    "count_tokens",
    "wrong_key",
    "unknown_model",
    "provider_error",
    "stream_error",
    "stream_cut",
    "no_balance",
];

/// What one SDK has to play besides.
const MORE: [(Sdk, &[&str]); 3] = [
    (
        Sdk::OpenAi,
        &[
            "stream_usage",
            "other_model",
            "other_stream",
            "responses",
            "responses_stream",
            "responses_error",
            "responses_cut",
            "completions",
            "moderation",
            "images",
            "image_edit",
            "transcription",
            "speech",
        ],
    ),
    (Sdk::Anthropic, &[]),
    (Sdk::GenAi, &["plain_v1beta"]),
];

/// The calls that an SDK does not have. The scenario shows that it does not.
const NOT_IN_SDK: [(Sdk, &str); 1] = [(Sdk::Anthropic, "embeddings")];

/// The arguments with which the model calls the tool it is offered.
const WEATHER: &str = r#"{"city":"Bergen","days":3}"#;

/// The picture that the scenarios send, as it travels.
const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";

/// What the front door says of a wrong key.
const WRONG_KEY_SAYS: &str = "The API key is missing, malformed, unknown or revoked.";

fn prompt(canary: &str) -> String {
    format!("Say hello, {canary}.")
}

/// What one SDK has to play.
fn scenarios(sdk: Sdk) -> Vec<&'static str> {
    let more = MORE.iter().filter(|(of, _)| *of == sdk).flat_map(|(_, more)| *more);
    SCENARIOS.iter().chain(more).copied().collect()
}

fn cell(scenario: &str, caller: &Caller<'_>) -> Option<Cell> {
    match caller.sdk {
        Sdk::OpenAi => openai::cell(scenario, caller),
        Sdk::Anthropic => anthropic::cell(scenario, caller),
        Sdk::GenAi => gemini::cell(scenario, caller),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdks_run_through_the_platform() {
    let [current, previous] = both(toolchain::python).await;
    conclude("Python SDKs through the platform", &rows(&current, &previous).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_sdks_run_through_the_platform() {
    let [current, previous] = both(toolchain::node).await;
    conclude("Node SDKs through the platform", &rows(&current, &previous).await);
}

/// Both major versions of one language's SDKs.
async fn both(toolchain: fn(Major) -> Result<Sdks, ToolchainError>) -> [Sdks; 2] {
    let [current, previous] = Major::ALL;
    <[Sdks; 2]>::from(tokio::join!(
        made(move || toolchain(current)),
        made(move || toolchain(previous))
    ))
}

/// Something of the toolchain, made if it is not there.
async fn made<T, F>(make: F) -> T
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ToolchainError> + Send + 'static,
{
    let made = tokio::task::spawn_blocking(make).await.unwrap();
    made.unwrap_or_else(|error| panic!("{error}"))
}

async fn rows(current: &Sdks, previous: &Sdks) -> Vec<Row> {
    let mut rows = Vec::new();
    for sdk in Sdk::ALL {
        let current = Box::pin(row(current, sdk));
        let previous = Box::pin(row(previous, sdk));
        rows.extend(<[Row; 2]>::from(tokio::join!(current, previous)));
    }
    rows
}

async fn row(sdks: &Sdks, sdk: Sdk) -> Row {
    let scenarios = scenarios(sdk);
    let mut stage = Stage::new(World::with_silence(PATIENCE).await, sdks, sdk, &[]).await;
    let mut played = Vec::new();
    // The account stays empty, so that comes last.
    let order = scenarios.iter().copied();
    let (last, first): (Vec<_>, Vec<_>) = order.partition(|name| *name == "no_balance");
    for scenario in first.into_iter().chain(last) {
        let cell = cell(scenario, &stage.caller()).unwrap_or_else(|| panic!("no {scenario}"));
        let outcome = stage.play(scenario, &cell).await;
        let declared = NOT_IN_SDK.contains(&(sdk, scenario));
        let agrees = match outcome {
            Outcome::Passed => !declared,
            Outcome::NotInSdk => declared,
            Outcome::Failed(_) => true,
        };
        assert!(agrees, "{scenario} is to be declared as it is");
        played.push((scenario, outcome));
    }
    Row { name: sdks.version(sdk), scenarios, played }
}
