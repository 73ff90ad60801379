//! A hold on an item that pays: a wallet, or a key with limits of its own. Both are under one law,
//! and these attributes of theirs mean the same.
//!
//! | attribute          | holds                                                            |
//! |--------------------|------------------------------------------------------------------|
//! | `out_YYYYMMDDHH`   | pico-dollars held or spent by calls of that hour, until its close |
//! | `closed`           | the last hour closed, as the number `YYYYMMDDHH`                 |
//! | `last`             | what is random of the id of the last call that was given a hold  |
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

mod back;
mod close;
mod draw;
mod expression;
mod limits;
mod pieces;

use std::time::Duration;

pub use self::close::Left;
use self::draw::Verdict;
pub(super) use self::{
    back::{Return, write_free},
    close::{out_of, write_close},
    draw::{Draw, Taken},
    expression::Expression,
    limits::{encode_limits, limits_of, write_limits},
};
use super::{
    Corrupt, Table,
    tables::{Item, Outcome, Tables, Terms, Write},
};
use crate::{
    money::Pico,
    period::Period,
    time::{Clock, Hour, Timestamp},
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
            Outcome::Unknown if lost => {
                if let Some(slot) = draw.taken(&shape).slot {
                    free(tables, purse, slot).await;
                }
                return Err(Unplaced::Unavailable);
            }
            Outcome::Unknown => lost = true,
            Outcome::Refused(None) => return Err(Unplaced::NoItem),
            Outcome::Refused(Some(item)) => {
                let verdict = draw.judge(&item, &shape, now).map_err(|_| Unplaced::Unavailable)?;
                if matches!(verdict, Verdict::Stands) {
                    return Ok(draw.taken(&shape));
                }
                if lost {
                    if let Some(slot) = draw.taken(&shape).slot {
                        free(tables, purse, slot).await;
                    }
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
    if let Some(slot) = back.slot {
        free(tables, purse, slot).await;
    }
    Settled::LeftToTheClose
}

/// Frees a slot where it is not known whether it is. Conditional on its being this call's, so that
/// it can be sent again; where it fails, the slot is free when the call would be over.
async fn free<T: Tables>(tables: &T, purse: &Purse, slot: (u8, Timestamp)) {
    let write = purse.write(|expression, terms| write_free(slot, expression, terms));
    tables.write(write.repeated()).await;
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
