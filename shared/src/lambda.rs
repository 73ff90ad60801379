//! Runs a function on Lambda's Runtime API.
//!
//! The runtime posts a handler's error and a panic's text to the Runtime API, so no handler of
//! ours returns an error, and a panic is caught here before the runtime sees it.

use std::{
    convert::Infallible, future::Future, panic::AssertUnwindSafe, process::ExitCode, sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use http_body_util::BodyDataStream;
use lambda_http::RequestExt;
use lambda_runtime::{LambdaEvent, MetadataPrelude, StreamResponse, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    config::ConfigError,
    dialect::Dialect,
    event::{HttpEvent, Quiet, Request},
    fault::Fault,
    id::CallId,
    log::{Log, LogLine},
    reply::{self, Body, Reply},
    time::Timestamp,
};

/// Why a function did not start. It names the step, never a value.
#[derive(Debug)]
pub struct InitError(pub &'static str);

impl From<ConfigError> for InitError {
    fn from(error: ConfigError) -> Self {
        Self(error.0)
    }
}

impl From<crate::secrets::NoSecret> for InitError {
    fn from(_: crate::secrets::NoSecret) -> Self {
        Self("secret")
    }
}

impl From<crate::tls::TlsError> for InitError {
    fn from(_: crate::tls::TlsError) -> Self {
        Self("tls")
    }
}

/// How long init waits for a connection. What cannot be reached by then is tried again by the first
/// event.
const WARMING: Duration = Duration::from_secs(2);

/// Opens the connections that the first event needs, while there is a whole processor for their
/// handshakes; later there is a share of one.
pub async fn warm<T>(reading: impl Future<Output = T>) {
    drop(tokio::time::timeout(WARMING, reading).await);
}

/// Answers HTTP requests by streaming until Lambda ends the environment.
pub async fn run_http<A, H, F>(
    init: impl Future<Output = Result<A, InitError>>,
    handle: H,
) -> ExitCode
where
    A: Send + Sync,
    H: Fn(Arc<A>, Request) -> F + Copy + Send,
    F: Future<Output = Reply> + Send,
{
    let log = Log::stdout();
    silence_libraries();
    silence_panics(log.clone());
    let app = match init.await {
        Ok(app) => Arc::new(app),
        Err(error) => return failed(&log, error.0),
    };
    let service = service_fn(|event: LambdaEvent<HttpEvent>| {
        let app = Arc::clone(&app);
        let LambdaEvent { payload, context, .. } = event;
        let reply = async move {
            let request = payload.request().with_lambda_context(context);
            handle(app, request).await
        };
        // Boxed, or the runtime's own futures around it grow too deep to compile.
        async move { Ok::<_, Infallible>(streamed(guarded(reply).await)) }.boxed()
    });
    finished(&log, lambda_runtime::run(service).await.is_ok())
}

/// A reply as the runtime streams it.
fn streamed(reply: Reply) -> StreamResponse<BodyDataStream<Body>> {
    let (parts, body) = reply.into_parts();
    let metadata_prelude =
        MetadataPrelude { status_code: parts.status, headers: parts.headers, cookies: Vec::new() };
    StreamResponse { metadata_prelude, stream: BodyDataStream::new(body) }
}

/// Answers events that are not HTTP until Lambda ends the environment. A handler's error is a
/// fixed text, since the runtime posts it.
pub async fn run_events<A, E, R, H, F>(
    init: impl Future<Output = Result<A, InitError>>,
    handle: H,
) -> ExitCode
where
    A: Send + Sync,
    E: DeserializeOwned,
    R: Serialize,
    H: Fn(Arc<A>, E) -> F + Copy + Send,
    F: Future<Output = Result<R, &'static str>> + Send,
{
    let log = Log::stdout();
    silence_libraries();
    silence_panics(log.clone());
    let app = match init.await {
        Ok(app) => Arc::new(app),
        Err(error) => return failed(&log, error.0),
    };
    let service = service_fn(|event: LambdaEvent<Quiet<E>>| {
        let app = Arc::clone(&app);
        async move {
            let Quiet(event) = event.payload;
            // In a box, since the layout of them all in one is too deep for the compiler.
            let handled = Box::pin(handle(app, event));
            let caught = AssertUnwindSafe(handled).catch_unwind().await;
            caught.unwrap_or(Err("internal error")).map_err(lambda_runtime::Error::from)
        }
    });
    finished(&log, lambda_runtime::run(service).await.is_ok())
}

/// Awaits a reply and answers a panic with a bare 500.
///
/// The dialect is unknown here, so it is the one whose shape most clients read.
pub async fn guarded(reply: impl Future<Output = Reply>) -> Reply {
    match AssertUnwindSafe(reply).catch_unwind().await {
        Ok(reply) => reply,
        Err(_) => {
            let now = Timestamp::now();
            match CallId::new(now) {
                Ok(call) => reply::refuse(&Fault::Internal, Dialect::OpenAi, &call, now),
                Err(_) => reply::json(http::StatusCode::INTERNAL_SERVER_ERROR, "{}"),
            }
        }
    }
}

/// Makes panics print their place alone: the standard hook prints the message, and the message of
/// a slice or an index is made of the text it failed on.
pub fn silence_panics(log: Log) {
    std::panic::set_hook(Box::new(move |panic| {
        let (file, at) = panic.location().map_or(("", 0), |place| (place.file(), place.line()));
        log.write(&LogLine::Panic { file, at });
    }));
}

/// Lets no library write beside the log: where nobody has said who is to hear events, the runtime
/// prints some of its own. From here on nobody hears any.
fn silence_libraries() {
    // It fails where that was said already, which nothing of ours does.
    drop(tracing::dispatcher::set_global_default(tracing::Dispatch::none()));
}

fn failed(log: &Log, at: &'static str) -> ExitCode {
    log.write(&LogLine::Init { at });
    ExitCode::FAILURE
}

fn finished(log: &Log, well: bool) -> ExitCode {
    if well { ExitCode::SUCCESS } else { failed(log, "runtime") }
}
