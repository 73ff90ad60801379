//! Tests of the stand-in: Anthropic's format.

use serde_json::{Value, json};

use super::*;

const PATH: &str = "/anthropic/v1/messages";
const HEADERS: &[(&str, &str)] = &[("x-api-key", "standin"), ("anthropic-version", "2023-06-01")];
const NEWER: &[(&str, &str)] = &[("x-api-key", "standin"), ("anthropic-version", "2026-10-21")];

fn ask(headers: &[(&str, &str)], body: &Value) -> Answer {
    answer("/v1/messages", &Call::post(PATH, headers, body.to_string()))
}

fn question(more: &Value) -> Value {
    let mut body = json!({
        "model": "claude-sonnet-5", "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hi"}],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_plain_answer_says_what_it_used() {
    let answer = ask(HEADERS, &question(&json!({}))).value();
    assert_eq!(answer["content"][0]["text"], SPEAKER.text());
    assert_eq!(answer["stop_reason"], "end_turn");
    assert_eq!(answer.get("stop_details"), Some(&Value::Null));
    assert_eq!(answer["usage"]["output_tokens"], 21);
    assert_eq!(answer["usage"]["output_tokens_details"]["thinking_tokens"], 0);
    assert_eq!(answer["usage"]["cache_read_input_tokens"], 0);
}

#[test]
fn every_event_is_named_as_its_data_is() {
    let text = ask(HEADERS, &question(&json!({"stream": true}))).text();
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        assert!(data.starts_with(&format!("data: {{\"type\":\"{name}\"")), "{event}");
    }
}

#[test]
fn the_deltas_join_to_the_text() {
    let events = ask(HEADERS, &question(&json!({"stream": true}))).events();
    let said: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
    assert_eq!(said, SPEAKER.text());

    let mut kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
}

#[test]
fn a_stream_begins_and_ends_as_captured() {
    let body = question(&json!({"stream": true}));
    let input = 7 + body.to_string().len().div_ceil(4);
    let answer = ask(HEADERS, &body);
    let begin = concat!(
        "event: message_start\n",
        r#"data: {"type":"message_start","message":{"id":"msg_standin00000001","#,
        r#""type":"message","role":"assistant","model":"claude-sonnet-5","content":[],"#,
        r#""stop_reason":null,"stop_sequence":null,"#,
        r#""usage":{"input_tokens":IN,"cache_creation_input_tokens":0,"#,
        r#""cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"#,
        r#""ephemeral_1h_input_tokens":0},"output_tokens":1,"service_tier":"standard","#,
        r#""inference_geo":"global","speed":"standard"}}}"#,
        "\n\n"
    );
    let end = concat!(
        "event: message_delta\n",
        r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn","#,
        r#""stop_sequence":null},"usage":{"input_tokens":IN,"#,
        r#""cache_creation_input_tokens":0,"cache_read_input_tokens":0,"#,
        r#""output_tokens":21}}"#,
        "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    );
    assert!(answer.text().starts_with(&begin.replace("IN", &input.to_string())));
    assert!(answer.text().ends_with(&end.replace("IN", &input.to_string())));
}

#[test]
fn a_limit_cuts_the_text() {
    let answer = ask(HEADERS, &question(&json!({"max_tokens": 3}))).value();
    assert_eq!(answer["content"][0]["text"], "This is a");
    assert_eq!(answer["stop_reason"], "max_tokens");
    assert_eq!(answer["usage"]["output_tokens"], 3);
}

#[test]
fn a_limit_of_zero_opens_no_block() {
    let events = ask(HEADERS, &question(&json!({"max_tokens": 0, "stream": true}))).events();
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message_start", "message_delta", "message_stop"]);
    assert_eq!(events[0]["message"]["usage"]["output_tokens"], 0);
}

#[test]
fn a_count_is_what_the_message_reads_and_takes_no_limit() {
    let path = "/v1/messages/count_tokens";
    let count = |query: &str, body: &Value| {
        let path_and_query = format!("/anthropic{path}{query}");
        answer(path, &Call::post(&path_and_query, NEWER, body.to_string()))
    };
    let message = ask(NEWER, &question(&json!({}))).value();
    for query in ["", "?beta=true"] {
        let counted = count(query, &question(&json!({}))).value();
        assert_eq!(counted, json!({"input_tokens": message["usage"]["input_tokens"]}));
        let unlimited = json!({"model": "claude-sonnet-5", "messages": []});
        assert_eq!(count(query, &unlimited).status, 200);
    }
    assert_eq!(count("", &json!({"model": "claude-sonnet-5"})).status, 400);
    assert_eq!(count("", &question(&json!({"top_p": 1}))).status, 400);
    assert_eq!(answer(path, &Call::post(path, &[], "{}")).status, 401);
}

#[test]
fn the_newer_version_refuses_sampling() {
    let sampled = question(&json!({"temperature": 1.0}));
    assert_eq!(ask(HEADERS, &sampled).status, 200);
    assert_eq!(ask(NEWER, &sampled).status, 400);
    assert_eq!(ask(NEWER, &question(&json!({}))).status, 200);
}

#[test]
fn the_compatible_path_answers_as_openai_would() {
    let call =
        Call::post(PATH, &[("authorization", "Bearer key")], question(&json!({})).to_string());
    let answer = answer("/v1/chat/completions", &call).value();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["message"]["content"], SPEAKER.text());
}

#[test]
fn refusals_are_of_the_right_kind_and_quote_nothing() {
    let canary = "canary-4711";
    let unlimited = json!({"model": canary, "messages": [canary]});
    let refused = [
        (404, "not_found_error", answer("/v1/canary-4711", &Call::post(PATH, HEADERS, canary))),
        (401, "authentication_error", ask(&[], &question(&json!({"user": canary})))),
        (400, "invalid_request_error", ask(&[("x-api-key", canary)], &question(&json!({})))),
        (400, "invalid_request_error", answer("/v1/messages", &Call::post(PATH, HEADERS, canary))),
        (400, "invalid_request_error", ask(HEADERS, &unlimited)),
        (400, "invalid_request_error", ask(HEADERS, &json!({"messages": [canary]}))),
        (400, "invalid_request_error", ask(HEADERS, &json!({"model": canary}))),
    ];
    for (status, kind, answer) in refused {
        assert_eq!(answer.status, status);
        let body = answer.value();
        assert_eq!(body["type"], "error");
        assert_eq!(body["error"]["type"], kind);
        assert_eq!(body["request_id"], "req_standin00000001");
        assert!(!answer.text().contains(canary));
    }
}
