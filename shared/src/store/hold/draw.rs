//! What a hold takes of an item, how it is written, and what an item says to one that it refused.

use super::{
    Exceeded, Expression,
    pieces::{left_attribute, out_attribute, pieces, slot_attribute},
};
use crate::{
    id::CallId,
    limits::{Concurrent, MOST_CONCURRENT},
    money::Pico,
    period::Period,
    store::{
        Corrupt,
        item::Reader,
        tables::{Item, Terms},
    },
    time::{Hour, Minute, Timestamp},
};

/// What a hold takes of an item.
#[derive(Clone, Debug)]
pub(in crate::store) struct Draw<'a> {
    pub(in crate::store) call: &'a CallId,
    pub(in crate::store) amount: Pico,
    /// The budgets it counts against.
    pub(in crate::store) periods: &'a [Period],
    /// Whether it counts against a minute.
    pub(in crate::store) counted: bool,
    /// The tokens it may take, where those of a minute are limited.
    pub(in crate::store) tokens: Option<u64>,
    /// How many slots there are, where they are limited, and until when one is taken.
    pub(in crate::store) slots: Option<(Concurrent, Timestamp)>,
}

/// How a hold is written: what is opened with it, and which slot it takes.
#[derive(Clone, Debug)]
pub(in crate::store) struct Shape {
    minute: Minute,
    /// The limits of a minute that begins with this hold: calls and tokens.
    turned: Option<(Option<u64>, Option<u64>)>,
    /// Budgets that begin with this hold, and their limits.
    opened: Vec<(Period, Pico)>,
    tokens: Option<u64>,
    slot: Option<u8>,
}

/// What a hold has taken beside the amount, to be given back with its settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) struct Taken {
    pub(in crate::store) minute: Minute,
    pub(in crate::store) tokens: Option<u64>,
    pub(in crate::store) slot: Option<(u8, Timestamp)>,
}

/// What an item says to a hold that was refused.
pub(in crate::store) enum Verdict {
    /// It stands: the first sending was written and its answer lost.
    Stands,
    /// Its hour is closed.
    HourClosed,
    /// It is more than is left.
    Exceeded(Exceeded),
    /// It is to be written so.
    Again(Shape),
}

const COUNTS: &str =
    "(attribute_not_exists(#limit_requests) OR (#minute = :minute AND #left_requests >= :one))";
const COUNTS_TOKENS: &str =
    "(attribute_not_exists(#limit_tokens) OR (#minute = :minute AND #left_tokens >= :tokens))";
const TURNS: &str = "(attribute_not_exists(#minute) OR #minute < :minute)";
const IS_FREE: &str = "(attribute_not_exists(#slot) OR #slot <= :now)";

impl Draw<'_> {
    /// The shape of a hold when nothing turns.
    pub(in crate::store) fn usual(&self, now: Timestamp) -> Shape {
        // Calls begin at different slots, or each would be refused the ones before its own.
        let spread = self.call.as_str().bytes().map(usize::from).sum::<usize>();
        let slot = self.slots.and_then(|(slots, _)| {
            u8::try_from(spread.checked_rem(usize::from(slots.get()))?).ok()
        });
        Shape { minute: now.minute(), turned: None, opened: Vec::new(), tokens: self.tokens, slot }
    }

    /// What a hold in this shape has taken.
    pub(in crate::store) fn taken(&self, shape: &Shape) -> Taken {
        let slot = shape.slot.zip(self.slots.map(|(_, until)| until));
        Taken { minute: shape.minute, tokens: shape.tokens, slot }
    }

    /// Writes the hold into an expression.
    pub(in crate::store) fn write(
        &self,
        shape: &Shape,
        now: Timestamp,
        expression: &mut Expression,
        terms: &mut Terms,
    ) {
        let hour = self.call.hour();
        expression.add("#out :plus").set("#last = :call");
        expression
            .only_if("#closed < :hour")
            .only_if("(attribute_not_exists(#last) OR #last <> :call)");
        terms.name("#out", out_attribute(hour));
        terms.number(":plus", self.amount.pico());
        terms.number(":hour", hour);
        terms.text(":call", self.call.nonce());
        let mut draws = false;
        for period in self.periods {
            let pieces = pieces(*period);
            terms.name(pieces.left, left_attribute(*period, hour));
            let opened = shape.opened.iter().find(|(opened, _)| opened == period);
            if let Some((_, limit)) = opened {
                expression.set(pieces.open).only_if(pieces.opens);
                terms.number(pieces.opened, limit.less(self.amount).pico());
                terms.number(pieces.limit_value, limit.pico());
                terms.name(pieces.limit, pieces.limit_name);
            } else {
                expression.add(pieces.draw).only_if(pieces.covers);
                draws = true;
            }
        }
        if draws {
            terms.number(":minus", self.amount.negated().pico());
        }
        if self.counted {
            terms.number(":minute", shape.minute.number());
            match shape.turned {
                Some((requests, tokens)) => self.turn(shape, (requests, tokens), expression, terms),
                None => {
                    expression.add("#left_requests :less_one").only_if(COUNTS);
                    terms.number(":one", 1);
                    terms.number(":less_one", -1);
                    if let Some(tokens) = shape.tokens {
                        expression.add("#left_tokens :less_tokens").only_if(COUNTS_TOKENS);
                        terms.number(":tokens", tokens);
                        terms.number(":less_tokens", i128::from(tokens).saturating_neg());
                    }
                }
            }
        }
        if let (Some(slot), Some((_, until))) = (shape.slot, self.slots) {
            expression.set("#slot = :until").only_if(IS_FREE);
            terms.name("#slot", slot_attribute(slot));
            terms.number(":until", until.seconds());
            terms.number(":now", now.seconds());
        }
    }

    /// Begins a minute, under the limits that were seen.
    fn turn(
        &self,
        shape: &Shape,
        (requests, tokens): (Option<u64>, Option<u64>),
        expression: &mut Expression,
        terms: &mut Terms,
    ) {
        let less = |limit: Option<u64>, drawn: u64| {
            limit.map_or(0, i128::from).saturating_sub(drawn.into())
        };
        expression.set("#minute = :minute").set("#left_requests = :left_requests").only_if(TURNS);
        terms.number(":left_requests", less(requests, 1));
        match requests {
            Some(limit) => {
                expression.only_if("#limit_requests = :limit_requests");
                terms.number(":limit_requests", limit);
            }
            None => {
                expression.only_if("attribute_not_exists(#limit_requests)");
            }
        }
        if self.tokens.is_none() {
            return;
        }
        expression.set("#left_tokens = :left_tokens");
        terms.number(":left_tokens", less(tokens, shape.tokens.unwrap_or(0)));
        match tokens {
            Some(limit) => {
                expression.only_if("#limit_tokens = :limit_tokens");
                terms.number(":limit_tokens", limit);
            }
            None => {
                expression.only_if("attribute_not_exists(#limit_tokens)");
            }
        }
    }

    /// What an item that refused a hold in this shape says to it.
    pub(in crate::store) fn judge(
        &self,
        item: &Item,
        shape: &Shape,
        now: Timestamp,
    ) -> Result<Verdict, Corrupt> {
        let reader = Reader(item);
        if reader.optional_text("last") == Some(self.call.nonce()) {
            return Ok(Verdict::Stands);
        }
        if reader.number::<Hour>("closed")? >= self.call.hour() {
            return Ok(Verdict::HourClosed);
        }
        let mut again = self.usual(now);
        for period in self.periods {
            let Some(limit) = reader.optional_number(pieces(*period).limit_name)? else { continue };
            let limit = Pico::new(limit);
            let left = reader.optional_named(&left_attribute(*period, self.call.hour()))?;
            let covered = left.map_or(limit, Pico::new);
            if covered < self.amount {
                return Ok(Verdict::Exceeded(Exceeded::Budget(*period, covered)));
            }
            if left.is_none() {
                again.opened.push((*period, limit));
            }
        }
        if let Some(exceeded) = self.count(&reader, &mut again)? {
            return Ok(Verdict::Exceeded(exceeded));
        }
        if let Some((slots, _)) = self.slots {
            let most = reader.optional_number("limit_concurrent")?.unwrap_or(MOST_CONCURRENT);
            let free = |slot: &u8| {
                let until = item.get(&slot_attribute(*slot)).and_then(|it| it.as_n().ok());
                let until = until.and_then(|text| text.parse().ok()).unwrap_or(0);
                until <= now.seconds()
            };
            let first = shape.slot.unwrap_or(0);
            let some = (first..most).chain(0..first.min(most)).find(free);
            if some.is_none() {
                return Ok(Verdict::Exceeded(Exceeded::Concurrent(most.min(slots.get()))));
            }
            again.slot = some;
        }
        Ok(Verdict::Again(again))
    }

    /// Which minute it counts against, and whether that has room.
    fn count(&self, reader: &Reader<'_>, again: &mut Shape) -> Result<Option<Exceeded>, Corrupt> {
        let requests: Option<u64> = reader.optional_number("limit_requests")?;
        let tokens: Option<u64> = reader.optional_number("limit_tokens")?;
        if !self.counted || (requests.is_none() && (tokens.is_none() || self.tokens.is_none())) {
            return Ok(None);
        }
        // A call may take as many tokens as a minute has, and then has it to itself.
        again.tokens = self.tokens.map(|asked| tokens.map_or(asked, |limit| asked.min(limit)));
        let drawn = again.tokens.map_or(0, i128::from);
        let minute = reader.optional_number("minute")?.map(Minute::new);
        if minute.is_none_or(|minute| minute < again.minute) {
            again.turned = Some((requests, tokens));
            return Ok(None);
        }
        // Another's clock may be ahead, and its minute is the one that is counted.
        again.minute = minute.unwrap_or(again.minute);
        let left_requests: i128 = reader.optional_number("left_requests")?.unwrap_or(0);
        let left_tokens: i128 = reader.optional_number("left_tokens")?.unwrap_or(0);
        Ok(match (requests, tokens) {
            (Some(limit), _) if left_requests < 1 => Some(Exceeded::Requests(limit)),
            (_, Some(limit)) if left_tokens < drawn => {
                let left = u64::try_from(left_tokens).unwrap_or(0);
                Some(Exceeded::Tokens(limit, left))
            }
            _ => None,
        })
    }
}
