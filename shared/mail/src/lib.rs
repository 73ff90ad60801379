//! Messages of the platform's own, by AWS SES. There is no link in them and nothing that loads, and
//! nobody keeps a copy.
//!
//! SES is asked for one thing, by one signed request. Its SDK is larger than DynamoDB's, and was a
//! tenth of what there is to build.

use std::time::Duration;

use serde::Serialize;
use shared::{
    aws::{Service, SignedPost},
    config::MailConfig,
    email::EmailAddress,
    tls::TlsError,
};
use tokio::time::timeout;

/// How long SES may take to accept a message.
pub const PATIENCE: Duration = Duration::from_secs(2);

/// A message to one person.
pub struct Message<'a> {
    /// Where it goes.
    pub to: &'a EmailAddress,
    /// What it is about, of our own words alone.
    pub subject: &'static str,
    /// What it says, in lines.
    pub text: String,
}

/// What sends messages.
pub struct Mailer {
    ses: SignedPost,
    config: MailConfig,
}

/// The operation `SendEmail` of SES's API, version 2.
const SEND_EMAIL: &str = "/v2/email/outbound-emails";

/// What `SendEmail` is asked.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail<'a> {
    from_email_address: &'a str,
    destination: Destination<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to_addresses: Option<[&'a str; 1]>,
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination<'a> {
    to_addresses: [&'a str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content<'a> {
    simple: Simple<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Simple<'a> {
    subject: Text<'a>,
    body: Body<'a>,
    headers: [Header; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    text: Text<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Text<'a> {
    data: &'a str,
    charset: &'static str,
}

impl<'a> Text<'a> {
    const fn new(data: &'a str) -> Self {
        Self { data, charset: "UTF-8" }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header {
    name: &'static str,
    value: &'static str,
}

/// So that no out-of-office message answers (RFC 3834).
const AUTOMATIC: Header = Header { name: "Auto-Submitted", value: "auto-generated" };

impl Mailer {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: MailConfig) -> Result<Self, TlsError> {
        Ok(Self { ses: SignedPost::connect(&config.aws, Service::SES)?, config })
    }

    /// Sends a message, once.
    ///
    /// # Errors
    /// When SES refuses it or does not answer, in which case it may have been sent.
    pub async fn send(&self, message: Message<'_>) -> Result<(), NotSent> {
        let Message { to, subject, mut text } = message;
        let MailConfig { from, contact, operator, .. } = &self.config;
        let (contact, asked) = (contact.as_deref(), operator.contact.as_deref());
        if let Some(asked) = asked.or(contact) {
            let name = operator.name.as_deref().map_or(String::new(), |name| format!("{name}, "));
            text = format!("{text}\n\nQuestions? Write to {name}{asked}.");
        }
        let text = format!("{text}\n");
        let request = SendEmail {
            from_email_address: from,
            destination: Destination { to_addresses: [to.as_str()] },
            reply_to_addresses: contact.map(|contact| [contact]),
            content: Content {
                simple: Simple {
                    subject: Text::new(subject),
                    body: Body { text: Text::new(&text) },
                    headers: [AUTOMATIC],
                },
            },
        };
        let body = serde_json::to_vec(&request).map_err(|_| NotSent)?;
        // Once: what may have been sent is not sent again.
        match timeout(PATIENCE, self.ses.send(SEND_EMAIL, body)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotSent),
        }
    }
}

/// What takes messages to people.
pub trait SendMessage {
    /// Sends a message, once.
    ///
    /// # Errors
    /// When it was not sent, or is not known to have been.
    fn send(&self, message: Message<'_>) -> impl Future<Output = Result<(), NotSent>> + Send;
}

impl SendMessage for Mailer {
    async fn send(&self, message: Message<'_>) -> Result<(), NotSent> {
        self.send(message).await
    }
}

/// SES has refused a message or has not answered. Neither the message nor the address is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message could not be sent")]
pub struct NotSent;
