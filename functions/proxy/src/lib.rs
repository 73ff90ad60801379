//! The proxy: carries a call to a provider and back, meters it, settles it.
//!
//! [`App::handle`] is the life of a call; each of its steps is a module: `route` and `head` read
//! what is asked, `target` is where it goes, `bound` says what it can cost at most, `admit` holds
//! that much, `upstream` forwards, `meter` counts beside the stream, `settle` charges, and `carry`
//! holds these together in one task that outlives its caller's patience. None of them keeps a byte
//! of what was said.

mod admit;
mod ask;
pub mod bound;
mod carry;
mod estimate;
mod extent;
mod fields;
mod form;
mod frames;
pub mod gate;
mod head;
mod limit;
pub mod meter;
mod models;
mod object;
mod operators;
mod rates;
mod required;
mod route;
mod settle;
mod splice;
mod target;
mod tools;
mod upstream;

pub use route::NOT_SERVED;

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use lambda_http::RequestExt;
use shared::{
    caller::{Caller, Scope},
    catalogue::Catalogue,
    config::ChannelsConfig,
    content::Content,
    dialect::Dialect,
    event::Request,
    fault::Fault,
    id::CallId,
    key::KeyHash,
    lambda::{self, InitError},
    log::Log,
    money::{Markup, Pico},
    reply::{self, Reply},
    secrets::Renewable,
    store::{
        keys::{Consistency, FindKey},
        policies::ReadPolicy,
    },
    time::Timestamp,
};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::{
    admit::Admitted,
    bound::Bound,
    gate::GateStore,
    head::Head,
    required::Watch,
    route::{Endpoint, Kind, Query},
    upstream::Upstream,
};

/// What this function may do to the tables.
pub const CAPABILITIES: [shared::store::Capability; 7] = [
    shared::store::keys::FIND_KEY,
    shared::store::keys::HOLD_KEY,
    shared::store::wallet::MOVE_MONEY,
    shared::store::calls::RECORD_CALL,
    shared::store::calls::READ_CALL,
    shared::store::markers::MARK_CALL,
    shared::store::policies::READ_POLICY,
];

/// How long before the function's deadline the provider is cut, so that there is time to settle.
const CUT_BEFORE_DEADLINE: Duration = Duration::from_secs(20);

/// How long a call may take where nobody says: API Gateway's own limit.
const LONGEST_CALL: Duration = Duration::from_secs(15 * 60);

/// How long a caller may be sent nothing. API Gateway ends an answer that is silent for five minutes
/// (`REGIONAL` endpoints), and goes on to let the function run.
#[derive(Clone, Copy, Debug)]
pub struct Silence {
    /// Within a stream, before something is sent that means nothing: other proxies end one after a
    /// minute or two.
    pub within_stream: Duration,
    /// Before an answer in one piece, which is cut then: its caller would be charged for what never
    /// comes, and their SDK would ask again.
    pub before_whole: Duration,
}

impl Silence {
    /// What API Gateway allows.
    pub const USUAL: Self = Self {
        within_stream: Duration::from_secs(45),
        before_whole: Duration::from_secs(5 * 60 - 20),
    };
}

/// What the proxy asks of a store.
pub trait ProxyStore: GateStore + ReadPolicy + Send + Sync + 'static {}
impl<S: GateStore + ReadPolicy + Send + Sync + 'static> ProxyStore for S {}

/// Opens two connections to the tables, since a record and a settle go out at once: a key that
/// nobody has is looked for.
pub async fn warm(store: &impl FindKey) {
    let nobodys = KeyHash::nobodys();
    let read = || store.find_key(&nobodys, Consistency::Eventual);
    lambda::warm(async { tokio::join!(read(), read()) }).await;
}

/// The proxy, with everything it needs made at init.
pub struct App<S> {
    store: S,
    upstream: Upstream,
    required: Watch,
    catalogue: Catalogue,
    log: Log,
    silence: Silence,
    calls: TaskTracker,
}

impl<S: ProxyStore> App<S> {
    /// Makes the proxy.
    ///
    /// # Errors
    /// Names the step that failed.
    pub fn new(
        store: S,
        channels: Renewable<ChannelsConfig>,
        markup: Markup,
        log: Log,
    ) -> Result<Self, InitError> {
        Ok(Self {
            store,
            upstream: Upstream::new(channels)?,
            required: Watch::new(),
            catalogue: Catalogue::load(markup).map_err(|_| InitError("catalogue"))?,
            log,
            silence: Silence::USUAL,
            calls: TaskTracker::new(),
        })
    }

    /// The same, with another patience for silence.
    #[must_use]
    pub const fn with_silence(mut self, silence: Silence) -> Self {
        self.silence = silence;
        self
    }

    /// Opens a connection to every provider there is a credential for.
    pub async fn connect(&self) {
        lambda::warm(self.upstream.connect()).await;
    }

    /// Reads which policy version is required, that the first call need not.
    pub async fn read_policy(&self) {
        self.required.read(&self.store, Timestamp::now()).await;
    }

    /// Answers one request, whatever happens, in the dialect of whoever asks.
    pub async fn handle(self: Arc<Self>, request: Request) -> Reply {
        let query = query(&request);
        let dialect =
            route::dialect(request.method(), request.headers(), request.raw_http_path(), &query);
        reply::answer(&self.log, dialect, async |call, now| {
            self.answer(request, &query, dialect, &call, now).await
        })
        .await
    }

    /// The life of a call.
    async fn answer(
        self: &Arc<Self>,
        request: Request,
        query: &Query,
        dialect: Dialect,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let caller = Caller::of(&request, Scope::Inference, now)?;
        let endpoint = route::endpoint(request.method(), request.raw_http_path(), query)?;
        let kind = match endpoint {
            Endpoint::Call(kind) => kind,
            Endpoint::Models => return Ok(models::list(&self.catalogue, &caller, dialect)),
            Endpoint::Model(name) => return models::one(&self.catalogue, &caller, dialect, &name),
        };
        let left = time_left(&request, now);
        let began = Instant::now();
        let (parts, body) = request.into_parts();
        let body = readable(&kind, &parts.headers, body)?;
        let mut head = Head::read(&kind, &parts.headers, &body, &self.catalogue)?;
        // The hold comes after everything that can be refused without it, so that a refused call
        // costs no write, and before the body leaves, so that no call goes out unpaid.
        let until = now.plus(left);
        let admitted: Admitted = self.admit(caller, call, &mut head, now, until).await?;
        let outgoing = self.upstream.prepare(&kind, head, &parts, body);
        // Sound passes as it comes, though nobody asks for a stream of it.
        let passes = outgoing.streamed || outgoing.wire == meter::Wire::Speech;
        let left = left.saturating_sub(CUT_BEFORE_DEADLINE);
        let left = if passes { left } else { left.min(self.silence.before_whole) };
        let deadline = began.checked_add(left).unwrap_or(began);
        self.carry(admitted, outgoing, dialect, deadline).await
    }

    /// Waits until every call that has begun is settled.
    pub async fn drain(&self) {
        self.calls.close();
        self.calls.wait().await;
    }
}

/// The most that a call can cost, which is what is held for it where the balance covers that. No
/// table is asked.
///
/// # Errors
/// Why the call would be refused whatever the balance.
pub fn most_it_can_cost(catalogue: &Catalogue, request: Request) -> Result<Pico, Fault> {
    let query = query(&request);
    let endpoint = route::endpoint(request.method(), request.raw_http_path(), &query)?;
    let Endpoint::Call(kind) = endpoint else { return Ok(Pico::ZERO) };
    let (parts, body) = request.into_parts();
    let body = readable(&kind, &parts.headers, body)?;
    let head = Head::read(&kind, &parts.headers, &body, catalogue)?;
    Ok(Bound::of(&head)?.asked()?.amount)
}

/// The body as its head is read: a form is decoded as it is sent, and what else comes in base 64 is
/// JSON all the same.
fn readable(kind: &Kind, headers: &HeaderMap, body: Content) -> Result<Content, Fault> {
    if headers.get(http::header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(Fault::Compressed);
    }
    if kind.takes_form(headers) {
        return Ok(body);
    }
    body.plain().map_err(|_| Fault::NotAnObject)
}

/// What of the query is read.
fn query(request: &Request) -> Query {
    let query = request.query_string_parameters_ref();
    let is = |name, value| query.and_then(|query| query.first(name)) == Some(value);
    let key = query.is_some_and(|query| query.first("key").is_some());
    Query { sse: is("alt", "sse"), beta: is("beta", "true"), key }
}

/// How long the function may still run. A deadline that is past already is an emulator's, and none.
fn time_left(request: &Request, now: Timestamp) -> Duration {
    let given = request.lambda_context_ref().and_then(|context| {
        let millis = i64::try_from(context.deadline).ok()?.checked_sub(now.millis())?;
        u64::try_from(millis).ok().map(Duration::from_millis).filter(|left| !left.is_zero())
    });
    given.unwrap_or(LONGEST_CALL)
}
