//! Embeddings, which are as OpenAI's.

use http::StatusCode;

use super::{Refusal, read};
use crate::standin::answer::Answer;
use crate::standin::call::Call;
use crate::standin::openai::embeddings::{Embedding, EmbeddingRequest, Embeddings};

/// The fields of a request it is taken to know.
const FIELDS: [&str; 4] = ["dimensions", "encoding_format", "input", "model"];

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request: EmbeddingRequest<'_> = read(call, &FIELDS)?;
    if request.model.is_empty() {
        return Err(Refusal::MISSING_FIELD);
    }
    let sizes = request.sizes().ok_or(Refusal::EMBEDDINGS)?;
    let dimensions = request.dimensions().ok_or(Refusal::DIMENSIONS)?;
    let encoding = request.encoding().ok_or(Refusal::EMBEDDINGS)?;
    let data = Embedding::all(&sizes, dimensions, encoding);
    Ok(Answer::json(StatusCode::OK, &Embeddings::new(call, &request.model, data)))
}
