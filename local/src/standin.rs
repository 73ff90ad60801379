//! Stand-ins for the providers, for whoever runs the platform without a key of theirs.
//!
//! One server on loopback answers for all three, each in its own wire format, plain and streamed,
//! with usage, at every endpoint that the gateway serves. What it says and draws is that it is a
//! stand-in; its speech is a tone, and its vectors mean nothing. It must never reach the network,
//! quote a request, or share code with the meter, which would then agree with it whatever it said.

mod answer;
mod anthropic;
mod call;
mod form;
mod gemini;
mod openai;
mod picture;
mod sound;
mod speech;
mod vector;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use self::answer::{Answer, AnswerBody};
use self::call::{Call, Serials};

/// How long to let be after an accept fails, which is mostly for want of file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Stand-ins for the providers, on loopback.
///
/// Dropping it stops the server and cuts the answers it is in the middle of.
#[derive(Debug)]
pub struct Standin {
    address: SocketAddr,
    accepting: JoinHandle<Infallible>,
}

impl Standin {
    /// Binds 127.0.0.1 on a free port and serves until dropped.
    ///
    /// The runtime it is called on needs its I/O and time drivers. Fails if no port can be bound.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { address, accepting: tokio::spawn(accept(listener)) })
    }

    /// What to use for `https://api.openai.com/v1`.
    pub fn openai_base_url(&self) -> String {
        format!("http://{}/openai/v1", self.address)
    }

    /// What to use for `https://api.anthropic.com`.
    pub fn anthropic_base_url(&self) -> String {
        format!("http://{}/anthropic", self.address)
    }

    /// What to use for `https://generativelanguage.googleapis.com`.
    pub fn gemini_base_url(&self) -> String {
        format!("http://{}/gemini", self.address)
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts connections; they live in this task's set, so they end with it.
async fn accept(listener: TcpListener) -> Infallible {
    let serials = Serials::default();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, serials.clone()));
                }
                Err(_) => tokio::time::sleep(BREATH).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, serials: Serials) {
    // Without it the kernel gathers words into one segment, and nobody sees them stream.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let service = service_fn(|request| respond(serials.next(), request));
    // A connection that fails is its client's to notice: there is nobody here to tell.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// One call; an error, which is a body that broke off, closes the connection.
async fn respond(
    serial: u64,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(route(&Call { head, body, serial }).into_response())
}

fn route(call: &Call) -> Answer {
    let path = call.head.uri.path();
    if let Some(path) = path.strip_prefix("/openai") {
        openai::answer(path, call)
    } else if let Some(path) = path.strip_prefix("/anthropic") {
        anthropic::answer(path, call)
    } else if let Some(path) = path.strip_prefix("/gemini") {
        gemini::answer(path, call)
    } else {
        Answer::nobody()
    }
}

#[cfg(test)]
mod tests;
