//! The models, in each dialect's shape. They come from the catalogue; no provider is asked.

use http::StatusCode;
use serde_json::{Value, json};
use shared::{
    caller::Caller,
    catalogue::{Catalogue, Mode, Model},
    dialect::Dialect,
    fault::Fault,
    provider::Provider,
    reply::{self, Reply},
};

/// What the providers answer where a model's birthday is not known.
const UNKNOWN_DATE: &str = "1970-01-01T00:00:00Z";

/// Whether `model` can be called in `dialect`. `OpenAI`'s format reaches all of them.
fn is_served(model: &Model, dialect: Dialect) -> bool {
    match dialect {
        Dialect::OpenAi => true,
        Dialect::Anthropic => model.provider == Provider::Anthropic,
        Dialect::Gemini => model.provider == Provider::Gemini && !methods(model).is_empty(),
    }
}

/// What a model can be asked in Gemini's format.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest is asked in another format")]
const fn methods(model: &Model) -> &'static [&'static str] {
    match model.mode {
        Mode::Chat => &["generateContent", "streamGenerateContent", "countTokens"],
        Mode::Embedding => &["embedContent", "batchEmbedContents", "countTokens"],
        _ => &[],
    }
}

/// The model of this name, if `caller` can call it in `dialect`.
///
/// # Errors
/// [`Fault::UnknownModel`], [`Fault::ModelNotAllowed`].
pub(crate) fn one(
    catalogue: &Catalogue,
    caller: &Caller,
    dialect: Dialect,
    name: &str,
) -> Result<Reply, Fault> {
    let model = catalogue.find(name).filter(|model| is_served(model, dialect));
    let model = model.ok_or(Fault::UnknownModel)?;
    if !caller.may_call(&model.id) {
        return Err(Fault::ModelNotAllowed);
    }
    let body = match dialect {
        Dialect::OpenAi => openai(model),
        Dialect::Anthropic => anthropic(model),
        Dialect::Gemini => gemini(model),
    };
    Ok(reply::json(StatusCode::OK, body.to_string()))
}

/// The models that `caller` can call in `dialect`.
pub(crate) fn list(catalogue: &Catalogue, caller: &Caller, dialect: Dialect) -> Reply {
    let may = |model: &&Model| is_served(model, dialect) && caller.may_call(&model.id);
    let models = || catalogue.models().filter(may);
    let body = match dialect {
        Dialect::OpenAi => {
            let data: Vec<_> = models().map(openai).collect();
            json!({"object": "list", "data": data})
        }
        Dialect::Anthropic => json!({
            "data": models().map(anthropic).collect::<Vec<_>>(),
            "has_more": false,
            "first_id": models().next().map(|model| &model.id),
            "last_id": models().last().map(|model| &model.id),
        }),
        Dialect::Gemini => json!({"models": models().map(gemini).collect::<Vec<_>>()}),
    };
    reply::json(StatusCode::OK, body.to_string())
}

fn openai(model: &Model) -> Value {
    let owner = match model.provider {
        Provider::Gemini => "google",
        Provider::OpenAi | Provider::Anthropic => model.provider.name(),
    };
    json!({"id": model.id, "object": "model", "created": 0, "owned_by": owner})
}

fn anthropic(model: &Model) -> Value {
    json!({
        "type": "model",
        "id": model.id,
        "display_name": model.id,
        "created_at": UNKNOWN_DATE,
        "max_input_tokens": model.max_input,
        "max_tokens": model.max_output,
    })
}

fn gemini(model: &Model) -> Value {
    json!({
        "name": format!("models/{}", model.id),
        "version": "001",
        "displayName": model.id,
        "inputTokenLimit": model.max_input,
        "outputTokenLimit": model.max_output,
        "supportedGenerationMethods": methods(model),
    })
}
