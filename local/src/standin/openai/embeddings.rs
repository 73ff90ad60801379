//! OpenAI's embeddings, and those of others who speak its format.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::prompts::Prompts;
use super::read;
use super::refusal::Refusal;
use crate::standin::answer::Answer;
use crate::standin::call::Call;
use crate::standin::vector;

/// The most inputs of one call.
const MOST_INPUTS: usize = 2_048;

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request: EmbeddingRequest<'_> = read(call)?;
    if request.model.is_empty() {
        return Err(Refusal::NO_MODEL);
    }
    if request.input.is_none() {
        return Err(Refusal::NO_INPUT);
    }
    let sizes = request.sizes().ok_or(Refusal::INPUTS)?;
    let dimensions = request.dimensions().ok_or(Refusal::DIMENSIONS)?;
    let encoding = request.encoding().ok_or(Refusal::ENCODING)?;
    let data = Embedding::all(&sizes, dimensions, encoding);
    Ok(Answer::json(StatusCode::OK, &Embeddings::new(call, &request.model, data)))
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
pub(in crate::standin) struct EmbeddingRequest<'a> {
    #[serde(default)]
    pub(in crate::standin) model: String,
    #[serde(borrow)]
    input: Option<Prompts<'a>>,
    dimensions: Option<usize>,
    encoding_format: Option<String>,
}

impl EmbeddingRequest<'_> {
    /// The size of each input, if there are as many as there may be.
    pub(in crate::standin) fn sizes(&self) -> Option<Vec<usize>> {
        let sizes = self.input.as_ref()?.sizes();
        (1..=MOST_INPUTS).contains(&sizes.len()).then_some(sizes)
    }

    /// How many numbers each vector has, unless they are too many.
    pub(in crate::standin) fn dimensions(&self) -> Option<usize> {
        let wanted = self.dimensions.unwrap_or(vector::USUAL);
        (1..=vector::LONGEST).contains(&wanted).then_some(wanted)
    }

    /// How they are written, if that is known.
    pub(in crate::standin) fn encoding(&self) -> Option<Encoding> {
        match self.encoding_format.as_deref() {
            None | Some("float") => Some(Encoding::Numbers),
            Some("base64") => Some(Encoding::Base64),
            Some(_) => None,
        }
    }
}

/// How the numbers of a vector are written.
#[derive(Clone, Copy)]
pub(in crate::standin) enum Encoding {
    Numbers,
    /// In 32 bits each, little end first.
    Base64,
}

/// All vectors.
#[derive(Serialize)]
pub(in crate::standin) struct Embeddings<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    usage: Usage,
}

impl<'a> Embeddings<'a> {
    pub(in crate::standin) fn new(call: &Call, model: &'a str, data: Vec<Embedding>) -> Self {
        let prompt_tokens = call.prompt_tokens();
        let usage = Usage { prompt_tokens, total_tokens: prompt_tokens };
        Self { object: "list", data, model, usage }
    }
}

#[derive(Serialize)]
pub(in crate::standin) struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

impl Embedding {
    /// One for each input.
    pub(in crate::standin) fn all(
        sizes: &[usize],
        dimensions: usize,
        encoding: Encoding,
    ) -> Vec<Self> {
        let vector = |size: &usize| {
            let numbers = vector::unit(dimensions, *size);
            match encoding {
                Encoding::Numbers => Vector::Numbers(numbers),
                Encoding::Base64 => {
                    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
                    Vector::Base64(STANDARD.encode(bytes))
                }
            }
        };
        let vectors = sizes.iter().map(vector).enumerate();
        vectors.map(|(index, embedding)| Self { object: "embedding", index, embedding }).collect()
    }
}

/// What was used. There is nothing but the prompt.
#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{CANARY, ask, refused};
    use super::*;

    const PATH: &str = "/v1/embeddings";

    fn question(more: &Value) -> Value {
        let mut body = json!({"model": "text-embedding-3-small", "input": "Hi"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn there_is_a_vector_for_each_input_and_as_long_as_was_asked_for() {
        let answer = ask(PATH, &question(&json!({"input": ["a", "bc"], "dimensions": 3}))).value();
        let data = answer["data"].as_array().unwrap();
        assert_eq!(data.len(), 2);
        assert_eq!(data[1]["index"], 1);
        assert!(data.iter().all(|each| each["embedding"].as_array().unwrap().len() == 3));
        assert!(data[0]["embedding"][0].is_f64());
        assert_eq!(answer["usage"]["prompt_tokens"], answer["usage"]["total_tokens"]);
        let usual = ask(PATH, &question(&json!({}))).value();
        assert_eq!(usual["data"][0]["embedding"].as_array().unwrap().len(), 16);
    }

    #[test]
    fn base_64_holds_the_same_numbers() {
        let numbers = ask(PATH, &question(&json!({"encoding_format": "float"}))).value();
        let base64 = ask(PATH, &question(&json!({"encoding_format": "base64"}))).value();
        let bytes = STANDARD.decode(base64["data"][0]["embedding"].as_str().unwrap()).unwrap();
        let (bytes, rest) = bytes.as_chunks::<4>();
        assert!(rest.is_empty());
        let decoded: Vec<f32> = bytes.iter().copied().map(f32::from_le_bytes).collect();
        assert_eq!(json!(decoded), numbers["data"][0]["embedding"]);
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        refused(PATH, &json!({"input": CANARY}), None);
        refused(PATH, &json!({"model": CANARY}), Some("input"));
        refused(PATH, &question(&json!({"input": [], "user": CANARY})), Some("input"));
        refused(PATH, &question(&json!({"input": vec![CANARY; 2_049]})), Some("input"));
        refused(PATH, &question(&json!({"encoding_format": CANARY})), Some("encoding_format"));
        refused(PATH, &question(&json!({"dimensions": 0})), Some("dimensions"));
        refused(PATH, &question(&json!({"dimensions": 3_073})), Some("dimensions"));
    }
}
