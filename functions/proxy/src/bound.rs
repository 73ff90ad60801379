//! The most a call can cost, which is what is held for it.

use shared::{
    fault::Fault,
    money::{Pico, Price},
    provider::Provider,
    units::UnitClass,
};

use crate::{
    ask::{Answer, Ask},
    head::Head,
    rates::{FRAME_TOKENS, Rates},
    tools::Search,
};

/// The most that one search of `OpenAI`'s puts before the model: its searches work in a context of
/// this size, whatever the model's own.
const SEARCH_TOKENS: u64 = 128_000;

/// The shortest answer worth having, where the balance does not cover a long one.
const USEFUL_ANSWER: u64 = 1_024;

/// The shortest answer that is held for at all.
const LEAST_ANSWER: u64 = 16;

/// The most a call can cost, by its parts.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The prompt, whatever the answer: with as many searches as may be made, and where that can
    /// be limited, with one.
    prompts: Vec<(Option<u64>, Pico)>,
    /// The tokens of the prompt.
    read: u64,
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

/// What is held for a call, and on what terms: what of it is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The longest answer, if it is limited.
    pub limit: Option<u64>,
    /// How many searches there may be, if there are any to limit.
    pub searches: Option<u64>,
    /// What is held then.
    pub amount: Pico,
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
            Ask::Nothing => Ok(Self::fixed((Pico::ZERO, 0))),
        }
    }

    /// A cost that nothing can lower, and the tokens it is for.
    fn fixed((amount, read): (Pico, u64)) -> Self {
        let prompts = vec![(None, amount)];
        let price = Price::new(0);
        let limited = false;
        Self { prompts, read, price, answer: 0, choices: 0, beside: 0, least: 0, limited }
    }

    /// The bound of one answer of up to `answer` tokens at `price` to a prompt of `read` tokens
    /// that costs `prompt`, which the caller has not limited.
    pub fn of_one(read: u64, prompt: Pico, price: Price, answer: u64) -> Self {
        let prompts = vec![(None, prompt)];
        let (choices, beside, least) = (1, 0, LEAST_ANSWER);
        Self { prompts, read, price, answer, choices, beside, least, limited: true }
    }

    /// The terms of the least hold: the shortest answer that makes sense, and the fewest searches,
    /// as far as the caller has left them open.
    pub fn least(&self) -> Option<Terms> {
        let (searches, prompt) = self.prompts.last()?;
        let limit = self.limited.then(|| self.least.min(self.answer));
        let amount = self.of_answers(*prompt, limit.unwrap_or(self.answer))?;
        Some(Terms { limit, searches: *searches, amount })
    }

    /// The most tokens that the call takes on these terms.
    pub(crate) fn tokens(&self, terms: &Terms) -> u64 {
        let written = terms.limit.unwrap_or(self.answer).saturating_add(self.beside);
        self.read.saturating_add(written.saturating_mul(self.choices))
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
        let searched = |times: u64| -> Result<(Pico, u64), Fault> {
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
            let tokens = tokens.saturating_add(full);
            let amount = price_read.of(tokens).checked_add(searches).ok_or(Fault::Unpriced)?;
            Ok((amount, tokens))
        };
        // Prompts of a list share the bytes of the body, and each has a frame of its own.
        let listed = rates.text_and_media(&ask.prompt)?;
        let listed = listed.saturating_add(ask.prompt.count.saturating_mul(FRAME_TOKENS));
        let read_in_all = match ask.prompt.count {
            0 | 1 if ask.compacted => prompt.saturating_mul(2),
            0 | 1 => prompt,
            _ => listed,
        };
        let (prompts, read) = match &ask.tools.search {
            None => (vec![(None, price_read.of(read_in_all))], read_in_all),
            Some(Search { times, place: None, .. }) => {
                let (amount, tokens) = searched(*times)?;
                (vec![(None, amount)], tokens)
            }
            Some(Search { times, .. }) => {
                let (amount, tokens) = searched(*times)?;
                (vec![(Some(*times), amount), (Some(1), searched(1)?.0)], tokens)
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
            read,
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
    pub(crate) fn asked(&self) -> Result<Terms, Fault> {
        let (searches, prompt) = self.prompts.first().ok_or(Fault::Internal)?;
        let amount = self.of_answers(*prompt, self.answer).ok_or(Fault::Unpriced)?;
        Ok(Terms { limit: None, searches: *searches, amount })
    }

    /// For a caller whose `balance` does not cover that and who has left something open: what is
    /// limited, and what has to be held for it. It takes a quarter of the balance, so that other
    /// calls have room, or as much more as a useful answer needs.
    pub(crate) fn lowered(&self, balance: Pico) -> Option<Terms> {
        self.prompts.iter().find_map(|(searches, prompt)| {
            if !self.limited {
                let amount = self.of_answers(*prompt, self.answer)?;
                return (amount <= balance).then_some(Terms {
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
            Some(Terms { limit: Some(limit), searches: *searches, amount })
        })
    }

    fn of_answers(&self, prompt: Pico, tokens: u64) -> Option<Pico> {
        let written = tokens.checked_add(self.beside)?.checked_mul(self.choices)?;
        prompt.checked_add(self.price.of(written))
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
            let bound = Bound { prompts, read: 0, price, answer, choices, beside, least, limited: true };
            let balance = Pico::new(balance);
            let covers_least = bound.of_answers(prompt, least).unwrap() <= balance;
            match bound.lowered(balance) {
                Some(Terms { limit: Some(limit), searches, amount }) => {
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
