//! Notices of a new major policy version: in the profile of whoever has one, and how far they are.
//!
//! | attribute     | holds                                                                  |
//! |---------------|------------------------------------------------------------------------|
//! | `policy_told` | in a profile: the major version of the last notice that was sent       |
//! | `claimed_at`  | in a profile: when somebody has last begun to send one, seconds since the epoch |
//!
//! How far they are is an item for each part of the table, as the last run has found it that went
//! through the whole of it:
//!
//! | attribute         | holds                                                  |
//! |-------------------|--------------------------------------------------------|
//! | `account`         | `policy#notices#MAJOR`                                 |
//! | `part`            | `SEGMENTS#SEGMENT`, padded                             |
//! | `told`            | how many accounts have had the notice                  |
//! | `left`            | how many have not, and have an address                 |
//! | `without_address` | how many have none                                     |
//! | `time`            | when that was so, seconds since the epoch              |
//!
//! Written by retention, which reads the profiles; how far they are is read by account. A notice is
//! claimed, sent and marked as told, as an alert is.

use std::time::Duration;

use super::{
    Capability, Corrupt, Cursor, Found, Store, StoreError, Table,
    accounts::{PROFILE, named_part, part_key},
    item::{Reader, Writer},
    tables::{Item, Outcome, Query, Scan, Tables, Terms, Write},
};
use crate::{id::AccountId, policy::CurrentPolicy, time::Timestamp};

/// How long whoever has claimed a notice may take to send it: longer than a run, and less than from
/// one run to the next.
pub const CLAIM: Duration = Duration::from_secs(20 * 60);

/// Whoever registers while a version is published may have agreed to the one before.
const MEANWHILE: Duration = Duration::from_secs(60);

/// How an account stands to the notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// It has had it.
    Told,
    /// It has not, and has an address.
    Left,
    /// It has no address.
    WithoutAddress,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The notice is to be sent.
    Now,
    /// Somebody has begun to send it.
    ByAnother,
    /// It was sent.
    Told,
    /// There is no such account any more.
    Gone,
}

/// How far the notices of a major version are in one of `segments` parts of the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The major version.
    pub major: u32,
    /// Which part, from 0.
    pub segment: i32,
    /// Of how many.
    pub segments: i32,
    /// How many accounts have had it.
    pub told: u64,
    /// How many have not, and have an address.
    pub left: u64,
    /// How many have none.
    pub without_address: u64,
    /// When that was so.
    pub time: Timestamp,
}

impl Progress {
    /// Counts one more account.
    pub fn count(&mut self, noticed: Noticed) {
        let count = match noticed {
            Noticed::Told => &mut self.told,
            Noticed::Left => &mut self.left,
            Noticed::WithoutAddress => &mut self.without_address,
        };
        *count = count.saturating_add(1);
    }

    /// All parts together, as of the oldest of them, by the division into parts that ran last. None
    /// until each of its parts was gone through.
    pub fn sum(parts: &[Self]) -> Option<Self> {
        let newest = parts.iter().max_by_key(|part| part.time)?;
        let parts = || parts.iter().filter(|part| part.segments == newest.segments);
        if i32::try_from(parts().count()) != Ok(newest.segments) {
            return None;
        }
        let add = |of: fn(&Self) -> u64| parts().map(of).fold(0, u64::saturating_add);
        let time = parts().map(|part| part.time).min()?;
        let (told, left) = (add(|part| part.told), add(|part| part.left));
        let without_address = add(|part| part.without_address);
        Some(Self { segment: 0, segments: 1, told, left, without_address, time, ..*newest })
    }
}

/// Sending notices.
pub trait SendNotices {
    /// A page of the accounts that are older than the newest major version, in one of `segments`
    /// parts of the table, with how they stand to its notice, and where the next begins. They are
    /// not read strongly: a claim says how one stands.
    fn list_noticed(
        &self,
        policy: &CurrentPolicy,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> impl Future<Output = Result<Found<(AccountId, Noticed)>, StoreError>> + Send;

    /// Claims the notice of `major` to an account, to send it. Conditional on that it was not told
    /// and that nobody has claimed it a moment ago.
    fn claim_notice(
        &self,
        account: &AccountId,
        major: u32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Claimed, StoreError>> + Send;

    /// Notes that it was sent. Idempotent. An account that is not there is a conflict.
    fn mark_noticed(
        &self,
        account: &AccountId,
        major: u32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes how far they are in a part. Idempotent; the last one stands.
    fn note_progress(
        &self,
        progress: &Progress,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`SendNotices`] needs.
pub const SEND_NOTICES: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:Scan"),
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:PutItem"),
    ],
};

impl<T: Tables> SendNotices for Store<T> {
    async fn list_noticed(
        &self,
        policy: &CurrentPolicy,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> Result<Found<(AccountId, Noticed)>, StoreError> {
        let major = policy.number.major;
        let mut terms = Terms::default();
        terms.text(":profile", PROFILE);
        terms.number(":published", policy.major_published_at.plus(MEANWHILE).seconds());
        let scan = Scan {
            table: Table::Accounts,
            segment,
            segments,
            filter: "#part = :profile AND #created_at <= :published",
            projection: Some("#account, #email, #policy_told"),
            terms,
            from: from.map(|cursor| cursor.0),
        };
        let decode = |item: &Item| {
            let reader = Reader(item);
            let told: Option<u32> = reader.optional_number("policy_told")?;
            let noticed = match reader.optional_text("email") {
                _ if told >= Some(major) => Noticed::Told,
                Some(_) => Noticed::Left,
                None => Noticed::WithoutAddress,
            };
            Ok((reader.parsed("account")?, noticed))
        };
        Ok(Found::of(self.tables.scan(scan).await?, decode))
    }

    async fn claim_notice(
        &self,
        account: &AccountId,
        major: u32,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let untold = "(attribute_not_exists(#policy_told) OR #policy_told < :major)";
        let free = "(attribute_not_exists(#claimed_at) OR #claimed_at < :stale)";
        let claim = Write::update(Table::Accounts, key_of(account), "SET #claimed_at = :now")
            .only_if(format!("attribute_exists(#created_at) AND {untold} AND {free}"))
            .number(":major", major)
            .number(":now", now.seconds())
            .number(":stale", now.minus(CLAIM).seconds());
        match self.tables.write(claim.once()).await {
            Outcome::Done => Ok(Claimed::Now),
            Outcome::Refused(None) => Ok(Claimed::Gone),
            Outcome::Refused(Some(item)) => {
                let told: Option<u32> = Reader(&item).optional_number("policy_told")?;
                Ok(if told >= Some(major) { Claimed::Told } else { Claimed::ByAnother })
            }
            Outcome::NothingWritten | Outcome::Unknown => Err(StoreError::Unavailable),
        }
    }

    async fn mark_noticed(&self, account: &AccountId, major: u32) -> Result<(), StoreError> {
        let update = "SET #policy_told = :major REMOVE #claimed_at";
        let told = Write::update(Table::Accounts, key_of(account), update)
            .only_if("attribute_exists(#created_at)")
            .number(":major", major);
        self.tables.write(told).await.done()
    }

    async fn note_progress(&self, progress: &Progress) -> Result<(), StoreError> {
        let Progress { major, segment, segments, .. } = progress;
        let part = format!("{segments:04}#{segment:04}");
        let item = Writer::from(named_part(&name_of(*major), &part))
            .number("told", progress.told)
            .number("left", progress.left)
            .number("without_address", progress.without_address)
            .number("time", progress.time.seconds());
        self.tables.write(Write::put(Table::Accounts, item.item())).await.done()
    }
}

/// Reading how far notices are.
pub trait ReadProgress {
    /// How far the notices of a major version are, by the parts that were gone through.
    fn progress_of(
        &self,
        major: u32,
    ) -> impl Future<Output = Result<Vec<Progress>, StoreError>> + Send;
}

/// What [`ReadProgress`] needs.
pub const READ_PROGRESS: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:Query")] };

impl<T: Tables> ReadProgress for Store<T> {
    async fn progress_of(&self, major: u32) -> Result<Vec<Progress>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", name_of(major));
        let query = Query::strong(Table::Accounts, "#account = :account", terms);
        let mut parts = Vec::new();
        self.query_all(query, |item| decode(item, major).map(|part| parts.push(part))).await?;
        Ok(parts)
    }
}

fn key_of(account: &AccountId) -> Item {
    part_key(account, PROFILE)
}

fn name_of(major: u32) -> String {
    format!("policy#notices#{major}")
}

fn decode(item: &Item, major: u32) -> Result<Progress, Corrupt> {
    let reader = Reader(item);
    let (segments, segment) = reader.text("part")?.split_once('#').ok_or(Corrupt("part"))?;
    let part = |text: &str| text.parse().map_err(|_| Corrupt("part"));
    Ok(Progress {
        major,
        segment: part(segment)?,
        segments: part(segments)?,
        told: reader.number("told")?,
        left: reader.number("left")?,
        without_address: reader.number("without_address")?,
        time: reader.seconds("time")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_that_of_the_division_that_ran_last_and_of_all_its_parts() {
        let part = |segments, segment, told, seconds| Progress {
            major: 2,
            segment,
            segments,
            told,
            left: 1,
            without_address: 2,
            time: Timestamp::from_seconds(seconds),
        };
        assert_eq!(Progress::sum(&[]), None);
        let whole = part(1, 0, 7, 10);
        assert_eq!(Progress::sum(&[whole]), Some(whole));
        // The accounts were divided anew, and one part of them was gone through.
        assert_eq!(Progress::sum(&[whole, part(2, 0, 5, 20)]), None);
        let parts = [whole, part(2, 0, 5, 20), part(2, 1, 6, 19)];
        let sum = Progress { left: 2, without_address: 4, ..part(1, 0, 11, 19) };
        assert_eq!(Progress::sum(&parts), Some(sum));
    }
}
