//! Where each second of an account is read.

use shared::{
    fault::Fault,
    store::{
        calls::{RECORD_LIFE, Span},
        wallet::Wallet,
    },
    time::{Day, Hour, Timestamp},
};

use crate::buckets::{Buckets, Width};

/// Where a piece of time is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Lines(Day, Day),
    Rollups(Hour, Hour),
    Records(Span),
}

/// Where each second of the buckets is read: a source once for all that is next to each other.
pub(crate) fn plan(
    buckets: &Buckets,
    wallet: &Wallet,
    now: Timestamp,
) -> Result<Vec<Piece>, Fault> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (from, to) in &buckets.bounds {
        let day = from.hour().day();
        let whole_day =
            buckets.width == Width::Day && day.first().start() == *from && day.last().end() == *to;
        if whole_day && is_stated(wallet, day) {
            push(&mut pieces, Piece::Lines(day, day));
            continue;
        }
        let mut at = *from;
        while at < *to {
            let hour = at.hour();
            let end = hour.end().min(*to);
            let whole = hour.start() == at && hour.end() == end;
            if whole_day && hour.start().plus(RECORD_LIFE) <= now {
                return Err(Fault::Unstated);
            }
            if buckets.width == Width::Minute || !whole || hour > wallet.closed {
                push(&mut pieces, Piece::Records(Span { from: at, to: end }));
            } else {
                push(&mut pieces, Piece::Rollups(hour, hour));
            }
            at = end;
        }
    }
    Ok(pieces)
}

/// Whether everything of a day is on its statement. What is out is not closed, and what was closed is
/// not on the statement until the wallet says so; another day has no calls.
fn is_stated(wallet: &Wallet, day: Day) -> bool {
    wallet.out.iter().all(|(hour, _)| hour.day() != day)
        && wallet.unstated.is_none_or(|unstated| day < unstated)
}

fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Lines(_, last)), Piece::Lines(first, to)) if last.next() == first => {
            *last = to
        }
        (Some(Piece::Rollups(_, last)), Piece::Rollups(first, to)) if last.next() == first => {
            *last = to;
        }
        (Some(Piece::Records(last)), Piece::Records(span)) if last.to == span.from => {
            last.to = span.to;
        }
        _ => pieces.push(piece),
    }
}
