//! OpenAI's images, made and edited. It is always the same one.

mod order;
mod wire;

use http::StatusCode;

use self::order::Order;
use self::wire::{Images, Usage, events};
use super::refusal::Refusal;
use super::{EVENTS, named_frame};
use crate::standin::answer::Answer;
use crate::standin::call::Call;

/// Makes images.
pub(super) fn generate(call: &Call) -> Result<Answer, Refusal> {
    Ok(answer("image_generation", &Order::of_images(call)?))
}

/// Edits images.
pub(super) fn edit(call: &Call) -> Result<Answer, Refusal> {
    Ok(answer("image_edit", &Order::of_edits(call)?))
}

fn answer(family: &str, order: &Order) -> Answer {
    let usage = Usage::of(order);
    if order.streams {
        let events = events(order, usage).map(|(name, event)| {
            let name = format!("{family}.{name}");
            named_frame(&name, &event.called(&name))
        });
        return Answer::stream(EVENTS, events.collect());
    }
    Answer::json(StatusCode::OK, &Images::new(order.count, usage))
}

#[cfg(test)]
mod tests;
