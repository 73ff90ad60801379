//! Carries an admitted call: one task owns the provider's answer, meters it and settles, whatever
//! becomes of the caller. A caller who hangs up is drained to the usage frame, since the provider
//! charges for what it wrote.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use shared::{
    content::{Content, Gathered},
    dialect::Dialect,
    fault::Fault,
    id::CallId,
    log::LogLine,
    reply::{self, Body, Reply},
    store::calls::Basis,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    App, ProxyStore,
    admit::Admitted,
    estimate::Estimate,
    meter::{Ending, Meant, Meter, Wire},
    operators,
    settle::{Spent, settle_before},
    upstream::{Answer, Outgoing, Sent, UpstreamError},
};

/// How many frames may wait for a slow caller before the provider has to.
const FRAMES_WAITING: usize = 16;

/// How long a caller may leave a frame unread.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the words with which a broken stream ends may wait for a slow caller.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The most room that is made ready for an answer on the word of its head.
const MOST_ROOM: usize = 32 * 1_024 * 1_024;

impl<S: ProxyStore> App<S> {
    /// Forwards the call in a task of its own and awaits the head of the answer.
    ///
    /// # Errors
    /// When there is no answer to pass on.
    pub(crate) async fn carry(
        self: &Arc<Self>,
        admitted: Admitted,
        outgoing: Outgoing,
        dialect: Dialect,
        deadline: Instant,
    ) -> Result<Reply, Fault> {
        let (head, answered) = oneshot::channel();
        let app = Arc::clone(self);
        let carried = Carried { app, admitted, dialect, deadline, head };
        self.calls.spawn(carried.run(outgoing));
        // The sender is dropped unused only if the task panics; its hold returns with the close.
        answered.await.unwrap_or(Err(Fault::Internal))
    }
}

/// A call in its task.
struct Carried<S> {
    app: Arc<App<S>>,
    admitted: Admitted,
    dialect: Dialect,
    deadline: Instant,
    head: oneshot::Sender<Result<Reply, Fault>>,
}

impl<S: ProxyStore> Carried<S> {
    async fn run(self, outgoing: Outgoing) {
        let Outgoing { request, wire, streamed, strip_usage, estimate } = outgoing;
        let sent = timeout_at(self.deadline, self.app.upstream.send(request)).await;
        let answer = match sent {
            Ok(Ok(Sent::Answered(answer))) => answer,
            Ok(Ok(Sent::Refused(answer, body))) => {
                return self.pass_error(answer, body, wire).await;
            }
            Ok(Err(UpstreamError::NoCredential)) => {
                return self.refuse(Fault::ProviderNotConfigured, Basis::Reported).await;
            }
            Ok(Err(UpstreamError::Unreachable)) => {
                return self.refuse(Fault::ProviderUnreachable, Basis::Reported).await;
            }
            Ok(Err(UpstreamError::Cut)) => {
                return self.refuse(Fault::ProviderCut, Basis::Estimated).await;
            }
            Err(_) => return self.refuse(Fault::ProviderTimedOut, Basis::Estimated).await,
        };
        let meter = Meter::new(wire, strip_usage);
        // A model may not stream whatever it is asked, and then answers in one piece.
        let in_frames = streamed && (wire == Wire::GeminiArray || answer.is_events());
        if in_frames {
            self.pass_stream(answer, meter, wire, &estimate).await;
        } else if wire == Wire::Speech {
            self.pass_audio(answer, meter, &estimate).await;
        } else {
            self.pass_whole(answer, meter, wire, &estimate).await;
        }
    }

    /// There is nothing to pass on: the call costs nothing and the caller is told. Its settle
    /// comes first, since Lambda stops the process with the last byte of an answer.
    async fn refuse(self, fault: Fault, basis: Basis) {
        let spent = Spent::nothing(fault.status(), basis);
        let tell = || drop(self.head.send(Err(fault)));
        settle_before(self.app.settle(self.admitted, spent), tell).await;
    }

    /// A provider's own error goes through with its status, unless it is about the operator's
    /// account: then its text may name that account, and the caller can do nothing about it.
    async fn pass_error(self, answer: Answer, body: Content, wire: Wire) {
        let status = answer.status();
        let provider = self.admitted.model.provider.name();
        let call = self.admitted.call.as_str();
        if status.is_server_error() || operators::is_theirs(status) {
            let status = status.as_u16();
            self.app.log.write(&LogLine::ProviderStatus { call, provider, status });
        }
        if operators::is_theirs(status) {
            let fault = operators::fault(status, &answer.headers());
            return self.refuse(fault, Basis::Reported).await;
        }
        if operators::names_account(body.inspect()) {
            return self.refuse(Fault::ProviderRefused, Basis::Reported).await;
        }
        let body = if wire == Wire::GeminiChat { only_element(body) } else { body };
        let (mut frames, reply) = self.open(&answer);
        drop(self.head.send(Ok(reply)));
        frames.pass(body).await;
        let spent = Spent::nothing(status, Basis::Reported);
        frames.end(self.app.settle(self.admitted, spent)).await;
    }

    /// An answer in one piece is metered before its head goes out, so that the head can say what
    /// the call cost.
    async fn pass_whole(self, mut answer: Answer, meter: Meter, wire: Wire, estimate: &Estimate) {
        let mut body = Gathered::with_room(answer.length().min(MOST_ROOM));
        loop {
            match timeout_at(self.deadline, answer.chunk()).await {
                Ok(Ok(Some(piece))) => body.push(piece),
                Ok(Ok(None)) => break,
                Ok(Err(_)) => return self.refuse(Fault::ProviderCut, Basis::Estimated).await,
                Err(_) => return self.refuse(Fault::ProviderTimedOut, Basis::Estimated).await,
            }
        }
        let body = body.whole();
        // A transcript may be plain text. Whatever else is no JSON is no answer.
        let reading = if wire == Wire::Transcript && !answer.is_json() {
            meter.opaque(body.len(), Some(Ending::Proper))
        } else {
            let meant = if answer.is_json() { Meant::Answer } else { Meant::Other };
            meter.whole(&body, meant)
        };
        if reading.withheld {
            return self.refuse(Fault::ProviderRefused, Basis::Reported).await;
        }
        if reading.ending.is_none() && answer.is_json() {
            // A provider has changed its format, and our reader has to follow.
            self.app.log.fault(&Fault::Internal, &self.admitted.call);
        }
        let status = answer.status();
        let spent = self.app.spent(&self.admitted, &reading, status, estimate);
        let (mut frames, mut reply) = self.open(&answer);
        let cost = HeaderValue::from_str(&spent.cost.to_string());
        if let Ok(cost) = cost {
            reply.headers_mut().insert("x-laozhang-cost-usd", cost);
        }
        drop(self.head.send(Ok(reply)));
        frames.pass(body).await;
        frames.end(self.app.settle(self.admitted, spent)).await;
    }

    /// Audio passes as it comes. It has no place for an error, so that one which breaks off can
    /// only end short.
    async fn pass_audio(self, mut answer: Answer, meter: Meter, estimate: &Estimate) {
        let (mut frames, reply) = self.open(&answer);
        drop(self.head.send(Ok(reply)));
        let mut passed = 0_usize;
        let broken = loop {
            match timeout_at(self.deadline, answer.chunk()).await {
                Ok(Ok(Some(piece))) => {
                    passed = passed.saturating_add(piece.len());
                    frames.pass(piece).await;
                }
                Ok(Ok(None)) => break None,
                Ok(Err(_)) => break Some(Fault::ProviderCut),
                Err(_) => break Some(Fault::ProviderTimedOut),
            }
        };
        let status = match &broken {
            Some(broken) => {
                self.app.log.fault(broken, &self.admitted.call);
                broken.status()
            }
            None => answer.status(),
        };
        let whole = broken.is_none() && passed > 0;
        let reading = meter.opaque(passed, whole.then_some(Ending::Proper));
        let spent = self.app.spent(&self.admitted, &reading, status, estimate);
        frames.end(self.app.settle(self.admitted, spent)).await;
    }

    /// A stream passes frame by frame while it is metered beside.
    async fn pass_stream(
        self,
        mut answer: Answer,
        mut meter: Meter,
        wire: Wire,
        estimate: &Estimate,
    ) {
        let (mut frames, mut reply) = self.open(&answer);
        // Proxies between us and the caller would gather events otherwise.
        reply.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache"));
        reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        drop(self.head.send(Ok(reply)));
        let mut pass = Vec::new();
        let mut passed = 0_u64;
        let broken = loop {
            let silent =
                Instant::now().checked_add(self.app.silence.within_stream).unwrap_or(self.deadline);
            match timeout_at(self.deadline.min(silent), answer.chunk()).await {
                Ok(Ok(Some(piece))) => meter.push(piece, &mut pass),
                Ok(Ok(None) | Err(_)) => break Fault::ProviderCut,
                Err(_) if Instant::now() >= self.deadline => break Fault::ProviderTimedOut,
                // Only whole frames have passed, so this stands between two.
                Err(_) => frames.pass(silence(wire)).await,
            }
            for frame in pass.drain(..) {
                passed = passed.saturating_add(1);
                frames.pass(frame).await;
            }
        };
        let (rest, reading) = meter.end();
        let call = &self.admitted.call;
        let status = match reading.ending {
            Some(Ending::Proper) => answer.status(),
            Some(Ending::Error) => {
                let (call, status) = (call.as_str(), answer.status().as_u16());
                let provider = self.admitted.model.provider.name();
                self.app.log.write(&LogLine::ProviderStatus { call, provider, status });
                StatusCode::BAD_GATEWAY
            }
            None => {
                self.app.log.fault(&broken, call);
                broken.status()
            }
        };
        // What the caller is told that the provider has not said.
        let fault = match reading.ending {
            None => Some(broken),
            Some(_) if reading.withheld => Some(Fault::ProviderRefused),
            Some(_) => frames.stalled.then_some(Fault::ProviderCut),
        };
        match fault {
            Some(fault) => {
                let words = last_words(wire, self.dialect, &fault, call, passed);
                frames.last_words(words).await;
            }
            None => frames.pass(rest).await,
        }
        let spent = self.app.spent(&self.admitted, &reading, status, estimate);
        frames.end(self.app.settle(self.admitted, spent)).await;
    }

    /// The head of a successful answer, and the way for its frames.
    fn open(&self, answer: &Answer) -> (Frames, Reply) {
        let (sender, passed) = mpsc::channel(FRAMES_WAITING);
        let frames = Frames { sender, deadline: self.deadline, stalled: false };
        let mut reply = Response::new(Body::frames(passed));
        *reply.status_mut() = answer.status();
        *reply.headers_mut() = answer.headers();
        reply::identify(&mut reply, &self.admitted.call);
        if let Some(limit) = self.admitted.held.terms.limit {
            reply.headers_mut().insert("x-laozhang-output-limit", HeaderValue::from(limit));
        }
        (frames, reply)
    }
}

/// What keeps a silent stream open: an empty comment between two events. Google's Python SDK takes a
/// comment for an answer, and no SDK an empty line, which may also stand between the elements of an
/// array.
fn silence(wire: Wire) -> Content {
    let gemini = matches!(wire, Wire::Gemini | Wire::GeminiArray);
    Content::new(Bytes::from_static(if gemini { b"\r\n\r\n" } else { b":\n\n" }))
}

/// How a stream says that it broke off, after so many frames: in a form that the caller's SDK
/// raises.
fn last_words(wire: Wire, dialect: Dialect, fault: &Fault, call: &CallId, passed: u64) -> Content {
    let call = call.as_str();
    if wire == Wire::GeminiArray {
        let mut words = if passed == 0 { b"[".to_vec() } else { b",".to_vec() };
        words.extend_from_slice(&dialect.body(fault, call));
        words.push(b']');
        return Content::new(words.into());
    }
    Content::new(if wire == Wire::Responses {
        dialect.response_event(fault, call, passed)
    } else {
        dialect.event(fault, call)
    })
}

/// Google's endpoint for `OpenAI`'s chat puts its error into a list of one, where no SDK of
/// `OpenAI`'s looks for it.
fn only_element(body: Content) -> Content {
    let text = body.inspect().trim_ascii();
    let element = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
    let Some(element) = element.filter(|text| text.trim_ascii().starts_with(b"{")) else {
        return body;
    };
    let from = element.as_ptr().addr().saturating_sub(body.inspect().as_ptr().addr());
    let mut rest = body.window(from);
    rest.truncate(element.len());
    Content::new(rest)
}

/// The way to the caller. One who has hung up changes nothing here, since the answer is read to
/// its end and settled.
struct Frames {
    sender: mpsc::Sender<Content>,
    deadline: Instant,
    /// The caller has stopped reading, and gets no more than the last words.
    stalled: bool,
}

impl Frames {
    /// Gives the caller a frame. One who stops reading is drained as one who has gone: the
    /// provider's usage comes last, and must be waited for.
    async fn pass(&mut self, frame: Content) {
        if self.stalled {
            return;
        }
        let patience = Instant::now().checked_add(PATIENCE).unwrap_or(self.deadline);
        let sent = timeout_at(self.deadline.min(patience), self.sender.send(frame)).await;
        self.stalled = sent.is_err();
    }

    /// Tells the caller how the stream ended, also when the deadline was the reason.
    async fn last_words(&self, words: Content) {
        drop(timeout(LAST_WORDS, self.sender.send(words)).await);
    }

    /// Ends the body with the settle. Some SDKs finish only at its end.
    async fn end(self, settle: impl Future<Output = ()>) {
        settle_before(settle, || drop(self.sender)).await;
    }
}
