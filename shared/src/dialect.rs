//! The three shapes a caller's SDK speaks, and how each says that something went wrong.
//!
//! Sources: the error objects in the providers' published API references.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

mod rates;

pub use self::rates::RateHeader;
use crate::{
    fault::{Fault, Retry},
    rate::{Limited, Rate, Whose, whole_seconds},
};

/// Whose wire format the caller speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `OpenAI`'s.
    OpenAi,
    /// Anthropic's.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
}

impl Dialect {
    /// The status of an answer that is `fault`. A balance, budget or limit of money that is used
    /// up is 402 but for `OpenAI`, which has no such status: its clients know 429 with
    /// `insufficient_quota`, and stop there.
    pub fn status(self, fault: &Fault) -> StatusCode {
        match (self, fault.status()) {
            (Self::OpenAi, StatusCode::PAYMENT_REQUIRED) => StatusCode::TOO_MANY_REQUESTS,
            (_, status) => status,
        }
    }

    /// The body of an answer that is `fault`, under the id `call`.
    pub fn body(self, fault: &Fault, call: &str) -> Bytes {
        Bytes::from(self.object(fault, call).to_string())
    }

    /// The same, as the last event of a stream that has begun with status 200.
    ///
    /// Anthropic's SDKs drop an event without a name, Google's raise only when `error` is the
    /// first key, and every one of them wants the blank line at the end.
    pub fn event(self, fault: &Fault, call: &str) -> Bytes {
        let object = self.object(fault, call);
        Bytes::from(match self {
            Self::OpenAi => format!("data: {object}\n\n"),
            Self::Anthropic => format!("event: error\ndata: {object}\n\n"),
            Self::Gemini => format!("data: {object}\r\n\r\n"),
        })
    }

    /// The same among the events of an `OpenAI` response, `number` of which came before. Its SDK
    /// in Python raises only where the error stands in a member of its own.
    pub fn response_event(self, fault: &Fault, call: &str, number: u64) -> Bytes {
        let mut object = self.object(fault, call);
        if let Value::Object(members) = &mut object {
            members.insert("type".into(), "error".into());
            members.insert("sequence_number".into(), number.into());
        }
        Bytes::from(format!("event: error\ndata: {object}\n\n"))
    }

    fn object(self, fault: &Fault, call: &str) -> Value {
        let status = self.status(fault);
        let message = fault.to_string();
        match self {
            Self::OpenAi => json!({"error": {
                "message": message,
                "type": openai_type(fault),
                "param": fault.field(),
                "code": openai_code(fault),
            }}),
            Self::Anthropic => json!({
                "type": "error",
                "error": {"type": anthropic_type(status), "message": message},
                "request_id": call,
            }),
            Self::Gemini => json!({"error": {
                "code": status.as_u16(),
                "message": message,
                "status": gemini_status(status),
                "details": gemini_details(fault),
            }}),
        }
    }
}

/// Where money is used up, whichever it is, this is the code at which `OpenAI`'s clients stop.
fn openai_code(fault: &Fault) -> &'static str {
    match fault.status() {
        StatusCode::PAYMENT_REQUIRED => "insufficient_quota",
        _ => fault.code(),
    }
}

fn openai_type(fault: &Fault) -> &'static str {
    if let Fault::RateLimited(rate) = fault {
        return match rate.what {
            Limited::Requests => "requests",
            Limited::Tokens => "tokens",
            Limited::Concurrency => "rate_limit_error",
        };
    }
    match fault.status().as_u16() {
        402 => "insufficient_quota",
        403 => "permission_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    }
}

fn anthropic_type(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}

fn gemini_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "UNAUTHENTICATED",
        402 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        504 => "DEADLINE_EXCEEDED",
        501.. => "UNAVAILABLE",
        _ => "INVALID_ARGUMENT",
    }
}

/// What Google's clients read in place of headers: the reason, when to try again, and which limit.
fn gemini_details(fault: &Fault) -> Vec<Value> {
    let mut details = vec![json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": fault.code().to_ascii_uppercase(),
        "domain": "laozhang",
    })];
    if let Fault::RateLimited(rate) = fault {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": quota(rate), "quotaValue": rate.limit.to_string()}],
        }));
    }
    if let Retry::After(after) = fault.retry() {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{}s", whole_seconds(after)),
        }));
    }
    details
}

/// The limit by a name in Google's style.
const fn quota(rate: &Rate) -> &'static str {
    match (rate.what, rate.whose) {
        (Limited::Requests, Whose::Key) => "RequestsPerKey",
        (Limited::Requests, Whose::Account) => "RequestsPerAccount",
        (Limited::Tokens, Whose::Key) => "TokensPerKey",
        (Limited::Tokens, Whose::Account) => "TokensPerAccount",
        (Limited::Concurrency, Whose::Key) => "ConcurrentRequestsPerKey",
        (Limited::Concurrency, Whose::Account) => "ConcurrentRequestsPerAccount",
    }
}
