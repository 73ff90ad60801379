//! The page that computes what the platform costs, `bench/bill.html`: what it takes for measured.

use std::collections::BTreeMap;

use serde_json::Value;

/// The page.
pub const PAGE: &str = include_str!("../../bench/bill.html");

/// The script of this id.
pub fn script(id: &str) -> &'static str {
    let (_, rest) = PAGE.split_once(&format!("<script id=\"{id}\"")).expect("the script");
    let (_, rest) = rest.split_once('>').expect("its head");
    rest.split_once("</script>").expect("its end").0
}

/// What it computes with: prices, measurements and inputs.
pub fn data() -> Value {
    serde_json::from_str(script("data")).expect("JSON")
}

/// What it takes for measured, by id.
pub fn measured() -> BTreeMap<String, String> {
    let data = data();
    let measured = data["measured"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    measured.iter().map(|it| (text(&it["id"]), text(&it["value"]))).collect()
}
