//! OpenAI's endpoints, and what others who speak its formats share.
//!
//! Written from the provider's published API reference and captures of its answers.

pub(super) mod chat;
mod completions;
pub(super) mod embeddings;
pub(super) mod images;
mod moderations;
mod prompts;
mod refusal;
mod responses;
mod speech;
mod transcripts;

use bytes::Bytes;
use http::Method;
use serde::{Deserialize, Serialize};

use self::refusal::Refusal;
use self::transcripts::Task;
use super::answer::{Answer, json};
use super::call::Call;
use super::speech::{Ending, Speaker};

/// When every answer says it was created. A stand-in reads no clock.
pub(super) const CREATED: u64 = 1_727_346_172;

/// The last frame of a stream, where the format has one.
pub(super) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// The media type of a stream.
const EVENTS: &str = "text/event-stream; charset=utf-8";

const SPEAKER: Speaker = Speaker { provider: "OpenAI", variable: "OPENAI_API_KEY" };

/// Answers a call whose path below the provider's prefix is `path`.
pub(super) fn answer(path: &str, call: &Call) -> Answer {
    let answer = match path {
        _ if call.head.method != Method::POST => Err(Refusal::NOT_FOUND),
        "/v1/chat/completions" => Ok(chat::answer(call, &SPEAKER)),
        "/v1/completions" => completions::answer(call),
        "/v1/responses" => responses::answer(call),
        "/v1/responses/compact" => responses::compact(call),
        "/v1/responses/input_tokens" => responses::count(call),
        "/v1/embeddings" => embeddings::answer(call),
        "/v1/images/generations" => images::generate(call),
        "/v1/images/edits" => images::edit(call),
        "/v1/audio/speech" => speech::answer(call),
        "/v1/audio/transcriptions" => transcripts::answer(call, Task::Transcribe),
        "/v1/audio/translations" => transcripts::answer(call, Task::Translate),
        "/v1/moderations" => moderations::answer(call),
        _ => Err(Refusal::NOT_FOUND),
    };
    answer.unwrap_or_else(|refusal| refusal.answer()).known_as("x-request-id", call.request_id())
}

/// What `T` reads of a call that has a key.
fn read<'a, T: Deserialize<'a>>(call: &'a Call) -> Result<T, Refusal> {
    if !call.has_bearer() {
        return Err(Refusal::NO_KEY);
    }
    serde_json::from_slice(&call.body).map_err(|_| Refusal::MALFORMED)
}

/// One event of a stream, in OpenAI's framing.
pub(super) fn frame(chunk: &impl Serialize) -> Bytes {
    format!("data: {}\n\n", json(chunk)).into()
}

/// One event of a stream whose events have names.
fn named_frame(name: &str, event: &impl Serialize) -> Bytes {
    format!("event: {name}\ndata: {}\n\n", json(event)).into()
}

/// OpenAI's word for why an answer ended.
pub(super) fn finish_reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Said => "stop",
        Ending::Cut => "length",
    }
}

/// What a caller says of a stream.
#[derive(Clone, Copy, Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
    include_obfuscation: Option<bool>,
}

/// What padding is made of.
const PADDING: &str = "a8XkZq3LmT0vRyB7";

impl StreamOptions {
    fn usage(self) -> bool {
        self.include_usage == Some(true)
    }

    /// What pads an event that adds so many bytes, so that its length does not tell its word's,
    /// unless the caller does without.
    fn padding(self, added: usize) -> Option<String> {
        let room = PADDING.len().saturating_sub(added).max(1);
        (self.include_obfuscation != Some(false)).then(|| PADDING.chars().take(room).collect())
    }
}

#[cfg(test)]
mod tests;
