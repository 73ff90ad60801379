//! The list of models, in each dialect's shape. It comes from the catalogue; no provider is asked.

use http::StatusCode;
use serde_json::{Value, json};
use shared::{
    catalogue::{Catalogue, Mode, Model},
    dialect::Dialect,
    provider::Provider,
    reply::{self, Reply},
};

/// What the providers answer where a model's birthday is not known.
const UNKNOWN_DATE: &str = "1970-01-01T00:00:00Z";

/// The models that can be called in `dialect`. `OpenAI`'s format reaches all of them.
pub(crate) fn list(catalogue: &Catalogue, dialect: Dialect) -> Reply {
    let served = |provider: Provider| match dialect {
        Dialect::OpenAi => true,
        Dialect::Anthropic => provider == Provider::Anthropic,
        Dialect::Gemini => provider == Provider::Gemini,
    };
    let models = || {
        let chat = catalogue.models().filter(|model| model.mode == Mode::Chat);
        chat.filter(|model| served(model.provider))
    };
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
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    })
}
