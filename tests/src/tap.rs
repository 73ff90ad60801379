//! A tap on the line to a server: it passes every byte on and keeps it, counts connections, and can
//! let requests fail.

use std::{
    mem,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinHandle,
};

/// The tap.
pub struct Tap {
    address: SocketAddr,
    line: Arc<Line>,
    accepting: JoinHandle<()>,
}

/// What has gone over the line.
#[derive(Clone, Debug, Default)]
pub struct Passed {
    /// Every request, whole: its line, its headers and its body.
    pub asked: Vec<Vec<u8>>,
    /// All that was answered.
    pub told: Vec<u8>,
}

/// What becomes of a request that does not get through.
#[derive(Clone, Debug)]
pub enum Fate {
    /// The connection ends before the server has seen anything of it.
    Lost,
    /// This is answered in place of the server: a status, and a body of JSON.
    Answered(u16, String),
}

type Rule = Box<dyn Fn(&[u8]) -> Option<Fate> + Send>;

#[derive(Default)]
struct Line {
    passed: Mutex<Passed>,
    connections: AtomicUsize,
    failed: AtomicUsize,
    rule: Mutex<Option<Rule>>,
}

impl Tap {
    /// On the line to the server at this URL.
    pub async fn before(url: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let line: Arc<Line> = Arc::default();
        let to = url.trim_start_matches("http://").to_owned();
        let accepting = tokio::spawn(accept(listener, to, Arc::clone(&line)));
        Self { address, line, accepting }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address of that.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.line.connections.load(Ordering::SeqCst)
    }

    /// What has passed since it was asked last.
    pub fn passed(&self) -> Passed {
        mem::take(&mut self.line.passed.lock().expect("not poisoned"))
    }

    /// From now on this decides which requests do not get through.
    pub fn fail(&self, rule: impl Fn(&[u8]) -> Option<Fate> + Send + 'static) {
        *self.line.rule.lock().expect("not poisoned") = Some(Box::new(rule));
    }

    /// How many requests have not got through.
    pub fn failed(&self) -> usize {
        self.line.failed.load(Ordering::SeqCst)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, to: String, line: Arc<Line>) {
    while let Ok((caller, _)) = listener.accept().await {
        line.connections.fetch_add(1, Ordering::SeqCst);
        let server = TcpStream::connect(&to).await.expect("the server is there");
        for stream in [&caller, &server] {
            stream.set_nodelay(true).expect("TCP_NODELAY");
        }
        let (from_caller, to_caller) = caller.into_split();
        let (from_server, to_server) = server.into_split();
        let to_caller = Arc::new(tokio::sync::Mutex::new(to_caller));
        let answering = answer(from_server, Arc::clone(&to_caller), Arc::clone(&line));
        let answering = tokio::spawn(answering);
        let line = Arc::clone(&line);
        tokio::spawn(async move {
            ask(from_caller, to_server, &to_caller, &line).await;
            // A request that was lost ends the connection, and the caller sees it.
            drop(to_caller.lock().await.shutdown().await);
            answering.abort();
        });
    }
}

/// Passes on what the caller asks, a whole request at a time.
async fn ask(
    mut caller: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    to_caller: &tokio::sync::Mutex<OwnedWriteHalf>,
    line: &Line,
) {
    let (mut read, mut piece) = (Vec::new(), vec![0; 64 * 1_024]);
    loop {
        let length = loop {
            if let Some(length) = whole(&read) {
                break length;
            }
            let Ok(count @ 1..) = caller.read(&mut piece).await else {
                // What was begun and never ended was said, too.
                line.passed.lock().expect("not poisoned").asked.push(read);
                return;
            };
            read.extend_from_slice(&piece[..count]);
        };
        let rest = read.split_off(length);
        let request = mem::replace(&mut read, rest);
        let fate = line.rule.lock().expect("not poisoned").as_ref().and_then(|rule| rule(&request));
        line.passed.lock().expect("not poisoned").asked.push(request.clone());
        line.failed.fetch_add(usize::from(fate.is_some()), Ordering::SeqCst);
        match fate {
            None if server.write_all(&request).await.is_ok() => {}
            None | Some(Fate::Lost) => return,
            Some(Fate::Answered(status, body)) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} -\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                if to_caller.lock().await.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// How long the request is that `bytes` begin with, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let lines = std::str::from_utf8(&bytes[..head]).expect("a head of text").to_ascii_lowercase();
    let body = lines.split("\r\ncontent-length:").nth(1).map_or(0, |rest| {
        rest.split("\r\n").next().and_then(|it| it.trim().parse().ok()).expect("a length")
    });
    assert!(!lines.contains("\r\ntransfer-encoding:"), "a request says its length");
    (bytes.len() >= head + body).then_some(head + body)
}

async fn answer(
    mut server: OwnedReadHalf,
    to_caller: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    line: Arc<Line>,
) {
    let mut piece = vec![0; 64 * 1_024];
    while let Ok(count @ 1..) = server.read(&mut piece).await {
        let bytes = &piece[..count];
        line.passed.lock().expect("not poisoned").told.extend_from_slice(bytes);
        if to_caller.lock().await.write_all(bytes).await.is_err() {
            return;
        }
    }
    drop(to_caller.lock().await.shutdown().await);
}

#[cfg(test)]
mod tests {
    use super::whole;

    #[test]
    fn a_request_ends_with_its_body() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET";
        assert_eq!(whole(request), Some(request.len() - 3));
        assert_eq!(whole(&request[..request.len() - 4]), None);
        assert_eq!(whole(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n"), Some(28));
        assert_eq!(whole(b"HEAD / HTTP/1.1\r\n"), None);
    }
}
