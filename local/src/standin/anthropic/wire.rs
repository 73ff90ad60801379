//! The bodies and events of Anthropic's messages. A field's place here is its place on the wire.

use serde::Serialize;

use crate::standin::call::Call;
use crate::standin::speech::Speech;

/// A message: a whole answer, or the beginning of a stream.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    role: &'static str,
    model: &'a str,
    content: Vec<Block>,
    stop_reason: Option<&'static str>,
    /// Null, as `()` is written.
    stop_sequence: (),
    /// Absent until the message has stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_details: Option<()>,
    usage: Usage,
}

impl<'a> Message<'a> {
    /// A message of which nothing is said yet.
    pub(super) fn new(call: &Call, model: &'a str, usage: Usage) -> Self {
        Self {
            id: call.id("msg_"),
            kind: "message",
            role: "assistant",
            model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: (),
            stop_details: None,
            usage,
        }
    }

    /// The same with all of it said.
    pub(super) fn said(self, speech: &Speech, stop_reason: &'static str) -> Self {
        let text = speech.text();
        let content = if text.is_empty() { Vec::new() } else { vec![Block::Text { text }] };
        Self { content, stop_reason: Some(stop_reason), stop_details: Some(()), ..self }
    }
}

/// A count.
#[derive(Serialize)]
pub(super) struct Count {
    pub(super) input_tokens: u64,
}

/// A block of content.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text { text: String },
}

/// What was used. The three counts of input are disjoint; a stand-in caches nothing.
#[derive(Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreation>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<OutputDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inference_geo: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<&'static str>,
}

#[derive(Serialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    thinking_tokens: u64,
}

impl Usage {
    /// Of a whole answer.
    pub(super) fn whole(input_tokens: u64, speech: &Speech) -> Self {
        Self {
            output_tokens: speech.tokens(),
            output_tokens_details: Some(OutputDetails { thinking_tokens: 0 }),
            ..Self::begun(input_tokens, speech)
        }
    }

    /// As a stream begins: all of the input, and the token about to be sent.
    pub(super) fn begun(input_tokens: u64, speech: &Speech) -> Self {
        let cache_creation =
            CacheCreation { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 };
        Self {
            cache_creation: Some(cache_creation),
            output_tokens: speech.tokens().min(1),
            service_tier: Some("standard"),
            inference_geo: Some("global"),
            speed: Some("standard"),
            ..Self::ended(input_tokens, speech)
        }
    }

    /// As a stream ends: the counts so far, which replace those it began with.
    pub(super) fn ended(input_tokens: u64, speech: &Speech) -> Self {
        Self {
            input_tokens,
            cache_creation_input_tokens: 0,
            cache_read_input_tokens: 0,
            cache_creation: None,
            output_tokens: speech.tokens(),
            output_tokens_details: None,
            service_tier: None,
            inference_geo: None,
            speed: None,
        }
    }
}

/// One event of a stream.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart { message: Message<'a> },
    ContentBlockStart { index: u32, content_block: Block },
    Ping,
    ContentBlockDelta { index: u32, delta: Delta<'a> },
    ContentBlockStop { index: u32 },
    MessageDelta { delta: Stop, usage: Usage },
    MessageStop,
}

impl Event<'_> {
    /// The name on the `event:` line, which the data's `type` repeats.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::Ping => "ping",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

/// What an event adds to a block.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Delta<'a> {
    TextDelta { text: &'a str },
}

/// Why a stream ends.
#[derive(Serialize)]
pub(super) struct Stop {
    pub(super) stop_reason: &'static str,
    pub(super) stop_sequence: (),
}
