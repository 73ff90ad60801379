//! The limits of an item.

use super::{
    Expression,
    pieces::{left_attribute, pieces},
};
use crate::{
    limits::{Concurrent, Limits},
    money::Pico,
    period::Period,
    store::{
        Corrupt,
        item::{Reader, Writer},
        tables::{Item, Terms},
    },
    time::Hour,
};

/// Sets limits in place of those that `item` has, at `hour`: what is left of a budget changes by as
/// much as the budget. It is on condition that nobody has done so since `item` was read.
pub(in crate::store) fn write_limits(
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
pub(in crate::store) fn encode_limits(mut item: Writer, limits: &Limits) -> Writer {
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
pub(in crate::store) fn limits_of(item: &Item) -> Result<Limits, Corrupt> {
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
