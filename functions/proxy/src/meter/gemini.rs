//! Gemini's `generateContent` and `embedContent`.
//!
//! Every chunk may have `usageMetadata`, each a snapshot of everything so far; values may also be
//! corrected downwards. What was thought is not among the candidates' tokens, what a tool put into
//! the prompt not among the prompt's, what was read from a cache is.
//! Source: `UsageMetadata` in the API reference.

use std::collections::BTreeSet;

use serde::{Deserialize, de::IgnoredAny};
use shared::{
    tier::{Served, Tier},
    units::{UnitClass, Units},
};

use super::{Count, Frame, Length};

#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    /// It is an embedding: whole at once, and priced by what went into it.
    embedding: bool,
    prompt: Count,
    cached: Count,
    candidates: Count,
    thoughts: Count,
    tool_prompt: Count,
    total: Count,
    audio_in: u64,
    cached_audio: u64,
    image_in: u64,
    video_in: u64,
    audio_out: u64,
    image_out: u64,
    /// The queries that Google ran, of which every chunk may have all so far.
    searches: u64,
    tier: Option<Tier>,
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
    grounding_metadata: Option<Grounding>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding {
    web_search_queries: Option<Length>,
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
    /// The same with the models that are spoken to live.
    response_token_count: Count,
    thoughts_token_count: Count,
    tool_use_prompt_token_count: Count,
    total_token_count: Count,
    prompt_tokens_details: Option<Vec<Modality>>,
    /// The same as embeddings spell it.
    prompt_token_details: Option<Vec<Modality>>,
    cache_tokens_details: Option<Vec<Modality>>,
    candidates_tokens_details: Option<Vec<Modality>>,
    response_tokens_details: Option<Vec<Modality>>,
    service_tier: Option<String>,
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
    #[serde(rename = "IMAGE")]
    Image,
    #[serde(rename = "VIDEO")]
    Video,
    #[serde(other)]
    Other,
}

fn count(details: &[Modality], kind: Kind) -> u64 {
    let of_kind = details.iter().filter(|detail| detail.modality == Some(kind));
    of_kind.map(|detail| detail.token_count.get()).fold(0, u64::saturating_add)
}

impl Usage {
    pub(super) fn of_embedding() -> Self {
        Self { embedding: true, ..Self::default() }
    }

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
            let queries = candidate.grounding_metadata.as_ref();
            if let Some(Length(queries)) = queries.and_then(|it| it.web_search_queries) {
                self.searches = self.searches.max(u64::try_from(queries).unwrap_or(u64::MAX));
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
        self.candidates.update(later.response_token_count);
        self.candidates.update(later.candidates_token_count);
        self.thoughts.update(later.thoughts_token_count);
        self.tool_prompt.update(later.tool_use_prompt_token_count);
        self.total.update(later.total_token_count);
        for details in later.prompt_token_details.iter().chain(&later.prompt_tokens_details) {
            self.audio_in = count(details, Kind::Audio);
            self.image_in = count(details, Kind::Image);
            self.video_in = count(details, Kind::Video);
        }
        if let Some(details) = &later.cache_tokens_details {
            self.cached_audio = count(details, Kind::Audio);
        }
        let answers = later.candidates_tokens_details.iter().chain(&later.response_tokens_details);
        for details in answers {
            self.audio_out = count(details, Kind::Audio);
            self.image_out = count(details, Kind::Image);
        }
        let tier = later.service_tier.as_deref().and_then(Tier::of_service_tier);
        self.tier = tier.or(self.tier);
    }

    /// Every candidate has come to its end, or the prompt was blocked and there is none.
    fn is_finished(&self) -> bool {
        self.embedding || self.blocked || !self.begun.is_empty() && self.begun == self.finished
    }

    /// Usage comes with every chunk, so it is final only with the last one.
    pub(super) fn is_reported(&self) -> bool {
        self.is_finished() && self.prompt.0.is_some()
    }

    pub(super) fn served(&self) -> Served {
        self.tier.map_or(Served::AsAsked, Served::Tier)
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
        // What a search has put into the prompt is paid for with the search.
        let tool_prompt = if self.searches > 0 { 0 } else { tool_prompt };
        // What is audio and cached stands in both lists, and is one class of its own.
        let cached_audio = self.cached_audio.min(cached);
        let audio_in = self.audio_in.saturating_sub(cached_audio);
        // Only embeddings price images and video apart.
        let apart = |count: u64| if self.embedding { count } else { 0 };
        let (image_in, video_in) = (apart(self.image_in), apart(self.video_in));
        let text_in = [cached, audio_in, image_in, video_in]
            .into_iter()
            .fold(self.prompt.get(), u64::saturating_sub);
        let image_out = self.image_out.min(output);
        let audio_out = self.audio_out.min(output.saturating_sub(image_out));
        Units::default()
            .with(UnitClass::Input, text_in)
            .with(UnitClass::CacheRead, cached.saturating_sub(cached_audio))
            .with(UnitClass::CacheReadAudio, cached_audio)
            .with(UnitClass::ToolPrompt, tool_prompt)
            .with(UnitClass::AudioInput, audio_in)
            .with(UnitClass::ImageInput, image_in)
            .with(UnitClass::VideoInput, video_in)
            .with(UnitClass::Output, output.saturating_sub(image_out).saturating_sub(audio_out))
            .with(UnitClass::Reasoning, thoughts)
            .with(UnitClass::AudioOutput, audio_out)
            .with(UnitClass::ImageOutput, image_out)
            .with(UnitClass::Searches, self.searches)
    }
}
