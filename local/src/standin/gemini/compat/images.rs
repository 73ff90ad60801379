//! Images, which are billed by the piece: there is no usage.

use http::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{Refusal, read};
use crate::standin::answer::Answer;
use crate::standin::call::Call;
use crate::standin::openai::CREATED;
use crate::standin::picture::PNG;

/// The fields of a request it is taken to know.
const FIELDS: [&str; 5] = ["model", "n", "prompt", "response_format", "size"];

/// The most images of one call.
const MOST_IMAGES: usize = 10;

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request: Request = read(call, &FIELDS)?;
    if request.model.is_empty() || request.prompt.is_none() {
        return Err(Refusal::MISSING_FIELD);
    }
    let count = request.n.unwrap_or(1);
    if !(1..=MOST_IMAGES).contains(&count) {
        return Err(Refusal::IMAGES);
    }
    let data = vec![Image { b64_json: PNG }; count];
    Ok(Answer::json(StatusCode::OK, &Images { created: CREATED, data }))
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    model: String,
    prompt: Option<IgnoredAny>,
    n: Option<usize>,
}

/// An answer.
#[derive(Serialize)]
struct Images {
    created: u64,
    data: Vec<Image>,
}

#[derive(Clone, Serialize)]
struct Image {
    b64_json: &'static str,
}
