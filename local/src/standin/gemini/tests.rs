//! Tests of the stand-in: Gemini's format.

use serde_json::{Value, json};

use super::*;
use crate::standin::answer::Payload;

const GENERATE: &str = "/v1beta/models/gemini-3.8-flash:generateContent";
const STREAM: &str = "/v1beta/models/gemini-3.8-flash:streamGenerateContent";
const EMBED: &str = "/v1beta/models/gemini-embedding-001:embedContent";
const EMBED_ALL: &str = "/v1beta/models/gemini-embedding-001:batchEmbedContents";
const CHAT: &str = "/v1beta/openai/chat/completions";
const KEY: &[(&str, &str)] = &[("x-goog-api-key", "standin")];
const BEARER: &[(&str, &str)] = &[("authorization", "Bearer standin")];

fn ask(path: &str, query: &str, body: &Value) -> Answer {
    answer(path, &Call::post(&format!("/gemini{path}?{query}"), KEY, body.to_string()))
}

fn chat(body: &Value) -> Answer {
    answer(CHAT, &Call::post(CHAT, BEARER, body.to_string()))
}

/// Posts to one of the compatible endpoints.
fn post(path: &str, body: &Value) -> Answer {
    let path = format!("/v1beta/openai{path}");
    answer(&path, &Call::post(&path, BEARER, body.to_string()))
}

fn question() -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]})
}

fn texts(elements: &[Value]) -> String {
    let text = |element: &Value| element["candidates"][0]["content"]["parts"][0]["text"].clone();
    elements.iter().map(|element| text(element).as_str().unwrap().to_owned()).collect()
}

fn frames(answer: &Answer) -> &[Bytes] {
    match &answer.content {
        Payload::Frames(frames) => frames,
        Payload::Whole(_) => panic!("not a stream"),
    }
}

#[test]
fn a_plain_answer_adds_up() {
    for path in [GENERATE, "/v1/models/gemini-3.8-flash:generateContent"] {
        let answer = ask(path, "", &question()).value();
        let prompt = 7 + question().to_string().len().div_ceil(4);
        let usage = &answer["usageMetadata"];
        assert_eq!(texts(std::slice::from_ref(&answer)), SPEAKER.text());
        assert_eq!(answer["candidates"][0]["finishReason"], "STOP");
        assert_eq!(answer["modelVersion"], "gemini-3.8-flash");
        assert_eq!(usage["promptTokenCount"], prompt);
        assert_eq!(usage["candidatesTokenCount"], 21);
        assert_eq!(usage["thoughtsTokenCount"], 12);
        assert_eq!(usage["totalTokenCount"], prompt + 21 + 12);
    }
}

#[test]
fn an_event_is_one_line_and_a_blank_one_in_crlf() {
    let answer = ask(STREAM, "alt=sse", &question());
    for frame in frames(&answer) {
        let frame = std::str::from_utf8(frame).unwrap();
        let data = frame.strip_prefix("data: ").unwrap().strip_suffix("\r\n\r\n").unwrap();
        assert!(serde_json::from_str::<Value>(data).unwrap().is_object());
    }
    assert_eq!(texts(&answer.events()), SPEAKER.text());
    assert!(!answer.text().contains("[DONE]"));
}

#[test]
fn usage_is_so_far_and_thoughts_come_late() {
    let events = ask(STREAM, "alt=sse", &question()).events();
    let prompt = u64::try_from(7 + question().to_string().len().div_ceil(4)).unwrap();
    let first = &events[0]["usageMetadata"];
    assert_eq!(first["totalTokenCount"], prompt);
    assert!(first.get("thoughtsTokenCount").is_none());
    assert!(first.get("candidatesTokenCount").is_none());
    for (event, said) in events.iter().zip(1..).skip(1) {
        let usage = &event["usageMetadata"];
        assert_eq!(usage["candidatesTokenCount"], said);
        assert_eq!(usage["thoughtsTokenCount"], 12);
        assert_eq!(usage["totalTokenCount"], prompt + 12 + said);
        assert_eq!(event["candidates"][0].get("finishReason").is_some(), said == 21);
    }
}

#[test]
fn without_alt_the_stream_is_one_array() {
    let answer = ask(STREAM, "", &question());
    assert_eq!(answer.media, "application/json; charset=UTF-8");
    assert_eq!(frames(&answer).len(), 22);
    assert_eq!(texts(answer.value().as_array().unwrap()), SPEAKER.text());
}

#[test]
fn a_limit_cuts_the_text_in_either_spelling() {
    for config in [
        json!({"generationConfig": {"maxOutputTokens": 6}}),
        json!({"generation_config": {"max_output_tokens": 6}}),
    ] {
        let mut body = question();
        body.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
        let answer = ask(GENERATE, "", &body).value();
        assert_eq!(texts(std::slice::from_ref(&answer)), "This is a");
        assert_eq!(answer["candidates"][0]["finishReason"], "MAX_TOKENS");
        assert_eq!(answer["usageMetadata"]["thoughtsTokenCount"], 3);
    }
}

#[test]
fn every_compatible_chunk_has_the_usage_so_far() {
    let body = json!({"model": "gemini-3.8-flash", "messages": [], "stream": true});
    let answer = chat(&body);
    let events = answer.events();
    let prompt = u64::try_from(7 + body.to_string().len().div_ceil(4)).unwrap();
    let text: String =
        events.iter().map(|e| e["choices"][0]["delta"]["content"].as_str().unwrap()).collect();

    assert_eq!(text, SPEAKER.text());
    assert_eq!(
        events[1].to_string(),
        format!(
            concat!(
                r#"{{"choices":[{{"delta":{{"content":" is","role":"assistant"}},"index":0}}],"#,
                r#""created":1727346172,"id":"standin00000001","model":"gemini-3.8-flash","#,
                r#""object":"chat.completion.chunk","usage":{{"completion_tokens":2,"#,
                r#""prompt_tokens":{},"total_tokens":{}}}}}"#
            ),
            prompt,
            prompt + 2 + 12
        )
    );
    assert!(events.iter().all(|event| event["usage"]["prompt_tokens"] == prompt));
    assert_eq!(events[20]["choices"][0]["finish_reason"], "stop");
    assert_eq!(events[20]["usage"]["total_tokens"], prompt + 21 + 12);
    assert!(answer.text().ends_with("}\n\ndata: [DONE]\n\n"));
}

#[test]
fn a_compatible_plain_answer_is_a_message() {
    let answer = chat(&json!({"model": "models/gemini-3.8-flash", "messages": []})).value();
    assert_eq!(answer["model"], "models/gemini-3.8-flash");
    assert_eq!(answer["choices"][0]["message"]["content"], SPEAKER.text());
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
}

#[test]
fn an_unknown_compatible_field_is_refused_in_an_array() {
    let answer = chat(&json!({"model": "gemini-3.8-flash", "messages": [], "store": false}));
    assert_eq!(answer.status, 400);
    let body = answer.value();
    assert_eq!(body.as_array().unwrap().len(), 1);
    assert_eq!(body[0]["error"]["code"], 400);
    assert_eq!(body[0]["error"]["status"], "INVALID_ARGUMENT");
}

#[test]
fn a_count_is_what_the_answer_reads() {
    let counted = ask("/v1/models/gemini-3.8-flash:countTokens", "", &question()).value();
    let answered = ask(GENERATE, "", &question()).value();
    assert_eq!(counted["totalTokens"], answered["usageMetadata"]["promptTokenCount"]);
    assert_eq!(counted["promptTokensDetails"][0]["tokenCount"], counted["totalTokens"]);
    let whole = json!({"generateContentRequest": question()});
    assert_eq!(ask("/v1/models/gemini-3.8-flash:countTokens", "", &whole).status, 200);
}

#[test]
fn there_is_a_vector_for_each_content() {
    let content = json!({"parts": [{"text": "canary-4711"}]});
    let one = json!({"content": content, "outputDimensionality": 4});
    let answer = ask(EMBED, "", &one);
    assert!(!answer.text().contains("canary-4711"));
    let answer = answer.value();
    assert_eq!(answer["embedding"]["values"].as_array().unwrap().len(), 4);
    assert!(answer["embedding"]["values"][0].is_f64());
    let usage = &answer["usageMetadata"];
    assert_eq!(usage["promptTokenCount"], 7 + one.to_string().len().div_ceil(4));
    assert_eq!(usage["promptTokenDetails"][0]["tokenCount"], usage["promptTokenCount"]);

    let all = ask(EMBED_ALL, "", &json!({"requests": [one, {"content": content}]})).value();
    assert_eq!(all["embeddings"][0], answer["embedding"]);
    assert_eq!(all["embeddings"][1]["values"].as_array().unwrap().len(), 16);
    assert!(all["usageMetadata"]["promptTokenCount"].is_u64());
}

#[test]
fn compatible_vectors_and_images_are_as_openais() {
    let embedded = post(
        "/embeddings",
        &json!({"model": "gemini-embedding-001", "input": ["a", "b"],
        "encoding_format": "float"}),
    );
    let embedded = embedded.value();
    assert_eq!(embedded["data"].as_array().unwrap().len(), 2);
    assert_eq!(embedded["usage"]["prompt_tokens"], embedded["usage"]["total_tokens"]);

    let asked = json!({"model": "imagen-3.0-generate-001", "prompt": "canary-4711", "n": 3,
        "response_format": "b64_json"});
    let made = post("/images/generations", &asked);
    assert!(!made.text().contains("canary-4711"));
    assert_eq!(made.value()["data"].as_array().unwrap().len(), 3);
    assert!(made.value().get("usage").is_none());
}

#[test]
fn refusals_name_their_status_and_quote_nothing() {
    let canary = "canary-4711";
    let sent = |path, headers| answer(path, &Call::post(path, headers, canary));
    let many = json!({"requests": vec![json!({"content": {}}); 101]});
    let refused = [
        (404, "NOT_FOUND", sent("/v1beta/models/canary-4711:dance", KEY)),
        (404, "NOT_FOUND", sent("/v1beta/models/canary-4711/x:generateContent", KEY)),
        (403, "PERMISSION_DENIED", sent(GENERATE, &[])),
        (400, "INVALID_ARGUMENT", sent(GENERATE, KEY)),
        (400, "INVALID_ARGUMENT", ask(GENERATE, "", &json!({"system": canary}))),
        (404, "NOT_FOUND", sent("/v1beta/openai/canary-4711", BEARER)),
        (401, "UNAUTHENTICATED", sent(CHAT, &[])),
        (400, "INVALID_ARGUMENT", sent(CHAT, BEARER)),
        (400, "INVALID_ARGUMENT", chat(&json!({"canary-4711": canary}))),
        (400, "INVALID_ARGUMENT", chat(&json!({"messages": [canary]}))),
        (403, "PERMISSION_DENIED", sent(EMBED, &[])),
        (400, "INVALID_ARGUMENT", sent(EMBED_ALL, KEY)),
        (400, "INVALID_ARGUMENT", ask(EMBED, "", &json!({"contents": canary}))),
        (400, "INVALID_ARGUMENT", ask(EMBED_ALL, "", &json!({"contents": canary}))),
        (400, "INVALID_ARGUMENT", ask(EMBED_ALL, "", &many)),
        (
            400,
            "INVALID_ARGUMENT",
            ask(EMBED, "", &json!({"content": canary, "outputDimensionality": 0})),
        ),
        (
            400,
            "INVALID_ARGUMENT",
            ask(&GENERATE.replace("generateContent", "countTokens"), "", &json!({"x": canary})),
        ),
        (400, "INVALID_ARGUMENT", post("/embeddings", &json!({"model": canary}))),
        (400, "INVALID_ARGUMENT", post("/embeddings", &json!({"user": canary}))),
        (400, "INVALID_ARGUMENT", post("/images/generations", &json!({"model": canary}))),
        (
            400,
            "INVALID_ARGUMENT",
            post("/images/generations", &json!({"model": "m", "prompt": canary, "n": 11})),
        ),
    ];
    for (status, canonical, answer) in refused {
        assert_eq!(answer.status, status);
        let body = answer.value();
        let error = body.get(0).unwrap_or(&body)["error"].clone();
        assert_eq!(error["code"], status);
        assert_eq!(error["status"], canonical);
        assert!(!answer.text().contains(canary));
    }
}
