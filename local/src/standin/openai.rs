//! OpenAI's chat completions, and what others who speak them share.
//!
//! Written from the provider's published API reference and captures of its streams.

mod refusal;
mod wire;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::refusal::Refusal;
use self::wire::{Choice, Chunk, Completion, Delta, Message, Usage};
use super::answer::{Answer, json};
use super::call::Call;
use super::speech::{Ending, Speaker, Speech};

/// When every answer says it was created. A stand-in reads no clock.
pub(super) const CREATED: u64 = 1_727_346_172;

/// The last frame of a stream.
pub(super) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

const SPEAKER: Speaker = Speaker { provider: "OpenAI", variable: "OPENAI_API_KEY" };

/// Answers a call whose path below the provider's prefix is `path`.
pub(super) fn answer(path: &str, call: &Call) -> Answer {
    let answer = if call.posts(path, "/v1/chat/completions") {
        chat(call, &SPEAKER)
    } else {
        Refusal::NOT_FOUND.answer()
    };
    answer.known_as("x-request-id", call.request_id())
}

/// A chat completion of whoever speaks OpenAI's format without a deviation.
pub(super) fn chat(call: &Call, speaker: &Speaker) -> Answer {
    read(call).map_or_else(|refusal| refusal.answer(), |request| complete(call, &request, speaker))
}

fn read(call: &Call) -> Result<ChatRequest, Refusal> {
    if !call.has_bearer() {
        return Err(Refusal::NO_KEY);
    }
    let request: ChatRequest =
        serde_json::from_slice(&call.body).map_err(|_| Refusal::MALFORMED)?;
    if request.model.is_empty() {
        Err(Refusal::NO_MODEL)
    } else if request.messages.is_none() {
        Err(Refusal::NO_MESSAGES)
    } else if request.limit() == Some(0) {
        Err(Refusal::NO_ROOM)
    } else if request.stream_options.is_some() && !request.streams() {
        Err(Refusal::NOT_STREAMED)
    } else {
        Ok(request)
    }
}

fn complete(call: &Call, request: &ChatRequest, speaker: &Speaker) -> Answer {
    let speech = speaker.speak(request.limit());
    let usage = Usage::new(call.prompt_tokens(), &speech);
    if request.streams() {
        return stream(&Chunk::new(call, &request.model), request.options(), &speech, usage);
    }
    let choice = Choice {
        index: 0,
        message: Message::new(speech.text()),
        logprobs: (),
        finish_reason: finish_reason(speech.ending),
    };
    Answer::json(StatusCode::OK, &Completion::new(call, &request.model, choice, usage))
}

fn stream(blank: &Chunk<'_>, options: StreamOptions, speech: &Speech, usage: Usage) -> Answer {
    // Asked for, usage is null until it is known; otherwise there is no such key.
    let unknown = options.usage().then_some(None);
    let chunk = |delta, end| frame(&blank.with(delta, end).padded(options).used(unknown));

    let mut frames = vec![chunk(Delta::ROLE, None)];
    frames.extend(speech.pieces.iter().map(|piece| chunk(Delta::Content { content: piece }, None)));
    frames.push(chunk(Delta::Nothing {}, Some(finish_reason(speech.ending))));
    if options.usage() {
        frames.push(frame(&blank.clone().padded(options).used(Some(Some(usage)))));
    }
    frames.push(DONE);
    Answer::stream("text/event-stream; charset=utf-8", frames)
}

/// One event of a stream, in OpenAI's framing.
pub(super) fn frame(chunk: &impl serde::Serialize) -> Bytes {
    format!("data: {}\n\n", json(chunk)).into()
}

/// OpenAI's word for why an answer ended.
pub(super) fn finish_reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Said => "stop",
        Ending::Cut => "length",
    }
}

/// What of a chat request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
pub(super) struct ChatRequest {
    #[serde(default)]
    pub(super) model: String,
    pub(super) messages: Option<Vec<IgnoredAny>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

impl ChatRequest {
    pub(super) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    fn options(&self) -> StreamOptions {
        self.stream_options.unwrap_or_default()
    }

    /// The most tokens the answer may have, under either name.
    pub(super) fn limit(&self) -> Option<u64> {
        self.max_tokens.into_iter().chain(self.max_completion_tokens).min()
    }
}

#[derive(Clone, Copy, Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
    include_obfuscation: Option<bool>,
}

impl StreamOptions {
    fn usage(self) -> bool {
        self.include_usage == Some(true)
    }

    fn obfuscates(self) -> bool {
        self.include_obfuscation != Some(false)
    }
}

#[cfg(test)]
mod tests;
