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
    pub(super) const NO_FORM: Self =
        Self { message: "We could not parse the form in your request.", ..Self::MALFORMED };
    pub(super) const NOT_FOUND: Self =
        Self { status: StatusCode::NOT_FOUND, message: "Invalid URL", ..Self::MALFORMED };
    pub(super) const NO_KEY: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        message: "You didn't provide an API key in an Authorization header using Bearer auth.",
        ..Self::MALFORMED
    };
    /// Of the endpoints that are older than its other wording.
    pub(super) const NO_MODEL: Self =
        Self { message: "you must provide a model parameter", ..Self::MALFORMED };
    pub(super) const MISSING_MODEL: Self =
        Self::missing("model", "Missing required parameter: 'model'.");
    pub(super) const NO_MESSAGES: Self =
        Self::missing("messages", "Missing required parameter: 'messages'.");
    pub(super) const NO_PROMPT: Self =
        Self::missing("prompt", "Missing required parameter: 'prompt'.");
    pub(super) const NO_INPUT: Self =
        Self::missing("input", "Missing required parameter: 'input'.");
    pub(super) const NO_IMAGE: Self =
        Self::missing("image", "Missing required parameter: 'image'.");
    pub(super) const NO_VOICE: Self =
        Self::missing("voice", "Missing required parameter: 'voice'.");
    pub(super) const NO_FILE: Self = Self::missing("file", "Missing required parameter: 'file'.");
    pub(super) const NO_ROOM: Self = Self::of_parameter(
        "max_tokens",
        "Invalid 'max_tokens': integer below minimum value.",
        "integer_below_min_value",
    );
    pub(super) const LITTLE_ROOM: Self = Self::of_parameter(
        "max_output_tokens",
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16.",
        "integer_below_min_value",
    );
    pub(super) const NOT_STREAMED: Self = Self {
        message: "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        param: Some("stream_options"),
        ..Self::MALFORMED
    };
    pub(super) const CHOICES: Self =
        Self::invalid("n", "Invalid 'n': between 1 and 128 choices can be made at once.");
    pub(super) const INPUTS: Self = Self::invalid(
        "input",
        "Invalid 'input': between 1 and 2048 inputs can be embedded at once.",
    );
    pub(super) const ENCODING: Self =
        Self::invalid("encoding_format", "Invalid 'encoding_format': 'float' or 'base64'.");
    pub(super) const DIMENSIONS: Self =
        Self::invalid("dimensions", "Invalid 'dimensions': a value from 1 to 3072.");
    pub(super) const IMAGES: Self =
        Self::invalid("n", "Invalid 'n': between 1 and 10 images can be made at once.");
    pub(super) const PREVIEWS: Self =
        Self::invalid("partial_images", "Invalid 'partial_images': a value from 0 to 3.");
    pub(super) const ONE_IMAGE: Self =
        Self::invalid("n", "Invalid 'n': only one image can be streamed.");
    pub(super) const SOUND: Self = Self::invalid(
        "response_format",
        "Invalid 'response_format': 'mp3', 'opus', 'aac', 'flac', 'wav' or 'pcm'.",
    );
    pub(super) const STREAM: Self =
        Self::invalid("stream_format", "Invalid 'stream_format': 'audio' or 'sse'.");
    pub(super) const NO_EVENTS: Self =
        Self::invalid("stream_format", "Invalid 'stream_format': this model sends no events.");
    pub(super) const TRANSCRIPT: Self = Self::invalid(
        "response_format",
        "Invalid 'response_format': this model's transcripts do not come in it.",
    );

    pub(super) fn answer(&self) -> Answer {
        let Self { status, message, param, code } = *self;
        let error = ErrorDetail { message, kind: "invalid_request_error", param, code };
        Answer::json(status, &ErrorBody { error })
    }

    const fn missing(param: &'static str, message: &'static str) -> Self {
        Self::of_parameter(param, message, "missing_required_parameter")
    }

    const fn invalid(param: &'static str, message: &'static str) -> Self {
        Self::of_parameter(param, message, "invalid_value")
    }

    const fn of_parameter(param: &'static str, message: &'static str, code: &'static str) -> Self {
        Self { message, param: Some(param), code: Some(code), ..Self::MALFORMED }
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
