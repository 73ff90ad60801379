//! Tests of the stand-in: OpenAI's chat completions.

use serde_json::{Value, json};

use super::super::SPEAKER;
use super::super::tests::{CANARY, refused};
use crate::standin::answer::Answer;

const PATH: &str = "/v1/chat/completions";

fn ask(body: &Value) -> Answer {
    super::super::tests::ask(PATH, body)
}

fn question(more: &Value) -> Value {
    let mut body = json!({"model": "gpt-5.4", "messages": [{"role": "user", "content": "Hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_plain_answer_adds_up() {
    let body = question(&json!({}));
    let answer = ask(&body).value();
    let usage = &answer["usage"];

    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "gpt-5.4");
    assert_eq!(answer["choices"][0]["message"]["content"], SPEAKER.text());
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(usage["prompt_tokens"], 7 + body.to_string().len().div_ceil(4));
    assert_eq!(usage["completion_tokens"], 21);
    assert_eq!(usage["total_tokens"].as_u64(), Some(usage["prompt_tokens"].as_u64().unwrap() + 21));
}

#[test]
fn the_chunks_join_to_the_text() {
    let answer = ask(&question(&json!({"stream": true})));
    let said: String = answer
        .events()
        .iter()
        .filter_map(|e| e["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, SPEAKER.text());
    assert!(answer.text().ends_with("\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"obfuscation\":\"a8XkZq3LmT0vRyB7\"}\n\ndata: [DONE]\n\n"));
}

#[test]
fn the_first_chunk_is_as_captured() {
    let answer =
        ask(&question(&json!({"stream": true, "stream_options": {"include_usage": true}})));
    assert_eq!(
        answer.text().lines().next(),
        Some(concat!(
            r#"data: {"id":"chatcmpl-standin00000001","object":"chat.completion.chunk","#,
            r#""created":1727346172,"model":"gpt-5.4","service_tier":"default","#,
            r#""system_fingerprint":"fp_standin","choices":[{"index":0,"#,
            r#""delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"#,
            r#""finish_reason":null}],"usage":null,"obfuscation":"a8XkZq3LmT0vRyB7"}"#
        ))
    );
}

#[test]
fn usage_streams_only_when_asked_for() {
    let asked = json!({"stream": true, "stream_options": {"include_usage": true}});
    let events = ask(&question(&asked)).events();
    let (last, rest) = events.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 21);
    assert!(rest.iter().all(|event| event.get("usage") == Some(&Value::Null)));

    for unasked in [
        json!({"stream": true}),
        json!({"stream": true, "stream_options": {"include_usage": false}}),
        json!({"stream": true, "stream_options": {"include_obfuscation": true}}),
    ] {
        let events = ask(&question(&unasked)).events();
        assert!(events.iter().all(|event| event.get("usage").is_none()));
        assert!(events.iter().all(|event| event["choices"][0].is_object()));
    }
}

#[test]
fn padding_goes_when_told_to() {
    let told = json!({"stream": true, "stream_options": {"include_obfuscation": false}});
    assert!(!ask(&question(&told)).text().contains("obfuscation"));
}

#[test]
fn either_limit_cuts_the_text() {
    for limit in ["max_tokens", "max_completion_tokens"] {
        let answer = ask(&question(&json!({limit: 3}))).value();
        assert_eq!(answer["choices"][0]["message"]["content"], "This is a");
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["usage"]["completion_tokens"], 3);
    }
}

#[test]
fn a_model_is_echoed_escaped() {
    let answer = ask(&question(&json!({"model": "a\"b\n", "stream": true})));
    assert!(answer.events().iter().all(|event| event["model"] == "a\"b\n"));
}

#[test]
fn refusals_name_what_is_wrong() {
    refused(PATH, &json!({"messages": [CANARY]}), None);
    refused(PATH, &json!({"model": CANARY}), Some("messages"));
    refused(PATH, &question(&json!({"max_tokens": 0, "user": CANARY})), Some("max_tokens"));
    let options = json!({"stream_options": {}, "user": CANARY});
    refused(PATH, &question(&options), Some("stream_options"));
}
