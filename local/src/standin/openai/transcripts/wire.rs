//! The bodies and events of OpenAI's transcripts. A field's place here is its place on the wire.

use serde::Serialize;

use super::Task;
use super::moment::Moment;
use crate::standin::openai::StreamOptions;
use crate::standin::speech::Speech;

/// Tokens of a second of speech.
const TOKENS_PER_SECOND: u64 = 10;

const LANGUAGE: &str = "english";

/// The text, and what was used for it.
#[derive(Serialize)]
pub(super) struct Plain {
    pub(super) text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
}

/// What was used: tokens, of which total is input and output, or time.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Usage {
    Tokens {
        total_tokens: u64,
        input_tokens: u64,
        input_token_details: InputDetails,
        output_tokens: u64,
    },
    Duration {
        seconds: u64,
    },
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct InputDetails {
    text_tokens: u64,
    audio_tokens: u64,
}

impl Usage {
    pub(super) fn of_time(seconds: u64) -> Self {
        Self::Duration { seconds }
    }

    pub(super) fn of_tokens(text_tokens: u64, seconds: u64, speech: &Speech) -> Self {
        let audio_tokens = seconds.saturating_mul(TOKENS_PER_SECOND);
        let (input_tokens, output_tokens) =
            (text_tokens.saturating_add(audio_tokens), speech.tokens());
        Self::Tokens {
            total_tokens: input_tokens.saturating_add(output_tokens),
            input_tokens,
            input_token_details: InputDetails { text_tokens, audio_tokens },
            output_tokens,
        }
    }
}

/// The text with all that is known of it.
#[derive(Serialize)]
pub(super) struct Verbose {
    task: &'static str,
    language: &'static str,
    duration: Moment,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<Word>>,
    segments: [Segment; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Word {
    word: String,
    start: Moment,
    end: Moment,
}

#[derive(Serialize)]
struct Segment {
    id: u32,
    seek: u32,
    start: Moment,
    end: Moment,
    text: String,
    tokens: [u32; 0],
    temperature: f32,
    avg_logprob: f32,
    compression_ratio: f32,
    no_speech_prob: f32,
}

impl Verbose {
    /// All of it, with the words of `speech` evenly spread.
    pub(super) fn new(
        task: Task,
        seconds: u64,
        text: String,
        speech: Option<&Speech>,
        usage: Option<Usage>,
    ) -> Self {
        let end = Moment::after(seconds);
        let words = speech.map(|speech| {
            let moments = (0..).zip(1..).map(|(before, with)| {
                (end.part(before, speech.tokens()), end.part(with, speech.tokens()))
            });
            let words = speech.pieces.iter().map(|piece| piece.trim_start().to_owned());
            words.zip(moments).map(|(word, (start, end))| Word { word, start, end }).collect()
        });
        let segment = Segment {
            id: 0,
            seek: 0,
            start: Moment::BEGINNING,
            end,
            text: text.clone(),
            tokens: [],
            temperature: 0.0,
            avg_logprob: -0.25,
            compression_ratio: 1.0,
            no_speech_prob: 0.0,
        };
        let task = match task {
            Task::Transcribe => "transcribe",
            Task::Translate => "translate",
        };
        let segments = [segment];
        Self { task, language: LANGUAGE, duration: end, text, words, segments, usage }
    }
}

/// The text by who said it, which was one.
#[derive(Serialize)]
pub(super) struct Diarized {
    task: &'static str,
    duration: Moment,
    text: String,
    segments: [Event; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

impl Diarized {
    pub(super) fn new(seconds: u64, text: String, usage: Option<Usage>) -> Self {
        let segments = [Event::segment(seconds, text.clone())];
        Self { task: "transcribe", duration: Moment::after(seconds), text, segments, usage }
    }
}

/// One event of a stream.
#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Event {
    #[serde(rename = "transcript.text.delta")]
    Delta {
        delta: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        obfuscation: Option<String>,
    },
    /// Which a whole answer also has.
    #[serde(rename = "transcript.text.segment")]
    Segment { id: &'static str, start: Moment, end: Moment, text: String, speaker: &'static str },
    #[serde(rename = "transcript.text.done")]
    Done { text: String, usage: Usage },
}

impl Event {
    /// All events, with a segment where speakers are told apart in so many seconds.
    pub(super) fn all(speech: &Speech, usage: Usage, told_apart: Option<u64>) -> Vec<Self> {
        let deltas = speech.pieces.iter().map(|piece| Self::Delta {
            delta: piece.clone(),
            obfuscation: StreamOptions::default().padding(piece.len()),
        });
        let segments = told_apart.map(|seconds| Self::segment(seconds, speech.text()));
        deltas.chain(segments).chain([Self::Done { text: speech.text(), usage }]).collect()
    }

    fn segment(seconds: u64, text: String) -> Self {
        let (start, end) = (Moment::BEGINNING, Moment::after(seconds));
        Self::Segment { id: "seg_001", start, end, text, speaker: "A" }
    }
}
