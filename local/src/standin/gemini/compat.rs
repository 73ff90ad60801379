//! Gemini's OpenAI-compatible endpoints, where they are not as OpenAI's: an unknown field is
//! refused, and errors come in an array.
//!
//! Written from public reports of what they answer. They name some fields that are refused, and no
//! list of those that are accepted, so each list of fields is a guess wherever they are silent.

mod chat;
mod embeddings;
mod images;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::refusal::Refusal;
use crate::standin::answer::Answer;
use crate::standin::call::Call;

/// Answers a call whose path below the compatible base is `path`.
pub(super) fn answer(path: &str, call: &Call) -> Answer {
    let answer = if call.posts(path, "/chat/completions") {
        chat::answer(call)
    } else if call.posts(path, "/embeddings") {
        embeddings::answer(call)
    } else if call.posts(path, "/images/generations") {
        images::answer(call)
    } else {
        Err(Refusal::NOT_FOUND)
    };
    answer.unwrap_or_else(Refusal::answer_in_array)
}

/// What `T` reads of a call that has a key and no fields but these.
fn read<'a, T: Deserialize<'a>>(call: &'a Call, fields: &[&str]) -> Result<T, Refusal> {
    if !call.has_bearer() {
        return Err(Refusal::NO_BEARER);
    }
    let sent: BTreeMap<String, IgnoredAny> =
        serde_json::from_slice(&call.body).map_err(|_| Refusal::MALFORMED)?;
    if sent.keys().any(|name| !fields.contains(&name.as_str())) {
        return Err(Refusal::UNKNOWN_FIELD);
    }
    serde_json::from_slice(&call.body).map_err(|_| Refusal::MALFORMED)
}
