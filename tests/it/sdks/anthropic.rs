//! What Anthropic answers to each scenario.

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

const MESSAGES: &str = "/v1/messages";
const MODEL: &str = "claude-haiku-4-5-20251001";
const REFUSAL: &str = "max_tokens: 64 is not what this test wants";

/// What every message of the scenarios uses.
const USED: [(UnitClass, u64); 4] = [
    (UnitClass::Input, 27),
    (UnitClass::CacheRead, 10_240),
    (UnitClass::CacheWrite5m, 2_048),
    (UnitClass::Output, 503),
];

pub(super) fn cell(scenario: &str, caller: &Caller<'_>) -> Option<Cell> {
    let text = caller.text();
    Some(match scenario {
        "plain" => message(&text),
        "image" => message(&text).carrying(PIXEL),
        "stream" => stream(&text),
        "tools" => tools(),
        "embeddings" => Cell::absent(),
        "models" => Cell::models("/v1/models"),
        "count_tokens" => {
            let answer = Script::json(200, r#"{"input_tokens":37}"#);
            let sees = json!({"input_tokens": 37});
            Cell::answered("/v1/messages/count_tokens", answer, sees, Units::default())
        }
        "wrong_key" => {
            let sees = error("AuthenticationError", 401, "authentication_error");
            let mut cell = Cell::refused(MESSAGES, sees, &Fault::KeyRevoked);
            WRONG_KEY_SAYS.clone_into(&mut cell.says);
            cell
        }
        "unknown_model" => {
            let sees = error("NotFoundError", 404, "not_found_error");
            Cell::refused(MESSAGES, sees, &Fault::UnknownModel)
        }
        "provider_error" => {
            let body = json!({"type": "error", "request_id": "req_1",
                "error": {"type": "invalid_request_error", "message": REFUSAL}});
            let answer = Script::json(400, body.to_string()).header("request-id", "req_1");
            let sees = error("BadRequestError", 400, "invalid_request_error");
            Cell::answered(MESSAGES, answer, sees, Units::default()).failing(400, REFUSAL)
        }
        "no_balance" => {
            let class = match caller.major {
                Major::Current => "PaymentRequiredError",
                Major::Previous => caller.class("APIStatusError", "APIError"),
            };
            let sees = error(class, 402, "billing_error");
            Cell::refused(MESSAGES, sees, &Fault::InsufficientBalance)
        }
        "stream_error" => {
            let error = json!({"type": "error",
                "error": {"type": "overloaded_error", "message": "Overloaded"}});
            let answer = begun(&caller.half()).then(event(&error));
            let sees = json!({"class": caller.class("APIStatusError", "APIError"),
                "text": caller.half(), "type": "overloaded_error"});
            Cell::answered(MESSAGES, answer, sees, Units::default()).breaking("Overloaded")
        }
        "stream_cut" => {
            let sees = json!({"class": caller.class("APIStatusError", "APIError"),
                "text": caller.half(), "type": "api_error"});
            let cut = begun(&caller.half()).cut();
            let cut = Cell::answered(MESSAGES, cut, sees, Units::default());
            cut.breaking(Fault::ProviderCut.to_string()).directly([])
        }
        _ => return None,
    })
}

fn error(class: &str, status: u16, kind: &str) -> Value {
    json!({"class": class, "status": status, "type": kind})
}

fn usage(output: u64) -> Value {
    json!({"input_tokens": 27, "cache_creation_input_tokens": 2_048,
        "cache_read_input_tokens": 10_240,
        "cache_creation": {"ephemeral_5m_input_tokens": 2_048, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output, "service_tier": "standard"})
}

fn whole(content: &Value, stop: &str) -> Script {
    let body = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL,
        "content": content, "stop_reason": stop, "stop_sequence": null, "usage": usage(503)});
    Script::json(200, body.to_string()).header("request-id", "req_1")
}

fn message(text: &str) -> Cell {
    let answer = whole(&json!([{"type": "text", "text": text}]), "end_turn");
    let sees = json!({"model": MODEL, "text": text, "finish": "end_turn",
        "input_tokens": 27, "output_tokens": 503});
    Cell::answered(MESSAGES, answer, sees, units(&USED))
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn start() -> Script {
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": MODEL,
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage(1)});
    Script::events(event(&json!({"type": "message_start", "message": message})))
}

fn block(script: Script, block: &Value, deltas: &[Value]) -> Script {
    let opened = json!({"type": "content_block_start", "index": 0, "content_block": block});
    let script = script.then(event(&opened)).then(event(&json!({"type": "ping"})));
    deltas.iter().fold(script, |script, delta| {
        let delta = json!({"type": "content_block_delta", "index": 0, "delta": delta});
        script.then(event(&delta))
    })
}

fn end(script: Script, stop: &str) -> Script {
    let closed = json!({"type": "content_block_stop", "index": 0});
    let delta = json!({"type": "message_delta", "usage": {"output_tokens": 503},
        "delta": {"stop_reason": stop, "stop_sequence": null}});
    let events = [closed, delta, json!({"type": "message_stop"})];
    events.iter().fold(script, |script, data| script.then(event(data)))
}

fn begun(text: &str) -> Script {
    let delta = json!({"type": "text_delta", "text": text});
    block(start(), &json!({"type": "text", "text": ""}), &[delta])
}

fn stream(text: &str) -> Cell {
    let (one, two) = text.split_at(text.len() / 2);
    let deltas = [one, two].map(|text| json!({"type": "text_delta", "text": text}));
    let answer = block(start(), &json!({"type": "text", "text": ""}), &deltas);
    let sees = json!({"model": MODEL, "text": text, "finish": "end_turn", "chunks": 2,
        "input_tokens": 27, "output_tokens": 503});
    Cell::answered(MESSAGES, end(answer, "end_turn"), sees, units(&USED))
}

fn tools() -> Cell {
    let arguments = serde_json::from_str::<Value>(WEATHER).unwrap();
    let call = |input: &Value| json!({"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": input});
    let called = json!({"name": "get_weather", "arguments": arguments});
    let sees = json!({"calls": [called, called], "input_tokens": 27, "output_tokens": 503});
    let (one, two) = WEATHER.split_at(9);
    let parts = [one, two].map(|part| json!({"type": "input_json_delta", "partial_json": part}));
    let streamed = end(block(start(), &call(&json!({})), &parts), "tool_use");
    let streamed = Cell::answered(MESSAGES, streamed, Value::Null, units(&USED));
    let whole = whole(&json!([call(&arguments)]), "tool_use");
    Cell::answered(MESSAGES, whole, sees, units(&USED)).and(streamed).carrying("get_weather")
}
