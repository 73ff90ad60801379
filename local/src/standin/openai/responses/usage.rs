//! What responses use, and what they would. A field's place here is its place on the wire.

use serde::Serialize;

/// What was used. Total is input and output, and each detail is a part of what it details.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct InputDetails {
    cache_write_tokens: u64,
    cached_tokens: u64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl Usage {
    /// Nothing of it cached, and none of it reasoned about.
    pub(super) fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            input_tokens,
            input_tokens_details: InputDetails::default(),
            output_tokens,
            output_tokens_details: OutputDetails::default(),
            total_tokens: input_tokens.saturating_add(output_tokens),
        }
    }
}

/// What the tools of the provider have used, which stands apart: nothing.
#[derive(Clone, Default, Serialize)]
pub(super) struct ToolUsage {
    image_gen: ImageGen,
    web_search: WebSearch,
}

#[derive(Clone, Default, Serialize)]
struct ImageGen {
    input_tokens: u64,
    input_tokens_details: ImageDetails,
    output_tokens: u64,
    output_tokens_details: ImageDetails,
    total_tokens: u64,
}

#[derive(Clone, Default, Serialize)]
struct ImageDetails {
    image_tokens: u64,
    text_tokens: u64,
}

#[derive(Clone, Default, Serialize)]
struct WebSearch {
    num_requests: u64,
}

/// The count of what a response would read.
#[derive(Serialize)]
pub(super) struct InputTokens {
    object: &'static str,
    input_tokens: u64,
}

impl InputTokens {
    pub(super) fn new(input_tokens: u64) -> Self {
        Self { object: "response.input_tokens", input_tokens }
    }
}
