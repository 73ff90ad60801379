//! The policy: how its versions are numbered, which comes next, and what of it every call needs to
//! know.
//!
//! A consent is for a major version. One that is published is agreed to from then on, and required
//! once its grace is over: until then the major version before suffices.

use std::{fmt, str::FromStr, time::Duration};

use sha2::{Digest, Sha256};

use crate::time::Timestamp;

/// The longest text of a version, in bytes.
pub const LONGEST_TEXT: usize = 100_000;

/// A version's number: MAJOR.MINOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionNumber {
    /// What consents are for.
    pub major: u32,
    /// Which of those that ask nobody again.
    pub minor: u32,
}

impl VersionNumber {
    /// That of the text the project ships.
    pub const SHIPPED: Self = Self { major: 1, minor: 0 };
}

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for VersionNumber {
    type Err = NotANumber;

    fn from_str(text: &str) -> Result<Self, NotANumber> {
        let (major, minor) = text.split_once('.').ok_or(NotANumber)?;
        let part = |text: &str| text.parse().map_err(|_| NotANumber);
        let number = Self { major: part(major)?, minor: part(minor)? };
        // One number is written in one way.
        if number.to_string() == text { Ok(number) } else { Err(NotANumber) }
    }
}

/// The text is not of the form MAJOR.MINOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a policy version of the form MAJOR.MINOR")]
pub struct NotANumber;

/// A policy version, its text apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number.
    pub number: VersionNumber,
    /// SHA-256 of its text as it is shown, in hexadecimal.
    pub sha256: String,
    /// When it was published.
    pub published_at: Timestamp,
    /// From when it holds.
    pub in_force_at: Timestamp,
}

/// What a new version changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyChange {
    /// Nothing that anybody would have to agree to again.
    Minor,
    /// What was agreed to. Everybody is asked again, and has so long.
    Major(Grace),
}

/// How long the major version before suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace(Duration);

impl Grace {
    /// Thirty days, if nobody says.
    pub const USUAL: Self = Self(Duration::from_secs(30 * DAY));

    /// So many days: 16 to 90. Fewer leave whoever has the last notice, which may go out a day after
    /// the first, no fourteen days to read, and more make two versions of one.
    pub fn days(days: u64) -> Option<Self> {
        let fits = (16..=90).contains(&days);
        fits.then(|| Self(Duration::from_secs(days.saturating_mul(DAY))))
    }
}

const DAY: u64 = 24 * 3_600;

/// How long after a major version is in force its notices are still sent to whom none could be.
const NOTICED_AFTER: Duration = Duration::from_secs(7 * DAY);

/// The newest version, and of its major one the moments that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentPolicy {
    /// Its number.
    pub number: VersionNumber,
    /// SHA-256 of its text.
    pub sha256: String,
    /// When its major version was published: whoever was here before has a notice of it.
    pub major_published_at: Timestamp,
    /// From when its major version is required.
    pub required_from: Timestamp,
}

impl CurrentPolicy {
    /// What calls need to know of it.
    pub const fn required(&self) -> Required {
        Required { newest: self.number.major, from: self.required_from }
    }

    /// Whether notices of its major version are sent at `now`. The shipped one needs none.
    pub fn is_noticed(&self, now: Timestamp) -> bool {
        self.number.major > VersionNumber::SHIPPED.major
            && now < self.required_from.plus(NOTICED_AFTER)
    }

    /// The version that comes next, published at `now`, and what is then the newest.
    ///
    /// # Errors
    /// Where a major version would come before the one before it is in force.
    pub fn next(
        &self,
        sha256: String,
        change: PolicyChange,
        now: Timestamp,
    ) -> Result<(PolicyVersion, Self), InGrace> {
        let VersionNumber { major, minor } = self.number;
        let (number, major_published_at, required_from) = match change {
            // What is added to a major version that is not in force yet comes with it.
            PolicyChange::Minor => {
                let number = VersionNumber { major, minor: minor.saturating_add(1) };
                (number, self.major_published_at, self.required_from)
            }
            PolicyChange::Major(_) if now < self.required_from => {
                return Err(InGrace(self.required_from));
            }
            PolicyChange::Major(Grace(grace)) => {
                (VersionNumber { major: major.saturating_add(1), minor: 0 }, now, now.plus(grace))
            }
        };
        let version = PolicyVersion {
            number,
            sha256: sha256.clone(),
            published_at: now,
            in_force_at: required_from.max(now),
        };
        Ok((version, Self { number, sha256, major_published_at, required_from }))
    }
}

/// A major version is published and not in force before this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InGrace(pub Timestamp);

/// Which major version a consent has to be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Required {
    /// The newest, which is the one to agree to.
    pub newest: u32,
    /// From when it has to be that one.
    pub from: Timestamp,
}

impl Required {
    /// While nothing is published: the version that the project ships, since always.
    pub const SHIPPED: Self =
        Self { newest: VersionNumber::SHIPPED.major, from: Timestamp::from_millis(i64::MIN) };

    /// What suffices at `now`.
    pub fn at(self, now: Timestamp) -> u32 {
        let before = self.newest.saturating_sub(1).max(Self::SHIPPED.newest);
        if now < self.from { before } else { self.newest }
    }
}

/// SHA-256 of a text, in hexadecimal.
pub fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: u64) -> Timestamp {
        Timestamp::from_seconds(1_795_485_599).plus(Duration::from_secs(days.saturating_mul(DAY)))
    }

    #[test]
    fn a_major_version_is_required_once_its_grace_is_over_and_none_comes_before() {
        let now = at(0);
        let shipped = CurrentPolicy {
            number: VersionNumber::SHIPPED,
            sha256: sha256(""),
            major_published_at: now,
            required_from: now,
        };
        assert_eq!(Required::SHIPPED.at(now), 1);
        let major = PolicyChange::Major(Grace::USUAL);
        let (second, current) = shipped.next(sha256("b"), major, now).unwrap();
        assert_eq!((second.number.to_string(), second.in_force_at), ("2.0".to_owned(), at(30)));
        assert_eq!([0, 29, 30].map(|day| current.required().at(at(day))), [1, 1, 2]);
        assert_eq!([0, 36, 37].map(|day| current.is_noticed(at(day))), [true, true, false]);
        assert!(!shipped.is_noticed(now));
        assert_eq!(current.next(sha256("c"), major, at(29)), Err(InGrace(at(30))));
        // A minor one comes at once, or with the major one that it is of.
        let (minor, current) = current.next(sha256("d"), PolicyChange::Minor, at(1)).unwrap();
        assert_eq!((minor.number.to_string(), minor.in_force_at), ("2.1".to_owned(), at(30)));
        assert_eq!((current.major_published_at, current.required().at(at(29))), (now, 1));
        let (minor, current) = current.next(sha256("e"), PolicyChange::Minor, at(31)).unwrap();
        assert_eq!((minor.published_at, minor.in_force_at), (at(31), at(31)));
        assert_eq!(current.required().at(at(31)), 2);
        let (third, _) = current.next(sha256("f"), major, at(31)).unwrap();
        assert_eq!(third.number.to_string(), "3.0");
    }

    #[test]
    fn a_number_and_a_grace_are_what_they_say() {
        assert_eq!("12.3".parse(), Ok(VersionNumber { major: 12, minor: 3 }));
        for wrong in ["", "1", "1.", ".1", "01.0", "1.0.0", "+1.0", "1.-1", "4294967296.0", "a.b"] {
            assert_eq!(wrong.parse::<VersionNumber>(), Err(NotANumber), "{wrong}");
        }
        assert_eq!(Grace::days(30), Some(Grace::USUAL));
        assert_eq!(
            [15, 16, 90, 91].map(|days| Grace::days(days).is_some()),
            [false, true, true, false]
        );
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256("abc"), of_abc);
    }
}
