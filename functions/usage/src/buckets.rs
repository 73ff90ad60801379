//! Buckets: the pieces of time by which use and costs are summed, and the pages they come in.
//!
//! They begin and end at whole minutes, hours and days in UTC; the first begins where the query does,
//! and the last ends there. Where a page would be too much to read, its last bucket ends sooner, and the
//! next page begins with the rest of it. What is more than seven days ago is summed by whole days alone.

use std::time::Duration;

use shared::{fault::Fault, store::calls::RECORD_LIFE, time::Timestamp};

use crate::query::{BAD_CURSOR, PAGE, Query};

/// How much earlier than seven days ago a query may begin whose buckets are shorter than a day: what
/// is a few moments on its way, or wants the hour in which that was, has the rest of it.
const TOLERANCE: Duration = Duration::from_secs(3_600);

/// How wide a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    Minute,
    Hour,
    Day,
}

impl Width {
    /// By the names that both providers have for them.
    pub(crate) const NAMED: [(&'static str, Self); 3] =
        [("1m", Self::Minute), ("1h", Self::Hour), ("1d", Self::Day)];

    const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// How many buckets a page has, if nobody says, and at most; and what is told of more.
    pub(crate) const fn limits(self) -> (usize, usize, &'static str) {
        match self {
            Self::Minute => (60, 1_440, "must be 1 to 1440 with bucket_width=1m"),
            Self::Hour => (24, 168, "must be 1 to 168 with bucket_width=1h"),
            Self::Day => (7, 31, "must be 1 to 31 with bucket_width=1d"),
        }
    }

    /// The beginning of the bucket that a moment is in.
    pub(crate) const fn floor(self, moment: Timestamp) -> Timestamp {
        let seconds = moment.seconds();
        Timestamp::from_seconds(seconds.saturating_sub(seconds.rem_euclid(self.seconds())))
    }

    /// The end of that bucket.
    pub(crate) const fn end(self, moment: Timestamp) -> Timestamp {
        Timestamp::from_seconds(self.floor(moment).seconds().saturating_add(self.seconds()))
    }
}

/// A time that is asked for, in buckets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) width: Width,
    pub(crate) limit: usize,
    /// Whether there are whole buckets alone.
    pub(crate) whole: bool,
}

/// How much another clock may be ahead of ours.
const SKEW: Duration = Duration::from_secs(300);

/// How a provider's clients say what time they ask for.
pub(crate) struct Times {
    /// The parameter from which on, and what is told where it is missing.
    pub(crate) start: (&'static str, &'static str),
    /// The parameter until when, and what is told where that is not later.
    pub(crate) end: (&'static str, &'static str),
    /// How a moment is written.
    pub(crate) moment: fn(&Query, &'static str) -> Result<Option<Timestamp>, Fault>,
    /// Whether there are whole buckets alone.
    pub(crate) whole: bool,
}

/// What widths a report has, and how many buckets of each. See [`Width::limits`].
pub(crate) struct Widths {
    /// By their names, and what is told of another.
    pub(crate) named: (&'static [(&'static str, Width)], &'static str),
    /// How many buckets a page has.
    pub(crate) limits: fn(Width) -> (usize, usize, &'static str),
}

impl Widths {
    /// Of use: all there are.
    pub(crate) const USAGE: Self =
        Self { named: (&Width::NAMED, "must be 1m, 1h or 1d"), limits: Width::limits };

    /// Of costs: days alone.
    pub(crate) const fn costs(limits: fn(Width) -> (usize, usize, &'static str)) -> Self {
        Self { named: (&[("1d", Width::Day)], "must be 1d here"), limits }
    }
}

impl Range {
    /// The time that a query asks for.
    pub(crate) fn read(
        query: &Query,
        times: &Times,
        widths: &Widths,
        now: Timestamp,
    ) -> Result<Self, Fault> {
        let (name, why) = times.start;
        let bad = |name, why| Fault::BadParameter { name, why };
        let from = (times.moment)(query, name)?.ok_or(bad(name, why))?;
        let (named, why) = widths.named;
        let width = query.word("bucket_width", named, why)?.unwrap_or(Width::Day);
        let (usual, most, why) = (widths.limits)(width);
        let limit = query.limit(usual, most, why)?;
        if from > now.plus(SKEW) {
            return Err(bad(name, "is in the future"));
        }
        let to = (times.moment)(query, times.end.0)?;
        let bound = |moment| if times.whole { width.floor(moment) } else { moment };
        let (from, to) = (bound(from), to.map(bound));
        if to.is_some_and(|to| to <= from) {
            return Err(bad(times.end.0, times.end.1));
        }
        // Of what is to come there is nothing.
        let last = width.end(now.max(from));
        let to = to.map_or(last, |to| to.min(last));
        Ok(Self { from, to, width, limit, whole: times.whole })
    }
}

/// The buckets of a page, one after the other, and where the next page begins.
#[derive(Clone, Debug)]
pub(crate) struct Buckets {
    pub(crate) width: Width,
    pub(crate) bounds: Vec<(Timestamp, Timestamp)>,
    pub(crate) next: Option<Timestamp>,
}

impl Range {
    /// The buckets of the page that `query` asks for.
    pub(crate) fn buckets(self, query: &Query, now: Timestamp) -> Result<Buckets, Fault> {
        self.page(query.one("page")?, now)
    }

    /// The buckets of a page, by the cursor of the one before; of the first without one.
    pub(crate) fn page(self, page: Option<&str>, now: Timestamp) -> Result<Buckets, Fault> {
        let Self { mut from, mut to, width, limit, whole } = self;
        // In the second after this one nothing of it is seven days old.
        let oldest = Timestamp::from_seconds(now.minus(RECORD_LIFE).seconds().saturating_add(1));
        if width == Width::Day {
            // A day of which calls that are asked for are forgotten cannot be cut.
            if from < oldest {
                from = width.floor(from);
                if width.floor(to) < oldest && width.floor(to) != to {
                    to = width.end(to);
                }
            }
        } else if from < oldest {
            if from < width.floor(oldest.minus(TOLERANCE)) {
                let name = "bucket_width";
                let why = "must be 1d for what is more than seven days ago: sums by the hour and \
                           the minute are forgotten then";
                return Err(Fault::BadParameter { name, why });
            }
            from = if whole { width.end(now.minus(RECORD_LIFE)) } else { oldest };
            if from >= to {
                return Ok(Buckets { width, bounds: Vec::new(), next: None });
            }
        }
        let mut start = match page {
            Some(page) => cursor(page, (from, to), width, oldest)?.max(from),
            None => from,
        };
        let mut bounds = Vec::new();
        while start < to && bounds.len() < limit {
            let end = width.end(start).min(to);
            bounds.push((start, end));
            start = end;
        }
        Ok(Buckets { width, bounds, next: (start < to).then_some(start) })
    }
}

impl Buckets {
    /// The bucket that a moment is in, by its number.
    pub(crate) fn place(&self, moment: Timestamp) -> Option<usize> {
        let after = self.bounds.partition_point(|(from, _)| *from <= moment);
        let place = after.checked_sub(1)?;
        self.bounds.get(place).filter(|(_, to)| moment < *to).map(|_| place)
    }

    /// The cursor of the next page.
    pub(crate) fn next_page(&self) -> Option<String> {
        self.next.map(|next| format!("{PAGE}{}", next.seconds()))
    }
}

/// Where the page of a cursor begins, which has to be where one of this query can: with a bucket, or,
/// where the page before had enough within one, with any second of which the records are there.
fn cursor(
    page: &str,
    (from, to): (Timestamp, Timestamp),
    width: Width,
    oldest: Timestamp,
) -> Result<Timestamp, Fault> {
    let seconds = page.strip_prefix(PAGE).and_then(|text| text.parse().ok());
    let start = seconds.map(Timestamp::from_seconds);
    // Of the hour in which seven days are over the beginning goes on with the clock.
    let inside = |start: &Timestamp| (width.floor(from)..to).contains(start);
    let fine = |start: &Timestamp| width.floor(*start) == *start || *start >= oldest;
    start.filter(inside).filter(fine).ok_or(BAD_CURSOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_moment_is_in_the_bucket_that_has_it() {
        let bounds = vec![(at(10), at(60)), (at(60), at(120)), (at(120), at(130))];
        let buckets = Buckets { width: Width::Minute, bounds, next: Some(at(130)) };
        let places = [9, 10, 59, 60, 119, 120, 129, 130].map(|moment| buckets.place(at(moment)));
        let expected = [None, Some(0), Some(0), Some(1), Some(1), Some(2), Some(2), None];
        assert_eq!(places, expected);
        assert_eq!(buckets.next_page().unwrap(), "page_130");
    }

    #[test]
    fn widths_divide_the_day() {
        for (_, width) in Width::NAMED {
            let day = at(1_795_478_400);
            assert_eq!(width.floor(day), day);
            assert_eq!(width.floor(at(1_795_478_399)), at(1_795_478_400 - width.seconds()));
            assert_eq!(width.end(day), at(1_795_478_400 + width.seconds()));
        }
    }
}
