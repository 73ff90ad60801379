//! `OpenAI`'s answers, and those of others that speak its format.
//!
//! Every endpoint reports the same things under slightly different names: `prompt_tokens` or
//! `input_tokens` include what was read from or written to a cache and what was audio or images;
//! `completion_tokens` or `output_tokens` include the reasoning. Where others deviate, usage is
//! looked for in every place one of them puts it, and the last value of each field wins.
//! Source: the usage objects of the API reference, and those of the deviating endpoints.

use std::borrow::Cow;

use serde::{Deserialize, de::IgnoredAny};
use shared::{
    tier::{Served, Tier},
    units::{UnitClass, Units},
};

use super::{Count, Ending, Frame, Length, Wire};

#[derive(Clone, Debug)]
pub(super) struct Usage {
    wire: Wire,
    prompt: Count,
    completion: Count,
    total: Count,
    cached: Count,
    /// And of that sound and images, where it is told.
    cached_audio: Count,
    cached_image: Count,
    /// All that was written to a cache, and of that what lives longer than usual.
    cache_written: Count,
    written_12h: Count,
    audio_in: Count,
    image_in: Count,
    reasoning: Count,
    audio_out: Count,
    searches: Count,
    seconds: Count,
    /// How long the sound of a transcript is.
    heard: Count,
    /// How many images an answer has.
    images: u64,
    tier: Option<Tier>,
}

/// An answer in one piece, or one event of a stream.
#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    choices: Option<Vec<Choice>>,
    usage: Option<UsageObject>,
    /// Where Groq puts it.
    x_groq: Option<Holder>,
    /// Where the events of a response put it.
    response: Option<Response<'a>>,
    tool_usage: Option<ToolUsage>,
    #[serde(borrow)]
    service_tier: Option<Cow<'a, str>>,
    data: Option<Length>,
    /// Of a transcript that has no usage.
    #[serde(default)]
    duration: Count,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    /// Where Moonshot puts it.
    usage: Option<UsageObject>,
}

#[derive(Deserialize)]
struct Holder {
    usage: Option<UsageObject>,
}

#[derive(Deserialize)]
struct Response<'a> {
    usage: Option<UsageObject>,
    tool_usage: Option<ToolUsage>,
    #[serde(borrow)]
    service_tier: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct ToolUsage {
    web_search: Option<WebSearch>,
}

#[derive(Deserialize)]
struct WebSearch {
    #[serde(default)]
    num_requests: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageObject {
    // Names for one thing are fields of their own, since an object may have more than one.
    prompt_tokens: Count,
    input_tokens: Count,
    completion_tokens: Count,
    output_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Option<PromptDetails>,
    input_tokens_details: Option<PromptDetails>,
    input_token_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    output_tokens_details: Option<CompletionDetails>,
    /// Where `DeepSeek` puts what was read from its cache.
    prompt_cache_hit_tokens: Count,
    /// Where Moonshot does.
    cached_tokens: Count,
    /// Of a transcript that is billed by its length.
    seconds: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Count,
    cache_write_tokens: Count,
    /// Where Qwen puts what was written to its cache.
    cache_creation_input_tokens: Count,
    cache_write_tokens_details: Option<CacheWrites>,
    cached_tokens_details: Option<CacheReads>,
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheReads {
    audio_tokens: Count,
    image_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheWrites {
    ttl_12h_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Count,
    audio_tokens: Count,
}

impl Usage {
    pub(super) fn of(wire: Wire) -> Self {
        Self {
            wire,
            prompt: Count::default(),
            completion: Count::default(),
            total: Count::default(),
            cached: Count::default(),
            cached_audio: Count::default(),
            cached_image: Count::default(),
            cache_written: Count::default(),
            written_12h: Count::default(),
            audio_in: Count::default(),
            image_in: Count::default(),
            reasoning: Count::default(),
            audio_out: Count::default(),
            searches: Count::default(),
            seconds: Count::default(),
            heard: Count::default(),
            images: 0,
            tier: None,
        }
    }

    pub(super) fn read(&mut self, json: &[u8]) -> Frame {
        if self.wire == Wire::Free {
            return Frame::End;
        }
        let Ok(document) = serde_json::from_slice::<Document<'_>>(json) else {
            return Frame::Other;
        };
        let kind = document.kind.as_deref().unwrap_or_default();
        let has_usage = document.usage.is_some();
        let choices = document.choices.as_ref().map(Vec::len);
        let in_choices = document.choices.into_iter().flatten().filter_map(|choice| choice.usage);
        let tools = document.tool_usage;
        let (response, response_tools, response_tier) = match document.response {
            Some(Response { usage, tool_usage, service_tier }) => (usage, tool_usage, service_tier),
            None => (None, None, None),
        };
        let groq = document.x_groq.and_then(|groq| groq.usage);
        for usage in document.usage.into_iter().chain(groq).chain(in_choices).chain(response) {
            self.update(usage);
        }
        for tools in tools.into_iter().chain(response_tools) {
            self.searches.update(tools.web_search.map_or(Count::default(), |it| it.num_requests));
        }
        let tiers = document.service_tier.into_iter().chain(response_tier);
        // Until it is known, the events of a response say `auto`.
        let told = tiers.filter(|tier| tier != "auto").filter_map(|it| Tier::of_service_tier(&it));
        self.tier = told.fold(self.tier, |_, later| Some(later));
        if let Some(Length(images)) = document.data {
            self.images = u64::try_from(images).unwrap_or(u64::MAX);
        }
        if self.wire == Wire::Transcript {
            self.heard.update(document.duration);
        }
        if document.error.is_some() || matches!(kind, "error" | "response.failed") {
            return Frame::Error;
        }
        if matches!(self.wire, Wire::Chat | Wire::GeminiChat) {
            return match choices {
                Some(0) if has_usage => Frame::UsageOnly,
                Some(1..) => Frame::Part,
                _ => Frame::Other,
            };
        }
        // An answer in one piece has no type.
        if kind.is_empty() || is_last(kind) {
            Frame::End
        } else if [".delta", ".segment", ".partial_image"].iter().any(|end| kind.ends_with(end)) {
            Frame::Part
        } else {
            Frame::Other
        }
    }

    fn update(&mut self, later: UsageObject) {
        for count in [later.input_tokens, later.prompt_tokens] {
            self.prompt.update(count);
        }
        for count in [later.output_tokens, later.completion_tokens] {
            self.completion.update(count);
        }
        self.total.update(later.total_tokens);
        self.seconds.update(later.seconds);
        for count in [later.cached_tokens, later.prompt_cache_hit_tokens] {
            self.cached.update(count);
        }
        let prompts =
            [later.input_token_details, later.input_tokens_details, later.prompt_tokens_details];
        for prompt in prompts.into_iter().flatten() {
            self.cached.update(prompt.cached_tokens);
            self.cache_written.update(prompt.cache_creation_input_tokens);
            self.cache_written.update(prompt.cache_write_tokens);
            let written = prompt.cache_write_tokens_details.unwrap_or_default();
            self.written_12h.update(written.ttl_12h_tokens);
            let cached = prompt.cached_tokens_details.unwrap_or_default();
            self.cached_audio.update(cached.audio_tokens);
            self.cached_image.update(cached.image_tokens);
            self.audio_in.update(prompt.audio_tokens);
            self.image_in.update(prompt.image_tokens);
        }
        let completions = [later.output_tokens_details, later.completion_tokens_details];
        for completion in completions.into_iter().flatten() {
            self.reasoning.update(completion.reasoning_tokens);
            self.audio_out.update(completion.audio_tokens);
        }
    }

    /// Whether usage is known to the end. Google sends it with every chunk, so that only the last
    /// is the whole; what is billed by the piece is counted.
    pub(super) fn is_reported(&self, ending: Option<Ending>) -> bool {
        let told = self.prompt.0.is_some() || self.seconds.0.is_some();
        let whole = self.wire != Wire::GeminiChat || ending == Some(Ending::Proper);
        self.wire == Wire::Free || told && whole
    }

    pub(super) fn served(&self) -> Served {
        self.tier.map_or(Served::AsAsked, Served::Tier)
    }

    /// How many images the answer has.
    pub(super) const fn images(&self) -> u64 {
        self.images
    }

    /// How many seconds of sound the answer says that it is of, whether they are billed or not.
    pub(super) fn heard(&self) -> u64 {
        self.heard.get()
    }

    pub(super) fn units(&self) -> Units {
        let cached = self.cached.get().min(self.prompt.get());
        let written = self.cache_written.get();
        let fresh = self.prompt.get().saturating_sub(cached).saturating_sub(written);
        let written_12h = self.written_12h.get().min(written);
        // Only where images are made do those in the prompt have a price of their own.
        let images = |count: Count| if self.wire == Wire::Images { count.get() } else { 0 };
        let cached_audio = self.cached_audio.get().min(cached);
        let cached_image = images(self.cached_image).min(cached.saturating_sub(cached_audio));
        let cached_text = cached.saturating_sub(cached_audio).saturating_sub(cached_image);
        // Where it is not told what came from the cache, what is fresh bounds it, so that no token
        // is counted twice.
        let audio_in = self.audio_in.get().saturating_sub(cached_audio).min(fresh);
        let image_in = images(self.image_in).saturating_sub(cached_image);
        let image_in = image_in.min(fresh.saturating_sub(audio_in));
        let text_in = fresh.saturating_sub(audio_in).saturating_sub(image_in);
        let (answer, reasoning) = self.answer();
        let audio_out = self.audio_out.get();
        let units = Units::default()
            .with(UnitClass::Input, text_in)
            .with(UnitClass::CacheRead, cached_text)
            .with(UnitClass::CacheReadAudio, cached_audio)
            .with(UnitClass::CacheReadImage, cached_image)
            .with(UnitClass::CacheWrite30m, written.saturating_sub(written_12h))
            .with(UnitClass::CacheWrite12h, written_12h)
            .with(UnitClass::AudioInput, audio_in)
            .with(UnitClass::ImageInput, image_in)
            .with(UnitClass::Seconds, self.seconds.get())
            .with(UnitClass::Searches, self.searches.get());
        if self.wire == Wire::Images {
            return units.with(UnitClass::ImageOutput, answer);
        }
        if self.wire == Wire::Speech {
            return units.with(UnitClass::AudioOutput, answer);
        }
        units
            .with(UnitClass::Output, answer.saturating_sub(audio_out))
            .with(UnitClass::Reasoning, reasoning)
            .with(UnitClass::AudioOutput, audio_out)
    }

    /// The answer without its reasoning, and the reasoning.
    fn answer(&self) -> (u64, u64) {
        let (completion, reasoning) = (self.completion.get(), self.reasoning.get());
        if self.wire == Wire::GeminiChat && self.total.0.is_some() {
            let answer = self.total.get().saturating_sub(self.prompt.get());
            return (answer.saturating_sub(reasoning), reasoning);
        }
        // With xAI the reasoning stands beside the completion, as the total tells.
        let beside = self.prompt.get().saturating_add(completion).saturating_add(reasoning);
        if reasoning > 0 && self.total.0 == Some(beside) {
            return (completion, reasoning);
        }
        (completion.saturating_sub(reasoning), reasoning)
    }
}

/// Whether an event is the last of its stream.
fn is_last(kind: &str) -> bool {
    matches!(
        kind,
        "response.completed"
            | "response.incomplete"
            | "image_generation.completed"
            | "image_edit.completed"
            | "transcript.text.done"
            | "speech.audio.done"
    )
}
