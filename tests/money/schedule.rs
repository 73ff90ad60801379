//! One schedule: what happens to an account within some hours, as its seed has it.

use std::{collections::BTreeMap, fmt, num::NonZeroU64, sync::Arc, time::Duration};

use shared::{
    id::{AccountId, ReceiptId},
    key::IdempotencyTag,
    limits::{Concurrent, Limits},
    money::Pico,
    provider::Provider,
    store::{
        Store,
        accounts::ReadProfile,
        consents::{By, ConsentEvent, ConsentKind, KeepConsents},
        keys::ChangeKeys,
        ledger::{Entry, EntryKind, PostEntry},
        receipts::{BeginClosing, Closing, EraseAccount, Parts},
        wallet::{ChangeWallet, State},
    },
    time::Timestamp,
};
use simulator::{Counts, Environment, Faults, Mutation, Simulation};

use super::bank::{Again, Bank, Defect, PRICE, Want, revoke, straggle};

/// 2026-11-30T22:00:00Z: two hours before the end of a day and of a month.
const EVENING: Timestamp = Timestamp::from_seconds(1_796_076_000);

const MINUTE: Duration = Duration::from_secs(60);

const HOUR: Duration = Duration::from_secs(3_600);

/// A schedule.
pub(super) struct Plan {
    seed: u64,
    faults: Faults,
    mutation: Option<Mutation>,
    defect: Option<Defect>,
    /// Whether clocks differ by more than the revocation of a key allows for.
    wild: bool,
}

/// What became of it.
pub(super) struct Outcome {
    pub(super) violations: Vec<String>,
    pub(super) stats: Stats,
    /// Whether a mutation has changed anything.
    pub(super) mutated: bool,
}

impl Plan {
    pub(super) const fn new(seed: u64, faults: Faults) -> Self {
        Self { seed, faults, mutation: None, defect: None, wild: seed % 8 == 5 }
    }

    /// The same with something removed: a condition of a write, or a rule.
    pub(super) const fn with(mut self, mutation: Option<Mutation>, defect: Option<Defect>) -> Self {
        self.mutation = mutation;
        self.defect = defect;
        self
    }

    /// Runs it to the end, and closes everything.
    pub(super) fn run(&self) -> Outcome {
        let simulation = Simulation::starting_at(self.seed, EVENING);
        simulation.set_page_size(usize::try_from(simulation.below(3)).unwrap() + 2);
        let below = |end: u64| simulation.below(end);
        let credit = Pico::new(i128::from(20_000 + below(400_000)));
        let of_key = |simulation: &Simulation| {
            let limits = some_limits(simulation, credit);
            // A key that has no limit any more would not be counted.
            Limits { concurrent: limits.concurrent.or(Concurrent::new(9)), ..limits }
        };
        let limits = [Limits::default(), of_key(&simulation)];
        let early = Duration::from_secs(below(3 * 3_600));
        simulation.run_until(EVENING.plus(early));
        let of_account = some_limits(&simulation, credit);
        let of_account = if simulation.below(3) == 0 { of_account } else { Limits::default() };
        let mut bank = Bank::limited(simulation, credit, &limits, &of_account);
        bank.defect = self.defect;
        let simulation = &bank.simulation;
        simulation.set_faults(self.faults);
        if let Some(mutation) = self.mutation {
            simulation.mutate(mutation);
            if matches!(mutation, Mutation::Eventual) {
                // DynamoDB names no bound.
                simulation.set_staleness(Duration::from_secs(3_600));
            }
        }
        let environments: Vec<_> =
            (0..3).map(|_| simulation.environment(self.skew(simulation))).collect();
        let tag = IdempotencyTag::parse(&"5a".repeat(32)).unwrap();
        for _ in 0..3 + simulation.below(6) {
            let env = &environments[usize::try_from(simulation.below(3)).unwrap()];
            let key = &bank.keys[usize::try_from(simulation.below(2)).unwrap()];
            bank.call(env, key, some_call(simulation, &tag));
        }
        self.others(&bank, &environments);
        if simulation.below(3) == 0 {
            let after = Duration::from_millis(simulation.below(600));
            let account = &bank.account;
            for env in &environments {
                let (task, hash) = (env.clone(), bank.keys[1].hash.clone());
                let account = account.clone();
                let limits = of_key(simulation);
                env.spawn(async move {
                    task.sleep(after).await;
                    let store = Store::over(task.clone());
                    let set = store.set_key_limits(&hash, &limits, task.now()).await;
                    let mark = task.now().plus(Duration::from_secs(5));
                    set.is_ok() && store.require_fresh_keys(&account, mark).await.is_ok()
                });
            }
        }
        for (key, limits) in bank.keys.iter().zip(limits) {
            if simulation.below(4) == 0 {
                let again = if simulation.below(2) == 0 { Again::Settles } else { Again::Holds };
                let stops = Duration::from_secs(simulation.below(4 * 3_600));
                let env = &environments[0];
                let (account, key) = (bank.account.clone(), key.clone());
                env.spawn(straggle(env.clone(), account, key, limits, (stops, again)));
            }
        }
        for _ in 0..1 + simulation.below(4) {
            let env = simulation.environment(self.skew(simulation));
            // Some at the moment an hour is due, some between.
            let hours = 3_600_000 * simulation.below(3);
            let due = 3_600_000 - simulation.now().millis().unsigned_abs() % 3_600_000 + 1_500_000;
            let after = match simulation.below(2) {
                0 => due + hours - 1_000 + simulation.below(2_000),
                _ => due + simulation.below(3 * 3_600_000),
            };
            bank.close_after(&env, Duration::from_millis(after));
        }
        simulation.run();
        bank.close_all();
        let (violations, stats) = bank.checks.finish(simulation, &bank.account);
        Outcome { violations, stats, mutated: simulation.mutations_applied() }
    }

    /// By how much a clock is ahead, in milliseconds.
    fn skew(&self, simulation: &Simulation) -> i64 {
        let most = if self.wild { 4 * 60_000 } else { 1_500 };
        i64::try_from(simulation.below(2 * most)).unwrap() - i64::try_from(most).unwrap()
    }

    /// What the account's owner and the operator do meanwhile.
    fn others(&self, bank: &Bank, environments: &[Environment]) {
        let simulation = &bank.simulation;
        let account = || bank.account.clone();
        // Half of it about when the first calls come.
        let after = || match simulation.below(2) {
            0 => Duration::from_millis(simulation.below(600)),
            _ => Duration::from_secs(simulation.below(30 * 60)),
        };
        for at in 0..simulation.below(3) {
            let (env, account, after) = (environments[0].clone(), account(), after());
            let kind = simulation.below(3);
            let amount = i128::from(1 + simulation.below(60_000));
            // Each is sent twice, under one name.
            for _ in 0..2 {
                let (task, account) = (env.clone(), account.clone());
                env.spawn(async move {
                    task.sleep(after).await;
                    let (kind, amount) = match kind {
                        0 => (EntryKind::TopUp, amount),
                        1 => (EntryKind::Refund, amount),
                        _ => (EntryKind::Adjustment, -amount),
                    };
                    let name = format!("entry-{at}");
                    let entry = Entry::new(&account, kind, &name, Pico::new(amount)).unwrap();
                    Store::over(task.clone()).post_entry(&entry, task.now()).await.is_ok()
                });
            }
        }
        let stale = matches!(self.mutation, Some(Mutation::Eventual));
        if simulation.below(3) == 0 && !self.wild && !stale {
            let key = bank.keys[usize::try_from(simulation.below(2)).unwrap()].clone();
            let (env, account, after) = (simulation.environment(0), account(), after());
            let (checks, defect) = (Arc::clone(&bank.checks), self.defect);
            let task = env.clone();
            env.spawn(async move {
                task.sleep(after).await;
                revoke(task, account, key, checks, defect).await;
            });
        }
        if simulation.below(12) == 0 {
            let after = after();
            for env in environments.iter().skip(1) {
                let (task, account) = (env.clone(), account());
                env.spawn(async move {
                    task.sleep(after).await;
                    close_account(&task, &account).await;
                });
            }
            // Whoever enters a payment or thaws the account when there is none any more.
            for hours in [0, 1 + simulation.below(8)] {
                let (env, account) = (environments[0].clone(), account());
                let task = env.clone();
                let after = after + HOUR.saturating_mul(u32::try_from(hours).unwrap());
                env.spawn(async move {
                    task.sleep(after).await;
                    let store = Store::over(task.clone());
                    let name = format!("late-{hours}");
                    let entry = Entry::new(&account, EntryKind::TopUp, &name, Pico::new(7));
                    let _posted = store.post_entry(&entry.unwrap(), task.now()).await;
                    let _thawed = store.set_state(&account, State::Active).await;
                });
            }
        }
        if simulation.below(3) == 0 {
            let (after, again) = (after(), Duration::from_secs(simulation.below(900)));
            let what = simulation.below(3);
            // Two of them, at the same.
            for env in environments.iter().take(2) {
                let limits = some_limits(simulation, Pico::new(100_000));
                env.spawn(change(env.clone(), account(), (after, again), what, limits));
            }
        }
    }
}

/// A change to the account, and after a time another.
async fn change(
    env: Environment,
    account: AccountId,
    (after, again): (Duration, Duration),
    what: u64,
    limits: Limits,
) {
    env.sleep(after).await;
    let store = Store::over(env.clone());
    match what {
        0 => {
            let _frozen = store.set_state(&account, State::Frozen).await;
            env.sleep(again).await;
            let _active = store.set_state(&account, State::Active).await;
        }
        1 => {
            let event = |kind| ConsentEvent {
                provider: Provider::OpenAi,
                policy: 1,
                kind,
                by: By::Operator,
                time: env.now(),
            };
            let withdrawn = event(ConsentKind::Withdrawn);
            let _withdrawn = store.withdraw_consent(&account, &withdrawn).await;
            env.sleep(again).await;
            let _given = store.give_consent(&account, &event(ConsentKind::Given)).await;
        }
        _ => {
            for limits in [limits, Limits::default()] {
                let _set = store.set_account_limits(&account, &limits, env.now()).await;
                env.sleep(again).await;
            }
        }
    }
}

/// The end of an account, as its owner asks for it.
pub(super) async fn close_account(env: &Environment, account: &AccountId) {
    let store = Store::over(env.clone());
    let Ok(Some(profile)) = store.read_profile(account).await else { return };
    let receipt = ReceiptId::of(account, &"5a".repeat(11)).unwrap();
    let closing = Closing { receipt: &receipt, emails: &[], code: None, frozen: true };
    if store.begin_closing(&profile, &closing, env.now()).await.is_ok() {
        let _erased = store.erase_keys(account).await;
        let _erased = store.erase_parts(account, Parts::Shown).await;
    }
}

fn some_limits(simulation: &Simulation, credit: Pico) -> Limits {
    let below = |end: u64| simulation.below(end);
    let spend = || {
        let part = i128::from(below(1_000));
        (part < 600).then(|| Pico::new(credit.pico() * part / 500))
    };
    Limits {
        total: spend(),
        day: spend(),
        month: spend(),
        requests: NonZeroU64::new(below(4)),
        tokens: NonZeroU64::new(below(4) * 50),
        concurrent: u8::try_from(below(5)).ok().and_then(Concurrent::new),
    }
}

fn some_call(simulation: &Simulation, tag: &IdempotencyTag) -> Want {
    let below = |end: u64| simulation.below(end);
    Want {
        // Some at the same moment, some across the end of an hour, a day or a month.
        after: match below(3) {
            0 => Duration::from_millis(below(50)),
            1 => Duration::from_secs(below(120)),
            _ => MINUTE.saturating_mul(u32::try_from(below(60)).unwrap()),
        },
        runs: match below(4) {
            0 => Duration::ZERO,
            1 | 2 => Duration::from_millis(below(20_000)),
            _ if below(6) > 0 => Duration::from_secs(below(14 * 60)),
            // A process that was frozen and goes on when the hour is closed.
            _ => Duration::from_secs(below(2 * 3_600)),
        },
        prompt: below(60),
        answer: 16 + below(150),
        spends: below(1_150),
        tag: (below(4) == 0).then(|| tag.clone()),
    }
}

/// Figures of many schedules.
#[derive(Debug, Default)]
pub(super) struct Stats {
    pub(super) calls: u64,
    pub(super) admitted: u64,
    pub(super) settled: u64,
    /// Holds that were placed in a wallet: more than were admitted, where an answer was lost.
    pub(super) holds: u64,
    pub(super) refused: u64,
    pub(super) false_refusals: u64,
    /// Refusals of calls that the balance would cover but for holds whose outcome is not known.
    pub(super) behind_unknown: u64,
    pub(super) records: usize,
    /// Accounts that were closed and have ended.
    pub(super) ended: u64,
    /// What else calls were told, by code.
    pub(super) other: BTreeMap<&'static str, u64>,
    messages: u64,
    applied: u64,
    unknown: u64,
    nothing_done: u64,
    expired: u64,
    crashes: u64,
}

impl Stats {
    pub(super) fn add_counts(&mut self, counts: &Counts) {
        self.messages += counts.sent();
        self.applied += counts.applied;
        self.unknown += counts.unknown;
        self.nothing_done += counts.nothing_done;
        self.expired += counts.expired;
        self.crashes += counts.crashes;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.admitted += other.admitted;
        self.settled += other.settled;
        self.holds += other.holds;
        self.refused += other.refused;
        self.false_refusals += other.false_refusals;
        self.behind_unknown += other.behind_unknown;
        self.records += other.records;
        self.ended += other.ended;
        for (code, count) in &other.other {
            *self.other.entry(code).or_default() += count;
        }
        self.messages += other.messages;
        self.applied += other.applied;
        self.unknown += other.unknown;
        self.nothing_done += other.nothing_done;
        self.expired += other.expired;
        self.crashes += other.crashes;
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, admitted, settled, holds, refused, false_refusals, records, .. } = self;
        writeln!(f, "calls {calls}, admitted {admitted}, settled {settled}, recorded {records}")?;
        writeln!(f, "accounts closed and ended {}", self.ended)?;
        writeln!(
            f,
            "holds placed {holds}: {} more than admitted",
            holds.saturating_sub(*admitted)
        )?;
        writeln!(
            f,
            "refused for money {refused}, of these falsely {false_refusals}, behind holds of unknown \
             outcome {}",
            self.behind_unknown
        )?;
        writeln!(f, "told otherwise {:?}", self.other)?;
        let Self { messages, applied, unknown, nothing_done, expired, crashes, .. } = self;
        write!(
            f,
            "messages {messages}, writes applied {applied}, answers lost {unknown}, turned away \
             {nothing_done}, signatures too old {expired}, crashes {crashes}, a token costs {}",
            PRICE.pico()
        )
    }
}
