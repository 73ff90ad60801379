//! A Secrets Manager on loopback, which knows one operation and counts how often it is asked.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};

/// Secrets by their ARN.
pub struct Secrets {
    address: SocketAddr,
    kept: Arc<Mutex<HashMap<String, String>>>,
    reads: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Secrets {
    /// Starts it, with nothing in it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (kept, reads) = (Arc::default(), Arc::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&kept), Arc::clone(&reads)));
        Self { address, kept, reads, accepting }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts another text into a secret.
    pub fn put(&self, arn: &str, text: impl Into<String>) {
        self.kept.lock().expect("not poisoned").insert(arn.to_owned(), text.into());
    }

    /// Removes a secret.
    pub fn remove(&self, arn: &str) {
        self.kept.lock().expect("not poisoned").remove(arn);
    }

    /// How often one was read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(
    listener: TcpListener,
    kept: Arc<Mutex<HashMap<String, String>>>,
    reads: Arc<AtomicUsize>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (kept, reads) = (Arc::clone(&kept), Arc::clone(&reads));
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let (kept, reads) = (Arc::clone(&kept), Arc::clone(&reads));
                async move {
                    reads.fetch_add(1, Ordering::SeqCst);
                    Ok::<_, Infallible>(answer(request, &kept).await)
                }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    kept: &Mutex<HashMap<String, String>>,
) -> Response<Full<Bytes>> {
    let target = request.headers().get("x-amz-target").cloned();
    assert_eq!(target.expect("an operation"), "secretsmanager.GetSecretValue");
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let asked: Value = serde_json::from_slice(&body).expect("JSON");
    let arn = asked["SecretId"].as_str().expect("an id");
    let text = kept.lock().expect("not poisoned").get(arn).cloned();
    let (status, body) = match text {
        Some(text) => (200, json!({"ARN": arn, "Name": "sample", "SecretString": text})),
        None => (400, json!({"__type": "ResourceNotFoundException"})),
    };
    let response = Response::builder().status(status);
    let response = response.header("content-type", "application/x-amz-json-1.1");
    response.body(Full::new(body.to_string().into())).expect("a response")
}
