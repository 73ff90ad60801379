//! The bodies of OpenAI's chat completions. A field's place here is its place on the wire.

use serde::Serialize;

use crate::standin::call::Call;
use crate::standin::openai::{CREATED, StreamOptions};
use crate::standin::speech::Speech;

const ID_PREFIX: &str = "chatcmpl-";
const SERVICE_TIER: &str = "default";
const SYSTEM_FINGERPRINT: &str = "fp_standin";

/// A whole answer.
#[derive(Serialize)]
pub(super) struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: [Choice; 1],
    usage: Usage,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

impl<'a> Completion<'a> {
    pub(super) fn new(call: &Call, model: &'a str, choice: Choice, usage: Usage) -> Self {
        Self {
            id: call.id(ID_PREFIX),
            object: "chat.completion",
            created: CREATED,
            model,
            choices: [choice],
            usage,
            service_tier: SERVICE_TIER,
            system_fingerprint: SYSTEM_FINGERPRINT,
        }
    }
}

/// The one choice of a whole answer.
#[derive(Serialize)]
pub(super) struct Choice {
    pub(super) index: u32,
    pub(super) message: Message,
    /// Null, as `()` is written.
    pub(super) logprobs: (),
    pub(super) finish_reason: &'static str,
}

/// What the assistant said.
#[derive(Serialize)]
pub(super) struct Message {
    role: &'static str,
    content: String,
    refusal: (),
    annotations: [(); 0],
}

impl Message {
    pub(super) fn new(content: String) -> Self {
        Self { role: "assistant", content, refusal: (), annotations: [] }
    }
}

/// One event of a stream.
#[derive(Clone, Serialize)]
pub(super) struct Chunk<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'static str,
    choices: Vec<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    obfuscation: Option<String>,
}

impl<'a> Chunk<'a> {
    /// A chunk without a choice.
    pub(super) fn new(call: &Call, model: &'a str) -> Self {
        Self {
            id: call.id(ID_PREFIX),
            object: "chat.completion.chunk",
            created: CREATED,
            model,
            service_tier: SERVICE_TIER,
            system_fingerprint: SYSTEM_FINGERPRINT,
            choices: Vec::new(),
            usage: None,
            obfuscation: None,
        }
    }

    /// A copy that adds `delta` to the answer, and ends it if there is a reason to.
    pub(super) fn with(&self, delta: Delta<'a>, finish_reason: Option<&'static str>) -> Self {
        let part = Part { index: 0, delta, logprobs: (), finish_reason };
        Self { choices: vec![part], ..self.clone() }
    }

    /// With no `usage`, a null one or a known one.
    pub(super) fn used(self, usage: Option<Option<Usage>>) -> Self {
        Self { usage, ..self }
    }

    /// Padded, unless told not to.
    pub(super) fn padded(self, options: StreamOptions) -> Self {
        let said = self.choices.iter().map(|part| part.delta.length()).sum();
        Self { obfuscation: options.padding(said), ..self }
    }
}

/// The one choice of a chunk.
#[derive(Clone, Serialize)]
struct Part<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

/// What a chunk adds.
#[derive(Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Delta<'a> {
    Role { role: &'static str, content: &'static str, refusal: () },
    Content { content: &'a str },
    Nothing {},
}

impl Delta<'_> {
    /// How every stream begins.
    pub(super) const ROLE: Self = Self::Role { role: "assistant", content: "", refusal: () };

    fn length(&self) -> usize {
        match self {
            Self::Role { .. } | Self::Nothing {} => 0,
            Self::Content { content } => content.len(),
        }
    }
}

/// What was used. Each detail is a part of the count it details; total is prompt and completion.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Default, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
    audio_tokens: u64,
    image_tokens: u64,
    text_tokens: u64,
}

#[derive(Clone, Copy, Default, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    text_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl Usage {
    /// Of text alone, nothing of it cached and none of it reasoned about.
    pub(super) fn new(prompt_tokens: u64, speech: &Speech) -> Self {
        let completion_tokens = speech.tokens();
        Self {
            prompt_tokens,
            completion_tokens,
            total_tokens: prompt_tokens.saturating_add(completion_tokens),
            prompt_tokens_details: PromptDetails {
                text_tokens: prompt_tokens,
                ..Default::default()
            },
            completion_tokens_details: CompletionDetails {
                text_tokens: completion_tokens,
                ..Default::default()
            },
        }
    }
}
