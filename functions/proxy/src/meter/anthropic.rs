//! Anthropic's messages.
//!
//! The prompt is the sum of three disjoint counters. In a stream `message_start` has all of them
//! and each `message_delta` repeats some with the value so far, so later values replace earlier
//! ones and are never added. What was thought is part of `output_tokens`.
//! Source: the usage object and the streaming guide of the API reference.

use serde::{Deserialize, de::IgnoredAny};
use shared::{
    tier::{Place, Served, Speed},
    units::{UnitClass, Units},
};

use super::{Count, Frame};

#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    input: Count,
    cache_read: Count,
    cache_written: Count,
    written_5m: Count,
    written_1h: Count,
    output: Count,
    thinking: Count,
    searches: Count,
    /// What it was served as, where that has a price of its own.
    speed: Option<Speed>,
    place: Option<Place>,
    /// What each step of an answer in several steps used. It includes steps, such as a
    /// compaction, that are billed and stand in no other counter.
    iterations: Option<Units>,
    /// The end of the answer has told how long it is.
    is_final: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<std::borrow::Cow<'a, str>>,
    message: Option<Message>,
    usage: Option<UsageObject>,
    error: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Message {
    usage: Option<UsageObject>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageObject {
    input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Option<CacheCreation>,
    output_tokens: Count,
    output_tokens_details: Option<OutputDetails>,
    server_tool_use: Option<ServerToolUse>,
    speed: Option<String>,
    inference_geo: Option<String>,
    iterations: Option<Vec<Self>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ServerToolUse {
    web_search_requests: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Count,
}

impl Usage {
    pub(super) fn read(&mut self, json: &[u8]) -> Frame {
        let Ok(event) = serde_json::from_slice::<Event<'_>>(json) else { return Frame::Other };
        if event.error.is_some() {
            return Frame::Error;
        }
        let kind = event.kind.as_deref();
        if let Some(usage) = event.message.and_then(|message| message.usage) {
            self.update(usage);
        }
        if let Some(usage) = event.usage {
            self.update(usage);
            self.is_final = matches!(kind, Some("message" | "message_delta"));
        }
        match kind {
            Some("content_block_delta") => Frame::Part,
            Some("message_stop" | "message") => Frame::End,
            _ => Frame::Other,
        }
    }

    fn update(&mut self, later: UsageObject) {
        self.input.update(later.input_tokens);
        self.cache_read.update(later.cache_read_input_tokens);
        self.cache_written.update(later.cache_creation_input_tokens);
        let written = later.cache_creation.unwrap_or_default();
        self.written_5m.update(written.ephemeral_5m_input_tokens);
        self.written_1h.update(written.ephemeral_1h_input_tokens);
        self.output.update(later.output_tokens);
        let details = later.output_tokens_details.unwrap_or_default();
        self.thinking.update(details.thinking_tokens);
        let tools = later.server_tool_use.unwrap_or_default();
        self.searches.update(tools.web_search_requests);
        let speed = |name: String| if name == "fast" { Speed::Fast } else { Speed::Standard };
        let place = |name: String| if name == "us" { Place::Us } else { Place::Anywhere };
        self.speed = later.speed.map(speed).or(self.speed);
        self.place = later.inference_geo.map(place).or(self.place);
        let steps = later.iterations.filter(|steps| !steps.is_empty());
        if let Some(steps) = steps {
            let sum = steps.into_iter().fold(Units::default(), |sum, step| {
                let mut usage = Self::default();
                usage.update(step);
                sum.plus(&usage.units())
            });
            self.iterations = Some(sum);
        }
    }

    pub(super) const fn is_reported(&self) -> bool {
        self.is_final
    }

    pub(super) const fn served(&self) -> Served {
        Served::Halves(self.speed, self.place)
    }

    pub(super) fn units(&self) -> Units {
        if let Some(iterations) = &self.iterations {
            return iterations.clone().with(UnitClass::Searches, self.searches.get());
        }
        // Where the split is not told, and for what it leaves over, the cache is the usual one of
        // five minutes.
        let one_hour = self.written_1h.get();
        let five_minutes = match self.cache_written.0 {
            Some(written) => written.saturating_sub(one_hour),
            None => self.written_5m.get(),
        };
        let thinking = self.thinking.get();
        Units::default()
            .with(UnitClass::Input, self.input.get())
            .with(UnitClass::CacheRead, self.cache_read.get())
            .with(UnitClass::CacheWrite5m, five_minutes)
            .with(UnitClass::CacheWrite1h, one_hour)
            .with(UnitClass::Output, self.output.get().saturating_sub(thinking))
            .with(UnitClass::Reasoning, thinking)
            .with(UnitClass::Searches, self.searches.get())
    }
}
