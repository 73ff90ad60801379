//! Instants and hours. The only place that reads the clock.

use std::{fmt, str::FromStr, time::Duration};

const MILLIS_PER_SECOND: i64 = 1_000;
const MINUTES_PER_HOUR: i64 = 60;
const HOURS_PER_DAY: i64 = 24;
const MILLIS_PER_MINUTE: i64 = 60 * MILLIS_PER_SECOND;
const MILLIS_PER_HOUR: i64 = 3_600 * MILLIS_PER_SECOND;

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. Shown in UTC to the second, as RFC 3339
/// has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 9999-12-30T00:00:00Z: a day later there are moments that cannot be written.
    pub const LAST: Self = Self::from_seconds(253_402_128_000);

    /// Reads the clock.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    pub fn now() -> Self {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds since the epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MILLIS_PER_SECOND))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(MILLIS_PER_SECOND)
    }

    /// The hour this moment lies in.
    pub const fn hour(self) -> Hour {
        Hour(self.0.div_euclid(MILLIS_PER_HOUR))
    }

    /// The minute this moment lies in.
    pub const fn minute(self) -> Minute {
        Minute(self.0.div_euclid(MILLIS_PER_MINUTE))
    }

    /// How long it is from `earlier` to this moment; nothing if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// This moment and `duration` less.
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment and `duration` more.
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = jiff::Timestamp::from_second(self.seconds()).map_err(|_| fmt::Error)?;
        write!(f, "{second}")
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| NotATime)?;
        Ok(Self(moment.as_millisecond()))
    }
}

/// The text is no moment in the form of RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a moment of the form YYYY-MM-DDThh:mm:ssZ")]
pub struct NotATime;

/// Reads a clock. A write that must not be late reads it again before every attempt.
pub type Clock<'a> = &'a (dyn Fn() -> Timestamp + Sync);

/// One hour in UTC. Shown as `YYYYMMDDHH`, which sorts as time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(i64);

impl Hour {
    /// The first moment after this hour.
    pub const fn end(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1).saturating_mul(MILLIS_PER_HOUR))
    }

    /// The first moment of this hour.
    pub const fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(MILLIS_PER_HOUR))
    }

    /// The day this hour lies in.
    pub const fn day(self) -> Day {
        Day(self.0.div_euclid(HOURS_PER_DAY))
    }

    /// The hour after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The hour before this one.
    pub const fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.saturating_mul(MILLIS_PER_HOUR);
        let start = jiff::Timestamp::from_millisecond(start).map_err(|_| fmt::Error)?;
        write!(f, "{}", start.strftime("%Y%m%d%H"))
    }
}

impl FromStr for Hour {
    type Err = NotAnHour;

    fn from_str(text: &str) -> Result<Self, NotAnHour> {
        let digits = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits {
            return Err(NotAnHour);
        }
        let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M", format!("{text}00"))
            .map_err(|_| NotAnHour)?;
        let start = jiff::tz::TimeZone::UTC.to_timestamp(civil).map_err(|_| NotAnHour)?;
        Ok(Timestamp(start.as_millisecond()).hour())
    }
}

/// One minute in UTC, counted from the epoch. Shown as `YYYYMMDDHHMM`, which sorts as time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute(i64);

impl Minute {
    /// By its number.
    pub const fn new(number: i64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The first moment after it.
    pub const fn end(self) -> Timestamp {
        Timestamp(self.0.saturating_add(1).saturating_mul(MILLIS_PER_MINUTE))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hour = Timestamp(self.0.saturating_mul(MILLIS_PER_MINUTE)).hour();
        write!(f, "{hour}{:02}", self.0.rem_euclid(MINUTES_PER_HOUR))
    }
}

/// One day in UTC. Shown as `YYYYMMDD`, which sorts as time does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// Its first hour.
    pub const fn first(self) -> Hour {
        Hour(self.0.saturating_mul(HOURS_PER_DAY))
    }

    /// Its last hour.
    pub const fn last(self) -> Hour {
        self.next().first().previous()
    }

    /// The day after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Day {
    /// As dates are written: `2026-11-25`.
    pub fn iso(self) -> String {
        let day = self.to_string();
        let part = |range| day.get(range).unwrap_or_default();
        format!("{}-{}-{}", part(0..4), part(4..6), part(6..8))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hour = self.first().to_string();
        f.write_str(hour.get(..8).unwrap_or(&hour))
    }
}

impl FromStr for Day {
    type Err = NotAnHour;

    fn from_str(text: &str) -> Result<Self, NotAnHour> {
        format!("{text}00").parse::<Hour>().map(Hour::day)
    }
}

/// The text is not ten digits that name an hour.
#[derive(Debug, thiserror::Error)]
#[error("not an hour of the form YYYYMMDDHH")]
pub struct NotAnHour;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_shown_to_the_second() {
        let moment = Timestamp::from_millis(1_795_485_599_999);
        assert_eq!(moment.to_string(), "2026-11-24T01:59:59Z");
        assert_eq!("2026-11-24T02:59:59.999+01:00".parse(), Ok(moment));
        for wrong in ["2026-11-24", "2026-11-24T01:59:59", "1795485599", ""] {
            assert_eq!(wrong.parse::<Timestamp>(), Err(NotATime), "{wrong}");
        }
    }

    #[test]
    fn a_minute_is_shown_in_utc() {
        let minute = |seconds| Timestamp::from_seconds(seconds).minute().to_string();
        assert_eq!(minute(1_795_485_599), "202611240159");
        assert_eq!(minute(1_795_485_600), "202611240200");
    }

    #[test]
    fn an_hour_is_shown_in_utc_and_read_back() {
        let hour = Timestamp::from_seconds(1_795_485_599).hour();
        assert_eq!(hour.to_string(), "2026112401");
        assert_eq!("2026112401".parse::<Hour>().unwrap(), hour);
        assert_eq!(hour.end(), Timestamp::from_seconds(1_795_485_600));
        assert!("2026112425".parse::<Hour>().is_err());
        assert!("20261124".parse::<Hour>().is_err());
    }
}
