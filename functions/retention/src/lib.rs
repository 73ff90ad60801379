//! Retention: every half hour it closes the hours that are over, deletes what is seven days old and what is
//! left of accounts that are closed, and tells owners what the close has found and that there is a
//! new policy.
//!
//! Any number of runs may go on at the same time, late or twice: every step is conditional on what
//! was read, or writes what it wrote before. What fails in one account is left to the next run and
//! stops no other's.

mod close;
mod closing;
mod notify;
mod tell;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, stream};
use mail::Mailer;
use serde::{Deserialize, Serialize};
use shared::{
    catalogue::Catalogue,
    id::AccountId,
    key::KeyHash,
    law::Close,
    log::{Log, LogLine},
    money::Pico,
    store::{
        Capability, StoreError,
        accounts::{FORGET_EMAIL, ForgetEmail, READ_PROFILE},
        alerts::{PUT_ALERTS, TELL_ALERTS},
        calls::{READ_SPAN, SWEEP_CALLS, SweepCalls},
        keys::{CLOSE_KEYS, KEYS_OF, LIST_KEYS, ListKeys, MARK_USED, READ_KEY_ACCOUNT},
        lines::PUT_LINES,
        notices::SEND_NOTICES,
        policies::READ_POLICY,
        receipts::{END_CLOSING, ERASE_ACCOUNT, READ_RECEIPT},
        reports::{KEEP_REPORT, KeepReport, RunReport},
        rollups::{PUT_ROLLUPS, READ_ROLLUPS},
        wallet::{CLOSE_WALLET, LIST_WALLETS, ListWallets, Listed, READ_WALLET},
    },
    time::{Clock, Timestamp},
};

pub use self::{
    close::CloseStore,
    closing::ClosingStore,
    notify::{NoticeStore, Notices, Round, notify},
    tell::TellStore,
};
use self::{
    close::{Closed, Spent, close_account, close_key},
    closing::Outcome,
    notify::Paced,
    tell::tell,
};

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 23] = [
    LIST_WALLETS,
    READ_WALLET,
    CLOSE_WALLET,
    LIST_KEYS,
    KEYS_OF,
    READ_KEY_ACCOUNT,
    CLOSE_KEYS,
    MARK_USED,
    READ_SPAN,
    READ_ROLLUPS,
    PUT_ROLLUPS,
    PUT_LINES,
    PUT_ALERTS,
    SWEEP_CALLS,
    READ_PROFILE,
    FORGET_EMAIL,
    TELL_ALERTS,
    READ_RECEIPT,
    ERASE_ACCOUNT,
    END_CLOSING,
    READ_POLICY,
    SEND_NOTICES,
    KEEP_REPORT,
];

/// Until when a run closes wallets, closes keys, ends accounts, sweeps, tells and sends notices, and
/// goes on to count those, in minutes: one less than it may go on. Where there is less to do, the last
/// have more. So a sweep ends twelve minutes after its run has begun, or is left to the next run.
const SHARES: [u64; 6] = [6, 8, 10, 12, 13, 14];

/// For how long a backup may hold what was deleted of an account, if nobody says.
const BACKUPS: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How many accounts are closed at a time.
const AT_ONCE: usize = 16;

/// What retention asks of a store.
pub trait RetentionStore:
    CloseStore
    + ListWallets
    + ListKeys
    + ClosingStore
    + ForgetEmail
    + SweepCalls
    + TellStore
    + NoticeStore
    + KeepReport
{
}
impl<S> RetentionStore for S where
    S: CloseStore
        + ListWallets
        + ListKeys
        + ClosingStore
        + ForgetEmail
        + SweepCalls
        + TellStore
        + NoticeStore
        + KeepReport
{
}

/// The retention function.
pub struct App<S> {
    store: S,
    catalogue: Arc<Catalogue>,
    mailer: Option<Mailer>,
    backups: Duration,
    log: Log,
}

/// The schedule's event: which part of the tables to go through. The clock says what is due.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Event {
    /// Which part, from 0.
    #[serde(default)]
    pub segment: i32,
    /// Of how many. There is one schedule for each.
    #[serde(default = "one")]
    pub segments: i32,
}

impl Default for Event {
    fn default() -> Self {
        Self { segment: 0, segments: 1 }
    }
}

const fn one() -> i32 {
    1
}

/// What one run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Hours closed in wallets.
    pub closed_hours: u64,
    /// Hours closed in keys with limits of their own.
    pub closed_key_hours: u64,
    /// What was held and not spent, and went back to balances, in pico-dollars: settles that were
    /// lost, and calls that left no record. It is no loss but of time.
    pub returned_pico: String,
    /// What records say was spent beyond what was out, in pico-dollars. While the law holds it is
    /// nothing; the accounts concerned are frozen and stand in the log.
    pub short_pico: String,
    /// Statement lines written.
    pub lines: u64,
    /// Accounts of which the last was deleted.
    pub ended_accounts: u64,
    /// Alerts written.
    pub alerts: u64,
    /// Alerts that were sent to owners.
    pub told: u64,
    /// Notices of a new policy that were sent.
    pub notices: u64,
    /// Accounts whose owner was to be told something and could not be.
    pub untold: u64,
    /// Records deleted.
    pub deleted_records: u64,
    /// Records that are seven days old and whose hour is not closed, or whose day is on no
    /// statement.
    pub unclosed_records: u64,
    /// How often something was left to the next run: an account, a key or a record at which the
    /// store failed, an item that is not what it should be, or all that time was not enough for; or
    /// the report of this run.
    pub failed: u64,
    /// How old the oldest record was that the sweep found, in seconds, if one was seven days old.
    pub oldest_found: Option<u64>,
    /// The same of those that it left, as far as it has come.
    pub oldest_left: Option<u64>,
}

impl<S: RetentionStore> App<S> {
    /// Makes the function.
    pub fn new(store: S, catalogue: impl Into<Arc<Catalogue>>, log: Log) -> Self {
        Self { store, catalogue: catalogue.into(), mailer: None, backups: BACKUPS, log }
    }

    /// With what tells owners. Without it nobody is told.
    #[must_use]
    pub fn with_mailer(self, mailer: Option<Mailer>) -> Self {
        Self { mailer, ..self }
    }

    /// Where a backup may hold what was deleted of an account for this long.
    #[must_use]
    pub fn with_backups(self, backups: Duration) -> Self {
        Self { backups, ..self }
    }

    /// Runs once.
    ///
    /// # Errors
    /// When something was left to the next run, which goes on where this one ended. What was done
    /// stands in the log.
    pub async fn run(self: Arc<Self>, event: Event) -> Result<Report, &'static str> {
        self.run_by(event, &Timestamp::now).await
    }

    /// The same, under a clock.
    ///
    /// # Errors
    /// As [`App::run`].
    pub async fn run_by(&self, event: Event, clock: Clock<'_>) -> Result<Report, &'static str> {
        let report = self.report(event, clock).await;
        self.log.write(&LogLine::Retention {
            closed_hours: report.closed_hours,
            returned_pico: &report.returned_pico,
            deleted_records: report.deleted_records,
            unclosed_records: report.unclosed_records,
            untold_accounts: report.untold,
            failed: report.failed,
            oldest_found: report.oldest_found,
            oldest_left: report.oldest_left,
        });
        if report.failed > 0 || report.unclosed_records > 0 {
            return Err("something was left to the next run: see the log");
        }
        Ok(report)
    }

    /// Runs once under a clock, and says what it did and what failed. Wallets, keys and records have
    /// each a share of the time, so that none of them keeps another from its turn: what is done is
    /// not due any more when the next run comes.
    pub async fn report(&self, event: Event, clock: Clock<'_>) -> Report {
        let began = clock();
        let [wallets, keys, ending, records, owners, notices] = SHARES.map(|minutes| {
            let until = clock().plus(Duration::from_secs(minutes.saturating_mul(60)));
            Run { event, clock, until }
        });
        let mut listed = Accounts::default();
        let (mut report, sum) = self.close_wallets(wallets, &mut listed).await;
        let Accounts { mut owed, closing, lapsed } = listed;
        report.returned_pico = sum.returned.pico().to_string();
        report.short_pico = sum.short.pico().to_string();
        report.and(&self.close_keys(keys, &mut owed).await);
        report.and(&self.end_accounts(ending, closing).await);
        report.and(&self.forget_emails(ending, lapsed).await);
        report.and(&self.sweep(records).await);
        report.and(&self.tell(owners, owed).await);
        report.and(&self.notify(notices, owners.until).await);
        let kept = RunReport {
            time: began,
            segment: event.segment,
            deleted_records: report.deleted_records,
            unclosed_records: report.unclosed_records,
            failed: report.failed,
            oldest_found: report.oldest_found.map(Duration::from_secs),
            oldest_left: report.oldest_left.map(Duration::from_secs),
        };
        if self.store.keep_report(&kept).await.is_err() {
            report.failed = report.failed.saturating_add(1);
        }
        report
    }

    /// Closes the wallets that are due, and notes which accounts are owed an alert, of now or of an
    /// earlier run, and which are closed to everybody.
    async fn close_wallets(&self, run: Run<'_>, listed: &mut Accounts) -> (Report, Close) {
        let mut report = Report::default();
        let mut sum = Close { returned: Pico::ZERO, short: Pico::ZERO };
        let mut from = None;
        loop {
            let Event { segment, segments } = run.event;
            let now = (run.clock)();
            let page = self.store.list_wallets(now, segment, segments, from).await;
            let Some(found) = run.go_on(&mut report, page) else { return (report, sum) };
            report.failed = report.failed.saturating_add(found.corrupt);
            let mut due = Vec::new();
            for item in found.items {
                match item {
                    Listed::Wallet(wallet) => {
                        if wallet.due(now).is_some() || wallet.unstated(now).is_some() {
                            due.push(self.close(wallet.account, run.clock));
                        }
                    }
                    Listed::Untold(account) => drop(listed.owed.insert(account)),
                    Listed::Closing(account) => listed.closing.push(account),
                    Listed::Lapsed(account) => listed.lapsed.push(account),
                }
            }
            let mut closes = stream::iter(due).buffer_unordered(AT_ONCE);
            while let Some((account, closed, ended)) = closes.next().await {
                report.add(&closed, ended);
                sum.returned = sum.returned.and(closed.returned);
                sum.short = sum.short.and(closed.short);
                if let Some((account, hour)) = &closed.frozen {
                    let (account, hour) = (account.as_str(), hour.to_string());
                    let pico = closed.short.pico().to_string();
                    self.log.write(&LogLine::Short { account, hour: &hour, pico: &pico });
                }
                if closed.alerts > 0 {
                    listed.owed.insert(account);
                }
            }
            from = found.next;
            if from.is_none() {
                return (report, sum);
            }
        }
    }

    async fn close(
        &self,
        account: AccountId,
        clock: Clock<'_>,
    ) -> (AccountId, Closed, Result<(), StoreError>) {
        let closed = close_account(&self.store, &self.catalogue, &account, clock).await;
        (account, closed.0, closed.1)
    }

    async fn close_keys(&self, run: Run<'_>, owed: &mut BTreeSet<AccountId>) -> Report {
        let (mut report, mut from) = (Report::default(), None);
        loop {
            let Event { segment, segments } = run.event;
            let page = self.store.list_keys(segment, segments, from).await;
            let Some(found) = run.go_on(&mut report, page) else { return report };
            report.failed = report.failed.saturating_add(found.corrupt);
            let mut accounts: BTreeMap<AccountId, Vec<KeyHash>> = BTreeMap::new();
            for books in found.items {
                if books.due((run.clock)()).is_some() {
                    accounts.entry(books.key.account).or_default().push(books.key.hash);
                }
            }
            let due = accounts
                .into_iter()
                .map(async |(account, keys)| (account, self.close_keys_of(keys, run.clock).await));
            let due: Vec<_> = due.collect();
            let mut closes = stream::iter(due).buffer_unordered(AT_ONCE);
            while let Some((account, of_one)) = closes.next().await {
                report.and(&of_one);
                if of_one.alerts > 0 {
                    owed.insert(account);
                }
            }
            from = found.next;
            if from.is_none() {
                return report;
            }
        }
    }

    /// The keys of one account, which share its records.
    async fn close_keys_of(&self, keys: Vec<KeyHash>, clock: Clock<'_>) -> Report {
        let (mut report, mut spent) = (Report::default(), Spent::default());
        for hash in keys {
            let mut closed = Closed::default();
            let ended = close_key(&self.store, &hash, &mut spent, clock, &mut closed).await;
            report.add(&closed, ended);
        }
        report
    }

    /// Goes on with the end of accounts that are closed to everybody.
    async fn end_accounts(&self, run: Run<'_>, accounts: Vec<AccountId>) -> Report {
        let mut report = Report::default();
        let going_on = accounts.into_iter().map(async |account| {
            if (run.clock)() >= run.until {
                return Err(StoreError::Unavailable);
            }
            let time = (run.clock, run.until);
            closing::go_on(&self.store, &account, self.backups, time, &self.log).await
        });
        let going_on: Vec<_> = going_on.collect();
        let mut going_on = stream::iter(going_on).buffer_unordered(AT_ONCE);
        while let Some(outcome) = going_on.next().await {
            match outcome {
                Ok(Outcome::Ended) => {
                    report.ended_accounts = report.ended_accounts.saturating_add(1);
                }
                // Or another run is at it.
                Ok(Outcome::Waits) | Err(StoreError::Conflict) => {}
                Err(_) => report.failed = report.failed.saturating_add(1),
            }
        }
        report
    }

    /// Forgets the addresses before their own that these accounts know, which can undo nothing any
    /// more.
    async fn forget_emails(&self, run: Run<'_>, accounts: Vec<AccountId>) -> Report {
        let forgetting = accounts.into_iter().map(async |account| {
            if (run.clock)() >= run.until {
                return Err(StoreError::Unavailable);
            }
            self.store.forget_email_before(&account, (run.clock)()).await
        });
        let forgetting: Vec<_> = forgetting.collect();
        let mut forgetting = stream::iter(forgetting).buffer_unordered(AT_ONCE);
        let mut report = Report::default();
        while let Some(forgotten) = forgetting.next().await {
            // Or the address was changed meanwhile, or another run is at it.
            if !matches!(forgotten, Ok(()) | Err(StoreError::Conflict)) {
                report.failed = report.failed.saturating_add(1);
            }
        }
        report
    }

    async fn sweep(&self, run: Run<'_>) -> Report {
        let (mut report, mut from) = (Report::default(), None);
        loop {
            let Event { segment, segments } = run.event;
            let page = self.store.sweep_calls((run.clock)(), segment, segments, from).await;
            let Ok(swept) = page else {
                report.failed = report.failed.saturating_add(1);
                return report;
            };
            // What was deleted counts, also where the time was up meanwhile.
            report.deleted_records = report.deleted_records.saturating_add(swept.deleted);
            report.unclosed_records = report.unclosed_records.saturating_add(swept.unclosed);
            report.failed = report.failed.saturating_add(swept.failed);
            let seconds = |age: Option<Duration>| age.map(|age| age.as_secs());
            report.oldest_found = report.oldest_found.max(seconds(swept.oldest_found));
            report.oldest_left = report.oldest_left.max(seconds(swept.oldest_left));
            from = swept.next;
            if from.is_none() {
                return report;
            }
            if (run.clock)() >= run.until {
                report.failed = report.failed.saturating_add(1);
                return report;
            }
        }
    }

    /// Tells the owners of these accounts, if there is something to send with.
    async fn tell(&self, run: Run<'_>, owed: BTreeSet<AccountId>) -> Report {
        let mut report = Report::default();
        let Some(mailer) = &self.mailer else { return report };
        let telling = owed.into_iter().map(async |account| {
            if (run.clock)() < run.until {
                tell(&self.store, mailer, &account, run.clock).await
            } else {
                Err(tell::Untold)
            }
        });
        let telling: Vec<_> = telling.collect();
        let mut telling = stream::iter(telling).buffer_unordered(AT_ONCE);
        while let Some(told) = telling.next().await {
            match told {
                Ok(told) => report.told = report.told.saturating_add(told),
                Err(tell::Untold) => report.untold = report.untold.saturating_add(1),
            }
        }
        report
    }

    /// Sends notices of a new policy. What time was not enough for is nothing that has failed.
    async fn notify(&self, run: Run<'_>, sends_until: Timestamp) -> Report {
        let Run { event, clock, until } = run;
        let mailer = self.mailer.as_ref().map(|mailer| Paced::new(mailer, event.segments));
        let round = Round { event, clock, sends_until, until };
        match notify(&self.store, mailer.as_ref(), round).await {
            Ok(Notices { sent, failed, corrupt, .. }) => {
                Report { notices: sent, untold: failed, failed: corrupt, ..Report::default() }
            }
            Err(_) => Report { failed: 1, ..Report::default() },
        }
    }
}

/// What a run has found beside wallets.
#[derive(Default)]
struct Accounts {
    /// Those whose owner is owed an alert.
    owed: BTreeSet<AccountId>,
    /// Those that are closed to everybody.
    closing: Vec<AccountId>,
    /// Those that know an address which can undo nothing any more.
    lapsed: Vec<AccountId>,
}

/// One run: what it goes through, and until when.
#[derive(Clone, Copy)]
struct Run<'a> {
    event: Event,
    clock: Clock<'a>,
    until: Timestamp,
}

impl Run<'_> {
    /// What a page has, unless it could not be read or the time is up, which is a failure that the
    /// next run makes good.
    fn go_on<P>(&self, report: &mut Report, page: Result<P, StoreError>) -> Option<P> {
        let page = page.ok().filter(|_| (self.clock)() < self.until);
        if page.is_none() {
            report.failed = report.failed.saturating_add(1);
        }
        page
    }
}

impl Report {
    /// Both together; the amounts are the wallets'.
    fn and(&mut self, other: &Self) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.closed_key_hours, other.closed_key_hours);
        add(&mut self.ended_accounts, other.ended_accounts);
        add(&mut self.alerts, other.alerts);
        add(&mut self.told, other.told);
        add(&mut self.notices, other.notices);
        add(&mut self.untold, other.untold);
        add(&mut self.deleted_records, other.deleted_records);
        add(&mut self.unclosed_records, other.unclosed_records);
        add(&mut self.failed, other.failed);
        self.oldest_found = self.oldest_found.max(other.oldest_found);
        self.oldest_left = self.oldest_left.max(other.oldest_left);
    }

    fn add(&mut self, closed: &Closed, ended: Result<(), StoreError>) {
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.closed_hours, closed.hours);
        add(&mut self.closed_key_hours, closed.key_hours);
        add(&mut self.lines, closed.lines);
        add(&mut self.alerts, closed.alerts);
        add(&mut self.failed, u64::from(ended.is_err()));
    }
}
