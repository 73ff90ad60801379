//! A hold on an item that pays: a wallet, or a key with limits of its own. Both are under one law,
//! and these attributes of theirs mean the same.
//!
//! | attribute          | holds                                                            |
//! |--------------------|------------------------------------------------------------------|
//! | `out_YYYYMMDDHH`   | pico-dollars held or spent by calls of that hour, until its close |
//! | `closed`           | the last hour closed, as the number `YYYYMMDDHH`                 |
//! | `last`             | the last call that was given a hold                              |
//! | `limit_PERIOD`     | pico-dollars that may be spent in a `total`, `day` or `month`    |
//! | `left_total`, `left_YYYYMMDD`, `left_YYYYMM` | what of that is left; without a limit, below zero by what was spent; a key without any limit has none |
//! | `limit_requests`, `limit_tokens` | calls and tokens of a minute                       |
//! | `minute`           | the minute that is counted, as minutes since the epoch           |
//! | `left_requests`, `left_tokens` | what is left in it                                   |
//! | `limit_concurrent` | calls that may be under way at once                              |
//! | `s_N`              | until when, at the latest, the call in slot N is under way, seconds since the epoch |
//!
//! A period and a minute are opened by the first call in them: the store refuses it, shows the item
//! as it stands, and the hold is sent again in the shape that this asks for.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Corrupt, Table,
    item::{Reader, Writer},
    tables::{Item, Outcome, Tables, Terms, Write},
};
use crate::{
    id::CallId,
    limits::{Concurrent, Limits, MOST_CONCURRENT},
    money::Pico,
    period::Period,
    time::{Clock, Hour, Minute, Timestamp},
};

/// No write for an hour is signed later than this after its end. The close runs at minute 25, and
/// AWS takes no signature older than five minutes.
const LAST_WRITE: Duration = Duration::from_secs(15 * 60);

/// How long after its end an hour is closed. AWS takes nothing for it after twenty minutes; the
/// rest is for a clock that is ahead.
const CLOSE_AFTER: Duration = Duration::from_secs(25 * 60);

/// How often a hold is sent, in whichever shape the item asked for last. A period, a minute and a
/// slot may each turn once, and the others' calls may be faster.
pub(super) const SENDINGS: usize = 6;

/// Whether an hour is to be closed at `now`.
pub(super) fn is_due(hour: Hour, now: Timestamp) -> bool {
    now >= hour.end().plus(CLOSE_AFTER)
}

/// What of an item's limits a hold goes beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// A budget, of which this is left.
    Budget(Period, Pico),
    /// The calls of a minute, of which there may be so many.
    Requests(u64),
    /// The tokens of a minute: how many there may be, and how many are left.
    Tokens(u64, u64),
    /// The calls under way at once, of which there may be so many.
    Concurrent(u8),
}

/// What a hold takes of an item.
#[derive(Clone, Debug)]
pub(super) struct Draw<'a> {
    pub(super) call: &'a CallId,
    pub(super) amount: Pico,
    /// The budgets it counts against.
    pub(super) periods: &'a [Period],
    /// Whether it counts against a minute.
    pub(super) counted: bool,
    /// The tokens it may take, where those of a minute are limited.
    pub(super) tokens: Option<u64>,
    /// How many slots there are, where they are limited, and until when one is taken.
    pub(super) slots: Option<(Concurrent, Timestamp)>,
}

/// How a hold is written: what is opened with it, and which slot it takes.
#[derive(Clone, Debug)]
pub(super) struct Shape {
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
pub(super) struct Taken {
    pub(super) minute: Minute,
    pub(super) tokens: Option<u64>,
    pub(super) slot: Option<(u8, Timestamp)>,
}

/// What an item says to a hold that was refused.
pub(super) enum Verdict {
    /// It stands: the first sending was written and its answer lost.
    Stands,
    /// Its hour is closed.
    HourClosed,
    /// It is more than is left.
    Exceeded(Exceeded),
    /// It is to be written so.
    Again(Shape),
}

/// An update and its condition, piece by piece.
#[derive(Default)]
pub(super) struct Expression {
    add: Vec<&'static str>,
    set: Vec<&'static str>,
    remove: Vec<String>,
    conditions: Vec<&'static str>,
}

impl Expression {
    pub(super) fn add(&mut self, piece: &'static str) -> &mut Self {
        self.add.push(piece);
        self
    }

    pub(super) fn set(&mut self, piece: &'static str) -> &mut Self {
        self.set.push(piece);
        self
    }

    pub(super) fn remove(&mut self, attribute: impl Into<String>) -> &mut Self {
        self.remove.push(attribute.into());
        self
    }

    pub(super) fn only_if(&mut self, condition: &'static str) -> &mut Self {
        self.conditions.push(condition);
        self
    }

    pub(super) fn update(&self) -> String {
        let set = (!self.set.is_empty()).then(|| format!("SET {}", self.set.join(", ")));
        let add = (!self.add.is_empty()).then(|| format!("ADD {}", self.add.join(", ")));
        let gone = (!self.remove.is_empty()).then(|| format!("REMOVE {}", self.remove.join(", ")));
        let clauses: Vec<_> = [set, add, gone].into_iter().flatten().collect();
        clauses.join(" ")
    }

    pub(super) fn condition(&self) -> String {
        self.conditions.join(" AND ")
    }
}

/// The pieces of an expression that are about one period.
struct Pieces {
    left: &'static str,
    limit: &'static str,
    /// The attribute with the limit.
    limit_name: &'static str,
    draw: &'static str,
    give: &'static str,
    covers: &'static str,
    open: &'static str,
    opens: &'static str,
    opened: &'static str,
    limit_value: &'static str,
    limits: &'static str,
    was: &'static str,
    was_none: &'static str,
    old_value: &'static str,
    is_open: &'static str,
    is_not_open: &'static str,
    change: &'static str,
    change_value: &'static str,
}

macro_rules! pieces {
    ($period:literal) => {
        Pieces {
            left: concat!("#left_", $period),
            limit: concat!("#limit_", $period),
            limit_name: concat!("limit_", $period),
            draw: concat!("#left_", $period, " :minus"),
            give: concat!("#left_", $period, " :plus"),
            covers: concat!(
                "(attribute_not_exists(#limit_",
                $period,
                ") OR #left_",
                $period,
                " >= :plus)"
            ),
            open: concat!("#left_", $period, " = :left_", $period),
            opens: concat!(
                "attribute_not_exists(#left_",
                $period,
                ") AND #limit_",
                $period,
                " = :limit_",
                $period
            ),
            opened: concat!(":left_", $period),
            limit_value: concat!(":limit_", $period),
            limits: concat!("#limit_", $period, " = :limit_", $period),
            was: concat!("#limit_", $period, " = :old_", $period),
            was_none: concat!("attribute_not_exists(#limit_", $period, ")"),
            old_value: concat!(":old_", $period),
            is_open: concat!("attribute_exists(#left_", $period, ")"),
            is_not_open: concat!("attribute_not_exists(#left_", $period, ")"),
            change: concat!("#left_", $period, " :change_", $period),
            change_value: concat!(":change_", $period),
        }
    };
}

const fn pieces(period: Period) -> Pieces {
    match period {
        Period::Total => pieces!("total"),
        Period::Day => pieces!("day"),
        Period::Month => pieces!("month"),
    }
}

const COUNTS: &str =
    "(attribute_not_exists(#limit_requests) OR (#minute = :minute AND #left_requests >= :one))";
const COUNTS_TOKENS: &str =
    "(attribute_not_exists(#limit_tokens) OR (#minute = :minute AND #left_tokens >= :tokens))";
const TURNS: &str = "(attribute_not_exists(#minute) OR #minute < :minute)";
const IS_FREE: &str = "(attribute_not_exists(#slot) OR #slot <= :now)";

/// The attribute that says what of a period's budget is left.
pub(super) fn left_attribute(period: Period, hour: Hour) -> String {
    match period {
        Period::Total => LEFT_TOTAL.to_owned(),
        Period::Day | Period::Month => format!("left_{}", period.of(hour)),
    }
}

/// The attribute that says what is out of an hour.
pub(super) fn out_attribute(hour: Hour) -> String {
    format!("out_{hour}")
}

const LEFT_TOTAL: &str = "left_total";

fn slot_attribute(slot: u8) -> String {
    format!("s_{slot}")
}

impl Draw<'_> {
    /// The shape of a hold when nothing turns.
    pub(super) fn usual(&self, now: Timestamp) -> Shape {
        // Calls begin at different slots, or each would be refused the ones before its own.
        let spread = self.call.as_str().bytes().map(usize::from).sum::<usize>();
        let slot = self.slots.and_then(|(slots, _)| {
            u8::try_from(spread.checked_rem(usize::from(slots.get()))?).ok()
        });
        Shape { minute: now.minute(), turned: None, opened: Vec::new(), tokens: self.tokens, slot }
    }

    /// What a hold in this shape has taken.
    pub(super) fn taken(&self, shape: &Shape) -> Taken {
        let slot = shape.slot.zip(self.slots.map(|(_, until)| until));
        Taken { minute: shape.minute, tokens: shape.tokens, slot }
    }

    /// Writes the hold into an expression.
    pub(super) fn write(
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
        terms.text(":call", self.call);
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
    pub(super) fn judge(
        &self,
        item: &Item,
        shape: &Shape,
        now: Timestamp,
    ) -> Result<Verdict, Corrupt> {
        let reader = Reader(item);
        if reader.optional_text("last") == Some(self.call.as_str()) {
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

/// Why a hold was not placed.
pub(super) enum Unplaced<E> {
    /// There is no such item.
    NoItem,
    /// The item says so.
    Own(E),
    /// It is more than is left.
    Exceeded(Exceeded),
    /// The hour of the call is closed or too long past.
    HourClosed,
    /// It is not known what the store did, or the item is not what it should be.
    Unavailable,
    /// The store asks to slow down.
    Throttled,
}

/// An item that pays, as the writes of a hold and a settle name it.
pub(super) struct Purse {
    pub(super) table: Table,
    pub(super) key: Item,
}

/// Places a hold. `own` says what else this item wants of it, `refuse` what it then says.
///
/// A hold of unknown outcome is sent once more, which the condition on `last` makes safe. After
/// that a refusal that shows our own call means that it stands, and any other means nothing: the
/// first may yet be delivered.
pub(super) async fn place<T: Tables, E>(
    tables: &T,
    purse: &Purse,
    draw: &Draw<'_>,
    clock: Clock<'_>,
    own: impl Fn(&mut Expression, &mut Terms) + Send,
    refuse: impl Fn(&Item) -> Result<Option<E>, Corrupt> + Send,
) -> Result<Taken, Unplaced<E>> {
    let mut shape = draw.usual(clock());
    let (mut lost, mut throttled) = (false, false);
    for _ in 0..SENDINGS {
        let now = clock();
        if is_late(draw.call.hour(), now) {
            return Err(Unplaced::HourClosed);
        }
        let write = purse.write(|expression, terms| {
            own(expression, terms);
            draw.write(&shape, now, expression, terms);
        });
        match tables.write(write).await {
            Outcome::Done => return Ok(draw.taken(&shape)),
            Outcome::NothingWritten if throttled => return Err(Unplaced::Throttled),
            Outcome::NothingWritten => throttled = true,
            Outcome::Unknown if lost => return Err(Unplaced::Unavailable),
            Outcome::Unknown => lost = true,
            Outcome::Refused(None) => return Err(Unplaced::NoItem),
            Outcome::Refused(Some(item)) => {
                let verdict = draw.judge(&item, &shape, now).map_err(|_| Unplaced::Unavailable)?;
                if matches!(verdict, Verdict::Stands) {
                    return Ok(draw.taken(&shape));
                }
                if lost {
                    return Err(Unplaced::Unavailable);
                }
                if let Some(refused) = refuse(&item).map_err(|_| Unplaced::Unavailable)? {
                    return Err(Unplaced::Own(refused));
                }
                match verdict {
                    Verdict::Exceeded(exceeded) => return Err(Unplaced::Exceeded(exceeded)),
                    Verdict::HourClosed => return Err(Unplaced::HourClosed),
                    Verdict::Again(again) => shape = again,
                    Verdict::Stands => {}
                }
            }
        }
    }
    Err(Unplaced::Throttled)
}

/// What became of a settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The rest of the hold is back.
    Done,
    /// It is not known, or too late: the close of the hour returns it.
    LeftToTheClose,
}

/// Gives back what a call did not spend. Sent again only when it is proven that nothing was
/// written: a settle that is missing is a hold that returns late, one too many an overspend.
pub(super) async fn give_back<T: Tables>(
    tables: &T,
    purse: &Purse,
    mut back: Return<'_>,
    clock: Clock<'_>,
    own: impl Fn(&mut Expression, &mut Terms) + Send,
) -> Settled {
    for _ in 0..SENDINGS {
        if is_late(back.call.hour(), clock()) {
            break;
        }
        let write = purse.write(|expression, terms| {
            own(expression, terms);
            back.write(expression, terms);
        });
        match tables.write(write).await {
            Outcome::Done => return Settled::Done,
            Outcome::NothingWritten => {}
            Outcome::Refused(Some(item)) => {
                let rest = back.without_what_passed(&item);
                if (rest.tokens, rest.slot) == (back.tokens, back.slot) {
                    break;
                }
                back = rest;
            }
            Outcome::Refused(None) | Outcome::Unknown => break,
        }
    }
    Settled::LeftToTheClose
}

impl Purse {
    /// A write that goes out once. None of them makes an item, since each has a condition that
    /// compares an attribute, and what is not there compares to nothing.
    pub(super) fn write(&self, fill: impl FnOnce(&mut Expression, &mut Terms)) -> Write {
        let (mut expression, mut terms) = (Expression::default(), Terms::default());
        fill(&mut expression, &mut terms);
        let mut write = Write::update(self.table, self.key.clone(), expression.update())
            .only_if(expression.condition())
            .once();
        write.terms = terms;
        write
    }
}

/// Whether it is too late to write anything for `hour`.
pub(super) fn is_late(hour: Hour, now: Timestamp) -> bool {
    now > hour.end().plus(LAST_WRITE)
}

/// What a settle gives back to an item.
#[derive(Clone, Debug)]
pub(super) struct Return<'a> {
    pub(super) call: &'a CallId,
    pub(super) amount: Pico,
    pub(super) periods: &'a [Period],
    /// The minute, the tokens to give back to it, which may be fewer than none, and the slot.
    pub(super) minute: Minute,
    pub(super) tokens: Option<i128>,
    pub(super) slot: Option<(u8, Timestamp)>,
}

impl Return<'_> {
    /// Writes the return into an expression.
    pub(super) fn write(&self, expression: &mut Expression, terms: &mut Terms) {
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
        if let Some((slot, until)) = self.slot {
            // Once it has passed the slot is another's.
            expression.remove("#slot").only_if("#slot = :until");
            terms.name("#slot", slot_attribute(slot));
            terms.number(":until", until.seconds());
        }
    }

    /// The same, without what the item says has passed meanwhile.
    pub(super) fn without_what_passed(&self, item: &Item) -> Self {
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

/// What the close of an hour does to an item, of whose budgets this is left.
pub(super) fn write_close(
    left: &Left,
    hour: Hour,
    returned: Pico,
    expression: &mut Expression,
    terms: &mut Terms,
) {
    // Nothing is out of a closed hour, so this is also the watermark's condition.
    expression.set("#closed = :hour").only_if("#out = :out");
    expression.remove("#out");
    terms.name("#out", out_attribute(hour));
    terms.number(":hour", hour);
    if returned > Pico::ZERO {
        for period in Period::ALL {
            let name = left_attribute(period, hour);
            if left.0.contains_key(&name) {
                let pieces = pieces(period);
                expression.add(pieces.give);
                terms.name(pieces.left, name);
                terms.number(":plus", returned.pico());
            }
        }
    }
    // No call of an earlier day or month can come any more.
    for name in left.0.keys() {
        let earlier = [Period::Day, Period::Month].into_iter().any(|period| {
            let this = left_attribute(period, hour);
            name.len() == this.len() && *name < this
        });
        if earlier && *name != LEFT_TOTAL {
            expression.remove(format!("#{name}"));
        }
    }
}

/// Sets limits in place of those that `item` has, at `hour`: what is left of a budget changes by as
/// much as the budget. It is on condition that nobody has done so since `item` was read.
pub(super) fn write_limits(
    item: &Item,
    limits: &Limits,
    hour: Hour,
    expression: &mut Expression,
    terms: &mut Terms,
) -> Result<(), Corrupt> {
    let reader = Reader(item);
    for period in Period::ALL {
        let pieces = pieces(period);
        let old: Option<i128> = reader.optional_number(pieces.limit_name)?;
        let new = limits.spend(period).map(Pico::pico);
        if old == new {
            continue;
        }
        expression.only_if(if old.is_some() { pieces.was } else { pieces.was_none });
        if let Some(old) = old {
            terms.number(pieces.old_value, old);
        }
        match new {
            Some(new) => {
                expression.set(pieces.limits);
                terms.number(pieces.limit_value, new);
            }
            None => {
                expression.remove(pieces.limit);
            }
        }
        let left = left_attribute(period, hour);
        let opened = item.contains_key(&left);
        terms.name(pieces.left, left);
        expression.only_if(if opened { pieces.is_open } else { pieces.is_not_open });
        if opened {
            expression.add(pieces.change);
            let change = new.unwrap_or(0).saturating_sub(old.unwrap_or(0));
            terms.number(pieces.change_value, change);
        }
    }
    let numbers = [
        (
            "#limit_requests",
            "#limit_requests = :limit_requests",
            ":limit_requests",
            limits.requests,
        ),
        ("#limit_tokens", "#limit_tokens = :limit_tokens", ":limit_tokens", limits.tokens),
    ];
    for (attribute, set, value, limit) in numbers {
        match limit {
            Some(limit) => {
                expression.set(set);
                terms.number(value, limit);
            }
            None => {
                expression.remove(attribute);
            }
        }
    }
    match limits.concurrent {
        Some(limit) => {
            expression.set("#limit_concurrent = :limit_concurrent");
            terms.number(":limit_concurrent", limit.get());
        }
        None => {
            expression.remove("#limit_concurrent");
        }
    }
    Ok(())
}

/// Writes limits into a new item.
pub(super) fn encode_limits(mut item: Writer, limits: &Limits) -> Writer {
    for period in Period::ALL {
        if let Some(limit) = limits.spend(period) {
            item = item.money(pieces(period).limit_name, limit);
        }
    }
    for (name, limit) in [("limit_requests", limits.requests), ("limit_tokens", limits.tokens)] {
        if let Some(limit) = limit {
            item = item.number(name, limit);
        }
    }
    match limits.concurrent {
        Some(limit) => item.number("limit_concurrent", limit.get()),
        None => item,
    }
}

/// The limits that an item has.
pub(super) fn limits_of(item: &Item) -> Result<Limits, Corrupt> {
    let reader = Reader(item);
    let mut limits = Limits {
        requests: reader.optional_number("limit_requests")?,
        tokens: reader.optional_number("limit_tokens")?,
        concurrent: reader.optional_number("limit_concurrent")?.and_then(Concurrent::new),
        ..Limits::default()
    };
    for period in Period::ALL {
        let limit = reader.optional_number(pieces(period).limit_name)?.map(Pico::new);
        limits = limits.with_spend(period, limit);
    }
    Ok(limits)
}

/// What is left of budgets, by attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left(BTreeMap<String, Pico>);

impl Left {
    /// Those of an item.
    pub(super) fn of(item: &Item) -> Result<Self, Corrupt> {
        let mut left = BTreeMap::new();
        for (name, value) in item {
            let Some(period) = name.strip_prefix("left_") else { continue };
            if name == LEFT_TOTAL || period.bytes().all(|byte| byte.is_ascii_digit()) {
                let pico = value.as_n().ok().and_then(|text| text.parse().ok());
                left.insert(name.clone(), Pico::new(pico.ok_or(Corrupt("left_"))?));
            }
        }
        Ok(Self(left))
    }

    /// What is left in the period that `hour` lies in, once a call has opened it.
    pub fn in_period(&self, period: Period, hour: Hour) -> Option<Pico> {
        self.0.get(&left_attribute(period, hour)).copied()
    }
}

/// What is out by hour, the oldest first.
pub(super) fn out_of(item: &Item) -> Result<Vec<(Hour, Pico)>, Corrupt> {
    let mut out = Vec::new();
    for (name, value) in item {
        let Some(hour) = name.strip_prefix("out_") else { continue };
        let hour = hour.parse().map_err(|_| Corrupt("out_"))?;
        let pico = value.as_n().ok().and_then(|text| text.parse().ok());
        out.push((hour, Pico::new(pico.ok_or(Corrupt("out_"))?)));
    }
    out.sort_unstable();
    Ok(out)
}
