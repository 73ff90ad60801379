//! The most a call can cost, which is what is held for it.

use shared::{catalogue::Model, fault::Fault, money::Pico, provider::Provider, units::UnitClass};

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

/// The upper bound of the cost of the call.
///
/// A token is never shorter than a byte, so text is bounded by its bytes; what the body does not
/// tell is bounded by the model's context.
///
/// # Errors
/// [`Fault::Unpriced`] when anything the call could use has no price.
pub(crate) fn most(head: &Head) -> Result<Pico, Fault> {
    let model = &head.model;
    let prompt = prompt_tokens(head)?;
    let answer = answer_tokens(head)?;
    let price = |classes: &[UnitClass]| model.ceiling(classes, prompt).map_err(|_| Fault::Unpriced);
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
    let most = price(&read)?.of(prompt).checked_add(price(&written)?.of(answer));
    most.ok_or(Fault::Unpriced)
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

fn answer_tokens(head: &Head) -> Result<u64, Fault> {
    let longest = head.model.max_output.ok_or(Fault::Unpriced)?;
    let one = head.output_limit.map_or(longest, |limit| limit.min(longest));
    Ok(one.saturating_mul(head.choices))
}
