//! What goes back: one document, or a script of frames played at the pace of speech.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame};
use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior};

/// Between one frame and the next: slow enough that a person sees words arrive.
const PACE: Duration = Duration::from_millis(15);

/// The body of an answer, as the server sends it.
pub(super) type AnswerBody = Either<Full<Bytes>, Script>;

/// An answer not yet on its way.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) media: &'static str,
    pub(super) content: Payload,
    request_id: Option<(&'static str, String)>,
}

/// What an answer holds.
pub(super) enum Payload {
    /// All of it at once.
    Whole(Bytes),
    /// Frame after frame, each flushed on its own.
    Frames(Vec<Bytes>),
}

impl Answer {
    /// One JSON document.
    pub(super) fn json(status: StatusCode, document: &impl Serialize) -> Self {
        let content = Payload::Whole(json(document).into());
        Self { status, media: "application/json", content, request_id: None }
    }

    /// One document of `media`.
    pub(super) fn whole(media: &'static str, document: impl Into<Bytes>) -> Self {
        let content = Payload::Whole(document.into());
        Self { status: StatusCode::OK, media, content, request_id: None }
    }

    /// A stream of `media`, whose frames are already framed.
    pub(super) fn stream(media: &'static str, frames: Vec<Bytes>) -> Self {
        let content = Payload::Frames(frames);
        Self { status: StatusCode::OK, media, content, request_id: None }
    }

    /// For a path that is no provider's.
    pub(super) fn nobody() -> Self {
        let content = Payload::Whole(Bytes::new());
        Self { status: StatusCode::NOT_FOUND, media: "text/plain", content, request_id: None }
    }

    /// With the request's id in the header that the provider uses for it.
    pub(super) fn known_as(self, header: &'static str, id: String) -> Self {
        Self { request_id: Some((header, id)), ..self }
    }

    /// The response. A stream's pace counts from here.
    pub(super) fn into_response(self) -> Response<AnswerBody> {
        let mut response = Response::new(match self.content {
            Payload::Whole(body) => Either::Left(Full::new(body)),
            Payload::Frames(frames) => Either::Right(Script::new(frames)),
        });
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.media));
        if let Some((name, id)) = self.request_id
            && let Ok(id) = HeaderValue::try_from(id)
        {
            response.headers_mut().insert(name, id);
        }
        response
    }
}

/// The document as JSON, its fields in the order they are declared.
pub(super) fn json(document: &impl Serialize) -> String {
    // Only a map with keys that are not strings could fail, and no wire type here has one.
    serde_json::to_string(document).unwrap_or_default()
}

/// A body that sends one frame each [`PACE`].
pub(super) struct Script {
    frames: std::vec::IntoIter<Bytes>,
    pace: Interval,
}

impl Script {
    fn new(frames: Vec<Bytes>) -> Self {
        let mut pace = tokio::time::interval(PACE);
        // A slow reader is not caught up with in a burst.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { frames: frames.into_iter(), pace }
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let script = self.get_mut();
        if !script.is_end_stream() {
            ready!(script.pace.poll_tick(context));
        }
        Poll::Ready(script.frames.next().map(|frame| Ok(Frame::data(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.as_slice().is_empty()
    }
}

#[cfg(test)]
impl Answer {
    /// All of the body, as a patient client has it.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match &self.content {
            Payload::Whole(body) => body.to_vec(),
            Payload::Frames(frames) => frames.concat(),
        }
    }

    /// The same, as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    /// The body as one JSON document.
    pub(super) fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.text()).unwrap()
    }

    /// The JSON of each `data:` line, but for the `[DONE]`.
    pub(super) fn events(&self) -> Vec<serde_json::Value> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]")
            .map(|data| serde_json::from_str(data).unwrap())
            .collect()
    }
}
