//! A moment in speech, as each format writes it.

use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Milliseconds since the beginning.
#[derive(Clone, Copy)]
pub(super) struct Moment(u64);

impl Moment {
    pub(super) const BEGINNING: Self = Self(0);

    pub(super) fn after(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// This moment, were it so many of `whole` parts of the way.
    pub(super) fn part(self, parts: u64, whole: u64) -> Self {
        Self(self.0.saturating_mul(parts).checked_div(whole).unwrap_or_default())
    }

    /// As subtitles have it, with `point` before the milliseconds.
    pub(super) fn clock(self, point: char) -> String {
        let (seconds, thousandths) = (self.0 / 1_000, self.0 % 1_000);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        format!("{hours:02}:{minutes:02}:{seconds:02}{point}{thousandths:03}")
    }
}

/// In seconds, with a fraction.
impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        RawValue::from_string(seconds).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_seconds_or_as_a_clock() {
        let moment = Moment::after(3_725).part(1, 2);
        assert_eq!(serde_json::to_string(&moment).unwrap(), "1862.500");
        assert_eq!(moment.clock(','), "00:31:02,500");
        assert_eq!(Moment::after(3_725).clock('.'), "01:02:05.000");
        assert_eq!(Moment::after(1).part(1, 0).clock('.'), Moment::BEGINNING.clock('.'));
    }
}
