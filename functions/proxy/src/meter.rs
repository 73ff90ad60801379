//! The meter: reads what a call used from the frames that pass, the last value of each field
//! winning. It keeps numbers and nothing of the text.

mod anthropic;
mod gemini;
mod openai;

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer, de::Visitor};
use shared::{content::Content, tier::Served, units::Units};

use crate::{
    frames::{Framer, Framing},
    operators,
};

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// `OpenAI`'s chat completions and completions.
    Chat,
    /// The former, from Google's endpoint for it.
    GeminiChat,
    /// `OpenAI`'s responses.
    Responses,
    /// `OpenAI`'s embeddings.
    Embeddings,
    /// `OpenAI`'s images.
    Images,
    /// `OpenAI`'s speech: audio, or events of it.
    Speech,
    /// `OpenAI`'s transcripts: JSON or plain text.
    Transcript,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent`, in events if it is streamed.
    Gemini,
    /// Gemini's `streamGenerateContent` as one array.
    GeminiArray,
    /// Gemini's embeddings.
    GeminiEmbeddings,
    /// What is counted or judged, and costs nothing.
    Free,
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
    withheld: bool,
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
    /// How many images the answer has, where it is a list of them.
    pub images: u64,
    /// How many seconds of sound the answer says that it is of, where it is a transcript.
    pub heard: u64,
    /// What the provider says the call was served as.
    pub served: Served,
    /// Whether an error was kept from the caller since it names the operator's account.
    pub withheld: bool,
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
                Wire::Chat
                | Wire::GeminiChat
                | Wire::Responses
                | Wire::Embeddings
                | Wire::Images
                | Wire::Speech
                | Wire::Transcript
                | Wire::Free => Counters::OpenAi(openai::Usage::of(wire)),
                Wire::Messages => Counters::Anthropic(anthropic::Usage::default()),
                Wire::Gemini | Wire::GeminiArray => Counters::Gemini(gemini::Usage::default()),
                Wire::GeminiEmbeddings => Counters::Gemini(gemini::Usage::of_embedding()),
            },
            strip_usage,
            ending: None,
            parts: 0,
            withheld: false,
        }
    }

    /// Takes in a piece of a stream and gives out the frames to pass on, byte for byte.
    pub fn push(&mut self, piece: Content, pass: &mut Vec<Content>) {
        let Self { framer, framing, counters, strip_usage, ending, parts, withheld } = self;
        framer.push(piece.into_wire(), &mut |bytes: Bytes| {
            let frame = match framing {
                Framing::Events => event(counters, &bytes),
                Framing::Array => counters.read(element(&bytes)),
            };
            match frame {
                Frame::Part => {
                    *parts = parts.saturating_add(1);
                    // Another of several answers that begins when all so far have ended.
                    if *ending == Some(Ending::Proper) && matches!(counters, Counters::Gemini(_)) {
                        *ending = None;
                    }
                }
                // What ends with an error is not whole for saying so.
                Frame::End if *ending == Some(Ending::Error) => {}
                Frame::End => *ending = Some(Ending::Proper),
                Frame::Error => *ending = Some(Ending::Error),
                Frame::UsageOnly | Frame::Other => {}
            }
            let unasked = *strip_usage == StripUsage::Yes && frame == Frame::UsageOnly;
            let theirs = frame == Frame::Error && operators::names_account(&bytes);
            *withheld |= theirs;
            // What follows an error that was withheld may say the same again.
            if !unasked && !*withheld {
                pass.push(Content::new(bytes));
            }
        });
    }

    /// Ends a stream: what is left to pass on, and what was read. An unfinished event is not
    /// passed on, since what follows it would be read as part of it.
    pub fn end(mut self) -> (Content, Reading) {
        let rest = self.framer.end();
        if self.framing == Framing::Events && !rest.is_empty() {
            // It is not passed on, but what it says of usage is true.
            event(&mut self.counters, &rest);
        }
        let rest = if self.framing == Framing::Array && self.ending.is_some() {
            rest
        } else {
            Bytes::new()
        };
        (Content::new(rest), self.reading())
    }

    /// Reads an answer that came in one piece.
    ///
    /// What is delivered and cannot be read is estimated by its length if it was `meant` as an
    /// answer.
    pub fn whole(mut self, body: &Content, meant: Meant) -> Reading {
        let frame = self.counters.read(body.inspect());
        if meant == Meant::Answer && frame != Frame::Error {
            self.parts = u64::try_from(body.len().div_ceil(4)).unwrap_or(u64::MAX);
        }
        self.withheld = frame == Frame::Error && operators::names_account(body.inspect());
        self.ending = match frame {
            Frame::Part | Frame::UsageOnly | Frame::End => Some(Ending::Proper),
            Frame::Error => Some(Ending::Error),
            Frame::Other => None,
        };
        self.reading()
    }

    /// Takes note of bytes that are no frames: audio, or plain text. They come to an end, or do
    /// not.
    pub fn opaque(mut self, bytes: usize, ending: Option<Ending>) -> Reading {
        self.ending = ending;
        // Of text, about a token.
        self.parts = u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
        self.reading()
    }

    fn reading(&self) -> Reading {
        let (units, reported, served) = match &self.counters {
            Counters::OpenAi(it) => (it.units(), it.is_reported(self.ending), it.served()),
            Counters::Anthropic(it) => (it.units(), it.is_reported(), it.served()),
            Counters::Gemini(it) => (it.units(), it.is_reported(), it.served()),
        };
        let (images, heard) = match &self.counters {
            Counters::OpenAi(usage) => (usage.images(), usage.heard()),
            Counters::Anthropic(_) | Counters::Gemini(_) => (0, 0),
        };
        let Self { ending, parts, withheld, .. } = self;
        let (ending, parts, withheld) = (*ending, *parts, *withheld);
        Reading { units, reported, ending, parts, images, heard, served, withheld }
    }
}

/// What a document in one piece was meant as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// The answer.
    Answer,
    /// Something else, such as a page of a proxy in between.
    Other,
}

/// Whether the usage chunk is kept from the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StripUsage {
    /// The caller has not asked for it.
    Yes,
    /// Everything is passed on.
    No,
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
    if first.trim_ascii() == b"[DONE]" { Frame::End } else { counters.read(first) }
}

/// The object in an element of an array, without the bracket or comma before it.
fn element(bytes: &[u8]) -> &[u8] {
    let start = memchr::memchr(b'{', bytes).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

/// A counter as providers write them: a whole number, or one in a string; seconds also with
/// decimals, of which a begun one counts. Anything else is no value, and does not make the frame
/// unreadable.
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
        let text = raw.get().trim_matches('"');
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let begun = decimals.bytes().any(|digit| digit != b'0');
        let is_number = decimals.bytes().all(|byte| byte.is_ascii_digit());
        let whole = whole.parse::<u64>().ok().filter(|_| is_number);
        Ok(Self(whole.map(|whole| whole.saturating_add(u64::from(begun)))))
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
