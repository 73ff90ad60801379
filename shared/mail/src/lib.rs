//! Messages of the platform's own, by AWS SES. There is no link in them and nothing that loads, and
//! nobody keeps a copy.
//!
//! It is a crate of its own since SES's SDK is larger than DynamoDB's, and three of five functions send
//! nothing.

use std::time::Duration;

use aws_sdk_sesv2::{
    Client,
    config::{Builder, retry::RetryConfig},
    types::{Body, Content, Destination, EmailContent, Message as Simple, MessageHeader},
};
use futures_util::FutureExt;
use shared::{aws, config::MailConfig, email::EmailAddress, tls::TlsError};
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
    client: Client,
    config: MailConfig,
}

impl Mailer {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: MailConfig) -> Result<Self, TlsError> {
        let sdk = aws::sdk_config(&config.aws)?;
        // A message that may have been sent is not sent again.
        let client = Builder::from(&sdk).retry_config(RetryConfig::disabled()).build();
        Ok(Self { client: Client::from_conf(client), config })
    }

    /// Sends a message, once.
    ///
    /// # Errors
    /// When SES refuses it or does not answer, in which case it may have been sent.
    pub async fn send(&self, message: Message<'_>) -> Result<(), NotSent> {
        let Message { to, subject, mut text } = message;
        let MailConfig { contact, operator, .. } = &self.config;
        let (contact, asked) = (contact.as_deref(), operator.contact.as_deref());
        if let Some(asked) = asked.or(contact) {
            let name = operator.name.as_deref().map_or(String::new(), |name| format!("{name}, "));
            text = format!("{text}\n\nQuestions? Write to {name}{asked}.");
        }
        let text = format!("{text}\n");
        let content = |text: String| Content::builder().data(text).charset("UTF-8").build().ok();
        let header =
            |name: &str, value: &str| MessageHeader::builder().name(name).value(value).build().ok();
        let simple = Simple::builder()
            .set_subject(content(subject.to_owned()))
            .body(Body::builder().set_text(content(text)).build())
            // So that no out-of-office answers it (RFC 3834).
            .set_headers(header("Auto-Submitted", "auto-generated").map(|header| vec![header]))
            .build();
        let request = self
            .client
            .send_email()
            .from_email_address(&self.config.from)
            .destination(Destination::builder().to_addresses(to.as_str()).build())
            .set_reply_to_addresses(contact.map(|contact| vec![contact.to_owned()]))
            .content(EmailContent::builder().simple(simple).build());
        // The SDK's future is large, and its error prints the address.
        match timeout(PATIENCE, request.send().boxed()).await {
            Ok(Ok(_)) => Ok(()),
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
