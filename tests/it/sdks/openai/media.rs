//! What it answers where pictures or sound are made or read.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use shared::units::UnitClass;
use tests::provider::Script;

use super::super::{
    PIXEL,
    cell::{Caller, Cell, units},
    prompt,
};

fn image(canary: &str, text: u64, image: u64, output: u64) -> (Script, Value) {
    let drawn = STANDARD.encode(canary);
    let input = text.saturating_add(image);
    let body = json!({"created": 1_795_000_000, "data": [{"b64_json": drawn}],
        "usage": {"input_tokens": input,
            "input_tokens_details": {"text_tokens": text, "image_tokens": image},
            "output_tokens": output, "total_tokens": input.saturating_add(output)}});
    let sees = json!({"image": drawn, "input_tokens": input, "output_tokens": output});
    (Script::json(200, body.to_string()), sees)
}

pub(super) fn images(canary: &str) -> Cell {
    let (answer, sees) = image(canary, 12, 0, 272);
    let used = units(&[(UnitClass::Input, 12), (UnitClass::ImageOutput, 272)]);
    Cell::answered("/v1/images/generations", answer, sees, used)
}

pub(super) fn image_edit(canary: &str) -> Cell {
    let (answer, sees) = image(canary, 10, 40, 50);
    let used = [(UnitClass::Input, 10), (UnitClass::ImageInput, 40), (UnitClass::ImageOutput, 50)];
    Cell::answered("/v1/images/edits", answer, sees, units(&used))
        .carrying(STANDARD.decode(PIXEL).unwrap())
}

pub(super) fn transcription(text: &str) -> Cell {
    let body = json!({"text": text, "usage": {"type": "tokens", "input_tokens": 14,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14}, "output_tokens": 45,
        "total_tokens": 59}});
    let sees = json!({"text": text, "input_tokens": 14, "output_tokens": 45});
    let used = units(&[(UnitClass::AudioInput, 14), (UnitClass::Output, 45)]);
    let answer = Script::json(200, body.to_string());
    Cell::answered("/v1/audio/transcriptions", answer, sees, used).carrying("WAVEfmt ")
}

pub(super) fn speech(text: &str, caller: &Caller<'_>) -> Cell {
    let answer = Script::new(200, "audio/mpeg").then(text.to_owned());
    let characters = prompt(caller.canary).chars().count();
    let used = units(&[(UnitClass::Characters, u64::try_from(characters).unwrap())]);
    Cell::answered("/v1/audio/speech", answer, json!({"audio": text}), used).unreported()
}
