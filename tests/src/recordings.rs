//! Recordings of providers' answers, with what a right meter reads from them. The expectations
//! were worked out by hand from each provider's own rules, and each says where it comes from.

use std::{fs, path::PathBuf};

use bytes::Bytes;
use serde_json::Value;
use shared::{
    money::Pico,
    provider::Provider,
    tier::Tier,
    units::{UnitClass, Units},
};

/// One recording.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its file, below `tests/recordings`.
    pub file: String,
    /// The endpoint the answer comes from.
    pub endpoint: String,
    /// Whose format it is in.
    pub wire: String,
    /// Who answers.
    pub provider: Provider,
    /// The model that was asked.
    pub model: String,
    /// Whether it is a stream.
    pub streamed: bool,
    /// Whether the provider has reported usage to the end.
    pub complete: bool,
    /// What was used.
    pub units: Units,
    /// How many seconds of sound it says that it is of, where it has no usage.
    pub heard: u64,
    /// What it was served as.
    pub tier: Tier,
    /// What that costs, where it is complete.
    pub cost: Option<Pico>,
    /// The bytes.
    pub body: Bytes,
}

/// Every recording.
pub fn all() -> Vec<Recording> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("recordings");
    let index = fs::read(folder.join("index.json")).expect("the index");
    let index: Value = serde_json::from_slice(&index).expect("JSON");
    let entries = index.as_array().expect("a list");
    entries.iter().map(|entry| read(&folder, entry)).collect()
}

fn read(folder: &std::path::Path, entry: &Value) -> Recording {
    let text = |name: &str| entry[name].as_str().map(str::to_owned);
    let file = text("file").expect("a file");
    assert!(text("source").is_some_and(|source| !source.is_empty()), "{file} has a source");
    let units = entry["units"].as_object().expect("units");
    let units = units.iter().fold(Units::default(), |units, (class, quantity)| {
        let class = UnitClass::named(class).expect("a class");
        units.with(class, quantity.as_u64().expect("a quantity"))
    });
    let provider = text("provider").expect("a provider");
    Recording {
        endpoint: text("endpoint").expect("an endpoint"),
        wire: text("wire").expect("a format"),
        provider: Provider::ALL
            .into_iter()
            .find(|known| known.name() == provider)
            .expect("a provider"),
        model: text("model").expect("a model"),
        streamed: entry["streamed"].as_bool().expect("a flag"),
        complete: entry["complete"].as_bool().expect("a flag"),
        heard: entry["heard"].as_u64().unwrap_or(0),
        tier: text("tier").map_or(Tier::Standard, |tier| Tier::named(&tier).expect("a tier")),
        cost: text("cost_pico").map(|cost| Pico::new(cost.parse().expect("a cost"))),
        body: fs::read(folder.join(&file)).expect("a recording").into(),
        units,
        file,
    }
}
