//! Where a call is going: one endpoint of one provider, with its URL, its credential's place and
//! the format of its answers.

use http::{HeaderName, header};
use shared::{
    catalogue::{Mode, Model},
    fault::Fault,
    provider::Provider,
    units::UnitClass,
};

use crate::{
    meter::Wire,
    route::{Kind, Verb},
};

/// An endpoint of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `OpenAI`'s chat completions.
    Chat,
    /// Anthropic's endpoint for `OpenAI`'s chat.
    AnthropicChat,
    /// Google's endpoint for `OpenAI`'s chat, whose schema is strict.
    GeminiChat,
    /// `OpenAI`'s completions.
    Completions,
    /// `OpenAI`'s responses.
    Responses,
    /// Its compaction.
    Compact,
    /// Its count.
    InputTokens,
    /// `OpenAI`'s embeddings.
    Embeddings,
    /// Google's endpoint for them.
    GeminiEmbeddings,
    /// `OpenAI`'s image generations.
    Images,
    /// Google's endpoint for them.
    GeminiImages,
    /// `OpenAI`'s image edits.
    ImageEdits,
    /// `OpenAI`'s speech.
    Speech,
    /// `OpenAI`'s transcriptions.
    Transcriptions,
    /// `OpenAI`'s translations.
    Translations,
    /// `OpenAI`'s moderations.
    Moderations,
    /// Anthropic's messages.
    Messages,
    /// Their count.
    CountMessage,
    /// Gemini's `generateContent`.
    Generate,
    /// Its count.
    CountContent,
    /// Gemini's `embedContent`.
    Embed,
    /// Many of them.
    BatchEmbed,
}

impl Target {
    /// Where a call of this kind goes for this model.
    ///
    /// # Errors
    /// [`Fault::WrongEndpoint`] where the model is not offered in that way.
    pub(crate) fn of(kind: &Kind, model: &Model) -> Result<Self, Fault> {
        use Mode::{
            Chat, Completion, Embedding, Image, Moderation, Responses, Speech, Transcription,
        };
        use Provider::{Anthropic, Gemini, OpenAi};

        Ok(match (kind, model.mode, model.provider) {
            (Kind::ChatCompletions, Chat, OpenAi) => Self::Chat,
            (Kind::ChatCompletions, Chat, Anthropic) => Self::AnthropicChat,
            // The compatible endpoint does not tell images from text in its usage.
            (Kind::ChatCompletions, Chat, Gemini) if !model.prices(UnitClass::ImageOutput) => {
                Self::GeminiChat
            }
            (Kind::Completions, Completion, OpenAi) => Self::Completions,
            (Kind::Responses, Chat | Responses, OpenAi) => Self::Responses,
            (Kind::Compact, Chat | Responses, OpenAi) => Self::Compact,
            (Kind::InputTokens, Chat | Responses, OpenAi) => Self::InputTokens,
            (Kind::Embeddings, Embedding, OpenAi) => Self::Embeddings,
            (Kind::Embeddings, Embedding, Gemini) => Self::GeminiEmbeddings,
            (Kind::ImageGenerations, Image, OpenAi) => Self::Images,
            (Kind::ImageGenerations, Image, Gemini) => Self::GeminiImages,
            (Kind::ImageEdits, Image, OpenAi) => Self::ImageEdits,
            (Kind::Speech, Speech, OpenAi) => Self::Speech,
            (Kind::Transcriptions, Transcription, OpenAi) => Self::Transcriptions,
            (Kind::Translations, Transcription, OpenAi) => Self::Translations,
            (Kind::Moderations, Moderation, OpenAi) => Self::Moderations,
            (Kind::Messages { .. }, Chat, Anthropic) => Self::Messages,
            (Kind::CountTokens { .. }, Chat, Anthropic) => Self::CountMessage,
            (Kind::Gemini { verb, .. }, mode, Gemini) => match (verb, mode) {
                (Verb::Generate | Verb::StreamEvents | Verb::StreamArray, Chat) => Self::Generate,
                (Verb::CountTokens, Chat | Embedding) => Self::CountContent,
                (Verb::Embed, Embedding) => Self::Embed,
                (Verb::BatchEmbed, Embedding) => Self::BatchEmbed,
                _ => return Err(Fault::WrongEndpoint),
            },
            _ => return Err(Fault::WrongEndpoint),
        })
    }

    /// Whether the body is in the format of `OpenAI`'s responses.
    pub(crate) const fn is_responses(self) -> bool {
        matches!(self, Self::Responses | Self::Compact | Self::InputTokens)
    }

    /// The format of the answer.
    pub(crate) const fn wire(self, kind: &Kind) -> Wire {
        match self {
            Self::Chat | Self::AnthropicChat | Self::Completions => Wire::Chat,
            Self::GeminiChat => Wire::GeminiChat,
            Self::Responses | Self::Compact => Wire::Responses,
            Self::Embeddings | Self::GeminiEmbeddings => Wire::Embeddings,
            Self::Images | Self::GeminiImages | Self::ImageEdits => Wire::Images,
            Self::Speech => Wire::Speech,
            Self::Transcriptions | Self::Translations => Wire::Transcript,
            Self::InputTokens | Self::Moderations | Self::CountMessage | Self::CountContent => {
                Wire::Free
            }
            Self::Messages => Wire::Messages,
            Self::Generate if matches!(kind, Kind::Gemini { verb: Verb::StreamArray, .. }) => {
                Wire::GeminiArray
            }
            Self::Generate => Wire::Gemini,
            Self::Embed | Self::BatchEmbed => Wire::GeminiEmbeddings,
        }
    }

    /// The URL. Every part of it is ours: the caller's key, query and spelling are not in it.
    pub(crate) fn url(self, kind: &Kind, model: &str, base: &str) -> String {
        let path = match self {
            Self::Chat => "/chat/completions",
            Self::AnthropicChat => "/v1/chat/completions",
            Self::GeminiChat => "/v1beta/openai/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Compact => "/responses/compact",
            Self::InputTokens => "/responses/input_tokens",
            Self::Embeddings => "/embeddings",
            Self::GeminiEmbeddings => "/v1beta/openai/embeddings",
            Self::Images => "/images/generations",
            Self::GeminiImages => "/v1beta/openai/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
            Self::Moderations => "/moderations",
            Self::Messages => "/v1/messages",
            Self::CountMessage => "/v1/messages/count_tokens",
            Self::Generate | Self::CountContent | Self::Embed | Self::BatchEmbed => {
                let Kind::Gemini { version, verb, .. } = kind else { return base.to_owned() };
                return format!("{base}/{version}/models/{model}:{}", verb.in_url());
            }
        };
        let beta = matches!(kind, Kind::Messages { beta: true } | Kind::CountTokens { beta: true });
        format!("{base}{path}{}", if beta { "?beta=true" } else { "" })
    }

    /// The header that holds the operator's credential, and what stands before it there.
    pub(crate) const fn credential(self) -> (HeaderName, &'static str) {
        match self {
            Self::Messages | Self::CountMessage => (HeaderName::from_static("x-api-key"), ""),
            Self::Generate | Self::CountContent | Self::Embed | Self::BatchEmbed => {
                (HeaderName::from_static("x-goog-api-key"), "")
            }
            Self::Chat
            | Self::AnthropicChat
            | Self::GeminiChat
            | Self::Completions
            | Self::Responses
            | Self::Compact
            | Self::InputTokens
            | Self::Embeddings
            | Self::GeminiEmbeddings
            | Self::Images
            | Self::GeminiImages
            | Self::ImageEdits
            | Self::Speech
            | Self::Transcriptions
            | Self::Translations
            | Self::Moderations => (header::AUTHORIZATION, "Bearer "),
        }
    }
}
