//! An execution environment of a Lambda function: its clock, and its way to the store.

use std::{sync::Arc, time::Duration};

use shared::{
    id::CallId,
    store::{
        StoreError,
        tables::{Get, Item, Outcome, Page, Query, Scan, Sending, Tables, Write},
    },
    time::Timestamp,
};

use super::{
    executor::Running,
    faults::Faults,
    mutation::Mutation,
    network::{Answer, Request, Sender},
    state::{SECOND, Shared, Slot, State, What},
};

/// How long an attempt may take, and an operation with all its attempts. Both as the real store's
/// client has them.
const ATTEMPT: i64 = 3 * SECOND;
const OPERATION: i64 = 8 * SECOND;

/// How often the client sends what may be sent again.
const ATTEMPTS: u32 = 3;

/// An execution environment. Its clones are the same one.
#[derive(Clone)]
pub struct Environment {
    shared: Arc<Shared>,
    sender: Sender,
}

impl Environment {
    pub(super) fn new(shared: &Arc<Shared>, skew_ms: i64) -> Self {
        let mut state = shared.state();
        state.environments += 1;
        let sender =
            Sender { environment: state.environments, skew: skew_ms * 1_000, faults: None };
        Self { shared: Arc::clone(shared), sender }
    }

    /// The same environment with faults of its own, in place of those of the simulation.
    #[must_use]
    pub const fn with_faults(mut self, faults: Faults) -> Self {
        self.sender.faults = Some(faults);
        self
    }

    /// What [`super::Commit`] calls it.
    pub const fn id(&self) -> u32 {
        self.sender.environment
    }

    /// What its clock shows.
    pub fn now(&self) -> Timestamp {
        shown(&self.shared, self.sender.skew)
    }

    /// Its clock.
    pub fn clock(&self) -> impl Fn() -> Timestamp + Clone + Send + Sync + 'static {
        let (shared, skew) = (Arc::clone(&self.shared), self.sender.skew);
        move || shown(&shared, skew)
    }

    /// Waits.
    pub async fn sleep(&self, duration: Duration) {
        self.wait(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)).await;
    }

    /// Starts a task here.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Running<T> {
        self.shared.spawn(self.sender.faults, future)
    }

    /// The id of a call that begins now by this clock. Unlike [`CallId::new`] it is the same in
    /// every run.
    pub fn call_id(&self) -> CallId {
        let first = CallId::first_at(self.now());
        // Of as many characters the second takes two.
        let random = random_text(&mut self.shared.state()).split_off(2);
        format!("{first}{random}").parse().expect("the form of an id")
    }

    /// A number from 0 below `end`, as chance has it in this run.
    pub fn below(&self, end: u64) -> u64 {
        self.shared.state().random.below(end)
    }

    async fn wait(&self, duration: i64) {
        let slot = Slot::default();
        {
            let mut state = self.shared.state();
            let end = state.now + duration.max(0);
            state.at(end, What::Answer(slot.clone(), Answer::Slept));
        }
        slot.await;
    }

    /// Asks the store, up to `attempts` times.
    async fn ask(&self, request: Request, attempts: u32) -> Answer {
        let end = self.shared.now() + OPERATION;
        let mut answer = Answer::Unknown;
        for attempt in 0..attempts {
            if attempt > 0 {
                let most = SECOND << (attempt - 1);
                let pause = self.shared.state().random.between(0, most);
                let left = end - self.shared.now();
                if pause >= left {
                    self.wait(left).await;
                    return Answer::Unknown;
                }
                self.wait(pause).await;
            }
            let patience = ATTEMPT.min(end - self.shared.now());
            // The lock is not to be held while this waits.
            let slot = self.shared.state().send(self.sender, request.clone(), patience);
            answer = slot.await;
            if !matches!(answer, Answer::Unknown | Answer::NothingDone) {
                break;
            }
        }
        answer
    }

    /// Applies the mutations to a request, and notes which did anything.
    fn mutate<R>(&self, request: &mut R, apply: impl Fn(&Mutation, &mut R) -> bool) {
        for (mutation, applied) in &mut self.shared.state().mutations {
            *applied |= apply(mutation, request);
        }
    }
}

impl Tables for Environment {
    async fn write(&self, mut write: Write) -> Outcome {
        self.mutate(&mut write, Mutation::write);
        let attempts = if write.sending == Sending::Repeated { ATTEMPTS } else { 1 };
        self.ask(Request::Write(Arc::new(write)), attempts).await.outcome()
    }

    async fn transact(&self, mut writes: Vec<Write>) -> Outcome {
        for write in &mut writes {
            // A transaction is repeated anyway, by its token.
            self.mutate(write, |mutation, write| {
                !matches!(mutation, Mutation::RepeatUnknown) && mutation.write(write)
            });
        }
        let token = self.shared.state().random.next();
        self.ask(Request::Transact(token, Arc::new(writes)), ATTEMPTS).await.outcome()
    }

    async fn get(&self, mut get: Get) -> Result<Option<Item>, StoreError> {
        self.mutate(&mut get, Mutation::get);
        let answer = self.ask(Request::Get(Arc::new(get)), ATTEMPTS).await;
        if let Answer::Item(item) = answer { Ok(item) } else { Err(StoreError::Unavailable) }
    }

    async fn query(&self, mut query: Query) -> Result<Page, StoreError> {
        self.mutate(&mut query, Mutation::query);
        page(self.ask(Request::Query(Arc::new(query)), ATTEMPTS).await)
    }

    async fn scan(&self, mut scan: Scan) -> Result<Page, StoreError> {
        self.mutate(&mut scan, Mutation::scan);
        let table = scan.table;
        let mut page = page(self.ask(Request::Scan(Arc::new(scan)), ATTEMPTS).await)?;
        self.mutate(&mut page, |mutation, page| mutation.found(table, page));
        Ok(page)
    }

    async fn pause(&self, duration: Duration) {
        self.sleep(duration).await;
    }
}

fn page(answer: Answer) -> Result<Page, StoreError> {
    if let Answer::Page(page) = answer { Ok(page) } else { Err(StoreError::Unavailable) }
}

fn shown(shared: &Shared, skew: i64) -> Timestamp {
    Timestamp::from_millis((shared.now() + skew).div_euclid(1_000))
}

/// What the random part of an id is made of.
pub(super) fn random_text(state: &mut State) -> String {
    let digit = |_| {
        let digit = u8::try_from(state.random.below(62)).unwrap_or_default();
        char::from(match digit {
            0..10 => b'0' + digit,
            10..36 => b'A' + digit - 10,
            _ => b'a' + digit - 36,
        })
    };
    (0..22).map(digit).collect()
}
