//! The way to the providers: one client, made at init, TLS 1.3 alone, and headers by an allow-list
//! in both directions. What identifies the caller stays here; what identifies the operator's
//! account at the provider goes no further.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use shared::{
    config::{Channel, ChannelsConfig},
    content::Content,
    lambda::InitError,
    provider::Provider,
    tls,
};

use crate::{
    bound,
    head::Head,
    meter::{StripUsage, Wire},
    route::{GeminiAnswer, Kind},
    splice::Spliced,
};

/// Shorter than the providers' own, so that a connection is never used as they close it.
const IDLE: Duration = Duration::from_secs(50);

/// The caller's headers that a provider gets to see.
const TO_PROVIDER: [&str; 3] = ["anthropic-version", "anthropic-beta", "openai-beta"];

/// The provider's headers that a caller gets to see.
const TO_CALLER: [&str; 4] = ["content-type", "retry-after", "retry-after-ms", "x-should-retry"];

/// The version that Anthropic's own examples name, for callers that send none.
const ANTHROPIC_VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// The client and its channels.
pub(crate) struct Upstream {
    client: reqwest::Client,
    channels: ChannelsConfig,
}

/// A call on its way out.
pub(crate) struct Outgoing {
    /// What goes onto the wire.
    pub(crate) request: ProviderRequest,
    /// How the answer is to be read.
    pub(crate) wire: Wire,
    /// Whether the answer is to come in frames.
    pub(crate) streamed: bool,
    /// Whether a usage chunk will come that the caller has not asked for.
    pub(crate) strip_usage: StripUsage,
    /// About how long the prompt is, for a call of which no usage comes.
    pub(crate) prompt_estimate: u64,
}

/// What goes onto the wire to a provider.
pub(crate) struct ProviderRequest {
    url: String,
    headers: HeaderMap,
    body: Spliced,
}

/// Why there is no answer, or no more of one. It holds no URL and no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamError {
    /// No connection: nothing was sent, so nothing can have been charged.
    Unreachable,
    /// The answer broke off.
    Cut,
}

/// An answer as it comes.
pub(crate) struct Answer(reqwest::Response);

impl Upstream {
    pub(crate) fn new(channels: ChannelsConfig) -> Result<Self, InitError> {
        let tls = tls::provider_tls(channels.extra_ca.as_deref())
            .map_err(|_| InitError("EXTRA_CA_PEM"))?;
        for provider in Provider::ALL {
            let secret = channels.channel(provider).credential.as_ref();
            if secret.is_some_and(|secret| HeaderValue::from_str(secret.expose()).is_err()) {
                return Err(InitError("a provider's credential"));
            }
        }
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(IDLE)
            .user_agent("laozhang-api")
            .build()
            .map_err(|_| InitError("upstream client"))?;
        Ok(Self { client, channels })
    }

    /// Whether the operator has a credential for `provider`.
    pub(crate) const fn reaches(&self, provider: Provider) -> bool {
        self.channels.channel(provider).credential.is_some()
    }

    /// Makes the request to the provider: its URL, its headers, and the caller's bytes with the
    /// edits of the field table.
    pub(crate) fn prepare(
        &self,
        kind: &Kind,
        head: Head,
        parts: &Parts,
        body: Content,
    ) -> Outgoing {
        let provider = head.model.provider;
        let channel = self.channels.channel(provider);
        let unasked = kind == &Kind::ChatCompletions && head.streamed && !head.wants_usage;
        let prompt_estimate = bound::estimated_prompt(&head);
        let request = ProviderRequest {
            url: url(kind, provider, &head.spelling, &channel.base_url),
            headers: headers(kind, provider, channel, &parts.headers),
            body: Spliced::new(body, head.edits),
        };
        Outgoing {
            request,
            wire: wire(kind, provider),
            streamed: head.streamed,
            strip_usage: if unasked { StripUsage::Yes } else { StripUsage::No },
            prompt_estimate,
        }
    }

    /// Sends it and awaits the head of the answer.
    pub(crate) async fn send(&self, request: ProviderRequest) -> Result<Answer, UpstreamError> {
        let ProviderRequest { url, headers, body } = request;
        let request = self.client.post(url).headers(headers).body(reqwest::Body::wrap(body));
        // The error itself would print the URL.
        request.send().await.map(Answer).map_err(|error| {
            if error.is_connect() { UpstreamError::Unreachable } else { UpstreamError::Cut }
        })
    }
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The headers that the caller gets to see.
    pub(crate) fn headers(&self) -> HeaderMap {
        pick(&TO_CALLER, self.0.headers())
    }

    /// The next bytes, or none at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Content>, UpstreamError> {
        let chunk = self.0.chunk().await.map_err(|_| UpstreamError::Cut)?;
        Ok(chunk.map(Content::new))
    }
}

const fn wire(kind: &Kind, provider: Provider) -> Wire {
    match (kind, provider) {
        (Kind::ChatCompletions, Provider::Gemini) => Wire::GeminiCompatible,
        (Kind::ChatCompletions, _) => Wire::OpenAi,
        (Kind::Messages { .. }, _) => Wire::Anthropic,
        (Kind::GenerateContent { answer: GeminiAnswer::Array, .. }, _) => Wire::GeminiArray,
        (Kind::GenerateContent { .. }, _) => Wire::Gemini,
    }
}

/// The URL. Every part of it is ours: the caller's key, query and spelling are not in it.
fn url(kind: &Kind, provider: Provider, model: &str, base: &str) -> String {
    match (kind, provider) {
        (Kind::ChatCompletions, Provider::OpenAi) => format!("{base}/chat/completions"),
        (Kind::ChatCompletions, Provider::Anthropic) => format!("{base}/v1/chat/completions"),
        (Kind::ChatCompletions, Provider::Gemini) => {
            format!("{base}/v1beta/openai/chat/completions")
        }
        (Kind::Messages { beta: false }, _) => format!("{base}/v1/messages"),
        (Kind::Messages { beta: true }, _) => format!("{base}/v1/messages?beta=true"),
        (Kind::GenerateContent { version, answer, .. }, _) => {
            let verb = match answer {
                GeminiAnswer::Whole => "generateContent",
                GeminiAnswer::Events => "streamGenerateContent?alt=sse",
                GeminiAnswer::Array => "streamGenerateContent",
            };
            format!("{base}/{version}/models/{model}:{verb}")
        }
    }
}

fn headers(kind: &Kind, provider: Provider, channel: &Channel, caller: &HeaderMap) -> HeaderMap {
    let mut headers = pick(&TO_PROVIDER, caller);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // A compressed answer could not be metered as it passes.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let (name, scheme) = match (kind, provider) {
        (Kind::Messages { .. }, _) => (HeaderName::from_static("x-api-key"), ""),
        (Kind::GenerateContent { .. }, _) => (HeaderName::from_static("x-goog-api-key"), ""),
        (Kind::ChatCompletions, _) => (header::AUTHORIZATION, "Bearer "),
    };
    if let Kind::Messages { .. } = kind {
        headers.entry("anthropic-version").or_insert(ANTHROPIC_VERSION);
    } else {
        headers.remove("anthropic-version");
        headers.remove("anthropic-beta");
    }
    let secret = channel.credential.as_ref().map_or("", |secret| secret.expose());
    if let Ok(mut value) = HeaderValue::from_str(&format!("{scheme}{secret}")) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    headers
}

/// The headers of these names, each once.
fn pick(names: &[&'static str], from: &HeaderMap) -> HeaderMap {
    let named =
        |name: &&'static str| Some((HeaderName::from_static(name), from.get(*name)?.clone()));
    names.iter().filter_map(named).collect()
}
