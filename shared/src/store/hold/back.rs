//! What a settle gives back to an item.

use super::{
    Expression,
    pieces::{left_attribute, out_attribute, pieces, slot_attribute},
};
use crate::{
    id::CallId,
    money::Pico,
    period::Period,
    store::{
        item::Reader,
        tables::{Item, Terms},
    },
    time::{Minute, Timestamp},
};

/// What a settle gives back to an item.
#[derive(Clone, Debug)]
pub(in crate::store) struct Return<'a> {
    pub(in crate::store) call: &'a CallId,
    pub(in crate::store) amount: Pico,
    pub(in crate::store) periods: &'a [Period],
    /// The minute, the tokens to give back to it, which may be fewer than none, and the slot.
    pub(in crate::store) minute: Minute,
    pub(in crate::store) tokens: Option<i128>,
    pub(in crate::store) slot: Option<(u8, Timestamp)>,
}

/// Frees a slot, if it is still this call's: once it has passed it is another's.
pub(in crate::store) fn write_free(
    (slot, until): (u8, Timestamp),
    expression: &mut Expression,
    terms: &mut Terms,
) {
    expression.remove("#slot").only_if("#slot = :until");
    terms.name("#slot", slot_attribute(slot));
    terms.number(":until", until.seconds());
}

impl Return<'_> {
    /// Writes the return into an expression.
    pub(in crate::store) fn write(&self, expression: &mut Expression, terms: &mut Terms) {
        let hour = self.call.hour();
        expression.add("#out :minus").only_if("#closed < :hour");
        terms.name("#out", out_attribute(hour));
        terms.number(":minus", self.amount.negated().pico());
        terms.number(":hour", hour);
        for period in self.periods {
            let pieces = pieces(*period);
            expression.add(pieces.give);
            terms.name(pieces.left, left_attribute(*period, hour));
        }
        if !self.periods.is_empty() {
            terms.number(":plus", self.amount.pico());
        }
        if let Some(tokens) = self.tokens {
            expression.add("#left_tokens :tokens").only_if("#minute = :minute");
            terms.number(":tokens", tokens);
            terms.number(":minute", self.minute.number());
        }
        if let Some(slot) = self.slot {
            write_free(slot, expression, terms);
        }
    }

    /// The same, without what the item says has passed meanwhile.
    pub(in crate::store) fn without_what_passed(&self, item: &Item) -> Self {
        let reader = Reader(item);
        let minute = reader.optional_number("minute").ok().flatten().map(Minute::new);
        let tokens = self.tokens.filter(|_| minute == Some(self.minute));
        let slot = self.slot.filter(|(slot, until)| {
            let taken = reader.optional_named(&slot_attribute(*slot)).ok().flatten();
            taken == Some(i128::from(until.seconds()))
        });
        Self { tokens, slot, ..self.clone() }
    }
}
