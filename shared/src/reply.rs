//! What a function answers over HTTP.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

use crate::{
    content::Content,
    dialect::Dialect,
    fault::{Fault, Retry},
    id::CallId,
    log::Log,
    rate::whole_seconds,
    time::Timestamp,
};

/// An answer.
pub type Reply = Response<Body>;

/// The body of an answer. It never fails: the runtime would write an error's text into the stream.
pub struct Body(Source);

enum Source {
    Whole(Option<Bytes>),
    Frames(mpsc::Receiver<Content>),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body {
    /// A body that is known whole.
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Source::Whole(Some(bytes.into())))
    }

    /// A body of our own words that is made as it is sent.
    pub fn stream(parts: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Source::Stream(Box::pin(parts)))
    }

    /// A body that ends when the sender does.
    pub const fn frames(frames: mpsc::Receiver<Content>) -> Self {
        Self(Source::Frames(frames))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Source::Whole(bytes) => {
                let bytes = bytes.take().filter(|bytes| !bytes.is_empty());
                Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
            }
            Source::Frames(frames) => frames
                .poll_recv(context)
                .map(|content| content.map(|content| Ok(Frame::data(content.into_wire())))),
            Source::Stream(parts) => parts
                .as_mut()
                .poll_next(context)
                .map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Source::Frames(_) | Source::Stream(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Source::Frames(_) | Source::Stream(_) => SizeHint::default(),
        }
    }
}

/// An answer of JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Body::whole(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// Answers one request under an id of its own, whatever happens: a fault becomes its body in
/// `dialect`, and is logged unless its caller can mend it.
pub async fn answer(
    log: &Log,
    dialect: Dialect,
    ask: impl AsyncFnOnce(CallId, Timestamp) -> Result<Reply, Fault>,
) -> Reply {
    let now = Timestamp::now();
    let Ok(call) = CallId::new(now) else {
        // Without random bytes there is no id, and so nothing to say it under.
        return json(StatusCode::INTERNAL_SERVER_ERROR, "{}");
    };
    match ask(call.clone(), now).await {
        Ok(reply) => reply,
        Err(fault) => {
            log.fault(&fault, &call);
            refuse(&fault, dialect, &call, Timestamp::now())
        }
    }
}

/// `fault` in the caller's dialect, under the id `call`, with the headers its SDK obeys: whether
/// and when to try again, and at a rate limit how it stands at `now`.
pub fn refuse(fault: &Fault, dialect: Dialect, call: &CallId, now: Timestamp) -> Reply {
    let mut reply = json(dialect.status(fault), dialect.body(fault, call.as_str()));
    identify(&mut reply, call);
    let headers = reply.headers_mut();
    match fault.retry() {
        Retry::No => {
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        Retry::After(after) => {
            headers.insert("x-should-retry", HeaderValue::from_static("true"));
            headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
    }
    for (name, value) in details(fault, dialect, now) {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    }
    reply
}

/// The headers that one kind of fault has of its own.
#[expect(clippy::wildcard_enum_match_arm, reason = "most faults have no headers of their own")]
fn details(fault: &Fault, dialect: Dialect, now: Timestamp) -> Vec<(&'static str, String)> {
    match fault {
        Fault::RateLimited(rate) => dialect.rate_headers(rate, now).into_iter().flatten().collect(),
        // The id of this request stands where every answer has it.
        Fault::CallCharged { call, cost } => vec![
            ("x-laozhang-charged-call-id", call.to_string()),
            ("x-laozhang-cost-usd", cost.to_string()),
        ],
        _ => Vec::new(),
    }
}

/// Puts the call's id where each SDK looks for it.
pub fn identify(reply: &mut Reply, call: &CallId) {
    if let Ok(id) = HeaderValue::from_str(call.as_str()) {
        for name in ["x-laozhang-call-id", "x-request-id", "request-id"] {
            reply.headers_mut().insert(name, id.clone());
        }
    }
}
