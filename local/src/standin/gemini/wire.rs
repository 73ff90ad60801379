//! The bodies of generateContent and countTokens. A field's place here is its place on the wire, and a count of
//! nothing has none.

use serde::Serialize;

use super::turn::{Tally, Turn, Word};
use crate::standin::call::Call;
use crate::standin::speech::Ending;

/// An answer, or one element of a streamed one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Generated<'a> {
    candidates: [Candidate; 1],
    usage_metadata: UsageMetadata,
    model_version: &'a str,
    response_id: String,
}

impl<'a> Generated<'a> {
    /// A whole turn.
    pub(super) fn whole(call: &Call, model_version: &'a str, turn: &Turn) -> Self {
        let candidate = Candidate::new(turn.speech.text(), Some(turn.speech.ending));
        Self {
            candidates: [candidate],
            usage_metadata: UsageMetadata::new(turn.tally()),
            model_version,
            response_id: call.id(""),
        }
    }

    /// One word of a turn.
    pub(super) fn word(call: &Call, model_version: &'a str, word: &Word<'_>) -> Self {
        Self {
            candidates: [Candidate::new(word.text.to_owned(), word.ending)],
            usage_metadata: UsageMetadata::new(word.tally),
            model_version,
            response_id: call.id(""),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    content: Content,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    index: u32,
}

#[derive(Serialize)]
struct Content {
    parts: [Part; 1],
    role: &'static str,
}

#[derive(Serialize)]
struct Part {
    text: String,
}

impl Candidate {
    fn new(text: String, ending: Option<Ending>) -> Self {
        let finish_reason = ending.map(|ending| match ending {
            Ending::Said => "STOP",
            Ending::Cut => "MAX_TOKENS",
        });
        Self { content: Content { parts: [Part { text }], role: "model" }, finish_reason, index: 0 }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates_token_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thoughts_token_count: Option<u64>,
    total_token_count: u64,
    prompt_tokens_details: [ModalityCount; 1],
    service_tier: &'static str,
}

/// Tokens of one kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ModalityCount {
    modality: &'static str,
    token_count: u64,
}

impl ModalityCount {
    pub(super) fn text(token_count: u64) -> Self {
        Self { modality: "TEXT", token_count }
    }
}

/// A count.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counted {
    total_tokens: u64,
    prompt_tokens_details: [ModalityCount; 1],
}

impl Counted {
    pub(super) fn new(total_tokens: u64) -> Self {
        Self { total_tokens, prompt_tokens_details: [ModalityCount::text(total_tokens)] }
    }
}

impl UsageMetadata {
    fn new(tally: Tally) -> Self {
        let some = |count| Some(count).filter(|&count| count != 0);
        Self {
            prompt_token_count: tally.prompt,
            candidates_token_count: some(tally.candidate),
            thoughts_token_count: some(tally.thoughts),
            total_token_count: tally.total(),
            prompt_tokens_details: [ModalityCount::text(tally.prompt)],
            service_tier: "standard",
        }
    }
}
