//! The bodies and events of OpenAI's images. A field's place here is its place on the wire.

use serde::Serialize;

use super::order::Order;
use crate::standin::call::tokens;
use crate::standin::openai::CREATED;
use crate::standin::picture::PNG;

/// What an image that is sent comes to.
const INPUT_TOKENS: u64 = 323;

/// What an image that is made comes to: a square one, of low quality.
const IMAGE_TOKENS: u64 = 272;

/// And what showing it before it is done adds.
const PREVIEW_TOKENS: u64 = 100;

const BACKGROUND: &str = "opaque";
const FORMAT: &str = "png";
const QUALITY: &str = "low";
const SIZE: &str = "1024x1024";

/// A whole answer.
#[derive(Serialize)]
pub(super) struct Images {
    created: u64,
    background: &'static str,
    data: Vec<Image>,
    output_format: &'static str,
    quality: &'static str,
    size: &'static str,
    usage: Usage,
}

#[derive(Clone, Serialize)]
struct Image {
    b64_json: &'static str,
}

impl Images {
    pub(super) fn new(count: usize, usage: Usage) -> Self {
        Self {
            created: CREATED,
            background: BACKGROUND,
            data: vec![Image { b64_json: PNG }; count],
            output_format: FORMAT,
            quality: QUALITY,
            size: SIZE,
            usage,
        }
    }
}

/// One event of a stream.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    created_at: u64,
    size: &'static str,
    quality: &'static str,
    background: &'static str,
    output_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_image_index: Option<usize>,
    b64_json: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

impl<'a> Event<'a> {
    fn new(partial_image_index: Option<usize>, usage: Option<Usage>) -> Self {
        Self {
            kind: "",
            created_at: CREATED,
            size: SIZE,
            quality: QUALITY,
            background: BACKGROUND,
            output_format: FORMAT,
            partial_image_index,
            b64_json: PNG,
            usage,
        }
    }

    /// The same under this name.
    pub(super) fn called(self, kind: &'a str) -> Self {
        Self { kind, ..self }
    }
}

/// The events of a stream, by the last part of their names.
pub(super) fn events(
    order: &Order,
    usage: Usage,
) -> impl Iterator<Item = (&'static str, Event<'static>)> {
    let previews =
        (0..order.previews).map(|index| ("partial_image", Event::new(Some(index), None)));
    previews.chain([("completed", Event::new(None, Some(usage)))])
}

/// What was used. Each detail is a part of the count it details; total is input and output.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Usage {
    input_tokens: u64,
    input_tokens_details: Details,
    output_tokens: u64,
    output_tokens_details: Details,
    total_tokens: u64,
}

#[derive(Clone, Copy, Serialize)]
struct Details {
    image_tokens: u64,
    text_tokens: u64,
}

impl Usage {
    pub(super) fn of(order: &Order) -> Self {
        let times =
            |count: usize, each: u64| u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(each);
        let (sent, told) = (times(order.inputs, INPUT_TOKENS), tokens(order.prompt));
        let previews = if order.streams { times(order.previews, PREVIEW_TOKENS) } else { 0 };
        let made = times(order.count, IMAGE_TOKENS).saturating_add(previews);
        let input_tokens = sent.saturating_add(told);
        Self {
            input_tokens,
            input_tokens_details: Details { image_tokens: sent, text_tokens: told },
            output_tokens: made,
            output_tokens_details: Details { image_tokens: made, text_tokens: 0 },
            total_tokens: input_tokens.saturating_add(made),
        }
    }
}
