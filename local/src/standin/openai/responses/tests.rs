//! Tests of the stand-in: OpenAI's responses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::super::tests::{CANARY, ask, refused};
use super::*;

const PATH: &str = "/v1/responses";

fn question(more: &Value) -> Value {
    let mut body = json!({"model": "gpt-5.4", "input": "Hi"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn text(response: &Value) -> &Value {
    &response["output"][0]["content"][0]["text"]
}

#[test]
fn a_plain_answer_adds_up() {
    let body = question(&json!({}));
    let answer = ask(PATH, &body).value();
    assert_eq!(answer["object"], "response");
    assert_eq!(answer["status"], "completed");
    assert_eq!(answer["output"][0]["status"], "completed");
    assert_eq!(text(&answer), &SPEAKER.text());
    let prompt = u64::try_from(7 + body.to_string().len().div_ceil(4)).unwrap();
    assert_eq!(answer["usage"]["input_tokens"], prompt);
    assert_eq!(answer["usage"]["output_tokens"], 21);
    assert_eq!(answer["usage"]["total_tokens"], prompt + 21);
    assert_eq!(answer["usage"]["output_tokens_details"]["reasoning_tokens"], 0);
}

#[test]
fn a_limit_leaves_the_answer_incomplete() {
    let limited = question(&json!({"max_output_tokens": 16}));
    let answer = ask(PATH, &limited).value();
    assert_eq!(answer["status"], "incomplete");
    assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(text(&answer), &SPEAKER.speak(Some(16)).text());
    assert_eq!(answer["usage"]["output_tokens"], 16);

    let events = ask(PATH, &question(&json!({"max_output_tokens": 16, "stream": true}))).events();
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["usage"]["output_tokens"], 16);
}

#[test]
fn the_events_come_in_their_order_and_are_numbered() {
    let answer = ask(PATH, &question(&json!({"stream": true})));
    for event in answer.text().split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        assert!(data.starts_with(&format!("data: {{\"type\":\"{name}\"")), "{event}");
    }
    let events = answer.events();
    for (event, number) in events.iter().zip(0..) {
        assert_eq!(event["sequence_number"], number);
    }
    let said: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    assert_eq!(said, SPEAKER.text());
    let last = events.last().unwrap();
    assert_eq!(text(&last["response"]), &said);
    assert_eq!(last["response"]["service_tier"], "default");
    assert!(events[0]["response"]["usage"].is_null());

    let mut kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
}

#[test]
fn a_delta_is_as_captured() {
    let answer = ask(PATH, &question(&json!({"stream": true}))).text();
    let delta = concat!(
        "event: response.output_text.delta\n",
        r#"data: {"type":"response.output_text.delta","content_index":0,"delta":"This","#,
        r#""item_id":"msg_standin00000001","logprobs":[],"obfuscation":"a8XkZq3LmT0v","#,
        r#""output_index":0,"sequence_number":4}"#,
        "\n\n"
    );
    assert!(answer.contains(delta), "{answer}");
    let told = json!({"stream": true, "stream_options": {"include_obfuscation": false}});
    assert!(!ask(PATH, &question(&told)).text().contains("obfuscation"));
}

#[test]
fn a_response_has_every_field_of_the_captured_one() {
    let captured = include_str!("../../../../../tests/recordings/openai/responses_stream_text.sse");
    let captured = captured.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let captured: Value = serde_json::from_str(captured).unwrap();
    let ours = ask(PATH, &question(&json!({"stream": true}))).events();
    let keys = |response: &Value| -> Vec<String> {
        response["response"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&ours[0]), keys(&captured));
}

#[test]
fn a_compaction_holds_what_the_stand_in_says() {
    let answer = ask("/v1/responses/compact", &question(&json!({}))).value();
    assert_eq!(answer["object"], "response.compaction");
    assert_eq!(answer["output"][0]["type"], "compaction");
    let content = answer["output"][0]["encrypted_content"].as_str().unwrap();
    assert_eq!(STANDARD.decode(content).unwrap(), SPEAKER.text().as_bytes());
    let input = answer["usage"]["input_tokens"].as_u64().unwrap();
    assert_eq!(answer["usage"]["total_tokens"], input + 21);
}

#[test]
fn the_count_is_what_the_answer_reads() {
    let counted = ask("/v1/responses/input_tokens", &question(&json!({}))).value();
    let answered = ask(PATH, &question(&json!({}))).value();
    assert_eq!(counted["object"], "response.input_tokens");
    assert_eq!(counted["input_tokens"], answered["usage"]["input_tokens"]);
}

#[test]
fn refusals_name_what_is_wrong() {
    for path in [PATH, "/v1/responses/compact", "/v1/responses/input_tokens"] {
        refused(path, &json!({"input": CANARY}), Some("model"));
        refused(path, &json!({"model": CANARY}), Some("input"));
    }
    let short = json!({"max_output_tokens": 15, "instructions": CANARY});
    refused(PATH, &question(&short), Some("max_output_tokens"));
    refused(PATH, &question(&json!({"stream_options": {}})), Some("stream_options"));
}
