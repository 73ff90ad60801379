//! OpenAI's responses, their compaction and the count of what they would read.

mod compaction;
mod event;
mod usage;
mod wire;

use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::compaction::Compaction;
use self::event::events;
use self::usage::{InputTokens, Usage};
use self::wire::Response;
use super::refusal::Refusal;
use super::{EVENTS, SPEAKER, StreamOptions, read};
use crate::standin::answer::Answer;
use crate::standin::call::Call;

/// The least that an answer may be limited to, in tokens.
const LEAST_LIMIT: u64 = 16;

/// Answers.
pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request = Request::of(call)?;
    let streams = request.stream == Some(true);
    if request.max_output_tokens.is_some_and(|limit| limit < LEAST_LIMIT) {
        return Err(Refusal::LITTLE_ROOM);
    }
    if request.stream_options.is_some() && !streams {
        return Err(Refusal::NOT_STREAMED);
    }
    let speech = SPEAKER.speak(request.max_output_tokens);
    let begun = Response::new(call, &request.model, request.max_output_tokens);
    let usage = Usage::new(call.prompt_tokens(), speech.tokens());
    Ok(if streams {
        let options = request.stream_options.unwrap_or_default();
        Answer::stream(EVENTS, events(call, begun, &speech, usage, options))
    } else {
        Answer::json(StatusCode::OK, &begun.said(call, &speech, usage))
    })
}

/// Puts what a stand-in says in the place of a conversation.
pub(super) fn compact(call: &Call) -> Result<Answer, Refusal> {
    Request::of(call)?;
    let speech = SPEAKER.speak(None);
    let usage = Usage::new(call.prompt_tokens(), speech.tokens());
    Ok(Answer::json(StatusCode::OK, &Compaction::new(call, &speech.text(), usage)))
}

/// Counts the input of a response.
pub(super) fn count(call: &Call) -> Result<Answer, Refusal> {
    Request::of(call)?;
    Ok(Answer::json(StatusCode::OK, &InputTokens::new(call.prompt_tokens())))
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: String,
    input: Option<IgnoredAny>,
    max_output_tokens: Option<u64>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

impl Request {
    /// The request of a call, with a model and an input.
    fn of(call: &Call) -> Result<Self, Refusal> {
        let request: Self = read(call)?;
        if request.model.is_empty() {
            return Err(Refusal::MISSING_MODEL);
        }
        if request.input.is_none() {
            return Err(Refusal::NO_INPUT);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
