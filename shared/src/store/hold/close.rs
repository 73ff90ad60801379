//! What the close of an hour does to an item, and what it reads of it.

use std::collections::BTreeMap;

use super::{
    Expression,
    pieces::{LEFT_TOTAL, left_attribute, out_attribute, pieces},
};
use crate::{
    money::Pico,
    period::Period,
    store::{
        Corrupt,
        tables::{Item, Terms},
    },
    time::Hour,
};

/// What the close of an hour does to an item, of whose budgets this is left.
pub(in crate::store) fn write_close(
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

/// What is left of budgets, by attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left(BTreeMap<String, Pico>);

impl Left {
    /// Those of an item.
    pub(in crate::store) fn of(item: &Item) -> Result<Self, Corrupt> {
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
pub(in crate::store) fn out_of(item: &Item) -> Result<Vec<(Hour, Pico)>, Corrupt> {
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
