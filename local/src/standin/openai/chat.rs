//! OpenAI's chat completions, of whoever speaks their format without a deviation.

mod wire;

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::wire::{Choice, Chunk, Completion, Delta, Message, Usage};
use super::refusal::Refusal;
use super::{DONE, EVENTS, StreamOptions, finish_reason, frame};
use crate::standin::answer::Answer;
use crate::standin::call::Call;
use crate::standin::speech::{Speaker, Speech};

/// A chat completion of this speaker's.
pub(in crate::standin) fn answer(call: &Call, speaker: &Speaker) -> Answer {
    read(call).map_or_else(|refusal| refusal.answer(), |request| complete(call, &request, speaker))
}

fn read(call: &Call) -> Result<ChatRequest, Refusal> {
    let request: ChatRequest = super::read(call)?;
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
    Answer::stream(EVENTS, frames)
}

/// What of a chat request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
pub(in crate::standin) struct ChatRequest {
    #[serde(default)]
    pub(in crate::standin) model: String,
    pub(in crate::standin) messages: Option<Vec<IgnoredAny>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

impl ChatRequest {
    pub(in crate::standin) fn streams(&self) -> bool {
        self.stream == Some(true)
    }

    fn options(&self) -> StreamOptions {
        self.stream_options.unwrap_or_default()
    }

    /// The most tokens the answer may have, under either name.
    pub(in crate::standin) fn limit(&self) -> Option<u64> {
        self.max_tokens.into_iter().chain(self.max_completion_tokens).min()
    }
}

#[cfg(test)]
mod tests;
