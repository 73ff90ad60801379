//! Carries an admitted call: one task owns the provider's answer, meters it and settles, whatever
//! becomes of the caller. A caller who hangs up is drained to the usage frame, since the provider
//! charges for what it wrote.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Response, StatusCode};
use shared::{
    content::Content,
    dialect::Dialect,
    fault::Fault,
    id::CallId,
    log::LogLine,
    money::Pico,
    reply::{self, Body, Reply},
    store::{
        calls::{Basis, Record},
        wallet::{Settle, Settled},
    },
    time::Timestamp,
    units::Units,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    App, ProxyStore,
    admit::Admitted,
    meter::{Ending, Meter, Reading, Wire},
    upstream::{Answer, Outgoing, UpstreamError},
};

/// How many frames may wait for a slow caller before the provider has to.
const FRAMES_WAITING: usize = 16;

/// How long the end of the body waits for the settle. The close of the hour heals what is left.
const SETTLE_BEFORE_END: Duration = Duration::from_secs(3);

/// How long the words with which a broken stream ends may wait for a slow caller.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The most that is read of a provider's error.
const LONGEST_ERROR: usize = 256 * 1_024;

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

    /// What a reading is charged. An answer of which nothing came is not charged.
    fn spent(
        &self,
        admitted: &Admitted,
        reading: &Reading,
        status: StatusCode,
        prompt_estimate: u64,
    ) -> Spent {
        let (units, basis) = if reading.reported {
            (reading.units.clone(), Basis::Reported)
        } else if reading.parts == 0 && reading.ending != Some(Ending::Proper) {
            return Spent::nothing(status, Basis::Estimated);
        } else {
            (reading.estimated(prompt_estimate), Basis::Estimated)
        };
        Spent { status, cost: self.charge(admitted, &units), units, basis }
    }

    /// What `units` cost, and never more than the hold.
    fn charge(&self, admitted: &Admitted, units: &Units) -> Pico {
        let call = admitted.call.as_str();
        let Ok(cost) = admitted.model.cost(units) else {
            // Cannot happen while every model of the catalogue bounds its hold by all its classes.
            self.log.fault(&Fault::Internal, &admitted.call);
            return Pico::ZERO;
        };
        match cost.checked_sub(admitted.hold) {
            Some(loss) if loss > Pico::ZERO => {
                self.log.write(&LogLine::Loss { call, pico: loss.pico().to_string() });
                admitted.hold
            }
            _ => cost,
        }
    }

    /// Writes the record, then returns what of the hold was not spent.
    async fn settle(&self, admitted: Admitted, spent: Spent) {
        let Admitted { caller, call, hold, time, model, endpoint_type, limit: _ } = admitted;
        let record = Record {
            account: caller.account,
            call,
            time,
            model: model.id.clone(),
            units: spent.units,
            endpoint: endpoint_type,
            status: spent.status.as_u16(),
            key: caller.key,
            cost: spent.cost,
            price_version: self.catalogue.version().to_owned(),
            basis: spent.basis,
        };
        let call = record.call.as_str();
        if self.store.record_call(&record, &Timestamp::now).await.is_err() {
            // Without the record the close takes the call for one that cost nothing, so what is
            // returned now would be returned twice.
            self.log.write(&LogLine::Unsettled { call, write: "record" });
            return;
        }
        let Some(returned) = hold.checked_sub(spent.cost) else { return };
        let settle = Settle { account: &record.account, call: &record.call, returned };
        if self.store.settle(&settle, &Timestamp::now).await == Settled::LeftToTheClose {
            self.log.write(&LogLine::Unsettled { call, write: "settle" });
        }
    }
}

/// What became of a call.
struct Spent {
    status: StatusCode,
    units: Units,
    cost: Pico,
    basis: Basis,
}

impl Spent {
    fn nothing(status: StatusCode, basis: Basis) -> Self {
        Self { status, units: Units::default(), cost: Pico::ZERO, basis }
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
        let Outgoing { request, wire, streamed, strip_usage, prompt_estimate } = outgoing;
        let sent = timeout_at(self.deadline, self.app.upstream.send(request)).await;
        let answer = match sent {
            Ok(Ok(answer)) => answer,
            Ok(Err(UpstreamError::Unreachable)) => {
                return self.refuse(Fault::ProviderUnreachable, Basis::Reported).await;
            }
            Ok(Err(UpstreamError::Cut)) => {
                return self.refuse(Fault::ProviderCut, Basis::Estimated).await;
            }
            Err(_) => return self.refuse(Fault::ProviderTimedOut, Basis::Estimated).await,
        };
        let meter = Meter::new(wire, strip_usage);
        if !answer.status().is_success() {
            self.pass_error(answer).await;
        } else if streamed {
            self.pass_stream(answer, meter, wire, prompt_estimate).await;
        } else {
            self.pass_whole(answer, meter, prompt_estimate).await;
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
    async fn pass_error(self, mut answer: Answer) {
        let status = answer.status();
        let provider = self.admitted.model.provider.name();
        let call = self.admitted.call.as_str();
        if status.is_server_error() || is_operators(status) {
            let status = status.as_u16();
            self.app.log.write(&LogLine::ProviderStatus { call, provider, status });
        }
        if is_operators(status) {
            let fault = operators_fault(status, &answer.headers());
            return self.refuse(fault, Basis::Reported).await;
        }
        let mut pieces = Vec::new();
        let mut length = 0_usize;
        while let Ok(Ok(Some(piece))) = timeout_at(self.deadline, answer.chunk()).await {
            length = length.saturating_add(piece.len());
            pieces.push(piece);
            if length > LONGEST_ERROR {
                break;
            }
        }
        let body = Content::join(pieces);
        if names_operators_account(&body) {
            return self.refuse(Fault::ProviderRefused, Basis::Reported).await;
        }
        let (frames, reply) = self.open(&answer);
        drop(self.head.send(Ok(reply)));
        frames.pass(body).await;
        let spent = Spent::nothing(status, Basis::Reported);
        frames.end(self.app.settle(self.admitted, spent)).await;
    }

    /// An answer in one piece is metered before its head goes out, so that the head can say what
    /// the call cost.
    async fn pass_whole(self, mut answer: Answer, meter: Meter, prompt_estimate: u64) {
        let mut pieces = Vec::new();
        loop {
            match timeout_at(self.deadline, answer.chunk()).await {
                Ok(Ok(Some(piece))) => pieces.push(piece),
                Ok(Ok(None)) => break,
                Ok(Err(_)) => return self.refuse(Fault::ProviderCut, Basis::Estimated).await,
                Err(_) => return self.refuse(Fault::ProviderTimedOut, Basis::Estimated).await,
            }
        }
        let body = Content::join(pieces);
        let reading = meter.whole(&body);
        let status = answer.status();
        let spent = self.app.spent(&self.admitted, &reading, status, prompt_estimate);
        let (frames, mut reply) = self.open(&answer);
        let cost = HeaderValue::from_str(&spent.cost.to_string());
        if let Ok(cost) = cost {
            reply.headers_mut().insert("x-laozhang-cost-usd", cost);
        }
        drop(self.head.send(Ok(reply)));
        frames.pass(body).await;
        frames.end(self.app.settle(self.admitted, spent)).await;
    }

    /// A stream passes frame by frame while it is metered beside.
    async fn pass_stream(
        self,
        mut answer: Answer,
        mut meter: Meter,
        wire: Wire,
        prompt_estimate: u64,
    ) {
        let (frames, mut reply) = self.open(&answer);
        // Proxies between us and the caller would gather events otherwise.
        reply.headers_mut().insert("cache-control", HeaderValue::from_static("no-cache"));
        reply.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
        drop(self.head.send(Ok(reply)));
        let mut pass = Vec::new();
        let mut first = First::Yes;
        let broken = loop {
            match timeout_at(self.deadline, answer.chunk()).await {
                Ok(Ok(Some(piece))) => meter.push(piece, &mut pass),
                Ok(Ok(None) | Err(_)) => break Fault::ProviderCut,
                Err(_) => break Fault::ProviderTimedOut,
            }
            for frame in pass.drain(..) {
                first = First::No;
                frames.pass(frame).await;
            }
        };
        let (rest, reading) = meter.end();
        let mut status = answer.status();
        if let Some(ending) = reading.ending {
            if ending == Ending::Error {
                let provider = self.admitted.model.provider.name();
                let call = self.admitted.call.as_str();
                let line = LogLine::ProviderStatus { call, provider, status: status.as_u16() };
                self.app.log.write(&line);
                status = StatusCode::BAD_GATEWAY;
            }
            frames.pass(rest).await;
        } else {
            status = broken.status();
            self.app.log.fault(&broken, &self.admitted.call);
            let words = last_words(wire, self.dialect, &broken, &self.admitted.call, first);
            frames.last_words(words).await;
        }
        let spent = self.app.spent(&self.admitted, &reading, status, prompt_estimate);
        frames.end(self.app.settle(self.admitted, spent)).await;
    }

    /// The head of a successful answer, and the way for its frames.
    fn open(&self, answer: &Answer) -> (Frames, Reply) {
        let (sender, passed) = mpsc::channel(FRAMES_WAITING);
        let frames = Frames { sender, deadline: self.deadline };
        let mut reply = Response::new(Body::frames(passed));
        *reply.status_mut() = answer.status();
        *reply.headers_mut() = answer.headers();
        reply::identify(&mut reply, &self.admitted.call);
        if let Some(limit) = self.admitted.limit {
            reply.headers_mut().insert("x-laozhang-output-limit", HeaderValue::from(limit));
        }
        (frames, reply)
    }
}

/// Whether anything has been passed on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Yes,
    No,
}

/// How a stream says that it broke off: in a form that the caller's SDK raises.
fn last_words(wire: Wire, dialect: Dialect, fault: &Fault, call: &CallId, first: First) -> Content {
    if wire != Wire::GeminiArray {
        return Content::new(dialect.event(fault, call.as_str()));
    }
    let mut words = if first == First::Yes { b"[".to_vec() } else { b",".to_vec() };
    words.extend_from_slice(&dialect.body(fault, call.as_str()));
    words.push(b']');
    Content::new(words.into())
}

/// The way to the caller. One who has hung up changes nothing here, since the answer is read to
/// its end and settled.
struct Frames {
    sender: mpsc::Sender<Content>,
    deadline: Instant,
}

impl Frames {
    /// Gives the caller a frame. One who stops reading must not hold the settle up for ever.
    async fn pass(&self, frame: Content) {
        drop(timeout_at(self.deadline, self.sender.send(frame)).await);
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

/// Settles, then `end`s what the caller waits for; after [`SETTLE_BEFORE_END`] the other way round.
async fn settle_before(settle: impl Future<Output = ()>, end: impl FnOnce()) {
    let mut settle = std::pin::pin!(settle);
    let done = timeout(SETTLE_BEFORE_END, settle.as_mut()).await.is_ok();
    end();
    if !done {
        settle.await;
    }
}

/// Whether a provider's error is about the operator's account there.
fn is_operators(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 402 | 403 | 429) || status.is_redirection()
}

/// Whether an error of status 400 is about the operator's account all the same: Google answers a
/// wrong key with it, and Anthropic a spent balance.
fn names_operators_account(body: &Content) -> bool {
    let marks: [&[u8]; 2] = [b"API_KEY_INVALID", b"credit balance is too low"];
    marks.iter().any(|mark| memchr::memmem::find(body.inspect(), mark).is_some())
}

fn operators_fault(status: StatusCode, headers: &HeaderMap) -> Fault {
    if status != StatusCode::TOO_MANY_REQUESTS {
        return Fault::ProviderRefused;
    }
    let after = headers.get("retry-after").and_then(|value| value.to_str().ok());
    Fault::ProviderBusy(after.and_then(|text| text.parse().ok()).map(Duration::from_secs))
}
