//! What is kept is what PRIVACY.md says is kept.

use std::{collections::BTreeSet, fs, path::PathBuf};

use aws_sdk_dynamodb::types::AttributeValue;
use shared::{
    fault::Fault,
    id::CallId,
    log::{Log, LogLine},
    time::Timestamp,
};
use tests::{provider::Script, world::World};

/// The first column of the table below a heading of PRIVACY.md.
fn listed(heading: &str) -> BTreeSet<String> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../PRIVACY.md");
    let text = fs::read_to_string(file).unwrap();
    let section =
        text.split(&format!("## {heading}\n")).nth(1).unwrap_or_else(|| panic!("{heading}"));
    let section = section.split("\n## ").next().unwrap();
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    cells.map(str::to_owned).collect()
}

/// Every attribute of every item in a table, the hour and provider in a name left open.
fn stored(items: &[std::collections::HashMap<String, AttributeValue>]) -> BTreeSet<String> {
    let open = |name: &String| {
        let stem = ["out_", "consent_"].into_iter().find(|stem| name.starts_with(stem));
        stem.map_or_else(|| name.clone(), |stem| format!("{stem}…"))
    };
    items.iter().flat_map(|item| item.keys().map(open)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stored_attribute_is_in_the_inventory_and_the_other_way_round() {
    let world = World::new().await;
    let body = format!(
        r#"{{"choices":[{{"message":{{"content":"{}"}}}}],"usage":{{"prompt_tokens":9}}}}"#,
        world.canary()
    );
    world.provider().answer(Script::json(200, body));
    let prompt = format!(r#"{{"model":"gpt-5-mini","messages":["{}"]}}"#, world.canary());
    world.send(world.post("/v1/chat/completions", prompt)).await;
    world.settled_wallet(1).await;
    let hash = world.items("Keys").await[0]["hash"].as_s().unwrap().clone();
    let hash = shared::key::KeyHash::parse(&hash).unwrap();
    world.store().revoke_key(&hash, Timestamp::now()).await.unwrap();
    for table in ["Accounts", "Keys", "Calls", "Ledger"] {
        assert_eq!(stored(&world.items(table).await), listed(table), "{table}");
    }
}

#[test]
fn every_field_of_the_log_is_in_the_inventory_and_the_other_way_round() {
    let call = CallId::new(Timestamp::now()).unwrap();
    let call = call.as_str();
    let lines = [
        LogLine::Fault { call, code: Fault::Internal.code() },
        LogLine::ProviderStatus { call, provider: "openai", status: 500 },
        LogLine::Loss { call, pico: "1".to_owned() },
        LogLine::Unsettled { call, write: "record" },
        LogLine::Init { at: "tls" },
        LogLine::Panic { file: file!(), at: line!() },
    ];
    // A new kind of line does not compile until it is added above.
    for line in &lines {
        match line {
            LogLine::Fault { .. }
            | LogLine::ProviderStatus { .. }
            | LogLine::Loss { .. }
            | LogLine::Unsettled { .. }
            | LogLine::Init { .. }
            | LogLine::Panic { .. } => {}
        }
    }
    let place = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Log::to(Shared(std::sync::Arc::clone(&place)));
    for line in &lines {
        log.write(line);
    }
    let text = String::from_utf8(place.lock().unwrap().clone()).unwrap();
    assert_eq!(text.lines().count(), lines.len());
    let fields: BTreeSet<_> = text
        .lines()
        .flat_map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(fields, listed("The log"));
}

struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
