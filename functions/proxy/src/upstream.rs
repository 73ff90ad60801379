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
    estimate::Estimate,
    fields,
    head::Head,
    meter::{StripUsage, Wire},
    route::Kind,
    splice::Spliced,
    target::Target,
};

/// Shorter than the providers' own, so that a connection is never used as they close it.
const IDLE: Duration = Duration::from_secs(50);

/// The caller's headers that Anthropic gets to see. The others get none: OpenAI's betas let more
/// models take part than the one that is priced.
const TO_ANTHROPIC: [&str; 2] = ["anthropic-version", "anthropic-beta"];

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
    /// About what it uses, for a call of which no usage comes.
    pub(crate) estimate: Estimate,
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
        let channel = self.channels.channel(head.model.provider);
        let target = head.target;
        let unasked = fields::sends_usage_chunk(target) && head.streamed && !head.wants_usage;
        let estimate = Estimate::of(&head);
        let content_type = head.content_type.as_deref();
        let request = ProviderRequest {
            url: target.url(kind, &head.spelling, &channel.base_url),
            headers: headers(target, channel, content_type, &parts.headers),
            body: Spliced::new(body, head.edits),
        };
        Outgoing {
            request,
            wire: target.wire(kind),
            streamed: head.streamed,
            strip_usage: if unasked { StripUsage::Yes } else { StripUsage::No },
            estimate,
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

    /// Whether it is one document of JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.content_type().contains("json")
    }

    /// Whether it is a stream of events.
    pub(crate) fn is_events(&self) -> bool {
        self.content_type().contains("event-stream")
    }

    fn content_type(&self) -> &str {
        let kind = self.0.headers().get(header::CONTENT_TYPE);
        kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default()
    }

    /// How many bytes it is said to have, or none.
    pub(crate) fn length(&self) -> usize {
        self.0.content_length().and_then(|it| usize::try_from(it).ok()).unwrap_or(0)
    }

    /// The next bytes, or none at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Content>, UpstreamError> {
        let chunk = self.0.chunk().await.map_err(|_| UpstreamError::Cut)?;
        Ok(chunk.map(Content::new))
    }
}

fn headers(
    target: Target,
    channel: &Channel,
    content_type: Option<&str>,
    caller: &HeaderMap,
) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if matches!(target, Target::Messages | Target::CountMessage) {
        headers = pick(&TO_ANTHROPIC, caller);
        headers.entry("anthropic-version").or_insert(ANTHROPIC_VERSION);
        // A header may come in several lines, which are one list.
        let betas = caller.get_all("anthropic-beta").iter().map(HeaderValue::as_bytes);
        let betas = betas.collect::<Vec<_>>().join(&b","[..]);
        if let Some(betas) = HeaderValue::from_bytes(&betas).ok().filter(|it| !it.is_empty()) {
            headers.insert("anthropic-beta", betas);
        }
    }
    let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, content_type.unwrap_or(json));
    // A compressed answer could not be metered as it passes.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let (name, scheme) = target.credential();
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
