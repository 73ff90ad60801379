//! The state of a simulation, behind one lock, and what comes next in it.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use shared::{store::Table, time::Timestamp};

use super::{
    executor::Entry,
    faults::Faults,
    mutation::Mutation,
    network::{Answer, Message},
    observation::{Counts, Observer, ScanObserver},
    random::Random,
    tables::Contents,
};

/// Microseconds in a second. Moments are counted in microseconds since the epoch.
pub(super) const SECOND: i64 = 1_000_000;

/// What all handles of a simulation share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// The same as in the state, for clocks that are read often.
    now: AtomicI64,
    /// The tasks that can go on. They are woken while the state is locked.
    pub(super) ready: Arc<Mutex<Vec<usize>>>,
}

/// Everything that changes.
pub(super) struct State {
    pub(super) now: i64,
    pub(super) random: Random,
    pub(super) contents: Contents,
    pub(super) events: BinaryHeap<Event>,
    pub(super) sequence: u64,
    pub(super) tasks: Vec<Entry>,
    /// The task that runs, and how often it will have waited when it waits next.
    pub(super) running: Option<(usize, u32)>,
    pub(super) settings: Settings,
    pub(super) mutations: Vec<(Mutation, bool)>,
    pub(super) observers: Vec<Observer>,
    pub(super) scan_observers: Vec<ScanObserver>,
    pub(super) counts: Counts,
    /// When the transactions were applied that are known by their tokens.
    pub(super) tokens: HashMap<u64, i64>,
    pub(super) environments: u32,
    pub(super) fingerprint: u64,
}

/// What a test can turn.
pub(super) struct Settings {
    pub(super) faults: Faults,
    pub(super) page_size: usize,
    pub(super) staleness: i64,
    pub(super) write_limit: Option<u32>,
    pub(super) closed: Option<Table>,
}

/// What happens at a moment.
pub(super) struct Event {
    pub(super) at: i64,
    /// Of what happens at the same moment, chance decides what is first.
    tie: u64,
    sequence: u64,
    pub(super) what: What,
}

pub(super) enum What {
    /// A message arrives at the store.
    Delivery(Box<Message>),
    /// An answer arrives, or a time is over.
    Answer(Slot, Answer),
}

impl Shared {
    pub(super) fn new(seed: u64, start: Timestamp) -> Arc<Self> {
        let now = start.millis() * 1_000;
        let state = State {
            now,
            random: Random::new(seed),
            contents: Contents::default(),
            events: BinaryHeap::new(),
            sequence: 0,
            tasks: Vec::new(),
            running: None,
            settings: Settings {
                faults: Faults::default(),
                page_size: usize::MAX,
                staleness: SECOND,
                write_limit: None,
                closed: None,
            },
            mutations: Vec::new(),
            observers: Vec::new(),
            scan_observers: Vec::new(),
            counts: Counts::default(),
            tokens: HashMap::new(),
            environments: 0,
            fingerprint: 0,
        };
        let (now, ready) = (AtomicI64::new(now), Arc::default());
        Arc::new(Self { state: Mutex::new(state), now, ready })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn now(&self) -> i64 {
        self.now.load(Relaxed)
    }

    /// Takes the next event that is due by `limit`, and makes it that time.
    pub(super) fn advance(&self, limit: Option<i64>) -> Option<Event> {
        let mut state = self.state();
        let due = state.events.peek()?.at;
        if limit.is_some_and(|limit| due > limit) {
            return None;
        }
        let event = state.events.pop()?;
        self.set_now(&mut state, due);
        Some(event)
    }

    pub(super) fn set_now(&self, state: &mut State, now: i64) {
        state.now = now.max(state.now);
        self.now.store(state.now, Relaxed);
    }
}

impl State {
    pub(super) fn at(&mut self, at: i64, what: What) {
        let (tie, sequence) = (self.random.next(), self.sequence);
        self.sequence += 1;
        self.events.push(Event { at, tie, sequence, what });
    }

    /// Notes that something has happened. Two runs that differ at all differ in this.
    pub(super) fn note(&mut self, what: u64) {
        let now = u64::try_from(self.now).unwrap_or_default();
        let mixed = self.fingerprint.rotate_left(7) ^ now ^ (what << 56);
        self.fingerprint = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

impl Event {
    const fn order(&self) -> (i64, u64, u64) {
        (self.at, self.tie, self.sequence)
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    /// The heap gives the greatest, which has to be the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.order().cmp(&self.order())
    }
}

/// Where an answer will be, and who waits for it.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<(Option<Answer>, Option<Waker>)>>);

impl Slot {
    pub(super) fn fill(&self, answer: Answer) {
        let waker = {
            let mut slot = lock(&self.0);
            slot.0 = Some(answer);
            slot.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Slot {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let mut slot = lock(&self.0);
        match slot.0.take() {
            Some(answer) => Poll::Ready(answer),
            None => {
                slot.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Locks. A test that has failed elsewhere is not to fail here once more.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
