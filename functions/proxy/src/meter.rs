//! The meter: reads what a call used from the frames that pass, the last value of each field
//! winning. It keeps numbers and nothing of the text.

mod anthropic;
mod gemini;
mod openai;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, de::Visitor};
use shared::{
    content::Content,
    units::{UnitClass, Units},
};

use crate::frames::{Framer, Framing};

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `OpenAI`'s chat completions.
    OpenAi,
    /// The same, from Google's endpoint for it.
    GeminiCompatible,
    /// Anthropic's messages.
    Anthropic,
    /// Gemini's `generateContent`, in events if it is streamed.
    Gemini,
    /// Gemini's `streamGenerateContent` as one array.
    GeminiArray,
}

/// What one frame was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// Part of the answer.
    Part,
    /// Usage alone, which `OpenAI` sends only when asked.
    UsageOnly,
    /// The end of the answer, or its last part.
    End,
    /// The provider says that it failed.
    Error,
    /// Nothing that the meter knows.
    Other,
}

/// The counters of one wire format.
enum Counters {
    OpenAi(openai::Usage),
    Anthropic(anthropic::Usage),
    Gemini(gemini::Usage),
}

/// Reads one answer.
pub struct Meter {
    framer: Framer,
    framing: Framing,
    counters: Counters,
    strip_usage: StripUsage,
    ending: Option<Ending>,
    parts: u64,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    Proper,
    /// With an error that the provider itself has put into it.
    Error,
}

/// What a call used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The quantities the provider has reported, as far as it got.
    pub units: Units,
    /// Whether the provider has reported them to the end.
    pub reported: bool,
    /// How it ended; none if it broke off.
    pub ending: Option<Ending>,
    /// How many frames were part of the answer.
    pub parts: u64,
}

impl Meter {
    /// A meter for one answer. With `strip_usage` the usage chunk that nobody asked for is kept
    /// from the caller.
    pub fn new(wire: Wire, strip_usage: StripUsage) -> Self {
        let framing = if wire == Wire::GeminiArray { Framing::Array } else { Framing::Events };
        Self {
            framer: Framer::new(framing),
            framing,
            counters: match wire {
                Wire::OpenAi => Counters::OpenAi(openai::Usage::default()),
                Wire::GeminiCompatible => Counters::OpenAi(openai::Usage::of_gemini()),
                Wire::Anthropic => Counters::Anthropic(anthropic::Usage::default()),
                Wire::Gemini | Wire::GeminiArray => Counters::Gemini(gemini::Usage::default()),
            },
            strip_usage,
            ending: None,
            parts: 0,
        }
    }

    /// Takes in a piece of a stream and gives out the frames to pass on, byte for byte.
    pub fn push(&mut self, piece: Content, pass: &mut Vec<Content>) {
        let Self { framer, framing, counters, strip_usage, ending, parts } = self;
        framer.push(piece.into_wire(), &mut |bytes: Bytes| {
            let frame = match framing {
                Framing::Events => event(counters, &bytes),
                Framing::Array => counters.read(element(&bytes)),
            };
            match frame {
                Frame::Part => *parts = parts.saturating_add(1),
                Frame::End => *ending = Some(Ending::Proper),
                Frame::Error => *ending = Some(Ending::Error),
                Frame::UsageOnly | Frame::Other => {}
            }
            if *strip_usage == StripUsage::No || frame != Frame::UsageOnly {
                pass.push(Content::new(bytes));
            }
        });
    }

    /// Ends a stream: what is left to pass on, and what was read. An unfinished event is not
    /// passed on, since what follows it would be read as part of it.
    pub fn end(mut self) -> (Content, Reading) {
        let rest = self.framer.end();
        let rest = if self.framing == Framing::Array && self.ending.is_some() {
            rest
        } else {
            Bytes::new()
        };
        (Content::new(rest), self.reading())
    }

    /// Reads an answer that came in one piece.
    pub fn whole(mut self, body: &Content) -> Reading {
        let frame = self.counters.read(body.inspect());
        self.ending = match frame {
            Frame::Part | Frame::UsageOnly | Frame::End => Some(Ending::Proper),
            Frame::Error => Some(Ending::Error),
            Frame::Other => None,
        };
        self.reading()
    }

    fn reading(&self) -> Reading {
        let (units, reported) = match &self.counters {
            Counters::OpenAi(usage) => (usage.units(), usage.is_reported(self.ending)),
            Counters::Anthropic(usage) => (usage.units(), usage.is_reported()),
            Counters::Gemini(usage) => (usage.units(), usage.is_reported()),
        };
        Reading { units, reported, ending: self.ending, parts: self.parts }
    }
}

/// Whether the usage chunk is kept from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripUsage {
    /// The caller has not asked for it.
    Yes,
    /// Everything is passed on.
    No,
}

impl Reading {
    /// The units to charge where the provider has not reported them to the end, because it did
    /// not or because the answer broke off: what it has reported, and beside that the estimated
    /// length of the prompt and one token for every frame of the answer. An estimate is marked as
    /// one.
    #[must_use]
    pub fn estimated(&self, prompt_estimate: u64) -> Units {
        let mut units = self.units.clone();
        if units.prompt_tokens() == 0 {
            units = units.with(UnitClass::Input, prompt_estimate);
        }
        let reasoned = units.get(UnitClass::Reasoning);
        let written = units.get(UnitClass::Output).max(self.parts.saturating_sub(reasoned));
        units.with(UnitClass::Output, written)
    }
}

impl Counters {
    fn read(&mut self, json: &[u8]) -> Frame {
        match self {
            Self::OpenAi(usage) => usage.read(json),
            Self::Anthropic(usage) => usage.read(json),
            Self::Gemini(usage) => usage.read(json),
        }
    }
}

/// Reads the data of one event. It is one line with every provider; several are joined as the
/// format says.
fn event(counters: &mut Counters, event: &[u8]) -> Frame {
    let mut lines = event
        .split(|byte| *byte == b'\n' || *byte == b'\r')
        .filter_map(|line| line.strip_prefix(b"data:"))
        .map(|data| data.strip_prefix(b" ").unwrap_or(data));
    let Some(first) = lines.next() else { return Frame::Other };
    let rest: Vec<&[u8]> = lines.collect();
    if !rest.is_empty() {
        let mut joined = first.to_vec();
        for line in rest {
            joined.push(b'\n');
            joined.extend_from_slice(line);
        }
        return counters.read(&joined);
    }
    if first == b"[DONE]" { Frame::End } else { counters.read(first) }
}

/// The object in an element of an array, without the bracket or comma before it.
fn element(bytes: &[u8]) -> &[u8] {
    let start = memchr::memchr(b'{', bytes).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

/// A counter as providers write them: a whole number, or one in a string. Anything else is no
/// value, and does not make the frame unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count(Option<u64>);

impl Count {
    /// Takes the later value, if there is one. An explicit zero is a value.
    fn update(&mut self, later: Self) {
        self.0 = later.0.or(self.0);
    }

    fn get(self) -> u64 {
        self.0.unwrap_or(0)
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(Self(raw.get().trim_matches('"').parse().ok()))
    }
}

/// How many elements a list has, none of which is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Length(usize);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LengthVisitor;

        impl<'de> Visitor<'de> for LengthVisitor {
            type Value = Length;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(
                self,
                mut list: A,
            ) -> Result<Length, A::Error> {
                let mut length = 0_usize;
                while list.next_element::<serde::de::IgnoredAny>()?.is_some() {
                    length = length.saturating_add(1);
                }
                Ok(Length(length))
            }
        }

        deserializer.deserialize_seq(LengthVisitor)
    }
}
