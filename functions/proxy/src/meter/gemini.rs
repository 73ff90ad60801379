//! Gemini's `generateContent`.
//!
//! Every chunk may have `usageMetadata`, each a snapshot of everything so far; values may also be
//! corrected downwards. What was thought is not among the candidates' tokens, what a tool put into
//! the prompt not among the prompt's, what was read from a cache is.
//! Source: `UsageMetadata` in the API reference.

use std::collections::BTreeSet;

use serde::{Deserialize, de::IgnoredAny};
use shared::units::{UnitClass, Units};

use super::{Count, Frame};

#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    prompt: Count,
    cached: Count,
    candidates: Count,
    thoughts: Count,
    tool_prompt: Count,
    total: Count,
    audio_in: u64,
    cached_audio: u64,
    /// The candidates that have begun, and of those the ones that have finished, by index.
    begun: BTreeSet<u64>,
    finished: BTreeSet<u64>,
    blocked: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    candidates: Option<Vec<Candidate>>,
    usage_metadata: Option<UsageMetadata>,
    prompt_feedback: Option<Feedback>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate {
    #[serde(default)]
    index: Count,
    finish_reason: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct UsageMetadata {
    prompt_token_count: Count,
    cached_content_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    tool_use_prompt_token_count: Count,
    total_token_count: Count,
    prompt_tokens_details: Option<Vec<Modality>>,
    cache_tokens_details: Option<Vec<Modality>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Modality {
    modality: Option<Kind>,
    #[serde(default)]
    token_count: Count,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
enum Kind {
    #[serde(rename = "AUDIO")]
    Audio,
    #[serde(other)]
    Other,
}

fn audio(details: &[Modality]) -> u64 {
    let audio = details.iter().filter(|detail| detail.modality == Some(Kind::Audio));
    audio.map(|detail| detail.token_count.get()).fold(0, u64::saturating_add)
}

impl Usage {
    pub(super) fn read(&mut self, json: &[u8]) -> Frame {
        let Ok(chunk) = serde_json::from_slice::<Chunk>(json) else { return Frame::Other };
        let has_usage = chunk.usage_metadata.is_some();
        if let Some(usage) = chunk.usage_metadata {
            self.update(&usage);
        }
        let candidates = chunk.candidates.unwrap_or_default();
        for candidate in &candidates {
            self.begun.insert(candidate.index.get());
            if candidate.finish_reason.is_some() {
                self.finished.insert(candidate.index.get());
            }
        }
        let blocked = chunk.prompt_feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        self.blocked |= blocked;
        if chunk.error.is_some() {
            Frame::Error
        } else if self.is_finished() {
            Frame::End
        } else if candidates.is_empty() && !has_usage {
            Frame::Other
        } else {
            Frame::Part
        }
    }

    fn update(&mut self, later: &UsageMetadata) {
        self.prompt.update(later.prompt_token_count);
        self.cached.update(later.cached_content_token_count);
        self.candidates.update(later.candidates_token_count);
        self.thoughts.update(later.thoughts_token_count);
        self.tool_prompt.update(later.tool_use_prompt_token_count);
        self.total.update(later.total_token_count);
        if let Some(details) = &later.prompt_tokens_details {
            self.audio_in = audio(details);
        }
        if let Some(details) = &later.cache_tokens_details {
            self.cached_audio = audio(details);
        }
    }

    /// Every candidate has come to its end, or the prompt was blocked and there is none.
    fn is_finished(&self) -> bool {
        self.blocked || !self.begun.is_empty() && self.begun == self.finished
    }

    /// Usage comes with every chunk, so it is final only with the last one.
    pub(super) fn is_reported(&self) -> bool {
        self.is_finished() && self.prompt.0.is_some()
    }

    pub(super) fn units(&self) -> Units {
        let (cached, thoughts, tool_prompt) =
            (self.cached.get(), self.thoughts.get(), self.tool_prompt.get());
        let answer = [self.candidates.get(), tool_prompt, self.prompt.get()]
            .into_iter()
            .fold(0, u64::saturating_add);
        // Where the sum is right without them, the candidates include the thoughts already.
        let output = if thoughts > 0 && self.total.0 == Some(answer) {
            self.candidates.get().saturating_sub(thoughts)
        } else {
            self.candidates.get()
        };
        // What is audio and cached stands in both lists, and is one class of its own.
        let cached_audio = self.cached_audio.min(cached);
        let audio_in = self.audio_in.saturating_sub(cached_audio);
        let text_in = self.prompt.get().saturating_sub(cached).saturating_sub(audio_in);
        Units::default()
            .with(UnitClass::Input, text_in)
            .with(UnitClass::CacheRead, cached.saturating_sub(cached_audio))
            .with(UnitClass::CacheReadAudio, cached_audio)
            .with(UnitClass::ToolPrompt, tool_prompt)
            .with(UnitClass::AudioInput, audio_in)
            .with(UnitClass::Output, output)
            .with(UnitClass::Reasoning, thoughts)
    }
}
