//! OpenAI's transcripts of speech, and its translations into English. It is always heard to say
//! what a stand-in says.

mod format;
mod moment;
mod wire;

use http::StatusCode;

use self::format::Format;
use self::wire::{Diarized, Event, Plain, Usage, Verbose};
use super::refusal::Refusal;
use super::{EVENTS, SPEAKER, frame};
use crate::standin::answer::Answer;
use crate::standin::call::{Call, tokens};
use crate::standin::form::Form;

/// The bytes of one second of speech, as usually compressed.
const BYTES_PER_SECOND: usize = 16_000;

/// What is done with speech.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Transcribe,
    Translate,
}

/// A model, by what it can do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Model {
    /// The one that is billed by the second, knows when each word was said, and does not stream.
    Whisper,
    /// The one that tells speakers apart.
    Diarizing,
    /// The rest.
    Hearing,
}

impl Model {
    fn of(task: Task, name: &str) -> Self {
        if task == Task::Translate || name.starts_with("whisper") {
            Self::Whisper
        } else if name.contains("diarize") {
            Self::Diarizing
        } else {
            Self::Hearing
        }
    }
}

pub(super) fn answer(call: &Call, task: Task) -> Result<Answer, Refusal> {
    if !call.has_bearer() {
        return Err(Refusal::NO_KEY);
    }
    let form = Form::read(call).ok_or(Refusal::NO_FORM)?;
    let file = form.all("file").next().ok_or(Refusal::NO_FILE)?;
    let model = form.text("model").filter(|model| !model.is_empty()).ok_or(Refusal::NO_MODEL)?;
    let model = Model::of(task, model);
    let format = Format::read(form.text("response_format"), model).ok_or(Refusal::TRANSCRIPT)?;

    let seconds = u64::try_from(file.len().div_ceil(BYTES_PER_SECOND)).unwrap_or(u64::MAX).max(1);
    let speech = SPEAKER.speak(None);
    let usage = match model {
        Model::Whisper => Usage::of_time(seconds),
        Model::Diarizing | Model::Hearing => {
            let told = form.text("prompt").map_or(0, |prompt| tokens(prompt.len()));
            Usage::of_tokens(told, seconds, &speech)
        }
    };
    if form.text("stream") == Some("true") && model != Model::Whisper {
        let events = Event::all(&speech, usage, (model == Model::Diarizing).then_some(seconds));
        return Ok(Answer::stream(EVENTS, events.iter().map(frame).collect()));
    }
    // A translation says nothing of what it used.
    let usage = (task == Task::Transcribe).then_some(usage);
    let text = speech.text();
    Ok(match format {
        Format::Json => Answer::json(StatusCode::OK, &Plain { text, usage }),
        Format::Verbose => {
            let by_word = form.all("timestamp_granularities").any(|wanted| wanted == b"word");
            let words = by_word.then_some(&speech);
            Answer::json(StatusCode::OK, &Verbose::new(task, seconds, text, words, usage))
        }
        Format::Diarized => Answer::json(StatusCode::OK, &Diarized::new(seconds, text, usage)),
        Format::Text => Answer::whole(format::MEDIA, format!("{text}\n")),
        Format::Srt => Answer::whole(format::MEDIA, format::srt(seconds, &text)),
        Format::Vtt => Answer::whole(format::MEDIA, format::vtt(seconds, &text)),
    })
}

#[cfg(test)]
mod tests;
