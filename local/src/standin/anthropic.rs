//! Anthropic's messages, the count of their tokens, and its OpenAI-compatible chat completions.
//!
//! Written from the provider's published API reference and captures of its streams.

mod refusal;
mod wire;

use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::refusal::Refusal;
use self::wire::{Block, Count, Delta, Event, Message, Stop, Usage};
use super::answer::{Answer, json};
use super::call::Call;
use super::openai;
use super::speech::{Ending, Speaker, Speech};

/// The API version that refuses sampling parameters, even at their defaults.
const WITHOUT_SAMPLING: &str = "2026-10-21";

/// Every API version there is.
const VERSIONS: [&str; 2] = ["2023-06-01", WITHOUT_SAMPLING];

const SPEAKER: Speaker = Speaker { provider: "Anthropic", variable: "ANTHROPIC_API_KEY" };

/// Answers a call whose path below the provider's prefix is `path`.
pub(super) fn answer(path: &str, call: &Call) -> Answer {
    let answer = if call.posts(path, "/v1/messages") {
        messages(call)
    } else if call.posts(path, "/v1/messages/count_tokens") {
        count(call)
    } else if call.posts(path, "/v1/chat/completions") {
        openai::chat::answer(call, &SPEAKER)
    } else {
        Refusal::NOT_FOUND.answer(call)
    };
    answer.known_as("request-id", call.request_id())
}

fn messages(call: &Call) -> Answer {
    let read = read(call).and_then(|request| {
        let max_tokens = request.max_tokens.ok_or(Refusal::NO_LIMIT)?;
        Ok((request, max_tokens))
    });
    let (request, max_tokens) = match read {
        Ok(read) => read,
        Err(refusal) => return refusal.answer(call),
    };
    let speech = SPEAKER.speak(Some(max_tokens));
    if request.stream == Some(true) {
        let begun = Usage::begun(call.prompt_tokens(), &speech);
        let ended = Usage::ended(call.prompt_tokens(), &speech);
        return stream(Message::new(call, &request.model, begun), &speech, ended);
    }
    let message = Message::new(call, &request.model, Usage::whole(call.prompt_tokens(), &speech));
    Answer::json(StatusCode::OK, &message.said(&speech, stop_reason(speech.ending)))
}

/// What a message would read, which takes no limit.
fn count(call: &Call) -> Answer {
    match read(call) {
        Ok(_) => Answer::json(StatusCode::OK, &Count { input_tokens: call.prompt_tokens() }),
        Err(refusal) => refusal.answer(call),
    }
}

fn read(call: &Call) -> Result<MessagesRequest, Refusal> {
    if call.header("x-api-key").is_none() {
        return Err(Refusal::NO_KEY);
    }
    let version = call.header("anthropic-version").ok_or(Refusal::NO_VERSION)?;
    if !VERSIONS.contains(&version) {
        return Err(Refusal::BAD_VERSION);
    }
    let request: MessagesRequest =
        serde_json::from_slice(&call.body).map_err(|_| Refusal::MALFORMED)?;
    if request.model.is_empty() {
        return Err(Refusal::NO_MODEL);
    }
    if request.messages.is_none() {
        return Err(Refusal::NO_MESSAGES);
    }
    if version == WITHOUT_SAMPLING && request.samples() {
        return Err(Refusal::SAMPLING);
    }
    Ok(request)
}

fn stream(message: Message<'_>, speech: &Speech, usage: Usage) -> Answer {
    let mut events = vec![Event::MessageStart { message }];
    // A limit of zero only warms the cache: there is no block then.
    if !speech.pieces.is_empty() {
        let content_block = Block::Text { text: String::new() };
        events.push(Event::ContentBlockStart { index: 0, content_block });
        events.push(Event::Ping);
        events.extend(speech.pieces.iter().map(|piece| Event::ContentBlockDelta {
            index: 0,
            delta: Delta::TextDelta { text: piece },
        }));
        events.push(Event::ContentBlockStop { index: 0 });
    }
    let delta = Stop { stop_reason: stop_reason(speech.ending), stop_sequence: () };
    events.push(Event::MessageDelta { delta, usage });
    events.push(Event::MessageStop);

    let frames = events.iter().map(frame).collect();
    Answer::stream("text/event-stream; charset=utf-8", frames)
}

/// One event. Its name goes on a line of its own, without which SDKs drop it.
fn frame(event: &Event<'_>) -> Bytes {
    format!("event: {}\ndata: {}\n\n", event.name(), json(event)).into()
}

/// Anthropic's word for why an answer ended.
fn stop_reason(ending: Ending) -> &'static str {
    match ending {
        Ending::Said => "end_turn",
        Ending::Cut => "max_tokens",
    }
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct MessagesRequest {
    #[serde(default)]
    model: String,
    messages: Option<Vec<IgnoredAny>>,
    max_tokens: Option<u64>,
    stream: Option<bool>,
    temperature: Option<IgnoredAny>,
    top_p: Option<IgnoredAny>,
    top_k: Option<IgnoredAny>,
}

impl MessagesRequest {
    fn samples(&self) -> bool {
        self.temperature.is_some() || self.top_p.is_some() || self.top_k.is_some()
    }
}

#[cfg(test)]
mod tests;
