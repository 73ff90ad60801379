//! What it answers as responses.

use serde_json::{Value, json};
use shared::{fault::Fault, units::Units};
use tests::provider::Script;

use super::{
    super::cell::{Caller, Cell, units},
    OVERLOADED, USED,
};

const RESPONSES: &str = "/v1/responses";

fn response(text: &str, status: &str) -> Value {
    let output = json!([{"id": "msg_1", "type": "message", "status": "completed",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]}]);
    let usage = json!({"input_tokens": 1_200, "output_tokens": 310, "total_tokens": 1_510,
        "input_tokens_details": {"cached_tokens": 1_024, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 192}});
    let done = status == "completed";
    json!({"id": "resp_1", "object": "response", "created_at": 1_795_000_000, "status": status,
        "model": "gpt-5-mini-2025-08-07", "output": if done { output } else { json!([]) },
        "usage": if done { usage } else { Value::Null }, "error": null,
        "incomplete_details": null, "instructions": null, "metadata": {},
        "parallel_tool_calls": true, "tool_choice": "auto", "tools": [], "store": false,
        "temperature": 1.0, "top_p": 1.0})
}

pub(super) fn whole(text: &str) -> Cell {
    let answer = Script::json(200, response(text, "completed").to_string());
    let sees = json!({"model": "gpt-5-mini-2025-08-07", "text": text, "finish": "completed",
        "input_tokens": 1_200, "output_tokens": 310});
    Cell::answered(RESPONSES, answer, sees, units(&USED))
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn begun(text: &str) -> Script {
    let item = json!({"id": "msg_1", "type": "message", "status": "in_progress",
        "role": "assistant", "content": []});
    let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
    let events = [
        json!({"type": "response.created", "sequence_number": 0,
            "response": response("", "in_progress")}),
        json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
            "item": item}),
        json!({"type": "response.content_part.added", "sequence_number": 2, "item_id": "msg_1",
            "output_index": 0, "content_index": 0, "part": part}),
        json!({"type": "response.output_text.delta", "sequence_number": 3, "item_id": "msg_1",
            "output_index": 0, "content_index": 0, "delta": text, "logprobs": []}),
    ];
    events.iter().fold(Script::events(""), |script, data| script.then(event(data)))
}

pub(super) fn stream(text: &str) -> Cell {
    let done = response(text, "completed");
    let last = json!({"type": "response.completed", "sequence_number": 4, "response": done});
    let answer = begun(text).then(event(&last));
    let sees = json!({"text": text, "finish": "completed", "chunks": 5,
        "input_tokens": 1_200, "output_tokens": 310});
    Cell::answered(RESPONSES, answer, sees, units(&USED))
}

pub(super) fn broken(caller: &Caller<'_>) -> Cell {
    let error = json!({"type": "error", "sequence_number": 4, "error": {
        "type": "server_error", "code": "server_error", "message": OVERLOADED, "param": null}});
    let answer = begun(&caller.half()).then(event(&error));
    let sees = json!({"class": "APIError", "text": caller.half(), "type": "server_error"});
    Cell::answered(RESPONSES, answer, sees, Units::default()).breaking(OVERLOADED)
}

pub(super) fn cut(caller: &Caller<'_>) -> Cell {
    let sees = json!({"class": "APIError", "text": caller.half(), "code": "provider_cut"});
    let cut = begun(&caller.half()).cut();
    let cut = Cell::answered(RESPONSES, cut, sees, Units::default());
    cut.breaking(Fault::ProviderCut.to_string()).directly([])
}
