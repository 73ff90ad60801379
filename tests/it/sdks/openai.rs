//! What `OpenAI` answers to each scenario.

mod media;
mod responses;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use shared::{
    fault::Fault,
    units::{UnitClass, Units},
};
use tests::provider::Script;

use super::{
    PIXEL, WEATHER, WRONG_KEY_SAYS,
    cell::{Caller, Cell, units},
};

const CHAT: &str = "/v1/chat/completions";
const REFUSAL: &str = "Invalid value: 'loud'. Supported values are: 'low' and 'high'.";
const OVERLOADED: &str = "The server had an error while processing your request.";

/// What every chat of the scenarios uses.
const USED: [(UnitClass, u64); 4] = [
    (UnitClass::Input, 176),
    (UnitClass::CacheRead, 1_024),
    (UnitClass::Output, 118),
    (UnitClass::Reasoning, 192),
];

pub(super) fn cell(scenario: &str, caller: &Caller<'_>) -> Option<Cell> {
    let text = caller.text();
    Some(match scenario {
        "plain" => chat(CHAT, "gpt-5-mini-2025-08-07", &text),
        "image" => chat(CHAT, "gpt-5-mini-2025-08-07", &text).carrying(PIXEL),
        "other_model" => chat(CHAT, "claude-haiku-4-5-20251001", &text).of("claude-haiku-4-5"),
        "stream" => stream(&text, Usage::Unasked),
        "stream_usage" => stream(&text, Usage::Asked),
        "other_stream" => stream(&text, Usage::Asked).of("gemini-2.5-flash"),
        "tools" => tools(),
        "embeddings" => embeddings(),
        "models" => Cell::models("/v1/models"),
        "count_tokens" => {
            let counted = json!({"object": "response.input_tokens", "input_tokens": 37});
            let answer = Script::json(200, counted.to_string());
            let sees = json!({"input_tokens": 37});
            Cell::answered("/v1/responses/input_tokens", answer, sees, Units::default())
        }
        "wrong_key" => {
            let sees = error("AuthenticationError", 401, "authentication_error", "invalid_api_key");
            let mut cell = Cell::refused(CHAT, sees, &Fault::KeyRevoked);
            WRONG_KEY_SAYS.clone_into(&mut cell.says);
            cell
        }
        "unknown_model" => {
            let sees = error("NotFoundError", 404, "invalid_request_error", "model_not_found");
            Cell::refused(CHAT, sees, &Fault::UnknownModel)
        }
        "provider_error" => {
            let body = json!({"error": {"message": REFUSAL, "type": "invalid_request_error",
                "param": "verbosity", "code": "invalid_value"}});
            let answer = Script::json(400, body.to_string()).header("x-request-id", "req_1");
            let sees = error("BadRequestError", 400, "invalid_request_error", "invalid_value");
            Cell::answered(CHAT, answer, sees, Units::default()).failing(400, REFUSAL)
        }
        "no_balance" => {
            // OpenAI has no 402. Of its 429s this one is said not to be worth another try.
            let sees = error("RateLimitError", 429, "insufficient_quota", "insufficient_quota");
            Cell::refused(CHAT, sees, &Fault::InsufficientBalance)
        }
        "stream_error" => {
            let event = json!({"error": {"message": OVERLOADED, "type": "server_error",
                "param": null, "code": null}});
            let answer = begun(caller).then(format!("data: {event}\n\n"));
            let sees = json!({"class": "APIError", "text": caller.half(), "type": "server_error"});
            Cell::answered(CHAT, answer, sees, Units::default()).breaking(OVERLOADED)
        }
        "stream_cut" => {
            let sees = json!({"class": "APIError", "text": caller.half(), "code": "provider_cut"});
            let cut = Cell::answered(CHAT, begun(caller).cut(), sees, Units::default());
            cut.breaking(Fault::ProviderCut.to_string()).directly([])
        }
        "responses" => responses::whole(&text),
        "responses_stream" => responses::stream(&text),
        "responses_error" => responses::broken(caller),
        "responses_cut" => responses::cut(caller),
        "completions" => completions(&text),
        "moderation" => moderation(),
        "images" => media::images(caller.canary),
        "image_edit" => media::image_edit(caller.canary),
        "transcription" => media::transcription(&text),
        "speech" => media::speech(&text, caller),
        _ => return None,
    })
}

fn error(class: &str, status: u16, kind: &str, code: &str) -> Value {
    json!({"class": class, "status": status, "type": kind, "code": code})
}

/// Whether the caller has asked for usage in a stream. The platform always does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Usage {
    Asked,
    Unasked,
}

fn usage() -> Value {
    json!({"prompt_tokens": 1_200, "completion_tokens": 310, "total_tokens": 1_510,
        "prompt_tokens_details": {"cached_tokens": 1_024, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 192, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}})
}

fn chat(path: &str, model: &str, text: &str) -> Cell {
    let message = json!({"role": "assistant", "content": text, "refusal": null,
        "annotations": []});
    let sees = json!({"model": model, "text": text, "finish": "stop",
        "input_tokens": 1_200, "output_tokens": 310});
    Cell::answered(path, completion(model, &message, "stop"), sees, units(&USED))
}

fn completion(model: &str, message: &Value, finish: &str) -> Script {
    let body = json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_795_000_000,
        "model": model, "choices": [{"index": 0, "message": message, "logprobs": null,
        "finish_reason": finish}], "usage": usage(), "service_tier": "default",
        "system_fingerprint": null});
    Script::json(200, body.to_string()).header("x-request-id", "req_1")
}

fn chunk(delta: &Value, finish: Option<&str>) -> String {
    let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    frame(&choices, &Value::Null)
}

fn frame(choices: &Value, usage: &Value) -> String {
    let chunk = json!({"id": "chatcmpl-1", "object": "chat.completion.chunk",
        "created": 1_795_000_000, "model": "gpt-5-mini-2025-08-07", "service_tier": "default",
        "choices": choices, "usage": usage, "obfuscation": "a8Xk"});
    format!("data: {chunk}\n\n")
}

/// A stream that ends as it should, with usage where it was asked for.
fn ended(deltas: &[Value], finish: &str, usage_is: Usage) -> Script {
    let chunks =
        deltas.iter().fold(Script::events(""), |script, delta| script.then(chunk(delta, None)));
    let chunks = chunks.then(chunk(&json!({}), Some(finish)));
    let chunks = match usage_is {
        Usage::Asked => chunks.then(frame(&json!([]), &usage())),
        Usage::Unasked => chunks,
    };
    chunks.then("data: [DONE]\n\n")
}

fn begun(caller: &Caller<'_>) -> Script {
    let role = chunk(&json!({"role": "assistant", "content": "", "refusal": null}), None);
    Script::events(role).then(chunk(&json!({"content": caller.half()}), None))
}

fn stream(text: &str, asked: Usage) -> Cell {
    let (one, two) = text.split_at(text.len() / 2);
    let deltas = [
        json!({"role": "assistant", "content": "", "refusal": null}),
        json!({"content": one}),
        json!({"content": two}),
    ];
    let mut sees = json!({"text": text, "finish": "stop", "chunks": 4});
    if asked == Usage::Asked {
        sees = json!({"text": text, "finish": "stop", "chunks": 5,
            "input_tokens": 1_200, "output_tokens": 310});
    }
    let answer = ended(&deltas, "stop", Usage::Asked);
    Cell::answered(CHAT, answer, sees, units(&USED)).directly([ended(&deltas, "stop", asked)])
}

fn tools() -> Cell {
    let function = json!({"name": "get_weather", "arguments": WEATHER});
    let call = json!([{"id": "call_1", "type": "function", "function": function}]);
    let message = json!({"role": "assistant", "content": null, "tool_calls": call});
    let arguments = serde_json::from_str::<Value>(WEATHER).unwrap();
    let called = json!({"name": "get_weather", "arguments": arguments});
    let sees = json!({"calls": [called, called], "input_tokens": 1_200, "output_tokens": 310});
    let whole = completion("gpt-5-mini-2025-08-07", &message, "tool_calls");
    let (one, two) = WEATHER.split_at(9);
    let part = |part: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": part}}]});
    let deltas = [
        json!({"role": "assistant", "content": null, "tool_calls": [{"index": 0, "id": "call_1",
            "type": "function", "function": {"name": "get_weather", "arguments": ""}}]}),
        part(one),
        part(two),
    ];
    let streamed = ended(&deltas, "tool_calls", Usage::Asked);
    let streamed = Cell::answered(CHAT, streamed, Value::Null, units(&USED)).directly([ended(
        &deltas,
        "tool_calls",
        Usage::Unasked,
    )]);
    Cell::answered(CHAT, whole, sees, units(&USED)).and(streamed).carrying("get_weather")
}

fn embeddings() -> Cell {
    // As the SDKs ask for it: little-endian numbers of 32 bits in base 64.
    let vector = [0.25_f32, -0.5, 1.5];
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    let body = json!({"object": "list", "data": [{"object": "embedding", "index": 0,
        "embedding": STANDARD.encode(bytes)}], "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 9, "total_tokens": 9}});
    let sees = json!({"vectors": [vector], "input_tokens": 9});
    let answer = Script::json(200, body.to_string());
    Cell::answered("/v1/embeddings", answer, sees, units(&[(UnitClass::Input, 9)]))
}

fn completions(text: &str) -> Cell {
    let body = json!({"id": "cmpl-1", "object": "text_completion", "created": 1_795_000_000,
        "model": "gpt-3.5-turbo-instruct", "choices": [{"text": text, "index": 0,
        "logprobs": null, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}});
    let sees = json!({"model": "gpt-3.5-turbo-instruct", "text": text, "finish": "stop",
        "input_tokens": 7, "output_tokens": 5});
    let used = units(&[(UnitClass::Input, 7), (UnitClass::Output, 5)]);
    Cell::answered("/v1/completions", Script::json(200, body.to_string()), sees, used)
}

fn moderation() -> Cell {
    let body = json!({"id": "modr-1", "model": "omni-moderation-latest", "results": [{
        "flagged": true, "categories": {"violence": true}, "category_scores": {"violence": 0.75},
        "category_applied_input_types": {"violence": ["text"]}}]});
    let sees = json!({"flagged": true, "score": 0.75});
    let answer = Script::json(200, body.to_string());
    Cell::answered("/v1/moderations", answer, sees, Units::default())
}
