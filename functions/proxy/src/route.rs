//! What is asked, by path, and in whose dialect.

use http::{HeaderMap, Method};
use shared::{dialect::Dialect, endpoint::EndpointType, fault::Fault};

/// An endpoint this function serves.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// The list of models.
    Models,
    /// One model, as the caller spelled it.
    Model(String),
    /// A call that is carried to a provider.
    Call(Kind),
}

/// A kind of call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `OpenAI`'s chat completions, also for models of the others.
    ChatCompletions,
    /// Anthropic's messages.
    Messages {
        /// Whether the older SDKs' `?beta=true` is there.
        beta: bool,
    },
    /// Gemini's `generateContent` and `streamGenerateContent`.
    GenerateContent {
        /// The API version in the path: `v1` or `v1beta`.
        version: &'static str,
        /// The model in the path, as the caller spelled it.
        model: String,
        /// How the answer is to come.
        answer: GeminiAnswer,
    },
}

/// How Gemini's answer is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GeminiAnswer {
    /// One object.
    Whole,
    /// Events, `?alt=sse`.
    Events,
    /// One array whose elements come one by one.
    Array,
}

impl Kind {
    /// The endpoint type that is recorded.
    pub(crate) const fn endpoint_type(&self) -> EndpointType {
        match self {
            Self::ChatCompletions => EndpointType::ChatCompletions,
            Self::Messages { .. } => EndpointType::Messages,
            Self::GenerateContent { .. } => EndpointType::GenerateContent,
        }
    }
}

/// The dialect of a request: by its path where that tells, else by the headers that only one
/// provider's SDK sends. All three SDKs ask `GET /v1/models`.
pub(crate) fn dialect(method: &Method, headers: &HeaderMap, path: &str, query: &Query) -> Dialect {
    // A verb behind a colon is Google's; in the name of a model it may be OpenAI's.
    let verb = method == Method::POST && path.contains(':');
    if path == "/v1/chat/completions" {
        Dialect::OpenAi
    } else if path == "/v1/messages" {
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
/// [`Fault::UnknownPath`].
pub(crate) fn endpoint(method: &Method, path: &str, query: &Query) -> Result<Endpoint, Fault> {
    if method == Method::GET {
        let rest = path.strip_prefix("/v1beta/models").or(path.strip_prefix("/v1/models"));
        return match rest.ok_or(Fault::UnknownPath)? {
            "" => Ok(Endpoint::Models),
            name => {
                let name = name.strip_prefix('/').filter(|name| !name.contains('/'));
                name.map(|name| Endpoint::Model(name.to_owned())).ok_or(Fault::UnknownPath)
            }
        };
    }
    if method != Method::POST {
        return Err(Fault::UnknownPath);
    }
    Ok(Endpoint::Call(match path {
        "/v1/chat/completions" => Kind::ChatCompletions,
        "/v1/messages" => Kind::Messages { beta: query.beta },
        _ => gemini(path, query)?,
    }))
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

fn gemini(path: &str, query: &Query) -> Result<Kind, Fault> {
    let (version, rest) = match path.strip_prefix("/v1beta/models/") {
        Some(rest) => ("v1beta", rest),
        None => ("v1", path.strip_prefix("/v1/models/").ok_or(Fault::UnknownPath)?),
    };
    let (model, verb) = rest.split_once(':').ok_or(Fault::UnknownPath)?;
    let answer = match (verb, query.sse) {
        ("generateContent", _) => GeminiAnswer::Whole,
        ("streamGenerateContent", true) => GeminiAnswer::Events,
        ("streamGenerateContent", false) => GeminiAnswer::Array,
        _ => return Err(Fault::UnknownPath),
    };
    Ok(Kind::GenerateContent { version, model: model.to_owned(), answer })
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
    }

    #[test]
    fn both_versions_and_all_three_ways_to_answer_are_served() {
        let at = |path, sse| endpoint(&Method::POST, path, &Query { sse, ..Query::default() });
        let kind = |version, answer| {
            let model = "gemini-2.5-pro".to_owned();
            Ok(Endpoint::Call(Kind::GenerateContent { version, model, answer }))
        };
        let plain = "/v1beta/models/gemini-2.5-pro:generateContent";
        assert_eq!(at(plain, false), kind("v1beta", GeminiAnswer::Whole));
        let stream = "/v1/models/gemini-2.5-pro:streamGenerateContent";
        assert_eq!(at(stream, true), kind("v1", GeminiAnswer::Events));
        assert_eq!(at(stream, false), kind("v1", GeminiAnswer::Array));
        assert_eq!(at("/v1/models/x:countTokens", false), Err(Fault::UnknownPath));
        assert_eq!(at("/v1/files", false), Err(Fault::UnknownPath));
    }
}
