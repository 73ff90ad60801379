//! Messages to the store and its answers, on a network that loses, delays and repeats them.

use std::sync::Arc;

use shared::store::tables::{Get, Item, Outcome, Page, Query, Scan, Sending, Write};

use super::{
    faults::{Fate, Faults, Kind},
    state::{SECOND, Slot, State, What},
};

/// How far a signature may be from the store's time.
const SIGNATURE: i64 = 300 * SECOND;

/// What is asked of the store.
#[derive(Clone)]
pub(super) enum Request {
    Write(Arc<Write>),
    /// With the token by which the store knows it again.
    Transact(u64, Arc<Vec<Write>>),
    Get(Arc<Get>),
    Query(Arc<Query>),
    Scan(Arc<Scan>),
}

/// What the store says, or that nothing was heard of it.
pub(super) enum Answer {
    Done,
    Refused(Option<Item>),
    Item(Option<Item>),
    Page(Page),
    NothingDone,
    Unknown,
    /// A time is over.
    Slept,
}

/// A request under way.
pub(super) struct Message {
    request: Request,
    /// Where the answer goes and how long that takes, if it does.
    answer: Option<(Slot, i64)>,
    /// When it was signed, by the clock of its sender.
    signed: i64,
    environment: u32,
    /// The task that sent it, and how often that had waited when it next did.
    task: Option<(usize, u32)>,
}

/// Who sends.
#[derive(Clone, Copy)]
pub(super) struct Sender {
    pub(super) environment: u32,
    pub(super) skew: i64,
    pub(super) faults: Option<Faults>,
}

impl State {
    /// Sends a request. There will be an answer within `patience`, if only that there is none.
    pub(super) fn send(&mut self, sender: Sender, request: Request, patience: i64) -> Slot {
        let kind = self.count(&request);
        let faults = sender.faults.unwrap_or(self.settings.faults);
        let fate = faults.fate(&mut self.random, kind);
        let (there, back) = (self.latency(), self.latency());
        let signed = self.now + sender.skew;
        let message = |request, answer, task| {
            let environment = sender.environment;
            What::Delivery(Box::new(Message { request, answer, signed, environment, task }))
        };
        let (slot, task) = (Slot::default(), self.running);
        let arrival = self.now + there;
        let in_time = there + back <= patience;
        let answered = in_time && matches!(fate, Fate::Well | Fate::Duplicated);
        match fate {
            Fate::Well | Fate::Duplicated => {
                if fate == Fate::Duplicated {
                    let late = self.late(arrival, signed);
                    self.at(late, message(request.clone(), None, task));
                }
                let answer = answered.then(|| (slot.clone(), back));
                self.at(arrival, message(request, answer, task));
            }
            Fate::LostAfter => self.at(arrival, message(request, None, task)),
            Fate::Late => {
                let late = self.late(arrival, signed);
                self.at(late, message(request, None, task));
            }
            Fate::NothingDone if in_time => {
                self.counts.nothing_done += 1;
                self.at(arrival + back, What::Answer(slot.clone(), Answer::NothingDone));
                return slot;
            }
            Fate::LostBefore | Fate::NothingDone => {}
        }
        if !answered {
            self.counts.unknown += 1;
            let end = self.now + patience;
            self.at(end, What::Answer(slot.clone(), Answer::Unknown));
        }
        slot
    }

    fn count(&mut self, request: &Request) -> Kind {
        let (counter, kind) = match request {
            Request::Write(write) => {
                let once = write.sending == Sending::Once;
                (&mut self.counts.writes, if once { Kind::WriteOnce } else { Kind::WriteAgain })
            }
            Request::Transact(..) => (&mut self.counts.transactions, Kind::WriteAgain),
            Request::Get(_) => (&mut self.counts.gets, Kind::Read),
            Request::Query(_) => (&mut self.counts.queries, Kind::Read),
            Request::Scan(_) => (&mut self.counts.scans, Kind::Read),
        };
        *counter += 1;
        kind
    }

    /// How long one way takes: mostly some milliseconds, now and then up to a second.
    fn latency(&mut self) -> i64 {
        let slow = self.random.below(8) == 0;
        if slow { self.random.between(20_000, SECOND) } else { self.random.between(1_000, 20_000) }
    }

    /// When a message arrives that is late: soon, at any time while its signature holds or a
    /// little after, or in the last moment it does.
    fn late(&mut self, arrival: i64, signed: i64) -> i64 {
        let last = (signed + SIGNATURE).max(arrival);
        match self.random.below(4) {
            0 => last,
            1 => self.random.between(arrival, arrival + 10 * SECOND),
            _ => self.random.between(arrival, last + 10 * SECOND),
        }
    }

    /// A message arrives at the store.
    pub(super) fn deliver(&mut self, message: Message) {
        let lost = message.task.is_some_and(|(task, wait)| {
            self.tasks.get(task).is_some_and(|entry| entry.lost_at == Some(wait))
        });
        if lost {
            return;
        }
        let Message { request, answer: to, signed, environment, .. } = message;
        let answer = if (self.now - signed).abs() > SIGNATURE {
            self.counts.expired += 1;
            Answer::Unknown
        } else {
            self.serve(&request, environment)
        };
        self.note(match &answer {
            Answer::Done => 3,
            Answer::Refused(_) => 4,
            Answer::Item(_) => 5,
            Answer::Page(_) => 6,
            Answer::NothingDone => 7,
            Answer::Unknown | Answer::Slept => 8,
        });
        if let Some((slot, back)) = to {
            self.at(self.now + back, What::Answer(slot, answer));
        }
    }
}

impl Answer {
    /// For a write.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Done => Outcome::Done,
            Self::Refused(item) => Outcome::Refused(item),
            Self::NothingDone => Outcome::NothingWritten,
            Self::Item(_) | Self::Page(_) | Self::Unknown | Self::Slept => Outcome::Unknown,
        }
    }
}
