//! A rate limit as it stands: what a caller is told in words, and in its dialect's headers.

use std::{fmt, time::Duration};

/// One rate limit as it stands for one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What is limited.
    pub what: Limited,
    /// How much there can be at most.
    pub limit: u64,
    /// How much of that is left.
    pub remaining: u64,
    /// After how long there may be enough again.
    pub reset: Duration,
    /// Whose limit it is.
    pub whose: Whose,
}

/// What a rate limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limited {
    /// Calls in a window of time.
    Requests,
    /// Tokens in a window of time.
    Tokens,
    /// Calls at once.
    Concurrency,
}

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// The key's own.
    Key,
    /// The account's, over all of its keys.
    Account,
}

impl Rate {
    /// How many seconds to wait, the last begun one whole, and at least one.
    pub fn wait(&self) -> u64 {
        whole_seconds(self.reset)
    }
}

/// A wait as headers and messages have it: never shorter than it is, and at least one second.
pub fn whole_seconds(wait: Duration) -> u64 {
    let begun = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(begun).max(1)
}

/// `This key's limit of 60 requests is reached`, without a full stop.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = match self.whose {
            Whose::Key => "key",
            Whose::Account => "account",
        };
        let Self { limit, remaining, .. } = self;
        write!(f, "This {whose}'s limit of {limit} ")?;
        match self.what {
            Limited::Requests => f.write_str("requests is reached"),
            Limited::Tokens => {
                write!(f, "tokens does not cover this call: {remaining} are left")
            }
            Limited::Concurrency => f.write_str("calls at once is reached"),
        }
    }
}
