//! What is asked, by path, and in whose dialect.

use http::{HeaderMap, Method};
use shared::{dialect::Dialect, endpoint::EndpointType, fault::Fault};

/// An endpoint this function serves. A caller has spelled the model in it, so that no program can
/// print it.
#[derive(PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Endpoint {
    /// The list of models.
    Models,
    /// One model, as the caller spelled it.
    Model(String),
    /// A call that is carried to a provider.
    Call(Kind),
}

/// A kind of call, of which the same is true.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) enum Kind {
    /// `OpenAI`'s chat completions, also for models of the others.
    ChatCompletions,
    /// `OpenAI`'s completions.
    Completions,
    /// `OpenAI`'s responses.
    Responses,
    /// The compaction of a conversation in the format of responses.
    Compact,
    /// How many tokens the input of a response has.
    InputTokens,
    /// `OpenAI`'s embeddings, also for models of Google.
    Embeddings,
    /// `OpenAI`'s images, also for models of Google.
    ImageGenerations,
    /// `OpenAI`'s edits of images.
    ImageEdits,
    /// `OpenAI`'s speech.
    Speech,
    /// `OpenAI`'s transcriptions.
    Transcriptions,
    /// `OpenAI`'s translations of speech.
    Translations,
    /// `OpenAI`'s moderations.
    Moderations,
    /// Anthropic's messages.
    Messages {
        /// Whether the older SDKs' `?beta=true` is there.
        beta: bool,
    },
    /// How many tokens a message has.
    CountTokens {
        /// The same.
        beta: bool,
    },
    /// A verb of Gemini's, behind the colon.
    Gemini {
        /// The API version in the path: `v1` or `v1beta`.
        version: &'static str,
        /// The model in the path, as the caller spelled it.
        model: String,
        /// What is asked of it.
        verb: Verb,
    },
}

/// What Gemini's models are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// `generateContent`: one object.
    Generate,
    /// `streamGenerateContent?alt=sse`: events.
    StreamEvents,
    /// `streamGenerateContent`: one array whose elements come one by one.
    StreamArray,
    /// `countTokens`.
    CountTokens,
    /// `embedContent`.
    Embed,
    /// `batchEmbedContents`.
    BatchEmbed,
}

impl Verb {
    /// The verb as it stands in a URL.
    pub(crate) const fn in_url(self) -> &'static str {
        match self {
            Self::Generate => "generateContent",
            Self::StreamEvents => "streamGenerateContent?alt=sse",
            Self::StreamArray => "streamGenerateContent",
            Self::CountTokens => "countTokens",
            Self::Embed => "embedContent",
            Self::BatchEmbed => "batchEmbedContents",
        }
    }
}

/// The paths that a body is posted to, Gemini's apart.
const POSTED: [(&str, Kind); 14] = [
    ("/v1/chat/completions", Kind::ChatCompletions),
    ("/v1/completions", Kind::Completions),
    ("/v1/responses", Kind::Responses),
    ("/v1/responses/compact", Kind::Compact),
    ("/v1/responses/input_tokens", Kind::InputTokens),
    ("/v1/embeddings", Kind::Embeddings),
    ("/v1/images/generations", Kind::ImageGenerations),
    ("/v1/images/edits", Kind::ImageEdits),
    ("/v1/audio/speech", Kind::Speech),
    ("/v1/audio/transcriptions", Kind::Transcriptions),
    ("/v1/audio/translations", Kind::Translations),
    ("/v1/moderations", Kind::Moderations),
    ("/v1/messages", Kind::Messages { beta: false }),
    ("/v1/messages/count_tokens", Kind::CountTokens { beta: false }),
];

/// What the providers have and this gateway does not serve, by how its path begins, and why.
///
/// README.md lists the same, and a test compares.
pub const NOT_SERVED: [(&str, &str); 31] = [
    ("/v1/messages/batches", BATCHES),
    ("/v1/batches", BATCHES),
    ("/v1beta/batches", BATCHES),
    ("/v1/files", FILES),
    ("/v1/uploads", FILES),
    ("/v1beta/files", FILES),
    ("/v1/vector_stores", FILES),
    ("/v1beta/corpora", FILES),
    ("/v1beta/fileSearchStores", FILES),
    ("/v1/containers", FILES),
    ("/v1/skills", FILES),
    ("/v1beta/cachedContents", CACHES),
    ("/v1/conversations", CONVERSATIONS),
    ("/v1/threads", CONVERSATIONS),
    ("/v1/assistants", CONVERSATIONS),
    ("/v1/chatkit", CONVERSATIONS),
    ("/v1/responses/", CONVERSATIONS),
    ("/v1/chat/completions/", CONVERSATIONS),
    ("/v1beta/interactions", CONVERSATIONS),
    ("/v1/agents", CONVERSATIONS),
    ("/v1/sessions", CONVERSATIONS),
    ("/v1/environments", CONVERSATIONS),
    ("/v1/fine_tuning", TRAINING),
    ("/v1/evals", TRAINING),
    ("/v1beta/tunedModels", TRAINING),
    ("/v1/realtime", REALTIME),
    ("/v1/live", REALTIME),
    ("/v1/images/variations", RETIRED),
    ("/v1/complete", RETIRED),
    ("/v1/videos", VIDEOS),
    ("/v1/audio/voices", FILES),
];

const BATCHES: &str = "a batch is kept at the provider for days; send its calls one by one";
const FILES: &str = "a file is kept at the provider; send its content with the call";
const CACHES: &str = "a cache by name is kept at the provider; a prompt is cached without one";
const CONVERSATIONS: &str =
    "a conversation is kept at the provider; send what was said before with each call";
const TRAINING: &str = "nothing is trained or evaluated on what was said";
const REALTIME: &str = "there are no sessions over WebSocket or WebRTC; call the endpoint for text, \
                        speech or transcription";
const RETIRED: &str = "the provider has retired it";
const VIDEOS: &str = "videos are made in jobs that are kept at the provider";

impl Kind {
    /// The endpoint type that is recorded.
    pub(crate) const fn endpoint_type(&self) -> EndpointType {
        match self {
            Self::ChatCompletions => EndpointType::ChatCompletions,
            Self::Completions => EndpointType::Completions,
            Self::Responses | Self::Compact => EndpointType::Responses,
            Self::InputTokens => EndpointType::InputTokens,
            Self::Embeddings => EndpointType::Embeddings,
            Self::ImageGenerations => EndpointType::ImageGenerations,
            Self::ImageEdits => EndpointType::ImageEdits,
            Self::Speech => EndpointType::AudioSpeech,
            Self::Transcriptions => EndpointType::AudioTranscriptions,
            Self::Translations => EndpointType::AudioTranslations,
            Self::Moderations => EndpointType::Moderations,
            Self::Messages { .. } => EndpointType::Messages,
            Self::CountTokens { .. } => EndpointType::CountTokens,
            Self::Gemini { verb, .. } => match verb {
                Verb::Generate | Verb::StreamEvents | Verb::StreamArray => {
                    EndpointType::GenerateContent
                }
                Verb::CountTokens => EndpointType::CountTokens,
                Verb::Embed | Verb::BatchEmbed => EndpointType::EmbedContent,
            },
        }
    }

    /// Whether the body is a form. Images are edited in either format.
    pub(crate) fn takes_form(&self, headers: &HeaderMap) -> bool {
        let multipart = || {
            let named = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
            Some(named.get(..10)?.eq_ignore_ascii_case("multipart/"))
        };
        matches!(self, Self::Transcriptions | Self::Translations)
            || self == &Self::ImageEdits && multipart() == Some(true)
    }

    const fn dialect(&self) -> Dialect {
        match self {
            Self::Messages { .. } | Self::CountTokens { .. } => Dialect::Anthropic,
            Self::Gemini { .. } => Dialect::Gemini,
            Self::ChatCompletions
            | Self::Completions
            | Self::Responses
            | Self::Compact
            | Self::InputTokens
            | Self::Embeddings
            | Self::ImageGenerations
            | Self::ImageEdits
            | Self::Speech
            | Self::Transcriptions
            | Self::Translations
            | Self::Moderations => Dialect::OpenAi,
        }
    }
}

fn posted(path: &str) -> Option<&'static Kind> {
    POSTED.iter().find_map(|(known, kind)| (*known == path).then_some(kind))
}

/// The dialect of a request: by its path where that tells, else by the headers that only one
/// provider's SDK sends. All three SDKs ask `GET /v1/models`.
pub(crate) fn dialect(method: &Method, headers: &HeaderMap, path: &str, query: &Query) -> Dialect {
    // A verb behind a colon is Google's; in the name of a model it may be OpenAI's.
    let verb = method == Method::POST && path.contains(':');
    if let Some(kind) = posted(path) {
        kind.dialect()
    } else if path.starts_with("/v1/messages/") {
        Dialect::Anthropic
    } else if path.starts_with("/v1beta/")
        || verb
        || headers.contains_key("x-goog-api-key")
        || headers.contains_key("x-goog-api-client")
        || query.key
    {
        Dialect::Gemini
    } else if headers.contains_key("anthropic-version") {
        Dialect::Anthropic
    } else {
        Dialect::OpenAi
    }
}

/// The endpoint at `path`, where `query` is what follows the question mark.
///
/// # Errors
/// [`Fault::NotServed`] for what the providers have, [`Fault::UnknownPath`] for the rest.
pub(crate) fn endpoint(method: &Method, path: &str, query: &Query) -> Result<Endpoint, Fault> {
    let found = match *method {
        Method::GET => model(path),
        Method::POST => match posted(path) {
            Some(Kind::Messages { .. }) => {
                Some(Endpoint::Call(Kind::Messages { beta: query.beta }))
            }
            Some(Kind::CountTokens { .. }) => {
                Some(Endpoint::Call(Kind::CountTokens { beta: query.beta }))
            }
            Some(kind) => Some(Endpoint::Call(kind.clone())),
            None => gemini(path, query).map(Endpoint::Call),
        },
        _ => None,
    };
    found.ok_or_else(|| {
        if *method == Method::GET && path == "/v1/responses" {
            return Fault::NoWebSocket;
        }
        let below = |begins: &str| {
            let rest = path.strip_prefix(begins)?;
            // One that ends with a slash is about what stands below it.
            let whole = rest.is_empty() || rest.starts_with('/') || begins.ends_with('/');
            (whole && !(rest.is_empty() && begins.ends_with('/'))).then_some(())
        };
        let why = NOT_SERVED.iter().find(|(begins, _)| below(begins).is_some());
        why.map_or(Fault::UnknownPath, |(_, why)| Fault::NotServed(why))
    })
}

/// The parts of a query that are read. The rest, `key` above all, goes no further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// `alt=sse`.
    pub(crate) sse: bool,
    /// `beta=true`.
    pub(crate) beta: bool,
    /// There is a `key`, as only Google's callers have it.
    pub(crate) key: bool,
}

fn model(path: &str) -> Option<Endpoint> {
    let rest = path.strip_prefix("/v1beta/models").or(path.strip_prefix("/v1/models"))?;
    if rest.is_empty() {
        return Some(Endpoint::Models);
    }
    let name = rest.strip_prefix('/').filter(|name| !name.contains('/'))?;
    Some(Endpoint::Model(name.to_owned()))
}

fn gemini(path: &str, query: &Query) -> Option<Kind> {
    let (version, rest) = match path.strip_prefix("/v1beta/models/") {
        Some(rest) => ("v1beta", rest),
        None => ("v1", path.strip_prefix("/v1/models/")?),
    };
    let (model, verb) = rest.split_once(':')?;
    let verb = match (verb, query.sse) {
        ("generateContent", _) => Verb::Generate,
        ("streamGenerateContent", true) => Verb::StreamEvents,
        ("streamGenerateContent", false) => Verb::StreamArray,
        ("countTokens", _) => Verb::CountTokens,
        ("embedContent", _) => Verb::Embed,
        ("batchEmbedContents", _) => Verb::BatchEmbed,
        _ => return None,
    };
    Some(Kind::Gemini { version, model: model.to_owned(), verb })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_sdks_are_told_apart_at_the_one_path_they_share() {
        let dialect_of = |name: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, "x".parse().unwrap());
            dialect(&Method::GET, &headers, "/v1/models", &Query::default())
        };
        assert_eq!(dialect_of("authorization"), Dialect::OpenAi);
        assert_eq!(dialect_of("anthropic-version"), Dialect::Anthropic);
        assert_eq!(dialect_of("x-goog-api-key"), Dialect::Gemini);
        let query = Query { key: true, ..Query::default() };
        let of = |method, path, query| dialect(&method, &HeaderMap::new(), path, query);
        assert_eq!(of(Method::GET, "/v1/models", &query), Dialect::Gemini);
        let none = Query::default();
        assert_eq!(of(Method::GET, "/v1/models/ft:gpt-4o", &none), Dialect::OpenAi);
        assert_eq!(of(Method::POST, "/v1/models/x:countTokens", &none), Dialect::Gemini);
        assert_eq!(of(Method::POST, "/v1/messages/batches", &none), Dialect::Anthropic);
        assert_eq!(of(Method::POST, "/v1/audio/speech", &none), Dialect::OpenAi);
    }

    #[test]
    fn both_versions_and_every_verb_are_served() {
        let at =
            |path: &str, sse| endpoint(&Method::POST, path, &Query { sse, ..Query::default() });
        let kind = |version, verb| {
            let model = "gemini-2.5-pro".to_owned();
            Ok(Endpoint::Call(Kind::Gemini { version, model, verb }))
        };
        for (verb, sse, expected) in [
            ("generateContent", false, Verb::Generate),
            ("streamGenerateContent", true, Verb::StreamEvents),
            ("streamGenerateContent", false, Verb::StreamArray),
            ("countTokens", false, Verb::CountTokens),
            ("embedContent", false, Verb::Embed),
            ("batchEmbedContents", false, Verb::BatchEmbed),
        ] {
            for version in ["v1", "v1beta"] {
                let path = format!("/{version}/models/gemini-2.5-pro:{verb}");
                assert_eq!(at(&path, sse), kind(version, expected), "{path}");
            }
        }
        assert_eq!(at("/v1/models/x:predict", false), Err(Fault::UnknownPath));
    }

    #[test]
    fn what_is_not_served_says_why() {
        let at = |method, path| endpoint(&method, path, &Query::default());
        assert_eq!(at(Method::POST, "/v1/files"), Err(Fault::NotServed(FILES)));
        assert_eq!(at(Method::GET, "/v1/batches/b_1"), Err(Fault::NotServed(BATCHES)));
        assert_eq!(at(Method::GET, "/v1/responses/r_1"), Err(Fault::NotServed(CONVERSATIONS)));
        assert_eq!(at(Method::GET, "/v1/chat/completions"), Err(Fault::UnknownPath));
        assert_eq!(at(Method::GET, "/v1/responses"), Err(Fault::NoWebSocket));
        assert_eq!(at(Method::DELETE, "/v1/nothing"), Err(Fault::UnknownPath));
        assert_eq!(at(Method::POST, "/v1/chat/completions/"), Err(Fault::UnknownPath));
        assert_eq!(at(Method::POST, "/v1/filesystem"), Err(Fault::UnknownPath));
        // None of them hides what is served.
        for (path, kind) in POSTED {
            assert_eq!(at(Method::POST, path), Ok(Endpoint::Call(kind)));
        }
    }
}
