//! What Google's Gemini API answers to each scenario.

use serde_json::{Value, json};
use shared::{
    fault::Fault,
    units::{UnitClass, Units},
};
use tests::provider::Script;
use toolchain::Major;

use super::{
    PIXEL, WEATHER, WRONG_KEY_SAYS,
    cell::{Caller, Cell, units},
};

const REFUSAL: &str = "Invalid value at 'generation_config.top_k' (TYPE_FLOAT), \"much\"";
const OVERLOADED: &str = "The model is overloaded. Please try again later.";

/// What every call of the scenarios uses.
const USED: [(UnitClass, u64); 4] = [
    (UnitClass::Input, 176),
    (UnitClass::CacheRead, 1_024),
    (UnitClass::Output, 40),
    (UnitClass::Reasoning, 310),
];

pub(super) fn cell(scenario: &str, caller: &Caller<'_>) -> Option<Cell> {
    let text = caller.text();
    let version = match caller.major {
        Major::Current => "v1",
        Major::Previous => "v1beta",
    };
    let at = |model: &str, verb: &str| format!("/{version}/models/{model}:{verb}");
    let generate = at("gemini-2.5-flash", "generateContent");
    let stream_at = at("gemini-2.5-flash", "streamGenerateContent?alt=sse");
    Some(match scenario {
        "plain" => plain(&generate, &text),
        "plain_v1beta" => plain("/v1beta/models/gemini-2.5-flash:generateContent", &text),
        "image" => plain(&generate, &text).carrying(PIXEL),
        "stream" => stream(&stream_at, &text),
        "tools" => tools(&generate, &stream_at),
        "embeddings" => {
            let body = json!({"embeddings": [{"values": [0.25, -0.5, 1.5]}],
                "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}});
            let sees = json!({"vectors": [[0.25, -0.5, 1.5]]});
            let answer = Script::json(200, body.to_string());
            let path = at("gemini-embedding-001", "batchEmbedContents");
            Cell::answered(&path, answer, sees, units(&[(UnitClass::Input, 9)]))
        }
        "models" => Cell::models(&format!("/{version}/models")),
        "count_tokens" => {
            let body = json!({"totalTokens": 37,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 37}]});
            let answer = Script::json(200, body.to_string());
            let path = at("gemini-2.5-flash", "countTokens");
            Cell::answered(&path, answer, json!({"input_tokens": 37}), Units::default())
        }
        "wrong_key" => {
            let sees = error(caller, 401, "UNAUTHENTICATED");
            let mut cell = Cell::refused(&generate, sees, &Fault::KeyRevoked);
            WRONG_KEY_SAYS.clone_into(&mut cell.says);
            cell
        }
        "unknown_model" => {
            let path = at("no-such-model", "generateContent");
            Cell::refused(&path, error(caller, 404, "NOT_FOUND"), &Fault::UnknownModel)
        }
        "provider_error" => {
            let body = json!({"error": {"code": 400, "message": REFUSAL,
                "status": "INVALID_ARGUMENT"}});
            let answer = Script::json(400, body.to_string());
            let sees = error(caller, 400, "INVALID_ARGUMENT");
            Cell::answered(&generate, answer, sees, Units::default()).failing(400, REFUSAL)
        }
        "no_balance" => {
            let sees = error(caller, 402, "FAILED_PRECONDITION");
            Cell::refused(&generate, sees, &Fault::InsufficientBalance)
        }
        "stream_error" => {
            let error = json!({"error": {"code": 503, "message": OVERLOADED,
                "status": "UNAVAILABLE"}});
            let answer = begun(caller).then(event(&error));
            let sees = json!({"class": caller.class("ServerError", "ApiError"), "status": 503,
                "text": caller.half(), "type": "UNAVAILABLE"});
            Cell::answered(&stream_at, answer, sees, Units::default()).breaking(OVERLOADED)
        }
        "stream_cut" => {
            let sees = json!({"class": caller.class("ServerError", "ApiError"), "status": 502,
                "text": caller.half(), "type": "UNAVAILABLE"});
            let cut = Cell::answered(&stream_at, begun(caller).cut(), sees, Units::default());
            cut.breaking(Fault::ProviderCut.to_string()).directly([])
        }
        _ => return None,
    })
}

fn error(caller: &Caller<'_>, status: u16, kind: &str) -> Value {
    json!({"class": caller.class("ClientError", "ApiError"), "status": status, "type": kind})
}

fn chunk(parts: &Value, finish: Option<&str>, usage: &Value) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = finish.into();
    }
    json!({"candidates": [candidate], "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash", "responseId": "r1"})
}

fn usage() -> Value {
    json!({"promptTokenCount": 1_200, "cachedContentTokenCount": 1_024,
        "candidatesTokenCount": 40, "thoughtsTokenCount": 310, "totalTokenCount": 1_550,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1_200}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 1_024}]})
}

fn early() -> Value {
    json!({"promptTokenCount": 1_200, "totalTokenCount": 1_200})
}

fn plain(path: &str, text: &str) -> Cell {
    let body = chunk(&json!([{"text": text}]), Some("STOP"), &usage());
    let sees = json!({"model": "gemini-2.5-flash", "text": text, "finish": "STOP",
        "input_tokens": 1_200, "output_tokens": 350});
    Cell::answered(path, Script::json(200, body.to_string()), sees, units(&USED))
}

fn event(data: &Value) -> String {
    format!("data: {data}\r\n\r\n")
}

fn begun(caller: &Caller<'_>) -> Script {
    Script::events(event(&chunk(&json!([{"text": caller.half()}]), None, &early())))
}

fn stream(path: &str, text: &str) -> Cell {
    let (one, two) = text.split_at(text.len() / 2);
    let answer = Script::events(event(&chunk(&json!([{"text": one}]), None, &early())))
        .then(event(&chunk(&json!([{"text": two}]), Some("STOP"), &usage())));
    let sees = json!({"text": text, "finish": "STOP", "chunks": 2,
        "input_tokens": 1_200, "output_tokens": 350});
    Cell::answered(path, answer, sees, units(&USED))
}

fn tools(path: &str, stream_at: &str) -> Cell {
    let arguments = serde_json::from_str::<Value>(WEATHER).unwrap();
    let call = json!([{"functionCall": {"name": "get_weather", "args": arguments}}]);
    let called = json!({"name": "get_weather", "arguments": arguments});
    let sees = json!({"calls": [called, called], "input_tokens": 1_200, "output_tokens": 350});
    let answer = chunk(&call, Some("STOP"), &usage());
    let whole = Script::json(200, answer.to_string());
    let streamed = Script::events(event(&answer));
    let streamed = Cell::answered(stream_at, streamed, Value::Null, units(&USED));
    Cell::answered(path, whole, sees, units(&USED)).and(streamed).carrying("get_weather")
}
