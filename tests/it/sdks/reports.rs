//! The admin clients of `OpenAI`'s SDKs, unmodified, read the reports.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    endpoint::EndpointType,
    money::Pico,
    store::calls::Record,
    time::Timestamp,
    units::{UnitClass, Units},
};
use tests::{player::Player, world::World};
use toolchain::{Sdk, Sdks};

use super::both;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openai_s_admin_clients_read_usage_and_costs() {
    let world = World::new().await;
    let now = Timestamp::now();
    world.open_hours_since(now.minus(Duration::from_secs(6 * 86_400))).await;
    let key = world.limited_key(&shared::limits::Limits::NONE).await.key;
    let ago = |hours: u64| now.minus(Duration::from_secs(hours * 3_600));
    // Nine tokens each.
    for (hours, count) in [(1, 3), (30, 2), (100, 4), (140, 1)] {
        for _ in 0..count {
            world.put_settled(&world.a_record(&key, ago(hours))).await;
        }
    }
    let image = Record {
        model: "gpt-image-1-mini".to_owned(),
        endpoint: EndpointType::ImageGenerations,
        units: Units::default().with(UnitClass::ImageOutput, 100),
        cost: Pico::new(800_000_000),
        ..world.a_record(&key, ago(2))
    };
    world.put_settled(&image).await;
    let expected = json!({
        "requests": 9,
        "input_tokens": 81,
        "models": ["gpt-5-mini"],
        "images": 1,
        // Nine calls at 2.25 micro-dollars, and the image.
        "cents": 0.082_025,
        "line_items": ["gpt-5-mini, input", "gpt-image-1-mini, image_output"],
        "refused": {"status": 400, "code": "invalid_parameter", "param": "group_by"},
    });
    for toolchain in [toolchain::python, toolchain::node] {
        for sdks in both(toolchain).await {
            let Value::Object(mut seen) = read(&world, &sdks).await else { panic!("no object") };
            assert_eq!(seen.remove("ok"), Some(json!(true)));
            assert_eq!(Value::Object(seen), expected, "{}", sdks.version(Sdk::OpenAi));
        }
    }
}

async fn read(world: &World, sdks: &Sdks) -> Value {
    let scenarios = sdks.scenarios(Sdk::OpenAi);
    let mut player = Player::start(scenarios, &world.demo("LAOZHANG_USAGE_KEY"), "");
    player.play("reports", &world.url(), None).await
}
