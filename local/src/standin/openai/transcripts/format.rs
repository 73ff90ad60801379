//! What a transcript is written in.

use super::Model;
use super::moment::Moment;

/// The media type of what is not JSON, subtitles among it.
pub(super) const MEDIA: &str = "text/plain; charset=utf-8";

/// A format.
#[derive(Clone, Copy)]
pub(super) enum Format {
    Json,
    Verbose,
    Diarized,
    Text,
    Srt,
    Vtt,
}

impl Format {
    /// The format of this name, if the model's transcripts come in it.
    pub(super) fn read(name: Option<&str>, model: Model) -> Option<Self> {
        match (name.unwrap_or("json"), model) {
            ("json", _) => Some(Self::Json),
            ("text", _) => Some(Self::Text),
            ("srt", Model::Whisper) => Some(Self::Srt),
            ("vtt", Model::Whisper) => Some(Self::Vtt),
            ("verbose_json", Model::Whisper) => Some(Self::Verbose),
            ("diarized_json", Model::Diarizing) => Some(Self::Diarized),
            _ => None,
        }
    }
}

/// One subtitle.
pub(super) fn srt(seconds: u64, text: &str) -> String {
    let (begin, end) = (Moment::BEGINNING.clock(','), Moment::after(seconds).clock(','));
    format!("1\n{begin} --> {end}\n{text}\n\n\n")
}

/// The same in the other format.
pub(super) fn vtt(seconds: u64, text: &str) -> String {
    let (begin, end) = (Moment::BEGINNING.clock('.'), Moment::after(seconds).clock('.'));
    format!("WEBVTT\n\n{begin} --> {end}\n{text}\n\n")
}
