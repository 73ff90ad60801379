//! The bodies of OpenAI's responses. A field's place here is its place on the wire.

use serde::Serialize;

use super::usage::{ToolUsage, Usage};
use crate::standin::call::Call;
use crate::standin::openai::CREATED;
use crate::standin::speech::{Ending, Speech};

/// A response: a whole answer, or what an event knows of it.
#[derive(Clone, Serialize)]
pub(super) struct Response<'a> {
    id: String,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    completed_at: Option<u64>,
    /// Null, as `()` is written.
    error: (),
    frequency_penalty: u8,
    incomplete_details: Option<Incomplete>,
    instructions: (),
    max_output_tokens: Option<u64>,
    max_tool_calls: (),
    model: &'a str,
    moderation: (),
    output: Vec<Message>,
    parallel_tool_calls: bool,
    presence_penalty: u8,
    previous_response_id: (),
    prompt_cache_key: (),
    prompt_cache_retention: &'static str,
    reasoning: Reasoning,
    safety_identifier: (),
    service_tier: &'static str,
    store: bool,
    temperature: u8,
    text: Text,
    tool_choice: &'static str,
    tool_usage: ToolUsage,
    tools: [(); 0],
    top_logprobs: u8,
    top_p: u8,
    truncation: &'static str,
    usage: Option<Usage>,
    user: (),
    metadata: Metadata,
}

impl<'a> Response<'a> {
    /// A response of which nothing is said yet.
    pub(super) fn new(call: &Call, model: &'a str, max_output_tokens: Option<u64>) -> Self {
        Self {
            id: call.id("resp_"),
            object: "response",
            created_at: CREATED,
            status: "in_progress",
            background: false,
            completed_at: None,
            error: (),
            frequency_penalty: 0,
            incomplete_details: None,
            instructions: (),
            max_output_tokens,
            max_tool_calls: (),
            model,
            moderation: (),
            output: Vec::new(),
            parallel_tool_calls: true,
            presence_penalty: 0,
            previous_response_id: (),
            prompt_cache_key: (),
            prompt_cache_retention: "in_memory",
            reasoning: Reasoning::default(),
            safety_identifier: (),
            service_tier: "auto",
            store: false,
            temperature: 1,
            text: Text { format: Format { kind: "text" }, verbosity: "medium" },
            tool_choice: "auto",
            tool_usage: ToolUsage::default(),
            tools: [],
            top_logprobs: 0,
            top_p: 1,
            truncation: "disabled",
            usage: None,
            user: (),
            metadata: Metadata {},
        }
    }

    /// The same with all of it said.
    pub(super) fn said(self, call: &Call, speech: &Speech, usage: Usage) -> Self {
        let (completed_at, incomplete_details) = match speech.ending {
            Ending::Said => (Some(CREATED), None),
            Ending::Cut => (None, Some(Incomplete { reason: "max_output_tokens" })),
        };
        let status = status(speech.ending);
        Self {
            status,
            completed_at,
            incomplete_details,
            output: vec![Message::said(call, speech)],
            service_tier: "default",
            usage: Some(usage),
            ..self
        }
    }
}

/// What a response, or a message in it, is in the end.
pub(super) fn status(ending: Ending) -> &'static str {
    match ending {
        Ending::Said => "completed",
        Ending::Cut => "incomplete",
    }
}

#[derive(Clone, Serialize)]
struct Incomplete {
    reason: &'static str,
}

#[derive(Clone, Default, Serialize)]
struct Reasoning {
    context: (),
    effort: (),
    summary: (),
}

#[derive(Clone, Serialize)]
struct Text {
    format: Format,
    verbosity: &'static str,
}

#[derive(Clone, Serialize)]
struct Format {
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Clone, Serialize)]
struct Metadata {}

/// The one item of an output.
#[derive(Clone, Serialize)]
pub(super) struct Message {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    status: &'static str,
    content: Vec<Part>,
    role: &'static str,
}

impl Message {
    /// A message of which nothing is said yet.
    pub(super) fn new(call: &Call) -> Self {
        let (id, content) = (call.id("msg_"), Vec::new());
        Self { id, kind: "message", status: "in_progress", content, role: "assistant" }
    }

    /// A message with all of it said.
    pub(super) fn said(call: &Call, speech: &Speech) -> Self {
        let content = vec![Part::new(speech.text())];
        Self { status: status(speech.ending), content, ..Self::new(call) }
    }
}

/// The one part of a message.
#[derive(Clone, Serialize)]
pub(super) struct Part {
    #[serde(rename = "type")]
    kind: &'static str,
    annotations: [(); 0],
    logprobs: [(); 0],
    text: String,
}

impl Part {
    pub(super) fn new(text: String) -> Self {
        Self { kind: "output_text", annotations: [], logprobs: [], text }
    }
}
