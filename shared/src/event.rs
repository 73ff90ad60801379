//! The event that API Gateway sends for an HTTP request, taken up so that its body is copied once,
//! out of the event, and is content from then on.

use std::mem;

use bytes::Bytes;
use lambda_http::{aws_lambda_events::apigw::ApiGatewayProxyRequest, request::LambdaRequest};
use serde::{Deserialize, Deserializer, de::Error};

use crate::content::Content;

/// A request whose body is content.
pub type Request = http::Request<Content>;

/// A proxy event of a REST API.
pub struct HttpEvent(ApiGatewayProxyRequest);

impl HttpEvent {
    /// Reads an event.
    ///
    /// # Errors
    /// When it is none. The text is not repeated.
    pub fn parse(event: &[u8]) -> Result<Self, NotAnEvent> {
        serde_json::from_slice(event).map_err(|_| NotAnEvent)
    }

    /// The request. What API Gateway passed on in base 64 stays so until it is looked at or sent.
    pub fn request(mut self) -> Request {
        // The library would copy the body once more, and decode it whole.
        let body: Bytes = self.0.body.take().unwrap_or_default().into();
        let encoded = mem::take(&mut self.0.is_base64_encoded);
        let body = if encoded {
            // API Gateway encodes, so it is whole; an empty body is refused further in.
            Content::of_base64(body).unwrap_or_else(|_| Content::new(Bytes::new()))
        } else {
            Content::new(body)
        };
        http::Request::from(LambdaRequest::ApiGatewayV1(self.0)).map(|_| body)
    }
}

impl<'de> Deserialize<'de> for HttpEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quiet(deserializer).map(Self)
    }
}

/// An event that is not HTTP.
pub struct Quiet<E>(pub E);

impl<'de, E: Deserialize<'de>> Deserialize<'de> for Quiet<E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        quiet(deserializer).map(Self)
    }
}

/// Deserialises without a word about what it read: the runtime posts the parser's errors, and
/// they quote the event.
fn quiet<'de, E: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<E, D::Error> {
    E::deserialize(deserializer).map_err(|_| D::Error::custom(NotAnEvent))
}

/// The event is not one of this kind. It is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed event")]
pub struct NotAnEvent;

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = include_str!("../../events/proxy.chat.json");

    #[test]
    fn a_body_is_the_same_as_text_and_in_base64() {
        for (body, encoded) in [("a \"text\"", false), ("YSAidGV4dCI=", true)] {
            let mut event: serde_json::Value = serde_json::from_str(EVENT).unwrap();
            event["body"] = body.into();
            event["isBase64Encoded"] = encoded.into();
            let event = event.to_string();
            let request = HttpEvent::parse(event.as_bytes()).map(HttpEvent::request);
            let body = request.unwrap().into_body();
            assert_eq!((body.len(), &*body.into_wire()), (8, &b"a \"text\""[..]));
        }
    }

    #[test]
    fn an_error_quotes_nothing() {
        for event in [r#"{"canary":"canary"}"#, r#"{"httpMethod":"canary canary"}"#, "canary"] {
            let read = serde_json::from_str::<HttpEvent>(event);
            let error = read.map(|_| ()).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
