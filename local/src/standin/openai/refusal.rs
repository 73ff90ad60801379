//! OpenAI's errors. None quotes the request it refuses.

use http::StatusCode;
use serde::Serialize;

use crate::standin::answer::Answer;

/// An answer that is an error.
pub(super) struct Refusal {
    status: StatusCode,
    message: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refusal {
    pub(super) const MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        message: "We could not parse the JSON body of your request.",
        param: None,
        code: None,
    };
    pub(super) const NOT_FOUND: Self =
        Self { status: StatusCode::NOT_FOUND, message: "Invalid URL", ..Self::MALFORMED };
    pub(super) const NO_KEY: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        message: "You didn't provide an API key in an Authorization header using Bearer auth.",
        ..Self::MALFORMED
    };
    pub(super) const NO_MODEL: Self =
        Self { message: "you must provide a model parameter", ..Self::MALFORMED };
    pub(super) const NO_MESSAGES: Self = Self {
        message: "Missing required parameter: 'messages'.",
        param: Some("messages"),
        code: Some("missing_required_parameter"),
        ..Self::MALFORMED
    };
    pub(super) const NO_ROOM: Self = Self {
        message: "Invalid 'max_tokens': integer below minimum value.",
        param: Some("max_tokens"),
        code: Some("integer_below_min_value"),
        ..Self::MALFORMED
    };
    pub(super) const NOT_STREAMED: Self = Self {
        message: "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        param: Some("stream_options"),
        ..Self::MALFORMED
    };

    pub(super) fn answer(&self) -> Answer {
        let Self { status, message, param, code } = *self;
        let error = ErrorDetail { message, kind: "invalid_request_error", param, code };
        Answer::json(status, &ErrorBody { error })
    }
}

/// What an error comes in; all four keys are always there.
#[derive(Serialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Serialize)]
struct ErrorDetail {
    message: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}
