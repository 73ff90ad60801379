//! The headers in which a provider says how much of a rate limit is left.
//!
//! Sources: the pages on rate limits in the API references of `OpenAI` and Anthropic. Google has
//! no such headers, and none of them has any for calls at once.

use std::time::Duration;

use super::Dialect;
use crate::{
    rate::{Limited, Rate},
    time::Timestamp,
};

/// A header and its value.
pub type RateHeader = (&'static str, String);

impl Dialect {
    /// The headers that say how `rate` stands at `now`: its limit, what remains and the reset.
    /// None where this dialect has no such headers.
    pub fn rate_headers(self, rate: &Rate, now: Timestamp) -> Option<[RateHeader; 3]> {
        let names = match (self, rate.what) {
            (Self::OpenAi, Limited::Requests) => [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
            (Self::OpenAi, Limited::Tokens) => [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
            (Self::Anthropic, Limited::Requests) => [
                "anthropic-ratelimit-requests-limit",
                "anthropic-ratelimit-requests-remaining",
                "anthropic-ratelimit-requests-reset",
            ],
            (Self::Anthropic, Limited::Tokens) => [
                "anthropic-ratelimit-tokens-limit",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ],
            (Self::OpenAi | Self::Anthropic, Limited::Concurrency) | (Self::Gemini, _) => {
                return None;
            }
        };
        let reset = match self {
            Self::OpenAi => clock(rate.wait()),
            Self::Anthropic | Self::Gemini => {
                now.plus(Duration::from_secs(rate.wait())).to_string()
            }
        };
        let [limit, remaining, at] = names;
        Some([
            (limit, rate.limit.to_string()),
            (remaining, rate.remaining.to_string()),
            (at, reset),
        ])
    }
}

/// A time as `OpenAI` writes it: `1s`, `6m0s`, `1h0m0s`.
fn clock(seconds: u64) -> String {
    let (hours, minutes) = (seconds.div_euclid(3_600), seconds.div_euclid(60).rem_euclid(60));
    let seconds = seconds.rem_euclid(60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_written_as_openai_does() {
        for (seconds, text) in [(1, "1s"), (59, "59s"), (360, "6m0s"), (3_601, "1h0m1s")] {
            assert_eq!(clock(seconds), text);
        }
    }
}
