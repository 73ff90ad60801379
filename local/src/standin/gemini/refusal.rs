//! Gemini's errors. None quotes the request it refuses.

use http::StatusCode;
use serde::Serialize;

use crate::standin::answer::Answer;

/// An answer that is an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    /// The status's name among Google's canonical ones.
    canonical: &'static str,
    message: &'static str,
}

impl Refusal {
    pub(super) const MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        canonical: "INVALID_ARGUMENT",
        message: "Invalid JSON payload received.",
    };
    pub(super) const NO_CONTENTS: Self = Self {
        message: "* GenerateContentRequest.contents: contents is not specified\n",
        ..Self::MALFORMED
    };
    pub(super) const NO_CONTENT: Self = Self {
        message: "* EmbedContentRequest.content: contents is not specified\n",
        ..Self::MALFORMED
    };
    pub(super) const REQUESTS: Self = Self {
        message: "* BatchEmbedContentsRequest.requests: between 1 and 100 requests can be in one batch\n",
        ..Self::MALFORMED
    };
    pub(super) const DIMENSIONS: Self =
        Self { message: "The number of dimensions must be from 1 to 3072.", ..Self::MALFORMED };
    pub(super) const EMBEDDINGS: Self = Self {
        message: "There is an input or an option that cannot be embedded.",
        ..Self::MALFORMED
    };
    pub(super) const IMAGES: Self =
        Self { message: "Between 1 and 10 images can be made at once.", ..Self::MALFORMED };
    pub(super) const NO_ROOM: Self =
        Self { message: "The limit of output tokens must be positive.", ..Self::MALFORMED };
    pub(super) const NO_KEY: Self = Self {
        status: StatusCode::FORBIDDEN,
        canonical: "PERMISSION_DENIED",
        message: "Method doesn't allow unregistered callers (callers without established \
                  identity). Please use API Key or other form of API consumer identity to call \
                  this API.",
    };
    pub(super) const NOT_FOUND: Self = Self {
        status: StatusCode::NOT_FOUND,
        canonical: "NOT_FOUND",
        message: "Requested entity was not found.",
    };
    pub(super) const NO_BEARER: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        canonical: "UNAUTHENTICATED",
        message: "Missing or invalid Authorization header.",
    };
    // The real one names the field; a stand-in repeats nothing of a request.
    pub(super) const UNKNOWN_FIELD: Self = Self {
        message: "Invalid JSON payload received. Unknown name: Cannot find field.",
        ..Self::MALFORMED
    };
    pub(super) const MISSING_FIELD: Self =
        Self { message: "The model and what it is given must be specified.", ..Self::MALFORMED };

    pub(super) fn answer(self) -> Answer {
        Answer::json(self.status, &self.body())
    }

    /// As the compatible paths answer it.
    pub(super) fn answer_in_array(self) -> Answer {
        Answer::json(self.status, &[self.body()])
    }

    fn body(self) -> ErrorBody {
        let Self { status, canonical, message } = self;
        ErrorBody { error: ErrorDetail { code: status.as_u16(), message, status: canonical } }
    }
}

/// What an error comes in.
#[derive(Serialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Serialize)]
struct ErrorDetail {
    code: u16,
    message: &'static str,
    status: &'static str,
}
