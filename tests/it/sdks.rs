//! The providers' own SDKs, unmodified, through the whole platform.

use serde_json::Value;
use shared::units::UnitClass;
use tests::{
    toolchain::{self, Sdk, Sdks},
    world::World,
};

/// Which scenarios each SDK runs, and how many calls of each reach a provider.
const SCENARIOS: [(Sdk, &[(&str, usize)]); 3] = [
    (
        Sdk::OpenAi,
        &[
            ("plain", 1),
            ("stream", 1),
            ("stream_usage", 1),
            ("wrong_key", 0),
            ("unknown_model", 0),
            ("models", 0),
        ],
    ),
    (
        Sdk::Anthropic,
        &[("plain", 1), ("stream", 1), ("wrong_key", 0), ("unknown_model", 0), ("models", 0)],
    ),
    (
        Sdk::GenAi,
        &[
            ("plain", 1),
            ("plain_v1beta", 1),
            ("stream", 1),
            ("wrong_key", 0),
            ("unknown_model", 0),
            ("models", 0),
        ],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdks_run_through_the_platform() {
    run(|| toolchain::python().unwrap_or_else(|error| panic!("{error}"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_node_sdks_run_through_the_platform() {
    run(|| toolchain::node().unwrap_or_else(|error| panic!("{error}"))).await;
}

async fn run(toolchain: fn() -> Sdks) {
    let sdks = tokio::task::spawn_blocking(toolchain).await.unwrap();
    for (sdk, scenarios) in SCENARIOS {
        let world = World::with_standins().await;
        let calls = scenarios.iter().map(|(_, forwarded)| forwarded).sum();
        for (scenario, _) in scenarios {
            let seen = see(&world, &sdks, sdk, scenario, None).await;
            match *scenario {
                "wrong_key" => assert_eq!(seen["status"], 401, "{seen}"),
                "unknown_model" => assert_eq!(seen["status"], 404, "{seen}"),
                "models" => assert!(seen["count"].as_u64() > Some(0), "{seen}"),
                _ => assert!(text(&seen).contains("stand-in"), "{seen}"),
            }
        }
        let records = world.records(calls).await;
        assert_eq!(records.len(), calls, "{sdk:?}");
        assert!(records.iter().all(|record| record.units.get(UnitClass::Output) > 0));
        world.settled_wallet(calls).await;
    }
    // One SDK reaches the models of every provider.
    let world = World::with_standins().await;
    for (model, scenario) in [
        ("claude-haiku-4-5", "other_model"),
        ("claude-haiku-4-5", "stream"),
        ("gemini-2.5-flash", "other_model"),
        // Google sends usage with every chunk, asked or not.
        ("gemini-2.5-flash", "stream_usage"),
    ] {
        let seen = see(&world, &sdks, Sdk::OpenAi, scenario, Some(model)).await;
        assert!(text(&seen).contains("stand-in"), "{model}: {seen}");
    }
    let records = world.records(4).await;
    let mut models: Vec<_> = records.iter().map(|record| record.model.as_str()).collect();
    models.sort_unstable();
    models.dedup();
    assert_eq!(models, ["claude-haiku-4-5", "gemini-2.5-flash"]);
}

fn text(seen: &Value) -> &str {
    seen["text"].as_str().unwrap_or_default()
}

/// What a developer sees of one scenario.
async fn see(world: &World, sdks: &Sdks, sdk: Sdk, scenario: &str, model: Option<&str>) -> Value {
    let mut command = sdks.scenario(sdk, scenario);
    command
        .env("LAOZHANG_BASE_URL", world.url())
        .env("LAOZHANG_API_KEY", world.demo("LAOZHANG_API_KEY"))
        .env("LAOZHANG_PROMPT", format!("Say hello, {}.", world.canary()));
    if let Some(model) = model {
        command.env("LAOZHANG_MODEL", model);
    }
    // The platform lives on this runtime, so nothing here may block it.
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{sdk:?} {scenario}: {error}");
    serde_json::from_slice(&output.stdout).unwrap()
}
