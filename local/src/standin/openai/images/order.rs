//! What images are asked for, in either format.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::standin::call::Call;
use crate::standin::form::Form;
use crate::standin::openai::{read, refusal::Refusal};

/// The most images of one call.
const MOST_IMAGES: usize = 10;

/// The most previews of an image.
const MOST_PREVIEWS: usize = 3;

/// An order that can be carried out.
pub(super) struct Order {
    /// The prompt, in bytes.
    pub(super) prompt: usize,
    /// How many images it comes with.
    pub(super) inputs: usize,
    /// How many are made.
    pub(super) count: usize,
    /// How often each is shown before it is done.
    pub(super) previews: usize,
    pub(super) streams: bool,
}

impl Order {
    /// An order of images.
    pub(super) fn of_images(call: &Call) -> Result<Self, Refusal> {
        read::<Request>(call)?.order(0)
    }

    /// An order of edits.
    pub(super) fn of_edits(call: &Call) -> Result<Self, Refusal> {
        let is_json = call.header("content-type").is_none_or(|media| media.contains("json"));
        let request = if is_json { read(call)? } else { Request::of_form(call)? };
        let inputs = request.images.as_ref().map_or(0, Vec::len);
        if inputs == 0 {
            return Err(Refusal::NO_IMAGE);
        }
        request.order(inputs)
    }
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct Request {
    prompt: Option<String>,
    images: Option<Vec<IgnoredAny>>,
    n: Option<usize>,
    partial_images: Option<usize>,
    stream: Option<bool>,
}

impl Request {
    fn of_form(call: &Call) -> Result<Self, Refusal> {
        if !call.has_bearer() {
            return Err(Refusal::NO_KEY);
        }
        let form = Form::read(call).ok_or(Refusal::NO_FORM)?;
        // What is not a number is none that may be asked for.
        let number = |name| form.text(name).map(|text| text.parse().unwrap_or(usize::MAX));
        Ok(Self {
            prompt: form.text("prompt").map(str::to_owned),
            images: Some(form.all("image").map(|_| IgnoredAny).collect()),
            n: number("n"),
            partial_images: number("partial_images"),
            stream: form.text("stream").map(|text| text == "true"),
        })
    }

    fn order(self, inputs: usize) -> Result<Order, Refusal> {
        let prompt = self.prompt.filter(|prompt| !prompt.is_empty()).ok_or(Refusal::NO_PROMPT)?;
        let (count, previews) = (self.n.unwrap_or(1), self.partial_images.unwrap_or(0));
        let streams = self.stream == Some(true);
        if !(1..=MOST_IMAGES).contains(&count) {
            return Err(Refusal::IMAGES);
        }
        if previews > MOST_PREVIEWS {
            return Err(Refusal::PREVIEWS);
        }
        if streams && count > 1 {
            return Err(Refusal::ONE_IMAGE);
        }
        Ok(Order { prompt: prompt.len(), inputs, count, previews, streams })
    }
}
