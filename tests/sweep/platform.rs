//! A platform in simulated time: accounts that call, retention that runs as it is scheduled, crashes
//! or does not come, a TTL that deletes late or never, and somebody who asks for everything there is.

mod answers;
mod calls;
mod runs;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::{Arc, Mutex},
    time::Duration,
};

use shared::{
    catalogue::Catalogue,
    id::ReceiptId,
    log::Log,
    money::Markup,
    store::{
        Store, Table,
        accounts::ReadProfile,
        receipts::{BeginClosing, Closing},
    },
    time::Timestamp,
};
use simulator::{Environment, Mutation, Simulation};

use self::{
    calls::{Account, open_account},
    runs::Run,
};
use super::truth::{Counts, Place, Truth, lock};

/// When it begins: 2026-11-24T00:00:00Z.
const START: i64 = 1_795_478_400;

const DAY: i64 = 86_400_000;
const HOUR: i64 = 3_600_000;
const MINUTE: i64 = 60_000;

/// What is simulated.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) days: i64,
    /// How often an account calls, in calls a day.
    pub(super) busy: &'static [u64],
    /// Every how many hours the first of them calls once in each second around the beginning of a
    /// run, so that another run looks for those in the very second in which they end.
    pub(super) bursts: i64,
    /// The minutes of an hour at which retention runs.
    pub(super) minutes: &'static [i64],
    /// How many runs in a row may fail.
    pub(super) spare: u32,
    /// In parts of a hundred, how many runs crash, do not come, find a store that refuses, and one
    /// that loses messages.
    pub(super) fails: [u64; 4],
    /// The hours of the simulation in which no run comes.
    pub(super) outages: &'static [(i64, i64)],
    /// The days on which no statement can be written.
    pub(super) unstated: (i64, i64),
    pub(super) mutation: Option<Mutation>,
}

impl Plan {
    /// What is usual.
    pub(super) const fn new(seed: u64, days: i64) -> Self {
        Self {
            seed,
            days,
            busy: &[40, 20, 10, 8, 4, 2, 1, 1],
            bursts: 12,
            minutes: &[25, 55],
            spare: 2,
            fails: [14, 8, 2, 4],
            outages: &[(12 * 24, 12 * 24 + 9), (20 * 24 + 3, 20 * 24 + 6)],
            unstated: (0, 0),
            mutation: None,
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happens {
    /// An account calls, and will again.
    Call(usize),
    /// It calls once more.
    Again(usize),
    /// Retention is due.
    Run,
    /// Somebody looks for a record around the second in which it ends.
    Look(Place),
    /// DynamoDB's own expiry.
    Expire(Place),
    /// An account is closed.
    Close(usize),
}

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures {
    pub(super) calls: u64,
    pub(super) closed: u64,
    pub(super) good: u64,
    pub(super) crashed: u64,
    pub(super) missed: u64,
    pub(super) failed: u64,
    /// The most runs that failed in a row.
    pub(super) in_a_row: u32,
    pub(super) compared: u64,
    pub(super) unclosed: u64,
    pub(super) answers: u64,
    pub(super) last_second: u64,
    pub(super) first_second: u64,
    /// Of those, how many were still in the table.
    pub(super) still_there: u64,
    pub(super) worst: i64,
    pub(super) worst_outage: i64,
    pub(super) oldest_found: i64,
    /// Runs whose line raises the alarm on what is overdue.
    pub(super) alarms: u64,
    pub(super) counts: Counts,
    pub(super) violations: Vec<String>,
    pub(super) mutated: bool,
}

pub(super) struct Platform {
    plan: Plan,
    simulation: Simulation,
    truth: Arc<Mutex<Truth>>,
    accounts: Vec<Account>,
    proxies: Vec<Environment>,
    reader: Environment,
    usage: Arc<usage::App<Store<Environment>>>,
    catalogue: Arc<Catalogue>,
    queue: BinaryHeap<Reverse<(i64, Happens)>>,
    run: Option<Run>,
    /// How many runs in a row have failed, and how often the last one waited.
    row: u32,
    waits: u32,
    figures: Figures,
}

impl Platform {
    pub(super) fn simulate(plan: Plan) -> Figures {
        let mut platform = Self::open(plan);
        let end = (START * 1_000) + plan.days * DAY;
        while let Some(Reverse((at, happens))) = platform.queue.pop() {
            if at > end || !lock(&platform.truth).violations().is_empty() {
                break;
            }
            platform.pass(at);
            platform.happen(happens);
            platform.plan_for_new();
        }
        let truth = lock(&platform.truth);
        let violations = truth.violations().to_vec();
        let mutated = platform.simulation.mutations_applied();
        Figures { counts: truth.counts, violations, mutated, ..platform.figures.clone() }
    }

    fn open(plan: Plan) -> Self {
        let start = Timestamp::from_seconds(START);
        let simulation = Simulation::starting_at(plan.seed, start);
        simulation.set_page_size(400);
        simulation.set_staleness(Duration::ZERO);
        let truth = Truth::watch(&simulation);
        let reader = simulation.environment(0);
        let accounts =
            (0..plan.busy.len()).map(|number| open_account(&simulation, number)).collect();
        let catalogue = Arc::new(Catalogue::load(Markup::default()).unwrap());
        let log = Log::to(std::io::sink());
        let usage = usage::App::new(Store::over(reader.clone()), Markup::default(), log).unwrap();
        if let Some(mutation) = plan.mutation {
            simulation.mutate(mutation);
        }
        let proxies = (0..3).map(|_| simulation.environment(0)).collect();
        let mut queue = BinaryHeap::new();
        let start = START * 1_000;
        for hour in 0..plan.days * 24 {
            for minute in plan.minutes {
                queue.push(Reverse((start + hour * HOUR + minute * MINUTE, Happens::Run)));
            }
            if hour % plan.bursts == plan.bursts - 1 {
                for second in 0..20 {
                    let at = start + hour * HOUR + 25 * MINUTE + second * 1_000 + 500;
                    queue.push(Reverse((at, Happens::Again(0))));
                }
            }
        }
        for account in 0..plan.busy.len() {
            queue.push(Reverse((start + 1_000, Happens::Call(account))));
        }
        for (number, day) in [(2, 5), (4, 11), (6, 17)] {
            if number < plan.busy.len() {
                let at = start + day * DAY + i64::try_from(simulation.below(86_400_000)).unwrap();
                queue.push(Reverse((at, Happens::Close(number))));
            }
        }
        Self {
            plan,
            simulation,
            truth,
            accounts,
            proxies,
            reader,
            usage: Arc::new(usage),
            catalogue,
            queue,
            run: None,
            row: 0,
            waits: 40,
            figures: Figures::default(),
        }
    }

    fn below(&self, end: i64) -> i64 {
        i64::try_from(self.simulation.below(u64::try_from(end).unwrap())).unwrap()
    }

    fn now(&self) -> i64 {
        self.simulation.now().millis()
    }

    /// Lets time pass, and sees a run that ends meanwhile at once.
    fn pass(&mut self, until: i64) {
        // What a good run deletes was there while those before had failed.
        let row = self.row;
        while self.run.is_some() && self.now() < until {
            let step = until.min(self.now() + 200);
            self.simulation.run_until(Timestamp::from_millis(step));
            self.see_run();
        }
        self.simulation.run_until(Timestamp::from_millis(until.max(self.now())));
        self.see_run();
        self.see_table(row.max(self.row));
    }

    fn happen(&mut self, happens: Happens) {
        match happens {
            Happens::Call(account) => {
                let mean = DAY / i64::try_from(self.plan.busy[account]).unwrap();
                let next = self.now() + 1 + self.below(2 * mean);
                self.queue.push(Reverse((next, Happens::Call(account))));
                self.call(account);
            }
            Happens::Again(account) => self.call(account),
            Happens::Run => self.begin_run(),
            Happens::Look((account, call)) => self.look(&account, &call),
            Happens::Expire(place) => {
                if lock(&self.truth).expire(&place, self.now() / 1_000) {
                    self.simulation.remove_item(Table::Calls, &[&place.0, &place.1]);
                }
            }
            Happens::Close(account) => {
                self.accounts[account].closed = true;
                self.figures.closed += 1;
                let (env, id) = (self.proxies[0].clone(), self.accounts[account].id.clone());
                self.proxies[0].spawn(async move {
                    let store = Store::over(env.clone());
                    let profile = store.read_profile(&id).await.unwrap().unwrap();
                    let receipt = ReceiptId::of(&id, &"5a".repeat(11)).unwrap();
                    let closing =
                        Closing { receipt: &receipt, emails: &[], code: None, frozen: true };
                    store.begin_closing(&profile, &closing, env.now()).await.unwrap();
                });
            }
        }
    }

    /// What is new will end: somebody looks then, and DynamoDB's own expiry comes later, or never.
    fn plan_for_new(&mut self) {
        let new = lock(&self.truth).take_new();
        for (place, held) in new {
            let end = held.ends * 1_000;
            if self.below(10) < 5 {
                let most = [HOUR, 6 * HOUR, 3 * DAY];
                let late = self.below(most[usize::try_from(self.below(3)).unwrap()]);
                self.queue.push(Reverse((end + late, Happens::Expire(place.clone()))));
            }
            if place.1.starts_with("call_") {
                for second in [end - 1_000, end] {
                    let at = second + self.below(1_000);
                    self.queue.push(Reverse((at, Happens::Look(place.clone()))));
                }
            }
        }
    }

    /// Nothing is there for longer than two hours beyond its end, unless too many runs have failed.
    fn see_table(&mut self, row: u32) {
        let now = self.now() / 1_000;
        let mut truth = lock(&self.truth);
        let overdue = truth.longest_overdue(now);
        if row > self.plan.spare {
            self.figures.worst_outage = self.figures.worst_outage.max(overdue);
        } else {
            self.figures.worst = self.figures.worst.max(overdue);
            if overdue > 7_200 {
                truth.violate(format!("there for {overdue} s, {row} runs having failed"));
            }
        }
    }
}
