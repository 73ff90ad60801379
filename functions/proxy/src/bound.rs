//! The most a call can cost, which is what is held for it.

use shared::{
    catalogue::Model,
    fault::Fault,
    money::{Pico, Price},
    provider::Provider,
    units::UnitClass,
};

use crate::head::Head;

/// What providers add to a prompt that has no tools: the marks between messages. The JSON around
/// each message already is longer than its marks.
const FRAME_TOKENS: u64 = 64;

/// What providers add to describe tools to the model, beside the caller's own text.
const TOOL_TOKENS: u64 = 3_072;

/// The most tokens one image takes.
fn image_tokens(model: &Model) -> u64 {
    match model.provider {
        // It counts an image of eight tiles at 48,169 tokens, to cost what it costs elsewhere.
        Provider::OpenAi if model.id == "gpt-4o-mini" => 50_000,
        // Ten thousand patches, at the finest detail there is.
        Provider::OpenAi => 12_000,
        Provider::Anthropic => 8_000,
        Provider::Gemini => 10_000,
    }
}

/// The shortest answer worth having, where the balance does not cover a long one.
const USEFUL_ANSWER: u64 = 1_024;

/// The shortest answer that is held for at all.
const LEAST_ANSWER: u64 = 16;

/// The most a call can cost, by its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// The prompt, whatever the answer.
    prompt: Pico,
    /// A token of the answer.
    price: Price,
    /// The longest answer in tokens, and how many of them there are.
    answer: u64,
    choices: u64,
    /// The shortest answer that makes sense: one token more than the caller lets it think.
    least: u64,
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
        let model = &head.model;
        let prompt = prompt_tokens(head)?;
        let price =
            |classes: &[UnitClass]| model.ceiling(classes, prompt).map_err(|_| Fault::Unpriced);
        let mut read = vec![UnitClass::Input, UnitClass::CacheRead, UnitClass::ImageInput];
        match model.provider {
            // OpenAI writes its caches unasked.
            Provider::OpenAi => read.push(UnitClass::CacheWrite30m),
            Provider::Anthropic if head.extent.cache_1h => read.push(UnitClass::CacheWrite1h),
            Provider::Anthropic | Provider::Gemini => {}
        }
        if head.extent.cache_5m {
            read.push(UnitClass::CacheWrite5m);
        }
        if head.extent.unbounded {
            read.push(UnitClass::AudioInput);
        }
        let mut written = vec![UnitClass::Output, UnitClass::Reasoning];
        if head.media_out {
            written.extend([UnitClass::AudioOutput, UnitClass::ImageOutput]);
        }
        let longest = model.max_output.ok_or(Fault::Unpriced)?;
        Ok(Self {
            prompt: price(&read)?.of(prompt),
            price: price(&written)?,
            answer: head.output_limit.map_or(longest, |limit| limit.min(longest)),
            choices: head.choices,
            least: head.thinking_budget.saturating_add(1).max(LEAST_ANSWER),
        })
    }

    /// What has to be held for the call as it was asked for.
    ///
    /// # Errors
    /// [`Fault::Unpriced`] beyond any amount there is.
    pub(crate) fn amount(&self) -> Result<Pico, Fault> {
        self.of_answers(self.answer).ok_or(Fault::Unpriced)
    }

    /// For a caller who has set no limit and whose `balance` does not cover the longest answer:
    /// the limit to set, and what has to be held for it. It takes a quarter of the balance, so
    /// that other calls have room, or as much more as a useful answer needs.
    pub(crate) fn lowered(&self, balance: Pico) -> Option<(u64, Pico)> {
        let useful = self.of_answers(self.least.max(USEFUL_ANSWER))?.min(balance);
        let spent = balance.quarter().max(useful).checked_sub(self.prompt)?;
        let limit = self.price.affords(spent).checked_div(self.choices)?.min(self.answer);
        (limit >= self.least).then_some((limit, self.of_answers(limit)?))
    }

    fn of_answers(&self, tokens: u64) -> Option<Pico> {
        self.prompt.checked_add(self.price.of(tokens.checked_mul(self.choices)?))
    }
}

fn prompt_tokens(head: &Head) -> Result<u64, Fault> {
    let context = head.model.max_input.ok_or(Fault::Unpriced)?;
    if head.extent.unbounded {
        return Ok(context);
    }
    let text = head.body_bytes.saturating_sub(head.extent.image_bytes);
    let text = u64::try_from(text).unwrap_or(u64::MAX);
    let images = head.extent.images.saturating_mul(image_tokens(&head.model));
    let tools = if head.tools { TOOL_TOKENS } else { 0 };
    let all = text.saturating_add(images).saturating_add(tools).saturating_add(FRAME_TOKENS);
    Ok(all.min(context))
}

/// About how many tokens the prompt has, for a call whose provider does not say: one for every
/// four bytes of text, and a thousand for an image.
pub(crate) fn estimated_prompt(head: &Head) -> u64 {
    let text = head.body_bytes.saturating_sub(head.extent.image_bytes).div_ceil(4);
    let images = head.extent.images.saturating_mul(1_000);
    let all = u64::try_from(text).unwrap_or(u64::MAX).saturating_add(images);
    all.min(head.model.max_input.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_lowered_hold_is_covered_and_no_least_call_is_refused(
            prompt in 0_i128..1_000_000_000_000,
            price in 1_u64..100_000_000,
            answer in 1_000_u64..1_000_000,
            choices in 1_u64..4,
            least in 16_u64..40_000,
            balance in 0_i128..20_000_000_000_000,
        ) {
            let (prompt, price) = (Pico::new(prompt), Price::new(price));
            let bound = Bound { prompt, price, answer: answer.max(least), choices, least };
            let balance = Pico::new(balance);
            let covers_least = bound.of_answers(least).unwrap() <= balance;
            match bound.lowered(balance) {
                Some((limit, amount)) => {
                    prop_assert!(amount <= balance);
                    prop_assert!(limit >= least && limit <= bound.answer);
                    prop_assert_eq!(bound.of_answers(limit), Some(amount));
                }
                None => prop_assert!(!covers_least, "a false refusal"),
            }
        }
    }
}
