//! Lambda's Runtime API on loopback, which runs one real binary and shows what it answers, byte
//! for byte.

use std::{
    collections::VecDeque,
    convert::Infallible,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt,
    net::TcpListener,
    process::{Child, Command},
    sync::{Notify, mpsc},
    task::JoinHandle,
};

use crate::binaries::binary;

/// How long a function has unless a test says otherwise.
const LONGEST: Duration = Duration::from_secs(900);

/// What a binary posted for one event.
#[derive(Debug)]
pub struct Posted {
    /// The last part of the path: `response` or `error`.
    pub to: String,
    /// The headers of the post.
    pub headers: HeaderMap,
    /// The body of the post.
    pub body: Bytes,
}

impl Posted {
    /// Takes a streamed answer apart: its prelude of JSON, eight zero bytes, and the body.
    pub fn streamed(&self) -> (serde_json::Value, Bytes) {
        let at = self.body.windows(8).position(|window| window == [0; 8]).expect("eight zeros");
        let prelude = serde_json::from_slice(&self.body[..at]).expect("a prelude of JSON");
        (prelude, self.body.slice(at + 8..))
    }
}

/// A running function.
pub struct Function {
    child: Child,
    queue: Arc<Queue>,
    posted: mpsc::UnboundedReceiver<Posted>,
    pieces: mpsc::UnboundedReceiver<Bytes>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Queue {
    /// Each event, and how long the function has for it.
    events: Mutex<VecDeque<(Bytes, Duration)>>,
    more: Notify,
    /// The function has asked for an event.
    asked: Notify,
}

impl Function {
    /// Starts the binary of this name with these variables and no other.
    pub async fn start(name: &'static str, variables: &[(&str, String)]) -> Self {
        let path = tokio::task::spawn_blocking(move || binary(name)).await.expect("a binary");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let queue: Arc<Queue> = Arc::default();
        let (post, posted) = mpsc::unbounded_channel();
        let (piece, pieces) = mpsc::unbounded_channel();
        let api = Api { queue: Arc::clone(&queue), post, piece };
        let accepting = tokio::spawn(accept(listener, Arc::new(api)));
        let child = Command::new(path)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            // The noisiest that an operator could ask for.
            .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
            .env("RUST_LOG", "trace")
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        Self { child, queue, posted, pieces, accepting }
    }

    /// Waits until the function asks for its first event: its init is over.
    pub async fn ready(&self) {
        let asked = self.queue.asked.notified();
        tokio::time::timeout(Duration::from_secs(30), asked).await.expect("ready in 30 seconds");
    }

    /// Gives the function an event and awaits what it posts. Between two events the process is
    /// stopped, as Lambda does it: what it has not done by the end of its answer stays undone.
    pub async fn invoke(&mut self, event: impl Into<Bytes>) -> Posted {
        self.invoke_within(event, LONGEST).await
    }

    /// The same, with a deadline.
    pub async fn invoke_within(&mut self, event: impl Into<Bytes>, time: Duration) -> Posted {
        self.give(event, time);
        let posted = tokio::time::timeout(Duration::from_secs(30), self.posted.recv()).await;
        self.signal("-STOP");
        posted.expect("an answer in 30 seconds").expect("the API is up")
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().expect("running").to_string();
        let sent = std::process::Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the function has ended");
    }

    /// Forgets the peak of the function's memory so far. None where the system cannot.
    pub fn forget_peak(&self) -> Option<()> {
        let id = self.child.id().expect("running");
        std::fs::write(format!("/proc/{id}/clear_refs"), "5").ok()
    }

    /// The peak of the function's resident memory since then, in KiB.
    pub fn peak_kib(&self) -> Option<u64> {
        let id = self.child.id().expect("running");
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        peak.split_whitespace().next()?.parse().ok()
    }

    /// How long processors have worked for the function so far, in milliseconds, as far as Linux
    /// counts: in hundredths of a second.
    pub fn worked_ms(&self) -> Option<u64> {
        let id = self.child.id().expect("running");
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name before may have blanks in it.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
        Some((ticks(11)? + ticks(12)?) * 10)
    }

    /// Gives the function an event and awaits `piece` in what comes out of it, not its end.
    pub async fn first_piece(&mut self, event: impl Into<Bytes>, piece: &[u8]) {
        self.give(event, LONGEST);
        let mut seen = Vec::new();
        while !seen.windows(piece.len()).any(|window| window == piece) {
            let next = tokio::time::timeout(Duration::from_secs(30), self.pieces.recv()).await;
            seen.extend_from_slice(&next.expect("a piece in 30 seconds").expect("the API is up"));
        }
    }

    fn give(&self, event: impl Into<Bytes>, time: Duration) {
        self.signal("-CONT");
        self.queue.events.lock().expect("not poisoned").push_back((event.into(), time));
        self.queue.more.notify_one();
    }

    /// Ends the function and gives everything it has written.
    pub async fn output(mut self) -> Vec<u8> {
        self.child.start_kill().expect("the function ends");
        self.ended().await
    }

    /// Awaits the function's own end and gives everything it has written.
    pub async fn ended(mut self) -> Vec<u8> {
        let mut output = Vec::new();
        if let Some(mut stdout) = self.child.stdout.take() {
            stdout.read_to_end(&mut output).await.expect("its output");
        }
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_end(&mut output).await.expect("its output");
        }
        self.accepting.abort();
        output
    }
}

/// What the API does with what it is asked.
struct Api {
    queue: Arc<Queue>,
    post: mpsc::UnboundedSender<Posted>,
    piece: mpsc::UnboundedSender<Bytes>,
}

async fn accept(listener: TcpListener, api: Arc<Api>) {
    while let Ok((stream, _)) = listener.accept().await {
        let api = Arc::clone(&api);
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let api = Arc::clone(&api);
                async move { Ok::<_, Infallible>(api.answer(request).await) }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

impl Api {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() == Method::GET {
            return next(&self.queue).await;
        }
        let (parts, mut body) = request.into_parts();
        let mut whole = BytesMut::new();
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(piece) = frame.into_data() {
                whole.extend_from_slice(&piece);
                drop(self.piece.send(piece));
            }
        }
        let to = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        drop(self.post.send(Posted { to, headers: parts.headers, body: whole.freeze() }));
        let accepted = Response::builder().status(202);
        accepted.body(Full::default()).expect("a response")
    }
}

/// The long poll for the next event.
async fn next(queue: &Queue) -> Response<Full<Bytes>> {
    queue.asked.notify_one();
    let (event, time) = loop {
        let event = queue.events.lock().expect("not poisoned").pop_front();
        match event {
            Some(event) => break event,
            None => queue.more.notified().await,
        }
    };
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_millis();
    Response::builder()
        .header("lambda-runtime-aws-request-id", "00000000-0000-0000-0000-000000000001")
        .header("lambda-runtime-deadline-ms", (since + time.as_millis()).to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:local:000000000000:function")
        .body(Full::new(event))
        .expect("a response")
}
