//! The way to the providers: one client, made at init, TLS 1.3 alone, and headers by an allow-list
//! in both directions. What identifies the caller stays here; what identifies the operator's
//! account at the provider goes no further.

use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use shared::{
    config::{ChannelsConfig, Secret},
    content::{Content, Gathered},
    lambda::InitError,
    provider::Provider,
    secrets::Renewable,
    tls,
};
use tokio::time::{Instant, timeout_at};

use crate::{
    estimate::Estimate,
    fields,
    head::Head,
    meter::{StripUsage, Wire},
    operators,
    route::Kind,
    splice::Spliced,
    target::Target,
};

/// Shorter than the providers' own, so that a connection is not used as they close it. While Lambda
/// has stopped the process this clock may stand still; but then the end of a connection that was
/// closed meanwhile is there to be read before the next call's event has come.
const IDLE: Duration = Duration::from_secs(50);

/// How long a provider may take for the rest of an error.
const ERROR_PATIENCE: Duration = Duration::from_secs(10);

/// The most that is read of a provider's error.
const LONGEST_ERROR: usize = 256 * 1_024;

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
    channels: Renewable<ChannelsConfig>,
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

/// What goes onto the wire to a provider. It can be sent more than once.
pub(crate) struct ProviderRequest {
    url: String,
    provider: Provider,
    target: Target,
    headers: HeaderMap,
    body: Spliced,
}

/// Why there is no answer, or no more of one. It holds no URL and no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamError {
    /// There is no credential any more: nothing was sent.
    NoCredential,
    /// No connection: nothing was sent, so nothing can have been charged.
    Unreachable,
    /// The answer broke off.
    Cut,
}

/// An answer as it comes.
pub(crate) struct Answer(reqwest::Response);

/// What a provider has answered.
pub(crate) enum Sent {
    /// A success, of which the body is still to come.
    Answered(Answer),
    /// An error, with its body.
    Refused(Answer, Content),
}

impl Upstream {
    pub(crate) fn new(channels: Renewable<ChannelsConfig>) -> Result<Self, InitError> {
        let tls = tls::provider_tls(channels.current().extra_ca.as_deref())
            .map_err(|_| InitError("EXTRA_CA_PEM"))?;
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

    /// Whether the operator has a credential for `provider`, perhaps since a moment ago.
    pub(crate) async fn reaches(&self, provider: Provider) -> bool {
        let has = |channels: &ChannelsConfig| channels.channel(provider).credential.is_some();
        let channels = self.channels.current();
        has(&channels) || self.channels.renew(&channels).await.is_some_and(|renewed| has(&renewed))
    }

    /// Opens a connection to every provider there is a credential for, which is not sent.
    pub(crate) async fn connect(&self) {
        let channels = self.channels.current();
        let all = Provider::ALL.map(|provider| channels.channel(provider));
        let reached = all.into_iter().filter(|channel| channel.credential.is_some());
        join_all(reached.map(|channel| self.client.head(&channel.base_url).send())).await;
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
        let channels = self.channels.current();
        let provider = head.model.provider;
        let target = head.target;
        let unasked = fields::sends_usage_chunk(target) && head.streamed && !head.wants_usage;
        let estimate = Estimate::of(&head);
        let content_type = head.content_type.as_deref();
        let request = ProviderRequest {
            url: target.url(kind, &head.spelling, &channels.channel(provider).base_url),
            provider,
            target,
            headers: headers(target, content_type, &parts.headers),
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

    /// Sends it and awaits the answer's head, and of an error its body.
    ///
    /// A provider that refuses the operator's credential has charged nothing. If there is a new one
    /// by now, the same is sent again with that, so that no call fails of a rotation.
    pub(crate) async fn send(&self, request: ProviderRequest) -> Result<Sent, UpstreamError> {
        let channels = self.channels.current();
        let first = channels.channel(request.provider).credential.as_ref();
        let first = first.ok_or(UpstreamError::NoCredential)?;
        let sent = self.send_with(&request, first).await?;
        if !sent.refuses_credential() {
            return Ok(sent);
        }
        let Some(renewed) = self.channels.renew(&channels).await else { return Ok(sent) };
        match &renewed.channel(request.provider).credential {
            Some(second) if second != first => self.send_with(&request, second).await,
            Some(_) | None => Ok(sent),
        }
    }

    async fn send_with(
        &self,
        request: &ProviderRequest,
        secret: &Secret,
    ) -> Result<Sent, UpstreamError> {
        let mut headers = request.headers.clone();
        let (name, scheme) = request.target.credential();
        let value = HeaderValue::from_str(&format!("{scheme}{}", secret.expose()));
        let mut value = value.map_err(|_| UpstreamError::NoCredential)?;
        value.set_sensitive(true);
        headers.insert(name, value);
        let body = reqwest::Body::wrap(request.body.again());
        let posted = self.client.post(&request.url).headers(headers).body(body).send().await;
        // The error itself would print the URL.
        let answer = posted.map(Answer).map_err(|error| {
            if error.is_connect() { UpstreamError::Unreachable } else { UpstreamError::Cut }
        })?;
        Ok(if answer.status().is_success() {
            Sent::Answered(answer)
        } else {
            Sent::refused(answer).await
        })
    }
}

impl Sent {
    /// Reads the body of an error, as far as it comes.
    async fn refused(mut answer: Answer) -> Self {
        let mut body = Gathered::with_room(0);
        let until = Instant::now().checked_add(ERROR_PATIENCE).unwrap_or_else(Instant::now);
        while let Ok(Ok(Some(piece))) = timeout_at(until, answer.chunk()).await {
            body.push(piece);
            if body.len() > LONGEST_ERROR {
                break;
            }
        }
        Self::Refused(answer, body.whole())
    }

    fn refuses_credential(&self) -> bool {
        let Self::Refused(answer, body) = self else { return false };
        operators::refuses_credential(answer.status(), body.inspect())
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

fn headers(target: Target, content_type: Option<&str>, caller: &HeaderMap) -> HeaderMap {
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
    headers
}

/// The headers of these names, each once.
fn pick(names: &[&'static str], from: &HeaderMap) -> HeaderMap {
    let named =
        |name: &&'static str| Some((HeaderName::from_static(name), from.get(*name)?.clone()));
    names.iter().filter_map(named).collect()
}
