//! Tests of the stand-in: OpenAI's images.

use serde_json::{Value, json};

use super::super::tests::{CANARY, ask, assert_refused, refused, send};
use crate::standin::picture::PNG;

const PATH: &str = "/v1/images/generations";
const EDITS: &str = "/v1/images/edits";

fn adds_up(usage: &Value) {
    let count = |count: &Value| count.as_u64().unwrap();
    for side in ["input", "output"] {
        let details = &usage[format!("{side}_tokens_details")];
        let whole = count(&usage[format!("{side}_tokens")]);
        let parts = count(&details["image_tokens"]).saturating_add(count(&details["text_tokens"]));
        assert_eq!(whole, parts);
    }
    let total = count(&usage["input_tokens"]).saturating_add(count(&usage["output_tokens"]));
    assert_eq!(count(&usage["total_tokens"]), total);
}

#[test]
fn as_many_are_made_as_are_asked_for() {
    let answer = ask(PATH, &json!({"model": "gpt-image-1-mini", "prompt": "A", "n": 10})).value();
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 10);
    assert!(data.iter().all(|image| image["b64_json"] == PNG));
    assert_eq!(answer["usage"]["output_tokens"], 2_720);
    assert_eq!(answer["usage"]["input_tokens"], 8);
    adds_up(&answer["usage"]);
}

#[test]
fn previews_stream_before_the_image_and_are_counted() {
    let answer = ask(PATH, &json!({"prompt": "A", "stream": true, "partial_images": 2}));
    assert!(answer.text().starts_with(
        "event: image_generation.partial_image\ndata: {\"type\":\"image_generation.partial_image\""
    ));
    let events = answer.events();
    assert_eq!(events.len(), 3);
    assert_eq!(events[1]["partial_image_index"], 1);
    assert!(events[1].get("usage").is_none());
    assert_eq!(events[2]["type"], "image_generation.completed");
    assert_eq!(events[2]["b64_json"], PNG);
    assert_eq!(events[2]["usage"]["output_tokens"], 472);
    adds_up(&events[2]["usage"]);
}

#[test]
fn images_are_edited_in_either_format() {
    let forms = [("prompt", "A"), ("image[]@", "one"), ("image[]@", "two")];
    let form = send(EDITS, &forms).value();
    let json = ask(EDITS, &json!({"prompt": "A", "images": [{}, {}]})).value();
    assert_eq!(form, json);
    assert_eq!(form["usage"]["input_tokens_details"]["image_tokens"], 646);
    adds_up(&form["usage"]);

    let streamed = [("prompt", "A"), ("image@", "one"), ("stream", "true"), ("n", "1")];
    let events = send(EDITS, &streamed).events();
    assert_eq!(events[0]["type"], "image_edit.completed");
}

#[test]
fn refusals_name_what_is_wrong() {
    refused(PATH, &json!({"user": CANARY}), Some("prompt"));
    refused(PATH, &json!({"prompt": CANARY, "n": 11}), Some("n"));
    refused(PATH, &json!({"prompt": CANARY, "n": 2, "stream": true}), Some("n"));
    refused(PATH, &json!({"prompt": CANARY, "partial_images": 4}), Some("partial_images"));
    refused(EDITS, &json!({"prompt": CANARY, "images": []}), Some("image"));
    assert_refused(&send(EDITS, &[("prompt", CANARY)]), Some("image"));
    assert_refused(&send(EDITS, &[("image", CANARY)]), Some("prompt"));
    assert_refused(&send(EDITS, &[("image", "a"), ("prompt", "b"), ("n", CANARY)]), Some("n"));
}
