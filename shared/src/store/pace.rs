//! How often a code may be asked for, among the parts of Accounts.
//!
//! | attribute      | holds                                                              |
//! |----------------|--------------------------------------------------------------------|
//! | `account`      | `email#HASH` of an address, an account, or `platform#registrations` |
//! | `part`         | `asked`, `asked#tagged` or `asked#correction`                      |
//! | `booked_until` | until when what was asked for is spread out, seconds since the epoch |
//! | `expires_at`   | TTL: the same                                                      |
//!
//! Written by account. Each time books as long as lies between two in the long run, behind what is
//! booked already; where that would lead too far ahead, it is not now.

use std::time::Duration;

use super::{
    Capability, Store, StoreError, Table,
    accounts::{named_part, part_key},
    emails,
    item::Reader,
    tables::{Item, Outcome, Tables, Write},
};
use crate::{id::AccountId, key::EmailHash, time::Timestamp};

/// How often a booking is tried that others get in the way of.
const ATTEMPTS: usize = 4;

/// Whose pace it is.
#[derive(Clone, Copy)]
pub enum Asking<'a> {
    /// Codes to an address that open or recover an account, whoever asks for them. It is the address
    /// and not its mailbox: a code is for the address that it was asked for, and who asks for those
    /// of another in the same mailbox could use up what its owner may ask for.
    Code(&'a EmailHash),
    /// Codes that open an account, to all addresses of a mailbox that have something behind a plus
    /// sign.
    Tagged(&'a EmailHash),
    /// Messages to a mailbox about that it is to be another account's, whoever wants that. They are
    /// none of the others, or who asks for them could use those up.
    Correction(&'a EmailHash),
    /// Codes that an account asks for, to whichever address.
    Account(&'a AccountId),
    /// Codes to addresses that may have an account, all together.
    Registrations,
}

/// So many at once, and then one in so long.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    every: Duration,
    burst: u32,
}

/// Codes: three, and then one an hour, so that nobody's mailbox is flooded. Whoever is told to wait
/// has a code that came less than an hour ago and is good for another hour, whoever asked for it.
const CODES: Pace = Pace { every: Duration::from_secs(3_600), burst: 3 };

/// Codes to addresses that may have an account, so that the platform cannot be used to write to the
/// whole world: sixty, and then sixty an hour.
const REGISTRATIONS: Pace = Pace { every: Duration::from_secs(60), burst: 60 };

/// What became of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booked {
    /// Now.
    Now,
    /// Not sooner than in so long.
    In(Duration),
}

impl Asking<'_> {
    const fn pace(self) -> Pace {
        match self {
            Self::Code(_) | Self::Tagged(_) | Self::Correction(_) | Self::Account(_) => CODES,
            Self::Registrations => REGISTRATIONS,
        }
    }

    fn key(self) -> Item {
        const PART: &str = "asked";
        match self {
            Self::Code(hash) => named_part(&emails::name(hash), PART),
            Self::Tagged(hash) => named_part(&emails::name(hash), "asked#tagged"),
            Self::Correction(hash) => named_part(&emails::name(hash), "asked#correction"),
            Self::Account(account) => part_key(account, PART),
            Self::Registrations => named_part("platform#registrations", PART),
        }
    }
}

impl Pace {
    /// How far ahead of now may be booked before one more.
    const fn ahead(self) -> Duration {
        self.every.saturating_mul(self.burst.saturating_sub(1))
    }
}

const BEHIND: &str = "ADD #booked_until :every, #expires_at :every";
const ANEW: &str = "SET #booked_until = :until, #expires_at = :until";

/// Asking whether it is time.
pub trait KeepPace {
    /// Books one more. Conditional on what is booked; sent again it books once more.
    fn book(
        &self,
        asking: Asking<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Booked, StoreError>> + Send;

    /// Gives one back that came to nothing. Sent once, since twice it gives back twice.
    fn give_back(&self, asking: Asking<'_>) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`KeepPace`] needs.
pub const KEEP_PACE: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:UpdateItem")] };

impl<T: Tables> KeepPace for Store<T> {
    async fn book(&self, asking: Asking<'_>, now: Timestamp) -> Result<Booked, StoreError> {
        let pace = asking.pace();
        let (now, ahead) = (now.seconds(), now.plus(pace.ahead()).seconds());
        for _ in 0..ATTEMPTS {
            // Behind what is booked, in which nobody is in anybody's way; or else from now on.
            let every = pace.every.as_secs();
            let behind = Write::update(Table::Accounts, asking.key(), BEHIND)
                .only_if("#booked_until > :now AND #booked_until <= :ahead")
                .number(":every", every)
                .number(":now", now)
                .number(":ahead", ahead);
            let booked = match self.tables.write(behind.once()).await {
                Outcome::Done => return Ok(Booked::Now),
                Outcome::Refused(item) => {
                    item.map(|item| Reader(&item).number::<i64>("booked_until")).transpose()?
                }
                Outcome::NothingWritten | Outcome::Unknown => return Err(StoreError::Unavailable),
            };
            if let Some(booked) = booked.filter(|booked| *booked > ahead) {
                let wait = u64::try_from(booked.saturating_sub(ahead)).unwrap_or(u64::MAX);
                return Ok(Booked::In(Duration::from_secs(wait)));
            }
            let anew = Write::update(Table::Accounts, asking.key(), ANEW)
                .only_if("attribute_not_exists(#booked_until) OR #booked_until <= :now")
                .number(":until", now.saturating_add_unsigned(every))
                .number(":now", now);
            match self.tables.write(anew).await.done() {
                Ok(()) => return Ok(Booked::Now),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Unavailable)
    }

    async fn give_back(&self, asking: Asking<'_>) -> Result<(), StoreError> {
        let every = i64::try_from(asking.pace().every.as_secs()).unwrap_or(0);
        let back = Write::update(Table::Accounts, asking.key(), BEHIND)
            .only_if("attribute_exists(#booked_until)")
            .number(":every", every.saturating_neg());
        self.tables.write(back.once()).await.done()
    }
}

/// Forgets what is booked of an address.
pub(super) fn forget(hash: &EmailHash) -> impl Iterator<Item = Write> {
    let all = [Asking::Code(hash), Asking::Tagged(hash), Asking::Correction(hash)];
    all.into_iter().map(|asking| Write::delete(Table::Accounts, asking.key()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::CODE_LIFE;

    #[test]
    fn who_is_told_to_wait_has_a_code_that_is_good_for_as_long() {
        // What is booked is at most the burst ahead of the last time, so that was since then.
        assert!(CODE_LIFE >= CODES.every * 2);
        assert_eq!(CODES.ahead(), Duration::from_secs(2 * 3_600));
    }
}
