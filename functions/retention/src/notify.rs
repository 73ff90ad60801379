//! Notices: that there is a new major policy version, once to every account that is older.
//!
//! A notice is claimed, sent and marked as sent. Whoever dies before sending leaves a claim that is
//! old after twenty minutes; whoever dies after sending and before marking leaves it to be sent once
//! more. So runs may come beside each other, break off and come again until nobody is left.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use mail::{Mailer, Message, NotSent, SendMessage};
use shared::{
    email::EmailAddress,
    id::AccountId,
    policy::CurrentPolicy,
    store::{
        StoreError,
        accounts::ReadProfile,
        notices::{Claimed, Noticed, Progress, SendNotices},
        policies::ReadPolicy,
    },
    time::{Clock, Timestamp},
};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};

use crate::{AT_ONCE, Event};

/// How many messages a second all runs together send: a little less than SES lets whoever has just
/// asked to send at all. A hundred thousand are sent within a day.
const A_SECOND: u32 = 12;

/// How many may fail in a run: SES is not there then, or has a limit by day, and there is no use in
/// asking it for every account.
const MOST_FAILURES: u64 = 50;

/// What notices ask of a store.
pub trait NoticeStore: ReadPolicy + SendNotices + ReadProfile {}
impl<S: ReadPolicy + SendNotices + ReadProfile> NoticeStore for S {}

/// Which accounts a run goes through, and until when.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// Which part.
    pub event: Event,
    /// What time it is.
    pub clock: Clock<'a>,
    /// Until when it sends. After that it counts alone.
    pub sends_until: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notices {
    /// How many it has sent.
    pub sent: u64,
    /// How many could not be sent, or are not known to have been.
    pub failed: u64,
    /// Profiles that are not what they should be.
    pub corrupt: u64,
    /// How far they are, if it went through all accounts.
    pub progress: Option<Progress>,
}

/// Sends the notice of the newest major version to whoever has not had it, and notes how far that
/// is. Without a mailer it only counts.
///
/// # Errors
/// When the store fails where it is about no single account.
pub async fn notify<S: NoticeStore, M: SendMessage + Sync>(
    store: &S,
    mailer: Option<&M>,
    round: Round<'_>,
) -> Result<Notices, StoreError> {
    let Round { event: Event { segment, segments }, clock, sends_until, until } = round;
    let mut notices = Notices::default();
    let policy = store.read_policy().await?;
    let Some(policy) = policy.filter(|policy| policy.is_noticed(clock())) else {
        return Ok(notices);
    };
    let (major, time) = (policy.number.major, clock());
    let mut progress =
        Progress { major, segment, segments, told: 0, left: 0, without_address: 0, time };
    let failures = AtomicU64::new(0);
    let mut from = None;
    loop {
        let found = store.list_noticed(&policy, segment, segments, from).await?;
        notices.corrupt = notices.corrupt.saturating_add(found.corrupt);
        let mut left = Vec::new();
        for (account, noticed) in found.items {
            match noticed {
                Noticed::Left => left.push(account),
                Noticed::Told | Noticed::WithoutAddress => progress.count(noticed),
            }
        }
        let telling = left.into_iter().map(async |account| {
            let gives_up = failures.load(Ordering::Relaxed) >= MOST_FAILURES;
            let Some(mailer) = mailer.filter(|_| !gives_up && clock() < sends_until) else {
                return Ok(Told::Not(Noticed::Left));
            };
            let told = tell(store, mailer, &account, &policy, clock).await;
            if told.is_err() {
                failures.fetch_add(1, Ordering::Relaxed);
            }
            told
        });
        let telling: Vec<_> = telling.collect();
        let mut telling = stream::iter(telling).buffer_unordered(AT_ONCE);
        while let Some(told) = telling.next().await {
            match told {
                Ok(Told::Now) => {
                    notices.sent = notices.sent.saturating_add(1);
                    progress.count(Noticed::Told);
                }
                Ok(Told::Not(noticed)) => progress.count(noticed),
                Ok(Told::Gone) => {}
                Err(NotTold) => progress.count(Noticed::Left),
            }
        }
        notices.failed = failures.load(Ordering::Relaxed);
        from = found.next;
        if from.is_none() {
            break;
        }
        // What was seen of some accounts says nothing of all.
        if clock() >= until {
            return Ok(notices);
        }
    }
    progress.time = clock();
    store.note_progress(&progress).await?;
    notices.progress = Some(progress);
    Ok(notices)
}

/// What became of the notice to one account.
enum Told {
    /// It was sent.
    Now,
    /// It was not sent now, and so the account stands.
    Not(Noticed),
    /// There is no such account any more.
    Gone,
}

/// A notice was not sent, or is not known to have been.
struct NotTold;

impl From<StoreError> for NotTold {
    fn from(_: StoreError) -> Self {
        Self
    }
}

impl From<NotSent> for NotTold {
    fn from(_: NotSent) -> Self {
        Self
    }
}

async fn tell<S: NoticeStore, M: SendMessage>(
    store: &S,
    mailer: &M,
    account: &AccountId,
    policy: &CurrentPolicy,
    clock: Clock<'_>,
) -> Result<Told, NotTold> {
    let major = policy.number.major;
    match store.claim_notice(account, major, clock()).await? {
        Claimed::Now => {}
        Claimed::ByAnother => return Ok(Told::Not(Noticed::Left)),
        Claimed::Told => return Ok(Told::Not(Noticed::Told)),
        Claimed::Gone => return Ok(Told::Gone),
    }
    // The address as it is now, since it may have been changed since the account was listed.
    let Some(profile) = store.read_profile(account).await? else { return Ok(Told::Gone) };
    let Some(email) = profile.email else { return Ok(Told::Not(Noticed::WithoutAddress)) };
    mailer.send(message(&email, account, policy)).await?;
    match store.mark_noticed(account, major).await {
        Ok(()) => Ok(Told::Now),
        // It was closed meanwhile.
        Err(StoreError::Conflict) => Ok(Told::Gone),
        Err(error) => Err(error.into()),
    }
}

fn message<'a>(to: &'a EmailAddress, account: &AccountId, policy: &CurrentPolicy) -> Message<'a> {
    let (major, from) = (policy.number.major, policy.required_from);
    let text = format!(
        "The policy of this platform, under which your account {account} sends requests to \
         providers, changes: version {major} is in force from {from} on.\n\n\
         GET /v1/policy shows it, and GET /v1/policy/versions all that there were. Neither needs a \
         key.\n\n\
         If you agree, say so for each provider that your requests are to go to, with a management \
         key and {{\"policy_version\": {major}}}: PUT /v1/account/consents/openai, \
         /v1/account/consents/anthropic, /v1/account/consents/gemini. You can do so now, and until \
         then what you have agreed to is enough. From {from} on calls are refused to every provider \
         for which you have not, and nothing is sent there.\n\n\
         If you do not agree, do nothing."
    );
    Message { to, subject: "The policy changes, and asks for your agreement", text }
}

/// Sends no faster than SES takes it.
pub(crate) struct Paced<'a> {
    mailer: &'a Mailer,
    every: Duration,
    next: Mutex<Instant>,
}

impl<'a> Paced<'a> {
    /// Of `segments` runs at once each has its share.
    pub(crate) fn new(mailer: &'a Mailer, segments: i32) -> Self {
        let every = Duration::from_secs(1).checked_div(A_SECOND).unwrap_or_default();
        let every = every.saturating_mul(segments.unsigned_abs().max(1));
        Self { mailer, every, next: Mutex::new(Instant::now()) }
    }
}

impl SendMessage for Paced<'_> {
    async fn send(&self, message: Message<'_>) -> Result<(), NotSent> {
        let turn = {
            let mut next = self.next.lock().await;
            let turn = (*next).max(Instant::now());
            *next = turn.checked_add(self.every).unwrap_or(turn);
            turn
        };
        sleep_until(turn).await;
        self.mailer.send(message).await
    }
}

#[cfg(test)]
mod tests {
    use shared::policy::VersionNumber;

    use super::*;

    #[test]
    fn a_notice_says_what_changes_when_and_what_to_do_and_has_no_link() {
        let policy = CurrentPolicy {
            number: VersionNumber { major: 2, minor: 1 },
            sha256: String::new(),
            major_published_at: Timestamp::from_seconds(1_795_485_600),
            required_from: Timestamp::from_seconds(1_798_077_600),
        };
        let (to, account) = ("a@b.example", format!("acct_{:022}", 1));
        let to = EmailAddress::parse(to).unwrap();
        let Message { text, .. } = message(&to, &account.parse().unwrap(), &policy);
        for says in [
            account.as_str(),
            "version 2 is in force from 2026-12-24T02:00:00Z on",
            "GET /v1/policy shows it",
            "{\"policy_version\": 2}: PUT /v1/account/consents/openai",
        ] {
            assert!(text.contains(says), "{text}");
        }
        assert!(!text.contains("://") && !text.contains("sk-lz-"));
    }
}
