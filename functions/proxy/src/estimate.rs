//! About what a call has used, where its provider does not say.

use shared::units::{UnitClass, Units};

use crate::{
    ask::{Ask, Prompt},
    head::Head,
    meter::Reading,
    rates::{made_tokens, seconds, sound_bytes, text_bytes},
};

/// The bytes that a second of speech usually takes in a file: 128 kbit/s.
const USUAL_BYTES_PER_SECOND: u64 = 16_000;

/// Audio tokens to a second of speech.
const TOKENS_PER_SECOND: u64 = 10;

/// About what a call has used, as far as its request tells: what a reading fills up with what the
/// provider has reported.
#[derive(Clone, Debug)]
pub(crate) struct Estimate {
    prompt: Units,
    written: Units,
    per_image: bool,
    /// Whether what comes back is tokens that the model wrote.
    writes: bool,
}

impl Estimate {
    /// One token for every four bytes of text, a thousand for an image, a second for every 16 KB
    /// of a file, and what was asked for of what is made.
    pub(crate) fn of(head: &Head) -> Self {
        let model = &head.model;
        let tokens = |bytes: u64, images: u64| {
            bytes.div_ceil(4).saturating_add(images.saturating_mul(1_000))
        };
        let prompt_of = |prompt: &Prompt| {
            let seconds = seconds(sound_bytes(prompt), USUAL_BYTES_PER_SECOND);
            let heard = seconds.saturating_mul(TOKENS_PER_SECOND);
            let all = tokens(text_bytes(prompt), prompt.extent.images).saturating_add(heard);
            let context = model.max_input.unwrap_or(u64::MAX).saturating_mul(prompt.count.max(1));
            Units::default().with(UnitClass::Input, all.min(context))
        };
        let none = Units::default;
        let (prompt, written) = match &head.ask {
            Ask::Answer(answer) => (prompt_of(&answer.prompt), none()),
            Ask::Vectors(prompt) => (prompt_of(prompt), none()),
            Ask::Images(_) if model.prices(UnitClass::Images) => (none(), none()),
            Ask::Images(ask) => {
                let made = ask.count.saturating_mul(made_tokens(ask, 252));
                let inputs = ask.inputs.saturating_mul(1_000);
                let read = none().with(UnitClass::Input, tokens(ask.text, 0));
                let read = read.with(UnitClass::ImageInput, inputs);
                (read, none().with(UnitClass::ImageOutput, made))
            }
            Ask::Speech { characters, .. } if model.prices(UnitClass::Characters) => {
                (none().with(UnitClass::Characters, *characters), none())
            }
            // Some 1,250 tokens a minute, and 900 characters.
            Ask::Speech { characters, spoken, .. } => (
                none().with(UnitClass::Input, tokens(*characters, 0)),
                none().with(UnitClass::AudioOutput, spoken.saturating_mul(7).div_ceil(5)),
            ),
            Ask::Transcript { bytes } => {
                let seconds = seconds(*bytes, USUAL_BYTES_PER_SECOND);
                if model.prices(UnitClass::Seconds) {
                    (none().with(UnitClass::Seconds, seconds), none())
                } else {
                    let heard = seconds.saturating_mul(TOKENS_PER_SECOND);
                    (none().with(UnitClass::AudioInput, heard), none())
                }
            }
            Ask::Nothing => (none(), none()),
        };
        let writes = matches!(head.ask, Ask::Answer(_) | Ask::Transcript { .. });
        Self { prompt, written, per_image: model.prices(UnitClass::Images), writes }
    }

    /// Whether the call is billed by the images in its answer.
    pub(crate) const fn counts_images(&self) -> bool {
        self.per_image
    }

    /// Whether the call is billed by the seconds of what was sent.
    pub(crate) fn counts_seconds(&self) -> bool {
        self.prompt.get(UnitClass::Seconds) > 0
    }

    /// The units to charge where the provider has not reported them to the end, because it did
    /// not or because the answer broke off: what it has reported, and beside that this estimate
    /// of the prompt, and of the answer what was asked for or one token for every frame.
    pub(crate) fn fill(&self, reading: &Reading) -> Units {
        let mut units = reading.units.clone();
        if self.counts_seconds() && reading.heard > 0 {
            return units.with(UnitClass::Seconds, reading.heard);
        }
        if units.prompt_tokens() == 0 && units.get(UnitClass::Seconds) == 0 {
            units = units.plus(&self.prompt);
        }
        if self.per_image {
            return units.with(UnitClass::Images, reading.images);
        }
        if self.prompt.get(UnitClass::Characters) > 0 || self.counts_seconds() {
            return units;
        }
        if self.written.iter().next().is_some() {
            let missing = self.written.iter().filter(|(class, _)| units.get(*class) == 0);
            return missing
                .fold(units.clone(), |units, (class, quantity)| units.with(class, quantity));
        }
        if !self.writes {
            return units;
        }
        let reasoned = units.get(UnitClass::Reasoning);
        let written = units.get(UnitClass::Output).max(reading.parts.saturating_sub(reasoned));
        units.with(UnitClass::Output, written)
    }
}
