//! What may be spent and asked, of a key or of an account.

use std::{
    fmt::{self, Write},
    num::NonZeroU64,
    str::FromStr,
};

use crate::{money::Pico, period::Period};

/// The most calls that one key may have under way at once.
pub const MOST_CONCURRENT: u8 = 32;

/// The limits of a key or an account. What is none is not limited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What may be spent in all.
    pub total: Option<Pico>,
    /// What may be spent in a day.
    pub day: Option<Pico>,
    /// What may be spent in a calendar month.
    pub month: Option<Pico>,
    /// Calls that may begin in a minute.
    pub requests: Option<NonZeroU64>,
    /// Tokens that calls of a minute may take.
    pub tokens: Option<NonZeroU64>,
    /// Calls that may be under way at once.
    pub concurrent: Option<Concurrent>,
}

/// How many calls may be under way at once: 1 to [`MOST_CONCURRENT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Concurrent(u8);

impl Concurrent {
    /// From a number of calls.
    pub fn new(calls: u8) -> Option<Self> {
        (1..=MOST_CONCURRENT).contains(&calls).then_some(Self(calls))
    }

    /// The number of calls.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Limits {
    /// No limit of any kind.
    pub const NONE: Self = Self {
        total: None,
        day: None,
        month: None,
        requests: None,
        tokens: None,
        concurrent: None,
    };

    /// Whether there is any.
    pub fn any(&self) -> bool {
        *self != Self::NONE
    }

    /// What may be spent in a period.
    pub const fn spend(&self, period: Period) -> Option<Pico> {
        match period {
            Period::Total => self.total,
            Period::Day => self.day,
            Period::Month => self.month,
        }
    }

    /// Sets or lifts what may be spent in a period.
    #[must_use]
    pub const fn with_spend(mut self, period: Period, limit: Option<Pico>) -> Self {
        match period {
            Period::Total => self.total = limit,
            Period::Day => self.day = limit,
            Period::Month => self.month = limit,
        }
        self
    }
}

/// As the authorizer hands them on: `day=1000 requests=60`.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for period in Period::ALL {
            if let Some(limit) = self.spend(period) {
                write!(text, " {period}={}", limit.pico())?;
            }
        }
        for (name, limit) in [("requests", self.requests), ("tokens", self.tokens)] {
            if let Some(limit) = limit {
                write!(text, " {name}={limit}")?;
            }
        }
        if let Some(limit) = self.concurrent {
            write!(text, " concurrent={}", limit.get())?;
        }
        f.write_str(text.trim_start())
    }
}

/// The text is no list of limits.
#[derive(Debug, thiserror::Error)]
#[error("not a list of limits")]
pub struct NotLimits;

impl FromStr for Limits {
    type Err = NotLimits;

    fn from_str(text: &str) -> Result<Self, NotLimits> {
        text.split_whitespace().try_fold(Self::default(), |limits, word| {
            let (name, value) = word.split_once('=').ok_or(NotLimits)?;
            if let Some(period) = Period::named(name) {
                let pico = value.parse().map_err(|_| NotLimits)?;
                return Ok(limits.with_spend(period, Some(Pico::new(pico))));
            }
            let number = || value.parse().map_err(|_| NotLimits);
            Ok(match name {
                "requests" => Self { requests: Some(number()?), ..limits },
                "tokens" => Self { tokens: Some(number()?), ..limits },
                "concurrent" => {
                    let calls = value.parse().ok().and_then(Concurrent::new).ok_or(NotLimits)?;
                    Self { concurrent: Some(calls), ..limits }
                }
                _ => return Err(NotLimits),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_back_as_they_are_handed_on() {
        let all = Limits {
            total: Some(Pico::new(7)),
            day: Some(Pico::from_dollars(5)),
            month: Some(Pico::ZERO),
            requests: NonZeroU64::new(60),
            tokens: NonZeroU64::new(1_000_000),
            concurrent: Concurrent::new(32),
        };
        for limits in [Limits::default(), all] {
            assert_eq!(limits.to_string().parse::<Limits>().unwrap(), limits);
        }
        for wrong in ["day", "day=x", "requests=0", "concurrent=33", "concurrent=0", "hour=1"] {
            assert!(wrong.parse::<Limits>().is_err(), "{wrong}");
        }
    }
}
