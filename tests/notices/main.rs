//! Notices of a new policy version, simulated: what Lambda runs to send them, to a hundred thousand
//! accounts (where the whole proof is run), on a store and with a mailer that fail in every way a network can, in runs that crash
//! wherever they wait.
//!
//! Messages are counted where SES would take them. One is taken twice only where whoever had sent it
//! has not marked it, and how many those are is counted apart, by what is written.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "an overflow is a panic, and a failed test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_sdk_dynamodb::types::AttributeValue;
use mail::{Message, NotSent, SendMessage};
use retention::{Event, Notices, Round, notify};
use shared::{
    policy::{CurrentPolicy, PolicyVersion, VersionNumber},
    store::{
        Store, StoreError, Table,
        notices::{Progress, ReadProgress},
        policies::{KeepPolicies, Published},
        tables::Item,
    },
    time::Timestamp,
};
use simulator::{
    Applied, Crash, Environment, Faults, Mutation, Running, Simulation, crash_everywhere, proof,
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// What SES has taken, and what was marked of it.
#[derive(Default)]
struct Ledger {
    /// How often a message to an account was taken.
    taken: BTreeMap<String, u32>,
    /// By which environment one was taken that this has not marked as sent.
    unmarked: BTreeSet<(String, u32)>,
}

impl Ledger {
    /// Messages that were taken.
    fn messages(&self) -> u32 {
        self.taken.values().sum()
    }

    /// Each account has its message, and one more for each that was taken and not marked.
    fn check(&self, accounts: u32) {
        let mut lost: BTreeMap<&str, u32> = BTreeMap::new();
        for (account, _) in &self.unmarked {
            *lost.entry(account).or_default() += 1;
        }
        assert_eq!(u32::try_from(self.taken.len()), Ok(accounts), "whoever has an address");
        for (account, taken) in &self.taken {
            let lost = lost.get(account.as_str()).copied().unwrap_or(0);
            assert_eq!(*taken, 1 + lost, "{account}");
        }
        assert_eq!(self.messages(), accounts + u32::try_from(self.unmarked.len()).unwrap());
    }
}

/// Stands where SES stands.
struct Post {
    environment: Environment,
    ledger: Arc<Mutex<Ledger>>,
    answers: Answers,
}

/// When it answers, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answers {
    /// In the moment in which it takes a message.
    AtOnce,
    /// A while after.
    Later,
    /// Later, and one time in a thousand it refuses, or its answer is lost.
    OrFails,
}

impl SendMessage for Post {
    async fn send(&self, message: Message<'_>) -> Result<(), NotSent> {
        let way = || Duration::from_micros(self.environment.below(50_000));
        self.environment.sleep(way()).await;
        let fails = self.answers == Answers::OrFails && self.environment.below(1_000) == 0;
        if fails && self.environment.below(2) == 0 {
            return Err(NotSent);
        }
        let account = message.to.as_str().split('@').next().unwrap().to_owned();
        {
            let mut ledger = self.ledger.lock().unwrap();
            *ledger.taken.entry(account.clone()).or_default() += 1;
            assert!(ledger.unmarked.insert((account, self.environment.id())), "twice in one run");
        }
        if self.answers != Answers::AtOnce {
            self.environment.sleep(way()).await;
        }
        if fails { Err(NotSent) } else { Ok(()) }
    }
}

/// A platform with accounts and a second major version, which was just published.
struct Platform {
    simulation: Simulation,
    ledger: Arc<Mutex<Ledger>>,
    accounts: u32,
    nameless: u32,
}

impl Platform {
    /// So many accounts have an address, and so many have none.
    fn new(seed: u64, accounts: u32, nameless: u32) -> Self {
        let simulation = Simulation::new(seed);
        let ledger: Arc<Mutex<Ledger>> = Arc::default();
        let before = simulation.now().minus(DAY);
        for number in 0..accounts + nameless {
            let email = (number < accounts).then(|| format!("{}@example.com", account(number)));
            simulation.set_item(Table::Accounts, profile(number, before, email));
        }
        let marks = Arc::clone(&ledger);
        simulation.observe(move |commit| {
            let told = commit.after.is_some_and(|item| item.contains_key("policy_told"));
            if commit.applied == Applied::Applied && commit.sort == "profile" && told {
                let mark = (commit.partition.to_owned(), commit.environment);
                marks.lock().unwrap().unmarked.remove(&mark);
            }
        });
        let platform = Self { simulation, ledger, accounts, nameless };
        platform.publish();
        platform
    }

    fn publish(&self) {
        let (now, env) = (self.simulation.now(), self.simulation.environment(0));
        let (number, sha256) = (VersionNumber { major: 2, minor: 0 }, "0".repeat(64));
        let in_force_at = now.plus(30 * DAY);
        let version =
            PolicyVersion { number, sha256: sha256.clone(), published_at: now, in_force_at };
        let (major_published_at, required_from) = (now, in_force_at);
        let current = CurrentPolicy { number, sha256, major_published_at, required_from };
        let store = Store::over(env.clone());
        let published = self.simulation.complete(&env, async move {
            let published = Published { version: &version, text: "Another." };
            store.publish(None, &[published], &current).await
        });
        published.unwrap();
        // Whoever comes after that has agreed to it.
        let later = self.simulation.now().plus(HOUR);
        let late = self.accounts + self.nameless;
        let email = Some("late@example.com".to_owned());
        self.simulation.set_item(Table::Accounts, profile(late, later, email));
    }

    /// Starts a run, as the schedule does.
    fn run(&self, event: Event, answers: Answers) -> (u32, Running<Result<Notices, StoreError>>) {
        let skew = i64::try_from(self.simulation.below(1_000)).unwrap() - 500;
        let env = self.simulation.environment(skew);
        let ledger = Arc::clone(&self.ledger);
        let post = Post { environment: env.clone(), ledger, answers };
        let (store, clock, id) = (Store::over(env.clone()), env.clock(), env.id());
        let running = env.spawn(async move {
            let (sends_until, until) = (clock().plus(13 * MINUTE), clock().plus(14 * MINUTE));
            let round = Round { event, clock: &clock, sends_until, until };
            notify(&store, Some(&post), round).await
        });
        (id, running)
    }

    /// How far the notices are, as the operator sees it.
    fn progress(&self) -> Option<Progress> {
        let env = self.simulation.environment(0);
        let store = Store::over(env.clone());
        let parts = self.simulation.complete(&env, async move { store.progress_of(2).await });
        Progress::sum(&parts.unwrap())
    }

    /// How many are marked in the table.
    fn marked(&self) -> u64 {
        self.simulation.view(|contents| {
            let marked = contents.items(Table::Accounts);
            u64::try_from(marked.filter(|it| it.contains_key("policy_told")).count()).unwrap()
        })
    }

    /// Everybody has had the notice, and the operator can see it.
    fn finish(&self) {
        let progress = self.progress().unwrap();
        let (told, nameless) = (u64::from(self.accounts), u64::from(self.nameless));
        assert_eq!((progress.told, progress.left), (told, 0));
        assert_eq!((progress.without_address, self.marked()), (nameless, told));
        self.ledger.lock().unwrap().check(self.accounts);
    }
}

fn account(number: u32) -> String {
    format!("acct_{number:022}")
}

fn profile(number: u32, created_at: Timestamp, email: Option<String>) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut item = Item::from([
        ("account".to_owned(), text(&account(number))),
        ("part".to_owned(), text("profile")),
        ("created_at".to_owned(), AttributeValue::N(created_at.seconds().to_string())),
    ]);
    item.extend(email.map(|email| ("email".to_owned(), text(&email))));
    item
}

/// What a schedule of runs came to.
#[derive(Default)]
struct Schedule {
    runs: u32,
    crashed: BTreeSet<u32>,
    ended: BTreeSet<u32>,
}

/// Runs every hour until nobody is left, of which the first ones crash.
fn every_hour(
    platform: &Platform,
    answers: Answers,
    crashes: &[Crash],
    divide: impl Fn(u32) -> Vec<Event>,
) -> Schedule {
    let mut schedule = Schedule::default();
    for hour in 0_u32.. {
        let mut running = Vec::new();
        for event in divide(hour) {
            let (id, run) = platform.run(event, answers);
            let crash = usize::try_from(schedule.runs).ok().and_then(|at| crashes.get(at));
            if let Some(crash) = crash {
                let place = platform.simulation.below(60_000);
                run.crash_at(1 + u32::try_from(place).unwrap(), *crash);
            }
            schedule.runs += 1;
            running.push((id, run));
        }
        platform.simulation.run_for(HOUR);
        let alone = running.len() == 1;
        for (id, run) in running {
            match run.take() {
                None => {
                    assert!(run.crashed(), "a run takes no hour");
                    schedule.crashed.insert(id);
                }
                Some(outcome) => {
                    schedule.ended.insert(id);
                    let Some(progress) = outcome.ok().and_then(|notices| notices.progress) else {
                        continue;
                    };
                    // It counts every account, and as they stand.
                    let all = progress.told + progress.left + progress.without_address;
                    if progress.segments == 1 {
                        assert_eq!(all, u64::from(platform.accounts + platform.nameless));
                        assert!(!alone || progress.told == platform.marked());
                    }
                }
            }
        }
        let progress = platform.progress();
        if progress.is_some_and(|progress| progress.left == 0) {
            return schedule;
        }
        assert!(hour < 24 * 30, "they are sent within the grace");
    }
    schedule
}

/// The usual one: the whole table, once.
fn whole(_: u32) -> Vec<Event> {
    vec![Event::default()]
}

/// As many accounts as the proof is to have.
fn many(seed: u64) -> Platform {
    let accounts = proof::size("NOTICES_ACCOUNTS", 30_000, 100_000);
    let platform = Platform::new(seed, accounts, 1_000);
    platform.simulation.set_page_size(1_000);
    platform
}

fn tell(name: &str, platform: &Platform, schedule: &Schedule, start: Instant) {
    let ledger = platform.ledger.lock().unwrap();
    simulator::show(&format!(
        "{name}: {} accounts, {} runs of which {} crashed, {} messages, {} of them once more, in \
         {:.0?}",
        platform.accounts,
        schedule.runs,
        schedule.crashed.len(),
        ledger.messages(),
        ledger.unmarked.len(),
        start.elapsed()
    ));
}

#[test]
fn every_account_is_notified_once_with_crashes_in_between() {
    let start = Instant::now();
    // Where no crash falls between that SES takes a message and that its mark is under way.
    let platform = many(1);
    let schedule = every_hour(&platform, Answers::AtOnce, &[Crash::AfterDelivery; 24], whole);
    platform.finish();
    assert_eq!(platform.ledger.lock().unwrap().messages(), platform.accounts);
    // Fewer accounts are told in fewer runs.
    let least = if platform.accounts < 100_000 { 2 } else { 12 };
    assert!(schedule.crashed.len() >= least, "{}", schedule.crashed.len());
    tell("crashes everywhere else", &platform, &schedule, start);
}

#[test]
fn a_message_is_sent_once_more_where_its_run_crashed_before_the_mark_and_nowhere_else() {
    let start = Instant::now();
    let platform = many(2);
    let crashes = [Crash::AfterDelivery, Crash::BeforeDelivery].repeat(12);
    let schedule = every_hour(&platform, Answers::Later, &crashes, whole);
    platform.finish();
    tell("crashes wherever a run waits", &platform, &schedule, start);
    let ledger = platform.ledger.lock().unwrap();
    // Whoever has not crashed has marked what it has sent; whoever has, had sixteen under way.
    let mut lost: BTreeMap<u32, u32> = BTreeMap::new();
    for (_, run) in &ledger.unmarked {
        *lost.entry(*run).or_default() += 1;
    }
    assert!(!lost.is_empty() && lost.values().all(|lost| *lost <= 16), "{lost:?}");
    assert!(lost.keys().all(|run| schedule.crashed.contains(run)), "{lost:?}");
}

#[test]
fn every_account_is_notified_whatever_fails_also_by_several_runs_at_once() {
    let start = Instant::now();
    let platform = many(3);
    platform.simulation.set_faults(Faults { crash: 0, ..Faults::all(200) });
    let part = |segment, segments| Event { segment, segments };
    // The same part twice at once, both halves, and the halves anew in four.
    let divide = |hour: u32| match hour % 3 {
        0 => vec![part(0, 1), part(0, 1)],
        1 => vec![part(0, 2), part(1, 2)],
        _ => (0..4).map(|segment| part(segment, 4)).collect(),
    };
    let crashes = [Crash::AfterDelivery, Crash::BeforeDelivery].repeat(15);
    let schedule = every_hour(&platform, Answers::OrFails, &crashes, divide);
    platform.finish();
    tell("whatever fails", &platform, &schedule, start);
}

#[test]
fn a_run_may_crash_at_any_place_and_the_next_goes_on() {
    let (mut twice, mut messages) = (0, 0);
    let places = crash_everywhere(|place, crash| {
        let platform = Platform::new(7, 3, 1);
        platform.simulation.set_page_size(2);
        let (id, first) = platform.run(Event::default(), Answers::Later);
        first.crash_at(place, crash);
        // Beside it another, which does not disturb it.
        platform.simulation.run_for(Duration::from_millis(u64::from(place) * 20));
        platform.run(Event::default(), Answers::Later);
        platform.simulation.run_for(HOUR);
        platform.run(Event::default(), Answers::Later);
        platform.simulation.run_for(HOUR);
        platform.finish();
        let ledger = platform.ledger.lock().unwrap();
        assert!(ledger.unmarked.iter().all(|(_, run)| *run == id && first.crashed()));
        twice += ledger.unmarked.len();
        messages += ledger.messages();
        first.crashed()
    });
    simulator::show(&format!(
        "{places} places to crash at, {messages} messages, {twice} once more"
    ));
    assert!(places > 10 && twice > 0);
}

#[test]
fn an_account_that_is_closed_meanwhile_is_left_alone() {
    let platform = Platform::new(11, 2, 0);
    let (_, run) = platform.run(Event::default(), Answers::Later);
    // Between the look at all of them and the claims.
    let counts = || platform.simulation.counts();
    while counts().scans == 0 || counts().writes == 0 {
        platform.simulation.run_for(Duration::from_millis(1));
    }
    platform.simulation.remove_item(Table::Accounts, &[&account(0), "profile"]);
    platform.simulation.run_for(HOUR);
    let notices = run.take().unwrap().unwrap();
    assert_eq!((notices.sent, notices.failed), (1, 0));
    let progress = notices.progress.unwrap();
    assert_eq!((progress.told, progress.left, platform.marked()), (1, 0, 1));
}

#[test]
fn each_condition_of_a_claim_is_needed() {
    for (clause, beside) in [("", 0), ("#claimed_at", 1), ("#policy_told", 1)] {
        let platform = Platform::new(5, 300, 0);
        if !clause.is_empty() {
            platform.simulation.mutate(Mutation::DropClause {
                table: Table::Accounts,
                write_contains: "SET #claimed_at",
                clause,
            });
        }
        platform.run(Event::default(), Answers::AtOnce);
        platform.simulation.run_for(Duration::from_secs(2));
        platform.run(Event::default(), Answers::AtOnce);
        platform.simulation.run_for(HOUR);
        assert!(platform.simulation.mutations_applied());
        let once_more = platform.ledger.lock().unwrap().messages() - 300;
        assert_eq!(once_more.min(1), beside, "{clause}: {once_more}");
    }
}
