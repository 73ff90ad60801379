//! Gemini's embedContent and batchEmbedContents.

use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::read;
use super::refusal::Refusal;
use super::wire::ModalityCount;
use crate::standin::answer::Answer;
use crate::standin::call::Call;
use crate::standin::vector;

/// The most contents of one call.
const MOST_REQUESTS: usize = 100;

/// Embeds one content.
pub(super) fn one(call: &Call) -> Result<Answer, Refusal> {
    let embedding = read::<EmbedRequest<'_>>(call)?.embedding()?;
    let usage_metadata = UsageMetadata::new(call.prompt_tokens());
    Ok(Answer::json(StatusCode::OK, &Embedded { embedding, usage_metadata }))
}

/// Embeds many.
pub(super) fn all(call: &Call) -> Result<Answer, Refusal> {
    let requests = read::<BatchRequest<'_>>(call)?.requests;
    if !(1..=MOST_REQUESTS).contains(&requests.len()) {
        return Err(Refusal::REQUESTS);
    }
    let embeddings = requests.iter().map(EmbedRequest::embedding).collect::<Result<_, _>>()?;
    let usage_metadata = UsageMetadata::new(call.prompt_tokens());
    Ok(Answer::json(StatusCode::OK, &AllEmbedded { embeddings, usage_metadata }))
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct EmbedRequest<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(rename = "outputDimensionality", alias = "output_dimensionality")]
    output_dimensionality: Option<usize>,
}

#[derive(Deserialize)]
struct BatchRequest<'a> {
    #[serde(borrow, default)]
    requests: Vec<EmbedRequest<'a>>,
}

impl EmbedRequest<'_> {
    fn embedding(&self) -> Result<Embedding, Refusal> {
        let size = self.content.ok_or(Refusal::NO_CONTENT)?.get().len();
        let dimensions = self.output_dimensionality.unwrap_or(vector::USUAL);
        if !(1..=vector::LONGEST).contains(&dimensions) {
            return Err(Refusal::DIMENSIONS);
        }
        Ok(Embedding { values: vector::unit(dimensions, size) })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    embedding: Embedding,
    usage_metadata: UsageMetadata,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AllEmbedded {
    embeddings: Vec<Embedding>,
    usage_metadata: UsageMetadata,
}

#[derive(Serialize)]
struct Embedding {
    values: Vec<f32>,
}

/// What was used. Embeddings spell its details otherwise than the rest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: u64,
    prompt_token_details: [ModalityCount; 1],
}

impl UsageMetadata {
    fn new(prompt_token_count: u64) -> Self {
        let prompt_token_details = [ModalityCount::text(prompt_token_count)];
        Self { prompt_token_count, prompt_token_details }
    }
}
