//! The most a call can cost, which is what is held for it; and about what it used, where its
//! provider does not say.

use shared::{
    catalogue::Model,
    fault::Fault,
    money::{Pico, Price},
    provider::Provider,
    tier::Tier,
    units::{UnitClass, Units},
};

use crate::{
    ask::{Answer, Ask, Images, Prompt, Quality},
    head::Head,
    meter::Reading,
    tools::Search,
};

/// What providers add to a prompt that has no tools: the marks between messages. The JSON around
/// each message already is longer than its marks.
const FRAME_TOKENS: u64 = 64;

/// What providers add to describe tools to the model, beside the caller's own text.
const TOOL_TOKENS: u64 = 3_072;

/// The most that one search of `OpenAI`'s puts before the model: its searches work in a context of
/// this size, whatever the model's own.
const SEARCH_TOKENS: u64 = 128_000;

/// The shortest answer worth having, where the balance does not cover a long one.
const USEFUL_ANSWER: u64 = 1_024;

/// The shortest answer that is held for at all.
const LEAST_ANSWER: u64 = 16;

/// Pixels to a token of an image that is made, at the finest: the published tables come to 252.
const PIXELS_PER_TOKEN: u64 = 200;

/// What each preview of an image costs in tokens.
const PREVIEW_TOKENS: u64 = 100;

/// Audio tokens to a character read aloud: a model that speaks as slowly as it can.
const SPEECH_TOKENS: u64 = 8;

/// The fewest bytes that a second of speech takes in a file, in the leanest codec that is taken.
const LEAST_BYTES_PER_SECOND: u64 = 500;

/// And about as many as it usually takes: 128 kbit/s.
const USUAL_BYTES_PER_SECOND: u64 = 16_000;

/// Audio tokens to a second of speech, with `OpenAI`'s models, and with Google's, which need more.
const TOKENS_PER_SECOND: u64 = 10;
const MOST_TOKENS_PER_SECOND: u64 = 32;

/// The most a call can cost, by its parts.
#[derive(Clone, Debug)]
pub(crate) struct Bound {
    /// The prompt, whatever the answer: with as many searches as may be made, and where that can
    /// be limited, with one.
    prompts: Vec<(Option<u64>, Pico)>,
    /// A token of the answer.
    price: Price,
    /// The longest answer in tokens, and how many of them there are.
    answer: u64,
    choices: u64,
    /// Tokens that may be written beside each of them.
    beside: u64,
    /// The shortest answer that makes sense: one token more than the caller lets it think.
    least: u64,
    /// Whether the answer can be limited.
    limited: bool,
}

/// What is limited for a caller whose balance does not cover all there could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lowered {
    /// The longest answer, if it is limited.
    pub(crate) limit: Option<u64>,
    /// How many searches there may be, if there are any to limit.
    pub(crate) searches: Option<u64>,
    /// What is held then.
    pub(crate) amount: Pico,
}

impl Bound {
    /// The upper bound of the cost of the call.
    ///
    /// A token is never shorter than a byte, so text is bounded by its bytes; what the body does
    /// not tell is bounded by the model's context.
    ///
    /// # Errors
    /// [`Fault::Unpriced`] when anything the call could use has no price.
    pub(crate) fn of(head: &Head) -> Result<Self, Fault> {
        let rates = Rates { model: &head.model, tier: head.tier };
        match &head.ask {
            Ask::Answer(answer) => Self::of_answer(answer, &rates),
            Ask::Vectors(prompt) => rates.vectors(prompt).map(Self::fixed),
            Ask::Images(images) => rates.images(images).map(Self::fixed),
            Ask::Speech { characters, spoken, paced, body } => {
                // A quarter is the slowest there is.
                let spoken = if *paced { spoken.saturating_mul(4) } else { *spoken };
                rates.speech(*characters, spoken, *body).map(Self::fixed)
            }
            Ask::Transcript { bytes } => rates.transcript(*bytes).map(Self::fixed),
            Ask::Nothing => Ok(Self::fixed(Pico::ZERO)),
        }
    }

    /// A cost that nothing can lower.
    fn fixed(amount: Pico) -> Self {
        let prompts = vec![(None, amount)];
        let price = Price::new(0);
        Self { prompts, price, answer: 0, choices: 0, beside: 0, least: 0, limited: false }
    }

    fn of_answer(ask: &Answer, rates: &Rates<'_>) -> Result<Self, Fault> {
        let model = rates.model;
        let extent = &ask.prompt.extent;
        let mut read = vec![UnitClass::Input, UnitClass::CacheRead, UnitClass::ImageInput];
        match model.provider {
            // OpenAI writes its caches unasked.
            Provider::OpenAi if ask.cache_12h => read.push(UnitClass::CacheWrite12h),
            Provider::OpenAi => read.push(UnitClass::CacheWrite30m),
            Provider::Anthropic if extent.cache_1h => read.push(UnitClass::CacheWrite1h),
            Provider::Anthropic | Provider::Gemini => {}
        }
        if extent.cache_5m {
            read.push(UnitClass::CacheWrite5m);
        }
        if extent.unbounded || extent.sounds > 0 {
            read.push(UnitClass::AudioInput);
        }
        let mut written = vec![UnitClass::Output, UnitClass::Reasoning];
        if ask.media_out {
            written.extend([UnitClass::AudioOutput, UnitClass::ImageOutput]);
        }
        let prompt = rates.prompt_tokens(&ask.prompt, ask.tools.any)?;
        let context = model.max_input.ok_or(Fault::Unpriced)?;
        let reads = ask.tools.search.as_ref().is_some_and(|search| search.is_read);
        let longest_prompt = if reads { context } else { prompt };
        let price_read = rates.ceiling(&read, longest_prompt)?;
        let searched = |times: u64| -> Result<Pico, Fault> {
            // Each turn reads again what stood there before it, and what the searches have found.
            let step = match model.provider {
                _ if !reads => 0,
                Provider::OpenAi => SEARCH_TOKENS,
                Provider::Anthropic | Provider::Gemini => context,
            };
            let turn = |turn: u64| prompt.saturating_add(turn.saturating_mul(step)).min(context);
            // From some turn on the context is full.
            let growing = if reads { context.div_ceil(step.max(1)).min(times) } else { 0 };
            let tokens = (0..=growing).map(turn).fold(0, u64::saturating_add);
            let full =
                if reads { times.saturating_sub(growing).saturating_mul(context) } else { 0 };
            let searches = rates.ceiling(&[UnitClass::Searches], longest_prompt)?.of(times);
            let read = price_read.of(tokens.saturating_add(full));
            read.checked_add(searches).ok_or(Fault::Unpriced)
        };
        // Prompts of a list share the bytes of the body, and each has a frame of its own.
        let listed = rates.text_and_media(&ask.prompt)?;
        let listed = listed.saturating_add(ask.prompt.count.saturating_mul(FRAME_TOKENS));
        let read_in_all = match ask.prompt.count {
            0 | 1 if ask.compacted => prompt.saturating_mul(2),
            0 | 1 => prompt,
            _ => listed,
        };
        let prompts = match &ask.tools.search {
            None => vec![(None, price_read.of(read_in_all))],
            Some(Search { times, place: None, .. }) => vec![(None, searched(*times)?)],
            Some(Search { times, .. }) => {
                vec![(Some(*times), searched(*times)?), (Some(1), searched(1)?)]
            }
        };
        let longest = model.max_output.ok_or(Fault::Unpriced)?;
        // Anthropic has betas that lengthen the longest answer, and a limit in every call.
        let limit = match (ask.output_limit, model.provider) {
            (Some(limit), Provider::Anthropic) => limit,
            (Some(limit), Provider::OpenAi | Provider::Gemini) => limit.min(longest),
            (None, _) => longest,
        };
        let beside = ask.beside.saturating_add(if ask.compacted { longest } else { 0 });
        Ok(Self {
            prompts,
            beside,
            price: rates.ceiling(&written, longest_prompt)?,
            answer: limit,
            choices: ask.choices,
            least: ask.thinking_budget.saturating_add(1).max(LEAST_ANSWER),
            limited: ask.limit_place.is_some(),
        })
    }

    /// What has to be held for the call as it was asked for, and how many searches it may make.
    ///
    /// # Errors
    /// [`Fault::Unpriced`] beyond any amount there is.
    pub(crate) fn asked(&self) -> Result<Lowered, Fault> {
        let (searches, prompt) = self.prompts.first().ok_or(Fault::Internal)?;
        let amount = self.of_answers(*prompt, self.answer).ok_or(Fault::Unpriced)?;
        Ok(Lowered { limit: None, searches: *searches, amount })
    }

    /// For a caller whose `balance` does not cover that and who has left something open: what is
    /// limited, and what has to be held for it. It takes a quarter of the balance, so that other
    /// calls have room, or as much more as a useful answer needs.
    pub(crate) fn lowered(&self, balance: Pico) -> Option<Lowered> {
        self.prompts.iter().find_map(|(searches, prompt)| {
            if !self.limited {
                let amount = self.of_answers(*prompt, self.answer)?;
                return (amount <= balance).then_some(Lowered {
                    limit: None,
                    searches: *searches,
                    amount,
                });
            }
            let useful = self.of_answers(*prompt, self.least.max(USEFUL_ANSWER))?.min(balance);
            let spent = balance.quarter().max(useful).checked_sub(*prompt)?;
            let each = self.price.affords(spent).checked_div(self.choices)?;
            let limit = each.checked_sub(self.beside)?.min(self.answer);
            let amount = self.of_answers(*prompt, limit)?;
            let limit = (limit >= self.least).then_some(limit)?;
            Some(Lowered { limit: Some(limit), searches: *searches, amount })
        })
    }

    fn of_answers(&self, prompt: Pico, tokens: u64) -> Option<Pico> {
        let written = tokens.checked_add(self.beside)?.checked_mul(self.choices)?;
        prompt.checked_add(self.price.of(written))
    }
}

/// What a model costs in the tier that was asked for.
struct Rates<'a> {
    model: &'a Model,
    tier: Tier,
}

impl Rates<'_> {
    fn ceiling(&self, classes: &[UnitClass], prompt: u64) -> Result<Price, Fault> {
        self.model.ceiling(classes, prompt, self.tier).map_err(|_| Fault::Unpriced)
    }

    /// The most tokens that one prompt has.
    fn prompt_tokens(&self, prompt: &Prompt, tools: bool) -> Result<u64, Fault> {
        let context = self.model.max_input.ok_or(Fault::Unpriced)?;
        if prompt.extent.unbounded {
            return Ok(context);
        }
        let tools = if tools { TOOL_TOKENS } else { 0 };
        let all = self.text_and_media(prompt)?.saturating_add(tools).saturating_add(FRAME_TOKENS);
        Ok(all.min(context))
    }

    fn text_and_media(&self, prompt: &Prompt) -> Result<u64, Fault> {
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

    fn vectors(&self, prompt: &Prompt) -> Result<Pico, Fault> {
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
        Ok(self.ceiling(classes, tokens)?.of(tokens))
    }

    fn images(&self, ask: &Images) -> Result<Pico, Fault> {
        if self.model.prices(UnitClass::Images) {
            return Ok(self.ceiling(&[UnitClass::Images], 0)?.of(ask.count));
        }
        let image_tokens = self.model.image_tokens.ok_or(Fault::Unpriced)?;
        let inputs = ask.inputs.saturating_mul(image_tokens);
        let read = ask.text.saturating_add(inputs).saturating_add(FRAME_TOKENS);
        let written = ask.count.saturating_mul(
            made_tokens(ask, PIXELS_PER_TOKEN)
                .saturating_add(ask.previews.saturating_mul(PREVIEW_TOKENS)),
        );
        let read = self.ceiling(&[UnitClass::Input, UnitClass::ImageInput], read)?.of(read);
        let written = self.ceiling(&[UnitClass::ImageOutput], 0)?.of(written);
        read.checked_add(written).ok_or(Fault::Unpriced)
    }

    fn speech(&self, characters: u64, spoken: u64, body: u64) -> Result<Pico, Fault> {
        if self.model.prices(UnitClass::Characters) {
            return Ok(self.ceiling(&[UnitClass::Characters], 0)?.of(characters));
        }
        let written = spoken.saturating_mul(SPEECH_TOKENS).saturating_add(FRAME_TOKENS);
        let read = self.ceiling(&[UnitClass::Input], body)?.of(body);
        let written = self.ceiling(&[UnitClass::AudioOutput], 0)?.of(written);
        read.checked_add(written).ok_or(Fault::Unpriced)
    }

    fn transcript(&self, bytes: u64) -> Result<Pico, Fault> {
        if self.model.prices(UnitClass::Seconds) {
            let seconds = seconds(bytes, LEAST_BYTES_PER_SECOND).max(1);
            return Ok(self.ceiling(&[UnitClass::Seconds], 0)?.of(seconds));
        }
        let context = self.model.max_input.ok_or(Fault::Unpriced)?;
        let longest = self.model.max_output.ok_or(Fault::Unpriced)?;
        // The whole context: silence compresses to nothing, and it is a matter of cents.
        let read = [UnitClass::Input, UnitClass::AudioInput];
        let read = self.ceiling(&read, context)?.of(context);
        let written = [UnitClass::Output, UnitClass::Reasoning];
        let written = self.ceiling(&written, context)?.of(longest);
        read.checked_add(written).ok_or(Fault::Unpriced)
    }
}

fn text_bytes(prompt: &Prompt) -> u64 {
    let images = u64::try_from(prompt.extent.image_bytes).unwrap_or(u64::MAX);
    let sounds = u64::try_from(prompt.extent.sound_bytes).unwrap_or(u64::MAX);
    prompt.bytes.saturating_sub(images).saturating_sub(sounds)
}

/// The bytes of the sounds in a prompt, out of their base 64.
fn sound_bytes(prompt: &Prompt) -> u64 {
    let bytes = u64::try_from(prompt.extent.sound_bytes).unwrap_or(u64::MAX);
    bytes.div_ceil(4).saturating_mul(3)
}

const fn seconds(bytes: u64, bytes_per_second: u64) -> u64 {
    bytes.div_ceil(bytes_per_second)
}

/// The tokens of one image that is made, at so many pixels a token when it is finest.
fn made_tokens(ask: &Images, pixels_per_token: u64) -> u64 {
    let finest = ask.pixels.div_ceil(pixels_per_token);
    match ask.quality {
        // The published tables come to a fifteenth and a quarter.
        Quality::Low => finest.div_ceil(12),
        Quality::Medium => finest.div_ceil(3),
        Quality::High => finest,
    }
}

/// About what a call has used, as far as its request tells: what a reading fills up with what the
/// provider has reported.
#[derive(Clone, Debug)]
pub(crate) struct Estimate {
    prompt: Units,
    written: Units,
    per_image: bool,
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
        Self { prompt, written, per_image: model.prices(UnitClass::Images) }
    }

    /// Whether the call is billed by the images in its answer.
    pub(crate) const fn counts_images(&self) -> bool {
        self.per_image
    }

    /// The units to charge where the provider has not reported them to the end, because it did
    /// not or because the answer broke off: what it has reported, and beside that this estimate
    /// of the prompt, and of the answer what was asked for or one token for every frame.
    pub(crate) fn fill(&self, reading: &Reading) -> Units {
        let mut units = reading.units.clone();
        if units.prompt_tokens() == 0 && units.get(UnitClass::Seconds) == 0 {
            units = units.plus(&self.prompt);
        }
        if self.per_image {
            return units.with(UnitClass::Images, reading.images);
        }
        if self.prompt.get(UnitClass::Characters) > 0 || self.prompt.get(UnitClass::Seconds) > 0 {
            return units;
        }
        if self.written.iter().next().is_some() {
            let missing = self.written.iter().filter(|(class, _)| units.get(*class) == 0);
            return missing
                .fold(units.clone(), |units, (class, quantity)| units.with(class, quantity));
        }
        let reasoned = units.get(UnitClass::Reasoning);
        let written = units.get(UnitClass::Output).max(reading.parts.saturating_sub(reasoned));
        units.with(UnitClass::Output, written)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use proptest::prelude::*;
    use shared::{catalogue::Catalogue, content::Content, money::Markup};

    use super::*;
    use crate::route::Kind;

    /// What is held for a body at most, in pico-dollars.
    fn held(kind: &Kind, body: &str) -> i128 {
        let catalogue = Catalogue::load(Markup::default()).unwrap();
        let content = Content::new(body.to_owned().into());
        let head = Head::read(kind, &HeaderMap::new(), &content, &catalogue).unwrap();
        Bound::of(&head).unwrap().asked().unwrap().amount.pico()
    }

    #[test]
    fn what_may_be_written_beside_the_answer_is_held_for() {
        let chat = r#"{"model":"gpt-5-mini","max_tokens":100,"messages":[]EXTRA}"#;
        let chat = |extra: &str| held(&Kind::ChatCompletions, &chat.replace("EXTRA", extra));
        let extra = r#","prediction":{"type":"content","content":"abc"}"#;
        let (plain, predicted) = (chat(""), chat(extra));
        // Forty bytes at two dollars a million tokens, and those bytes in the prompt.
        assert_eq!(predicted.saturating_sub(plain), 34 * 2_000_000 + 48 * 250_000);

        let messages = r#"{"model":"claude-opus-5","max_tokens":100,"messages":[]EXTRA}"#;
        let kind = Kind::Messages { beta: true };
        let messages = |extra: &str| held(&kind, &messages.replace("EXTRA", extra));
        let edits = |kind: &str| {
            messages(&format!(r#","context_management":{{"edits":[{{"type":"{kind}"}}]}}"#))
        };
        let (cleared, compacted) = (edits("clear_tool_uses_2025"), edits("compact_20260112"));
        assert!(cleared < messages("").saturating_mul(2));
        // Another answer as long as there is any, at 25 dollars a million.
        assert!(compacted > cleared.saturating_add(128_000 * 25_000_000));
    }

    proptest! {
        #[test]
        fn a_lowered_hold_is_covered_and_no_least_call_is_refused(
            prompt in 0_i128..1_000_000_000_000,
            price in 1_u64..100_000_000,
            answer in 1_000_u64..1_000_000,
            choices in 1_u64..4,
            least in 16_u64..40_000,
            beside in 0_u64..1_000,
            balance in 0_i128..20_000_000_000_000,
        ) {
            let (prompt, price) = (Pico::new(prompt), Price::new(price));
            let dear = prompt.checked_add(prompt).unwrap();
            let prompts = vec![(Some(3), dear), (Some(1), prompt)];
            let answer = answer.max(least);
            let bound = Bound { prompts, price, answer, choices, beside, least, limited: true };
            let balance = Pico::new(balance);
            let covers_least = bound.of_answers(prompt, least).unwrap() <= balance;
            match bound.lowered(balance) {
                Some(Lowered { limit: Some(limit), searches, amount }) => {
                    prop_assert!(amount <= balance);
                    prop_assert!(limit >= least && limit <= bound.answer);
                    let prompt = if searches == Some(3) { dear } else { prompt };
                    prop_assert_eq!(bound.of_answers(prompt, limit), Some(amount));
                }
                Some(_) => prop_assert!(false, "nothing is limited"),
                None => prop_assert!(!covers_least, "a false refusal"),
            }
            // A caller's own limit is never touched; what of the searches is left open is.
            let bound = Bound { limited: false, ..bound };
            let covered = bound.of_answers(prompt, answer).is_some_and(|it| it <= balance);
            let lowered = bound.lowered(balance);
            prop_assert_eq!(lowered.is_some(), covered);
            prop_assert!(lowered.is_none_or(|it| it.limit.is_none() && it.amount <= balance));
        }
    }
}
