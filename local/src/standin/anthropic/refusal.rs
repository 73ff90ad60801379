//! Anthropic's errors. None quotes the request it refuses.

use http::StatusCode;
use serde::Serialize;

use crate::standin::answer::Answer;
use crate::standin::call::Call;

/// An answer that is an error.
pub(super) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    message: &'static str,
}

impl Refusal {
    pub(super) const MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        kind: "invalid_request_error",
        message: "The request body is not valid JSON.",
    };
    pub(super) const NO_VERSION: Self =
        Self { message: "anthropic-version: header is required", ..Self::MALFORMED };
    pub(super) const BAD_VERSION: Self =
        Self { message: "anthropic-version: not a valid version", ..Self::MALFORMED };
    pub(super) const NO_MODEL: Self = Self { message: "model: Field required", ..Self::MALFORMED };
    pub(super) const NO_MESSAGES: Self =
        Self { message: "messages: Field required", ..Self::MALFORMED };
    pub(super) const NO_LIMIT: Self =
        Self { message: "max_tokens: Field required", ..Self::MALFORMED };
    pub(super) const SAMPLING: Self = Self {
        message: "temperature, top_p and top_k are not supported by this API version",
        ..Self::MALFORMED
    };
    pub(super) const NO_KEY: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        kind: "authentication_error",
        message: "x-api-key header is required",
    };
    pub(super) const NOT_FOUND: Self =
        Self { status: StatusCode::NOT_FOUND, kind: "not_found_error", message: "Not found" };

    pub(super) fn answer(&self, call: &Call) -> Answer {
        let Self { status, kind, message } = *self;
        let error = ErrorDetail { kind, message };
        let body = ErrorBody { kind: "error", error, request_id: call.request_id() };
        Answer::json(status, &body)
    }
}

/// What an error comes in.
#[derive(Serialize)]
struct ErrorBody {
    #[serde(rename = "type")]
    kind: &'static str,
    error: ErrorDetail,
    request_id: String,
}

#[derive(Serialize)]
struct ErrorDetail {
    #[serde(rename = "type")]
    kind: &'static str,
    message: &'static str,
}
