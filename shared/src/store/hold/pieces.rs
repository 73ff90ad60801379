//! The attributes of a hold, and the pieces of an expression that are about one period.

use crate::{period::Period, time::Hour};

/// The pieces of an expression that are about one period.
pub(in crate::store) struct Pieces {
    pub(in crate::store) left: &'static str,
    pub(in crate::store) limit: &'static str,
    /// The attribute with the limit.
    pub(in crate::store) limit_name: &'static str,
    pub(in crate::store) draw: &'static str,
    pub(in crate::store) give: &'static str,
    pub(in crate::store) covers: &'static str,
    pub(in crate::store) open: &'static str,
    pub(in crate::store) opens: &'static str,
    pub(in crate::store) opened: &'static str,
    pub(in crate::store) limit_value: &'static str,
    pub(in crate::store) limits: &'static str,
    pub(in crate::store) was: &'static str,
    pub(in crate::store) was_none: &'static str,
    pub(in crate::store) old_value: &'static str,
    pub(in crate::store) is_open: &'static str,
    pub(in crate::store) is_not_open: &'static str,
    pub(in crate::store) change: &'static str,
    pub(in crate::store) change_value: &'static str,
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

pub(in crate::store) const fn pieces(period: Period) -> Pieces {
    match period {
        Period::Total => pieces!("total"),
        Period::Day => pieces!("day"),
        Period::Month => pieces!("month"),
    }
}

/// The attribute that says what of a period's budget is left.
pub(in crate::store) fn left_attribute(period: Period, hour: Hour) -> String {
    match period {
        Period::Total => LEFT_TOTAL.to_owned(),
        Period::Day | Period::Month => format!("left_{}", period.of(hour)),
    }
}

/// The attribute that says what is out of an hour.
pub(in crate::store) fn out_attribute(hour: Hour) -> String {
    format!("out_{hour}")
}

pub(in crate::store) const LEFT_TOTAL: &str = "left_total";

pub(in crate::store) fn slot_attribute(slot: u8) -> String {
    format!("s_{slot}")
}
