//! Lambda's Runtime API on loopback, which runs one real binary and shows what it answers, byte
//! for byte.

use std::{
    collections::VecDeque,
    mem,
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
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
    stdout: Pipe,
    stderr: Pipe,
    address: SocketAddr,
    queue: Arc<Queue>,
    posted: mpsc::UnboundedReceiver<Posted>,
    pieces: mpsc::UnboundedReceiver<Bytes>,
    accepting: JoinHandle<()>,
}

/// What a process has written into a pipe so far, read as it comes.
struct Pipe {
    written: Arc<Mutex<Vec<u8>>>,
    reading: JoinHandle<()>,
}

impl Pipe {
    fn of(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let writing = Arc::clone(&written);
        let reading = tokio::spawn(async move {
            let mut piece = vec![0; 16 * 1_024];
            while let Ok(count @ 1..) = pipe.read(&mut piece).await {
                writing.lock().expect("not poisoned").extend_from_slice(&piece[..count]);
            }
        });
        Self { written, reading }
    }

    /// All of it, once the process has ended.
    async fn whole(self) -> Vec<u8> {
        let ended = tokio::time::timeout(Duration::from_secs(30), self.reading).await;
        ended.expect("it ends in 30 seconds").expect("its output");
        mem::take(&mut self.written.lock().expect("not poisoned"))
    }
}

/// Everything that a function has written.
#[derive(Debug, Default)]
pub struct Written {
    /// To its standard output.
    pub stdout: Vec<u8>,
    /// To its standard error.
    pub stderr: Vec<u8>,
}

impl Written {
    /// Both.
    pub fn all(&self) -> Vec<u8> {
        [&*self.stdout, &*self.stderr].concat()
    }
}

#[derive(Default)]
struct Queue {
    /// Each event, and how long the function has for it.
    events: Mutex<VecDeque<(Bytes, Duration)>>,
    more: Notify,
    /// The function has asked for an event.
    asked: Notify,
    /// The next answer is not heard to its end.
    hangs_up: AtomicBool,
    /// That has happened.
    hung_up: Notify,
}

impl Function {
    /// Starts the binary of this name with these variables and no other.
    pub async fn start(name: &'static str, variables: &[(&str, String)]) -> Self {
        let path = tokio::task::spawn_blocking(move || binary(name)).await.expect("a binary");
        Self::run(name, Command::new(path), variables).await
    }

    /// Starts what `command` runs as the function of this name.
    pub async fn run(name: &str, mut command: Command, variables: &[(&str, String)]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let queue: Arc<Queue> = Arc::default();
        let (post, posted) = mpsc::unbounded_channel();
        let (piece, pieces) = mpsc::unbounded_channel();
        let api = Api { queue: Arc::clone(&queue), post, piece };
        let accepting = tokio::spawn(accept(listener, Arc::new(api)));
        let mut child = command
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            // The noisiest that an operator could ask for.
            .env("AWS_LAMBDA_LOG_LEVEL", "TRACE")
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let stdout = Pipe::of(child.stdout.take().expect("a pipe"));
        let stderr = Pipe::of(child.stderr.take().expect("a pipe"));
        Self { child, stdout, stderr, address, queue, posted, pieces, accepting }
    }

    /// Where the Runtime API is.
    pub const fn api(&self) -> SocketAddr {
        self.address
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

    /// Gives the function an event, and hangs up after the first piece of its answer.
    pub async fn hang_up_on(&self, event: impl Into<Bytes>) {
        self.queue.hangs_up.store(true, Ordering::SeqCst);
        let hung_up = self.queue.hung_up.notified();
        self.give(event, LONGEST);
        tokio::time::timeout(Duration::from_secs(30), hung_up).await.expect("an answer");
    }

    fn give(&self, event: impl Into<Bytes>, time: Duration) {
        self.signal("-CONT");
        self.queue.events.lock().expect("not poisoned").push_back((event.into(), time));
        self.queue.more.notify_one();
    }

    /// Ends the function and gives everything it has written.
    pub async fn output(mut self) -> Written {
        // It may have ended by itself.
        drop(self.child.start_kill());
        self.ended().await
    }

    /// Awaits the function's own end and gives everything it has written.
    pub async fn ended(self) -> Written {
        let written =
            Written { stdout: self.stdout.whole().await, stderr: self.stderr.whole().await };
        self.accepting.abort();
        written
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
                async move { api.answer(request).await.ok_or("hung up") }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

impl Api {
    /// Answers a request of the function's, unless it hangs up.
    async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        if request.method() == Method::GET {
            return Some(next(&self.queue).await);
        }
        let (parts, mut body) = request.into_parts();
        let mut whole = BytesMut::new();
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(piece) = frame.into_data() {
                whole.extend_from_slice(&piece);
                drop(self.piece.send(piece));
            }
            if self.queue.hangs_up.swap(false, Ordering::SeqCst) {
                self.queue.hung_up.notify_one();
                return None;
            }
        }
        let to = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
        drop(self.post.send(Posted { to, headers: parts.headers, body: whole.freeze() }));
        let accepted = Response::builder().status(202);
        Some(accepted.body(Full::default()).expect("a response"))
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
