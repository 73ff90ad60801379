//! Stands where SES stands: takes the platform's messages and puts each into a file that a mail
//! program opens, or keeps it in memory where there is no directory.

use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{any, post},
};
use mail_builder::{MessageBuilder, headers::raw::Raw};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    config::{AwsConfig, MailConfig, OperatorConfig},
    id::random_base62,
    time::Timestamp,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// The sender on one machine.
const FROM: &str = "laozhang-api@example.com";

/// Where a person would answer.
pub const CONTACT: &str = "operator@example.com";

/// The server.
pub struct Outbox {
    address: SocketAddr,
    kept: Kept,
    operator: OperatorConfig,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
enum Kept {
    Files(PathBuf),
    Memory(Arc<Mutex<Vec<String>>>),
}

/// What SES's `SendEmail` says of a message, as far as the platform uses it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail {
    from_email_address: String,
    destination: Destination,
    #[serde(default)]
    reply_to_addresses: Vec<String>,
    content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    to_addresses: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    simple: Simple,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Simple {
    subject: Text,
    body: Body,
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    text: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Text {
    data: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    name: String,
    value: String,
}

impl Outbox {
    /// Binds 127.0.0.1 on a free port and serves until dropped. Messages go into `outbox` below
    /// this directory, if there is one, and name this operator.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(data: Option<&Path>, operator: OperatorConfig) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let kept = match data {
            Some(data) => Kept::Files(data.join("outbox")),
            None => Kept::Memory(Arc::default()),
        };
        let router = Router::new()
            .route("/v2/email/outbound-emails", post(take))
            .fallback(any(|| async { StatusCode::NOT_FOUND }))
            .with_state(kept.clone());
        let serving = tokio::spawn(async move {
            // It ends when the platform does.
            drop(axum::serve(listener, router).await);
        });
        Ok(Self { address, kept, operator, serving })
    }

    /// How the functions reach it.
    pub fn config(&self) -> MailConfig {
        MailConfig {
            aws: AwsConfig::loopback(format!("http://{}", self.address)),
            from: FROM.to_owned(),
            contact: Some(CONTACT.to_owned()),
            operator: self.operator.clone(),
        }
    }

    /// The messages that were kept in memory, the oldest first.
    pub fn messages(&self) -> Vec<String> {
        match &self.kept {
            Kept::Files(_) => Vec::new(),
            Kept::Memory(messages) => {
                messages.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(kept): State<Kept>, Json(sent): Json<SendEmail>) -> (StatusCode, Json<Value>) {
    match keep(&kept, &sent) {
        Some(id) => (StatusCode::OK, Json(json!({"MessageId": id}))),
        None => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"message": "not kept"}))),
    }
}

/// Keeps a message under an id, or says that it cannot.
fn keep(kept: &Kept, sent: &SendEmail) -> Option<String> {
    let now = Timestamp::now();
    let id = random_base62(22).ok()?;
    let message = message(sent, &id, now)?;
    match kept {
        Kept::Memory(messages) => {
            messages.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        }
        Kept::Files(folder) => {
            fs::create_dir_all(folder).ok()?;
            // By name in the order in which they were sent.
            let file = folder.join(format!("{}-{id}.eml", now.millis()));
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(file).ok()?;
            file.write_all(message.as_bytes()).ok()?;
        }
    }
    Some(id)
}

/// The message as it stands in a mailbox.
fn message(sent: &SendEmail, id: &str, now: Timestamp) -> Option<String> {
    let Simple { subject, body, headers } = &sent.content.simple;
    let to: Vec<&str> = sent.destination.to_addresses.iter().map(String::as_str).collect();
    let mut message = MessageBuilder::new()
        .message_id(format!("{id}@localhost"))
        .date(now.seconds())
        .from(sent.from_email_address.as_str())
        .to(to)
        .subject(subject.data.as_str())
        .text_body(body.text.data.as_str());
    for address in &sent.reply_to_addresses {
        message = message.reply_to(address.as_str());
    }
    for Header { name, value } in headers {
        message = message.header(name.as_str(), Raw::new(value.as_str()));
    }
    message.write_to_string().ok()
}
