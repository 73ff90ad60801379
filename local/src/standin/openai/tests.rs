//! What the tests of OpenAI's endpoints share, and those of what the endpoints have in common.

use serde_json::Value;

use super::*;

pub(super) const CANARY: &str = "canary-4711";

const KEY: &[(&str, &str)] = &[("authorization", "Bearer standin")];

/// Posts a body of JSON to `path`.
pub(super) fn ask(path: &str, body: &Value) -> Answer {
    answer(path, &Call::post(&format!("/openai{path}"), KEY, body.to_string()))
}

/// Posts a form to `path`: its fields, of which those whose name ends in a `@` are files.
pub(super) fn send(path: &str, fields: &[(&str, &str)]) -> Answer {
    let part = |(name, value): &(&str, &str)| {
        let file = if name.ends_with('@') { "; filename=\"a\"" } else { "" };
        let name = name.trim_end_matches('@');
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n")
    };
    let body: String = fields.iter().map(part).collect();
    let headers = [KEY[0], ("content-type", "multipart/form-data; boundary=b")];
    answer(path, &Call::post(&format!("/openai{path}"), &headers, format!("{body}--b--\r\n")))
}

/// An error as OpenAI's are: with all four keys, about `param`, and quoting nothing.
pub(super) fn assert_refused(answer: &Answer, param: Option<&str>) {
    assert_eq!(answer.status, 400, "{}", answer.text());
    let error = answer.value()["error"].clone();
    let keys: Vec<_> = error.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["code", "message", "param", "type"]);
    assert_eq!(error["param"].as_str(), param, "{error}");
    assert!(!answer.text().contains(CANARY));
}

/// Asks what has to be refused.
pub(super) fn refused(path: &str, body: &Value, param: Option<&str>) {
    assert_refused(&ask(path, body), param);
}

const PATHS: [&str; 12] = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
    "/v1/embeddings",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/moderations",
];

#[test]
fn every_endpoint_wants_a_key_and_a_body_it_can_read() {
    for path in PATHS {
        let without = answer(path, &Call::post(path, &[], CANARY));
        assert_eq!(without.status, 401, "{path}");
        assert!(!without.text().contains(CANARY));
        assert_refused(&answer(path, &Call::post(path, KEY, CANARY)), None);
        assert!(
            answer(path, &Call::post(path, KEY, CANARY))
                .into_response()
                .headers()
                .contains_key("x-request-id")
        );
    }
}

#[test]
fn no_endpoint_quotes_what_it_is_asked() {
    let question = |stream: bool| {
        serde_json::json!({
            "model": "m", "messages": [{"role": "user", "content": CANARY}], "prompt": CANARY,
            "input": CANARY, "instructions": CANARY, "user": CANARY, "voice": CANARY, "echo": true,
            "images": [{"image_url": CANARY}], "stream": stream,
        })
    };
    let form = [("model", "m"), ("prompt", CANARY), ("file@", CANARY)];
    for path in PATHS {
        let answers = if path.starts_with("/v1/audio/trans") {
            [send(path, &form), send(path, &[&form[..], &[("stream", "true")]].concat())]
        } else {
            [false, true].map(|stream| ask(path, &question(stream)))
        };
        for answer in answers {
            assert_eq!(answer.status, 200, "{path}");
            assert!(memchr::memmem::find(&answer.bytes(), CANARY.as_bytes()).is_none(), "{path}");
        }
    }
}

#[test]
fn another_method_or_path_is_not_found() {
    assert_eq!(ask("/v1/canary-4711", &Value::Null).status, 404);
    let mut call = Call::post("/openai/v1/responses", KEY, "{}");
    call.head.method = Method::GET;
    assert_eq!(answer("/v1/responses", &call).status, 404);
}
