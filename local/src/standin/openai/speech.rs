//! OpenAI's speech. It is a tone, and always a WAV file unless its samples alone are asked for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::refusal::Refusal;
use super::{EVENTS, frame, read};
use crate::standin::answer::Answer;
use crate::standin::call::{Call, tokens};
use crate::standin::sound;

/// What the sound comes to, at some twenty tokens a second.
const SOUND_TOKENS: u64 = 4;

/// The bytes of sound in one event.
const PIECE: usize = 2_400;

/// What speech may be asked for in.
const FORMATS: [&str; 6] = ["mp3", "opus", "aac", "flac", "wav", "pcm"];

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request: Request = read(call)?;
    if request.model.is_empty() {
        return Err(Refusal::NO_MODEL);
    }
    let input = request.input.filter(|input| !input.is_empty()).ok_or(Refusal::NO_INPUT)?;
    if request.voice.is_none() {
        return Err(Refusal::NO_VOICE);
    }
    let format = request.response_format.as_deref().unwrap_or("mp3");
    if !FORMATS.contains(&format) {
        return Err(Refusal::SOUND);
    }
    // What is sent for the others says that it is none of them.
    let (media, sound) = match format {
        "pcm" => ("audio/pcm", sound::pcm()),
        _ => ("audio/wav", sound::wav()),
    };
    match request.stream_format.as_deref() {
        None | Some("audio") => Ok(Answer::whole(media, sound)),
        Some("sse") if request.model.starts_with("tts-1") => Err(Refusal::NO_EVENTS),
        Some("sse") => Ok(stream(&sound, Usage::new(tokens(input.len())))),
        Some(_) => Err(Refusal::STREAM),
    }
}

fn stream(sound: &[u8], usage: Usage) -> Answer {
    let pieces = sound.chunks(PIECE).map(|piece| Event::Delta { audio: STANDARD.encode(piece) });
    let events = pieces.chain([Event::Done { usage }]);
    Answer::stream(EVENTS, events.map(|event| frame(&event)).collect())
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: String,
    input: Option<String>,
    voice: Option<IgnoredAny>,
    response_format: Option<String>,
    stream_format: Option<String>,
}

/// One event of a stream.
#[derive(Serialize)]
#[serde(tag = "type")]
enum Event {
    #[serde(rename = "speech.audio.delta")]
    Delta { audio: String },
    #[serde(rename = "speech.audio.done")]
    Done { usage: Usage },
}

/// What was used. Total is input and output.
#[derive(Serialize)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    total_tokens: u64,
}

impl Usage {
    fn new(input_tokens: u64) -> Self {
        let total_tokens = input_tokens.saturating_add(SOUND_TOKENS);
        Self { input_tokens, output_tokens: SOUND_TOKENS, total_tokens }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{CANARY, ask, refused};
    use super::*;

    const PATH: &str = "/v1/audio/speech";

    fn question(more: &Value) -> Value {
        let mut body = json!({"model": "gpt-4o-mini-tts", "input": "Hi", "voice": "alloy"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn sound_says_what_it_is_whatever_was_asked_for() {
        for asked in [json!({}), json!({"response_format": "wav"}), json!({"model": "tts-1"})] {
            let answer = ask(PATH, &question(&asked));
            assert_eq!(answer.media, "audio/wav");
            assert_eq!(answer.bytes(), sound::wav());
        }
        let answer = ask(PATH, &question(&json!({"response_format": "pcm"})));
        assert_eq!(answer.media, "audio/pcm");
        assert_eq!(answer.bytes(), sound::pcm());
    }

    #[test]
    fn the_events_join_to_the_sound_and_end_with_usage() {
        let events = ask(PATH, &question(&json!({"stream_format": "sse"}))).events();
        let (last, deltas) = events.split_last().unwrap();
        let sound: Vec<u8> = deltas
            .iter()
            .flat_map(|event| STANDARD.decode(event["audio"].as_str().unwrap()).unwrap())
            .collect();
        assert_eq!(sound, sound::wav());
        assert!(deltas.iter().all(|event| event["type"] == "speech.audio.delta"));
        assert_eq!(last["type"], "speech.audio.done");
        assert_eq!(
            last["usage"],
            json!({"input_tokens": 8, "output_tokens": 4, "total_tokens": 12})
        );
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        refused(PATH, &json!({"input": CANARY, "voice": "alloy"}), None);
        refused(PATH, &json!({"model": CANARY, "voice": "alloy"}), Some("input"));
        refused(PATH, &json!({"model": "tts-1", "input": CANARY}), Some("voice"));
        refused(PATH, &question(&json!({"response_format": CANARY})), Some("response_format"));
        refused(PATH, &question(&json!({"stream_format": CANARY})), Some("stream_format"));
        let silent = json!({"model": "tts-1-hd", "stream_format": "sse"});
        refused(PATH, &question(&silent), Some("stream_format"));
    }
}
