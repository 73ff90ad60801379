//! The periods that a budget may hold for.

use std::{fmt, str::FromStr};

use crate::time::Hour;

/// How long a budget lasts. A day and a month are UTC's, and are those of a call's hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Period {
    /// As long as the key.
    Total,
    /// A day.
    Day,
    /// A calendar month.
    Month,
}

impl Period {
    /// Every period.
    pub const ALL: [Self; 3] = [Self::Total, Self::Day, Self::Month];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }

    /// The one that `hour` lies in: nothing, `YYYYMMDD` or `YYYYMM`.
    pub fn of(self, hour: Hour) -> String {
        let mut name = hour.to_string();
        name.truncate(match self {
            Self::Total => 0,
            Self::Day => 8,
            Self::Month => 6,
        });
        name
    }
}

impl FromStr for Period {
    type Err = NotAPeriod;

    fn from_str(text: &str) -> Result<Self, NotAPeriod> {
        Self::named(text).ok_or(NotAPeriod)
    }
}

/// There is no such period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no such period")]
pub struct NotAPeriod;

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
