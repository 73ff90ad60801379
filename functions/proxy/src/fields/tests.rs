//! Tests of the table of fields.

use bytes::Bytes;
use shared::content::Content;

use super::*;
use crate::splice;

fn sent(target: Target, body: &str) -> Result<String, Fault> {
    let object = Object::parse(body.as_bytes())?;
    let streamed = object.flag(&["stream"])?;
    let edits = apply(target, &object, streamed)?;
    let content = Content::new(Bytes::copy_from_slice(body.as_bytes()));
    Ok(splice::joined(content, edits))
}

fn chat(body: &str) -> Result<String, Fault> {
    sent(Target::Chat, body)
}

fn gemini(body: &str) -> Result<String, Fault> {
    sent(Target::Generate, body)
}

fn tier_of(target: Target, model: &str, body: &str) -> Result<Tier, Fault> {
    let catalogue = shared::catalogue::Catalogue::load(shared::money::Markup::default());
    let catalogue = catalogue.unwrap();
    let object = Object::parse(body.as_bytes())?;
    tier(target, &object, catalogue.find(model).unwrap())
}

#[test]
fn a_tier_is_what_the_fields_ask_for_and_one_without_a_price_is_refused() {
    let gpt = |body| tier_of(Target::Chat, "gpt-5-mini", body);
    assert_eq!(gpt("{}"), Ok(Tier::Standard));
    assert_eq!(gpt(r#"{"service_tier":null}"#), Ok(Tier::Standard));
    assert_eq!(gpt(r#"{"service_tier":"flex"}"#), Ok(Tier::Flex));
    assert_eq!(gpt(r#"{"service_tier":"fast"}"#), Ok(Tier::Priority));
    let claude = |model, body| tier_of(Target::Messages, model, body);
    assert_eq!(claude("claude-opus-5", r#"{"speed":"fast"}"#), Ok(Tier::Fast));
    let both = r#"{"speed":"fast","inference_geo":"us"}"#;
    assert_eq!(claude("claude-opus-5", both), Ok(Tier::FastUs));
    assert_eq!(claude("claude-opus-5", r#"{"service_tier":"auto"}"#), Ok(Tier::Standard));
    let google = |body| tier_of(Target::Generate, "gemini-2.5-pro", body);
    assert_eq!(google(r#"{"serviceTier":"FLEX"}"#), Ok(Tier::Flex));
    for refused in [
        gpt(r#"{"service_tier":"scale"}"#),
        gpt(r#"{"service_tier":"ultrafast"}"#),
        claude("claude-sonnet-5", r#"{"speed":"fast"}"#),
        claude("claude-haiku-4-5", r#"{"inference_geo":"us"}"#),
        claude("claude-opus-5", r#"{"inference_geo":"eu"}"#),
    ] {
        assert!(matches!(refused, Err(Fault::RefusedField { .. })), "{refused:?}");
    }
    assert_eq!(gpt(r#"{"service_tier":1}"#), Err(Fault::WrongType("service_tier")));
    assert_eq!(
        gpt(r#"{"service_tier":"flex","service_ti\u0065r":"priority"}"#),
        Err(Fault::DuplicateField("service_tier"))
    );
}

#[test]
fn a_form_loses_what_names_people_too() {
    let none = of_form(Target::ImageEdits, |_| Ok(None)).unwrap();
    assert!(none.contains(&"user"));
    let svg =
        of_form(Target::ImageEdits, |name| Ok((name == "output_format").then(|| "svg".to_owned())));
    assert!(matches!(svg, Err(Fault::RefusedField { field: "output_format", .. })));
}

#[test]
fn storage_is_off_and_the_rest_stays_byte_for_byte() {
    let body = r#"{ "model" : "m", "n": 1e0, "big":12345678901234567890123 }"#;
    let expected = r#"{"store":false, "model" : "m", "n": 1e0, "big":12345678901234567890123 }"#;
    assert_eq!(chat(body).unwrap(), expected);
    for value in ["true", "null", "1"] {
        let body = format!(r#"{{"store":{value}}}"#);
        assert_eq!(chat(&body).unwrap(), r#"{"store":false}"#);
    }
    assert_eq!(chat(r#"{"store":false,"user":null}"#).unwrap(), r#"{"store":false}"#);
    assert_eq!(chat(r#"{"store":false}"#).unwrap(), r#"{"store":false}"#);
}

#[test]
fn usage_is_asked_for_in_every_stream() {
    let with =
        |options: &str| chat(&format!(r#"{{"store":false,"stream":true{options}}}"#)).unwrap();
    let asked = r#""stream_options":{"include_usage":true}"#;
    assert_eq!(with(""), format!(r#"{{{asked},"store":false,"stream":true}}"#));
    for options in [r#"{"include_usage":true}"#, r#"{"include_usage":false}"#, "{}", "null"] {
        let sent = with(&format!(r#","stream_options":{options}"#));
        assert_eq!(sent, format!(r#"{{"store":false,"stream":true,{asked}}}"#));
    }
    let merged = with(r#","stream_options":{"include_obfuscation":false}"#);
    assert!(merged.contains(r#"{"include_usage":true,"include_obfuscation":false}"#));
}

#[test]
fn names_of_people_are_taken_out_wherever_they_stand() {
    let names = [r#""user":"u""#, r#""metadata":{"a":1}"#, r#""safety_identifier":"s""#];
    let rest = [r#""store":false"#, r#""model":"m""#];
    // Every order of the five members, by Heap's algorithm's simpler cousin: rotations of
    // both interleavings.
    let mut members: Vec<&str> = names.iter().chain(&rest).copied().collect();
    for _ in 0..members.len() {
        members.rotate_left(1);
        for swap in 1..members.len() {
            let mut order = members.clone();
            order.swap(0, swap);
            let sent = chat(&format!("{{{}}}", order.join(" , "))).unwrap();
            let value: serde_json::Value = serde_json::from_str(&sent).unwrap();
            assert_eq!(value, serde_json::json!({"store": false, "model": "m"}), "{sent}");
        }
    }
}

#[test]
fn a_field_of_the_table_may_stand_there_once_however_it_is_escaped() {
    assert_eq!(chat(r#"{"store":true,"st\u006fre":1}"#), Err(Fault::DuplicateField("store")));
    let twice = r#"{"cachedContent":null,"cached_content":"x"}"#;
    assert_eq!(gemini(twice), Err(Fault::DuplicateField("cachedContent")));
}

#[test]
fn what_is_stored_is_refused_and_a_response_is_never_stored() {
    let refused = |result: Result<String, Fault>, name| {
        assert!(
            matches!(result, Err(Fault::RefusedField { field, .. }) if field == name),
            "{name}"
        );
    };
    refused(chat(r#"{"web_search_options":{}}"#), "web_search_options");
    refused(gemini(r#"{"cachedContent":"cachedContents/1"}"#), "cachedContent");
    refused(gemini(r#"{"model":"models/gemini-2.5-pro"}"#), "model");
    for field in ["background", "conversation", "previous_response_id", "prompt"] {
        for target in RESPONSES {
            refused(sent(*target, &format!(r#"{{"{field}":"x"}}"#)), field);
        }
    }
    // Other models and answers than the one that is priced.
    refused(sent(Target::Messages, r#"{"fallbacks":[{"model":"x"}]}"#), "fallbacks");
    refused(sent(Target::Responses, r#"{"multi_agent":{"enabled":true}}"#), "multi_agent");
    // What is switched off, and a list of nothing, is none of that.
    let off = r#"{"store":false,"background":false}"#;
    assert_eq!(sent(Target::Responses, off).unwrap(), off);
    let none = r#"{"mcp_servers":[],"fallbacks":[]}"#;
    assert_eq!(sent(Target::Messages, none).unwrap(), none);
    let nested = r#"{"generateContentRequest":{"labels":{}}}"#;
    refused(sent(Target::CountContent, nested), "generateContentRequest");
    let response = sent(Target::Responses, r#"{"model":"m","client_metadata":{"a":"b"}}"#);
    assert_eq!(response.unwrap(), r#"{"store":false,"model":"m"}"#);
    let count = sent(Target::InputTokens, r#"{"model":"m","store":true}"#);
    assert_eq!(count.unwrap(), r#"{"model":"m"}"#);
}

#[test]
fn a_cache_may_live_as_long_as_there_is_a_price_for() {
    let of = |body: &str| caches_12h(Target::Responses, &Object::parse(body.as_bytes())?);
    assert_eq!(of("{}"), Ok(false));
    assert_eq!(of(r#"{"prompt_cache_options":{"mode":"auto","ttl":"30m"}}"#), Ok(false));
    assert_eq!(of(r#"{"prompt_cache_options":{"ttl":"12h"}}"#), Ok(true));
    assert!(of(r#"{"prompt_cache_options":{"ttl":"24h"}}"#).is_err());
    assert!(of(r#"{"prompt_cache_options":{"ttl":24}}"#).is_err());
}
