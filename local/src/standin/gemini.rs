//! Gemini's generateContent, plain and streamed in both its framings, the count of what it would
//! read, and embeddings.
//!
//! Written from the provider's published API reference and captures of its streams.

mod compat;
mod embed;
mod refusal;
mod turn;
mod wire;

use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;

use self::refusal::Refusal;
use self::turn::Turn;
use self::wire::{Counted, Generated};
use super::answer::{Answer, json};
use super::call::Call;
use super::speech::Speaker;

const SPEAKER: Speaker = Speaker { provider: "Gemini", variable: "GEMINI_API_KEY" };

/// Answers a call whose path below the provider's prefix is `path`.
pub(super) fn answer(path: &str, call: &Call) -> Answer {
    if let Some(path) = path.strip_prefix("/v1beta/openai") {
        return compat::answer(path, call);
    }
    let answer = match target(path) {
        Some((model, verb)) if call.head.method == Method::POST => perform(call, model, verb),
        Some(_) | None => Err(Refusal::NOT_FOUND),
    };
    answer.unwrap_or_else(Refusal::answer)
}

/// What a path asks of a model.
#[derive(Clone, Copy)]
enum Verb {
    Generate,
    Stream,
    Count,
    Embed,
    EmbedAll,
}

/// The model and verb of `/v1beta/models/{model}:{verb}`.
fn target(path: &str) -> Option<(&str, Verb)> {
    let resource =
        path.strip_prefix("/v1beta/models/").or_else(|| path.strip_prefix("/v1/models/"))?;
    let (model, verb) = resource.rsplit_once(':')?;
    let verb = match verb {
        "generateContent" => Verb::Generate,
        "streamGenerateContent" => Verb::Stream,
        "countTokens" => Verb::Count,
        "embedContent" => Verb::Embed,
        "batchEmbedContents" => Verb::EmbedAll,
        _ => return None,
    };
    (!model.is_empty() && !model.contains('/')).then_some((model, verb))
}

fn perform(call: &Call, model: &str, verb: Verb) -> Result<Answer, Refusal> {
    match verb {
        Verb::Generate => {
            let turn = turn(call)?;
            Ok(Answer::json(StatusCode::OK, &Generated::whole(call, model, &turn)))
        }
        Verb::Stream => {
            let turn = turn(call)?;
            let elements = turn.words().map(|word| json(&Generated::word(call, model, &word)));
            Ok(if call.asks("alt=sse") { events(elements) } else { array(elements) })
        }
        Verb::Count => {
            // What is counted may also come as the whole request that would be made of it.
            let request: CountRequest = read(call)?;
            if request.contents.is_none() && request.generate_content_request.is_none() {
                return Err(Refusal::NO_CONTENTS);
            }
            Ok(Answer::json(StatusCode::OK, &Counted::new(call.prompt_tokens())))
        }
        Verb::Embed => embed::one(call),
        Verb::EmbedAll => embed::all(call),
    }
}

/// What `T` reads of a call that has a key.
fn read<'a, T: Deserialize<'a>>(call: &'a Call) -> Result<T, Refusal> {
    if call.header("x-goog-api-key").is_none() {
        return Err(Refusal::NO_KEY);
    }
    serde_json::from_slice(&call.body).map_err(|_| Refusal::MALFORMED)
}

fn turn(call: &Call) -> Result<Turn, Refusal> {
    let request: GenerateRequest = read(call)?;
    if request.contents.is_none() {
        return Err(Refusal::NO_CONTENTS);
    }
    Turn::new(request.limit(), call.prompt_tokens())
}

/// Elements as events. Their lines end in CRLF, and no marker follows the last.
fn events(elements: impl Iterator<Item = String>) -> Answer {
    let frames = elements.map(|element| Bytes::from(format!("data: {element}\r\n\r\n")));
    Answer::stream("text/event-stream", frames.collect())
}

/// Elements as one JSON array, each sent when it is there.
fn array(elements: impl Iterator<Item = String>) -> Answer {
    let opened = std::iter::once("[").chain(std::iter::repeat(",\r\n"));
    let frames = opened.zip(elements).map(|(before, element)| format!("{before}{element}").into());
    let closed = frames.chain([Bytes::from_static(b"]")]);
    Answer::stream("application/json; charset=UTF-8", closed.collect())
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct GenerateRequest {
    contents: Option<Vec<IgnoredAny>>,
    #[serde(rename = "generationConfig", alias = "generation_config")]
    generation_config: Option<GenerationConfig>,
}

#[derive(Deserialize)]
struct CountRequest {
    contents: Option<Vec<IgnoredAny>>,
    #[serde(rename = "generateContentRequest", alias = "generate_content_request")]
    generate_content_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct GenerationConfig {
    #[serde(rename = "maxOutputTokens", alias = "max_output_tokens")]
    max_output_tokens: Option<u64>,
}

impl GenerateRequest {
    fn limit(&self) -> Option<u64> {
        self.generation_config.as_ref()?.max_output_tokens
    }
}

#[cfg(test)]
mod tests;
