//! The most that each kind of call costs, part by part, in the tier that was asked for.

use shared::{
    catalogue::Model,
    fault::Fault,
    money::{Pico, Price},
    tier::Tier,
    units::UnitClass,
};

use crate::ask::{Images, Prompt, Quality};

/// What providers add to a prompt that has no tools: the marks between messages. The JSON around
/// each message already is longer than its marks.
pub(crate) const FRAME_TOKENS: u64 = 64;

/// What providers add to describe tools to the model, beside the caller's own text.
const TOOL_TOKENS: u64 = 3_072;

/// Pixels to a token of an image that is made, at the finest: the published tables come to 252.
const PIXELS_PER_TOKEN: u64 = 200;

/// What each preview of an image costs in tokens.
const PREVIEW_TOKENS: u64 = 100;

/// Audio tokens to a character read aloud: a model that speaks as slowly as it can.
const SPEECH_TOKENS: u64 = 8;

/// The fewest bytes that a second of speech takes in a file, in the leanest codec that is taken.
const LEAST_BYTES_PER_SECOND: u64 = 500;

/// Audio tokens to a second of speech with Google's models, which need more than `OpenAI`'s.
const MOST_TOKENS_PER_SECOND: u64 = 32;

/// What a model costs in the tier that was asked for.
pub(crate) struct Rates<'a> {
    pub(crate) model: &'a Model,
    pub(crate) tier: Tier,
}

impl Rates<'_> {
    pub(crate) fn ceiling(&self, classes: &[UnitClass], prompt: u64) -> Result<Price, Fault> {
        self.model.ceiling(classes, prompt, self.tier).map_err(|_| Fault::Unpriced)
    }

    /// The most tokens that one prompt has.
    pub(crate) fn prompt_tokens(&self, prompt: &Prompt, tools: bool) -> Result<u64, Fault> {
        let context = self.model.max_input.ok_or(Fault::Unpriced)?;
        if prompt.extent.unbounded {
            return Ok(context);
        }
        let tools = if tools { TOOL_TOKENS } else { 0 };
        let all = self.text_and_media(prompt)?.saturating_add(tools).saturating_add(FRAME_TOKENS);
        Ok(all.min(context))
    }

    pub(crate) fn text_and_media(&self, prompt: &Prompt) -> Result<u64, Fault> {
        let images = match prompt.extent.images {
            0 => 0,
            images => images.saturating_mul(self.model.image_tokens.ok_or(Fault::Unpriced)?),
        };
        // A second that has begun is one, with every recording.
        let seconds = seconds(sound_bytes(prompt), LEAST_BYTES_PER_SECOND);
        let seconds = seconds.saturating_add(prompt.extent.sounds);
        let heard = seconds.saturating_mul(MOST_TOKENS_PER_SECOND);
        Ok(text_bytes(prompt).saturating_add(images).saturating_add(heard))
    }

    /// What they cost at most, and how many tokens that is.
    pub(crate) fn vectors(&self, prompt: &Prompt) -> Result<(Pico, u64), Fault> {
        let (tokens, classes): (_, &[_]) = if prompt.extent.unbounded {
            let context = self.model.max_input.ok_or(Fault::Unpriced)?;
            let media = &[
                UnitClass::Input,
                UnitClass::ImageInput,
                UnitClass::AudioInput,
                UnitClass::VideoInput,
            ];
            (context.saturating_mul(prompt.count.max(1)), media)
        } else if prompt.extent.images > 0 || prompt.extent.sounds > 0 {
            let media = &[UnitClass::Input, UnitClass::ImageInput, UnitClass::AudioInput];
            (self.text_and_media(prompt)?, media)
        } else {
            (text_bytes(prompt), &[UnitClass::Input])
        };
        Ok((self.ceiling(classes, tokens)?.of(tokens), tokens))
    }

    /// The same of images; those that are priced by the piece take no tokens.
    pub(crate) fn images(&self, ask: &Images) -> Result<(Pico, u64), Fault> {
        if self.model.prices(UnitClass::Images) {
            return Ok((self.ceiling(&[UnitClass::Images], 0)?.of(ask.count), 0));
        }
        let image_tokens = self.model.image_tokens.ok_or(Fault::Unpriced)?;
        let inputs = ask.inputs.saturating_mul(image_tokens);
        let read = ask.text.saturating_add(inputs).saturating_add(FRAME_TOKENS);
        let written = ask.count.saturating_mul(
            made_tokens(ask, PIXELS_PER_TOKEN)
                .saturating_add(ask.previews.saturating_mul(PREVIEW_TOKENS)),
        );
        let tokens = read.saturating_add(written);
        let read = self.ceiling(&[UnitClass::Input, UnitClass::ImageInput], read)?.of(read);
        let written = self.ceiling(&[UnitClass::ImageOutput], 0)?.of(written);
        Ok((read.checked_add(written).ok_or(Fault::Unpriced)?, tokens))
    }

    /// The same of speech.
    pub(crate) fn speech(
        &self,
        characters: u64,
        spoken: u64,
        body: u64,
    ) -> Result<(Pico, u64), Fault> {
        if self.model.prices(UnitClass::Characters) {
            return Ok((self.ceiling(&[UnitClass::Characters], 0)?.of(characters), 0));
        }
        let written = spoken.saturating_mul(SPEECH_TOKENS).saturating_add(FRAME_TOKENS);
        let tokens = body.saturating_add(written);
        let read = self.ceiling(&[UnitClass::Input], body)?.of(body);
        let written = self.ceiling(&[UnitClass::AudioOutput], 0)?.of(written);
        Ok((read.checked_add(written).ok_or(Fault::Unpriced)?, tokens))
    }

    /// The same of a transcript.
    pub(crate) fn transcript(&self, bytes: u64) -> Result<(Pico, u64), Fault> {
        if self.model.prices(UnitClass::Seconds) {
            let seconds = seconds(bytes, LEAST_BYTES_PER_SECOND).max(1);
            return Ok((self.ceiling(&[UnitClass::Seconds], 0)?.of(seconds), 0));
        }
        let context = self.model.max_input.ok_or(Fault::Unpriced)?;
        let longest = self.model.max_output.ok_or(Fault::Unpriced)?;
        // The whole context: silence compresses to nothing, and it is a matter of cents.
        let read = [UnitClass::Input, UnitClass::AudioInput];
        let read = self.ceiling(&read, context)?.of(context);
        let written = [UnitClass::Output, UnitClass::Reasoning];
        let written = self.ceiling(&written, context)?.of(longest);
        let tokens = context.saturating_add(longest);
        Ok((read.checked_add(written).ok_or(Fault::Unpriced)?, tokens))
    }
}

pub(crate) fn text_bytes(prompt: &Prompt) -> u64 {
    let images = u64::try_from(prompt.extent.image_bytes).unwrap_or(u64::MAX);
    let sounds = u64::try_from(prompt.extent.sound_bytes).unwrap_or(u64::MAX);
    prompt.bytes.saturating_sub(images).saturating_sub(sounds)
}

/// The bytes of the sounds in a prompt, out of their base 64.
pub(crate) fn sound_bytes(prompt: &Prompt) -> u64 {
    let bytes = u64::try_from(prompt.extent.sound_bytes).unwrap_or(u64::MAX);
    bytes.div_ceil(4).saturating_mul(3)
}

pub(crate) const fn seconds(bytes: u64, bytes_per_second: u64) -> u64 {
    bytes.div_ceil(bytes_per_second)
}

/// The tokens of one image that is made, at so many pixels a token when it is finest.
pub(crate) fn made_tokens(ask: &Images, pixels_per_token: u64) -> u64 {
    let finest = ask.pixels.div_ceil(pixels_per_token);
    match ask.quality {
        // The published tables come to a fifteenth and a quarter, which these are above.
        Quality::Low => finest.div_ceil(12),
        Quality::Medium => finest.div_ceil(3),
        Quality::High => finest,
    }
}
