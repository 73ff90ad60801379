//! `OpenAI`'s chat completions, and the endpoints of others that speak it.
//!
//! `prompt_tokens` includes what was read from or written to a cache and what was audio;
//! `completion_tokens` includes the reasoning. Google's endpoint sends usage with every chunk, and
//! counts the reasoning in its total alone.
//! Source: the usage object of the API reference.

use serde::{Deserialize, de::IgnoredAny};
use shared::units::{UnitClass, Units};

use super::{Count, Ending, Frame, Length};

#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    prompt: Count,
    completion: Count,
    total: Count,
    cached: Count,
    cache_written: Count,
    audio_in: Count,
    reasoning: Count,
    audio_out: Count,
    /// The answer is what the total has beyond the prompt.
    by_total: bool,
}

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Length>,
    usage: Option<UsageObject>,
    error: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageObject {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    audio_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
}

impl Usage {
    pub(super) fn of_gemini() -> Self {
        Self { by_total: true, ..Self::default() }
    }

    pub(super) fn read(&mut self, json: &[u8]) -> Frame {
        let Ok(chunk) = serde_json::from_slice::<Chunk>(json) else { return Frame::Other };
        let has_usage = chunk.usage.is_some();
        if let Some(usage) = chunk.usage {
            self.update(usage);
        }
        match chunk.choices {
            _ if chunk.error.is_some() => Frame::Error,
            Some(Length(0)) if has_usage => Frame::UsageOnly,
            Some(Length(1..)) => Frame::Part,
            _ => Frame::Other,
        }
    }

    fn update(&mut self, later: UsageObject) {
        self.prompt.update(later.prompt_tokens);
        self.completion.update(later.completion_tokens);
        self.total.update(later.total_tokens);
        let prompt = later.prompt_tokens_details.unwrap_or_default();
        self.cached.update(prompt.cached_tokens);
        self.cache_written.update(prompt.cache_write_tokens);
        self.audio_in.update(prompt.audio_tokens);
        let completion = later.completion_tokens_details.unwrap_or_default();
        self.reasoning.update(completion.reasoning_tokens);
        self.audio_out.update(completion.audio_tokens);
    }

    /// `OpenAI` sends usage once, at the end; Google with every chunk, so that only the last is
    /// the whole.
    pub(super) fn is_reported(&self, ending: Option<Ending>) -> bool {
        self.prompt.0.is_some() && (!self.by_total || ending == Some(Ending::Proper))
    }

    pub(super) fn units(&self) -> Units {
        let cached = self.cached.get();
        let written = self.cache_written.get();
        let fresh = self.prompt.get().saturating_sub(cached).saturating_sub(written);
        // Audio may have come from the cache, which is not told; what is fresh bounds it, so that
        // no token is counted twice.
        let audio_in = self.audio_in.get().min(fresh);
        let text_in = fresh.saturating_sub(audio_in);
        let completion = if self.by_total && self.total.0.is_some() {
            self.total.get().saturating_sub(self.prompt.get())
        } else {
            self.completion.get()
        };
        let (reasoning, audio_out) = (self.reasoning.get(), self.audio_out.get());
        let text_out = completion.saturating_sub(reasoning).saturating_sub(audio_out);
        Units::default()
            .with(UnitClass::Input, text_in)
            .with(UnitClass::CacheRead, cached)
            .with(UnitClass::CacheWrite30m, written)
            .with(UnitClass::AudioInput, audio_in)
            .with(UnitClass::Output, text_out)
            .with(UnitClass::Reasoning, reasoning)
            .with(UnitClass::AudioOutput, audio_out)
    }
}
