//! A provider on loopback that says what a test tells it to, and notes what reached it.

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

/// What the provider does next.
#[derive(Clone)]
pub struct Script {
    status: u16,
    headers: Vec<(&'static str, String)>,
    steps: Vec<Step>,
}

#[derive(Clone)]
enum Step {
    Bytes(Bytes),
    Pause(Duration),
    Cut,
}

impl Script {
    /// An answer of this status and content type.
    pub fn new(status: u16, content_type: &str) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, steps: Vec::new() }
    }

    /// An answer of JSON.
    pub fn json(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json").then(body)
    }

    /// A stream of events.
    pub fn events(body: impl Into<Bytes>) -> Self {
        Self::new(200, "text/event-stream").then(body)
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// More bytes, in a piece of their own.
    #[must_use]
    pub fn then(mut self, bytes: impl Into<Bytes>) -> Self {
        self.steps.push(Step::Bytes(bytes.into()));
        self
    }

    /// A pause.
    #[must_use]
    pub fn pause(mut self, duration: Duration) -> Self {
        self.steps.push(Step::Pause(duration));
        self
    }

    /// Of a stream of events: pauses of this length before its first piece and its second.
    #[must_use]
    pub fn silent_at_first(mut self, duration: Duration) -> Self {
        let events = |(_, value): &(_, String)| value.contains("event-stream");
        if self.headers.iter().any(events) {
            self.steps.insert(1.min(self.steps.len()), Step::Pause(duration));
            self.steps.insert(0, Step::Pause(duration));
        }
        self
    }

    /// The connection breaks.
    #[must_use]
    pub fn cut(mut self) -> Self {
        self.steps.push(Step::Cut);
        self
    }
}

/// A request as it reached the provider.
#[derive(Clone)]
pub struct Received {
    /// Path and query.
    pub path: String,
    /// Every header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// The provider.
pub struct Provider {
    address: SocketAddr,
    scripts: Arc<Mutex<VecDeque<Script>>>,
    received: Arc<Mutex<Vec<Received>>>,
    greeted: Arc<Mutex<Vec<HeaderMap>>>,
    accepting: JoinHandle<()>,
}

impl Provider {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let scripts: Arc<Mutex<VecDeque<Script>>> = Arc::default();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let greeted: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
        let (told, noted) = (Arc::clone(&scripts), Arc::clone(&received));
        let accepting = tokio::spawn(accept(listener, told, noted, Arc::clone(&greeted)));
        Self { address, scripts, received, greeted, accepting }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it will answer to the next request that has no answer yet.
    pub fn answer(&self, script: Script) {
        self.scripts.lock().expect("not poisoned").push_back(script);
    }

    /// Forgets what it was told and what reached it.
    pub fn forget(&self) {
        self.scripts.lock().expect("not poisoned").clear();
        self.received.lock().expect("not poisoned").clear();
    }

    /// The headers of requests that asked for nothing, as by whoever opens a connection early.
    pub fn greeted(&self) -> Vec<HeaderMap> {
        self.greeted.lock().expect("not poisoned").clone()
    }

    /// What has reached it so far.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("not poisoned").clone()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    scripts: Arc<Mutex<VecDeque<Script>>>,
    received: Arc<Mutex<Vec<Received>>>,
    greeted: Arc<Mutex<Vec<HeaderMap>>>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let (scripts, received) = (Arc::clone(&scripts), Arc::clone(&received));
        let greeted = Arc::clone(&greeted);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let (scripts, received) = (Arc::clone(&scripts), Arc::clone(&received));
                let greeted = Arc::clone(&greeted);
                async move {
                    let (parts, body) = request.into_parts();
                    if parts.method == Method::HEAD {
                        greeted.lock().expect("not poisoned").push(parts.headers);
                        return Ok::<_, Infallible>(play(Script::json(404, "")));
                    }
                    let body = body.collect().await.map(|body| body.to_bytes());
                    received.lock().expect("not poisoned").push(Received {
                        path: parts.uri.to_string(),
                        headers: parts.headers,
                        body: body.unwrap_or_default(),
                    });
                    let script = scripts.lock().expect("not poisoned").pop_front();
                    Ok(play(script.unwrap_or_else(unasked)))
                }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

fn unasked() -> Script {
    Script::json(500, r#"{"error":{"message":"the test has told the provider nothing"}}"#)
}

fn play(script: Script) -> Response<StreamBody<Frames>> {
    let (frames, passed) = mpsc::channel(1);
    tokio::spawn(async move {
        for step in script.steps {
            let frame = match step {
                Step::Bytes(bytes) => Ok(Frame::data(bytes)),
                Step::Pause(duration) => {
                    tokio::time::sleep(duration).await;
                    continue;
                }
                Step::Cut => {
                    // What was said before is not lost with the connection.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Err("cut")
                }
            };
            if frames.send(frame).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::builder().status(script.status);
    for (name, value) in script.headers {
        response = response.header(name, value);
    }
    response.body(StreamBody::new(Frames(passed))).expect("a response")
}

/// The receiving end of a channel, as a stream.
struct Frames(mpsc::Receiver<Result<Frame<Bytes>, &'static str>>);

impl Stream for Frames {
    type Item = Result<Frame<Bytes>, &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
