//! Runs tasks in virtual time: one at a time, each until it waits, and chance decides which of
//! those that can go on is next.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Wake, Waker},
};

use super::{
    faults::{Crash, Faults},
    state::{Shared, What, lock},
};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task, and what is known of it.
pub(super) struct Entry {
    /// Nothing while it is polled, and once it has ended.
    task: Option<Task>,
    waker: Waker,
    faults: Option<Faults>,
    /// How often it has waited.
    waits: u32,
    crash_at: Option<(u32, Crash)>,
    crashed: bool,
    /// What it has sent since it waited for the time before this is lost.
    pub(super) lost_at: Option<u32>,
}

struct TaskWaker {
    id: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        let mut ready = lock(&self.ready);
        if !ready.contains(&self.id) {
            ready.push(self.id);
        }
    }
}

/// A task that was spawned.
pub struct Running<T> {
    shared: Arc<Shared>,
    id: usize,
    output: Arc<Mutex<Option<T>>>,
}

impl<T> Running<T> {
    /// What it came to, if it has ended and this was not taken before.
    pub fn take(&self) -> Option<T> {
        lock(&self.output).take()
    }

    /// Whether it has crashed.
    pub fn crashed(&self) -> bool {
        self.shared.state().tasks[self.id].crashed
    }

    /// How often it has waited. A run without crashes says by this at how many places it can
    /// crash.
    pub fn waits(&self) -> u32 {
        self.shared.state().tasks[self.id].waits
    }

    /// Makes it crash where it waits for the `n`th time, from 1.
    pub fn crash_at(&self, n: u32, crash: Crash) {
        self.shared.state().tasks[self.id].crash_at = Some((n, crash));
    }
}

/// Runs a scenario for each place where a task of it can crash, in both ways.
///
/// The scenario makes its world anew, has a task [`Running::crash_at`] the place, checks what has
/// to hold, and says whether the task has crashed. When it has not, there are no more places. This
/// says how many there were.
pub fn crash_everywhere(mut scenario: impl FnMut(u32, Crash) -> bool) -> u32 {
    let mut places = 0;
    while [Crash::BeforeDelivery, Crash::AfterDelivery].map(|it| scenario(places + 1, it))
        != [false, false]
    {
        places += 1;
    }
    places
}

impl Shared {
    pub(super) fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        faults: Option<Faults>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Running<T> {
        let output = Arc::new(Mutex::new(None));
        let place = Arc::clone(&output);
        let task: Task = Box::pin(async move {
            let output = future.await;
            *lock(&place) = Some(output);
        });
        let mut state = self.state();
        let id = state.tasks.len();
        let waker = Waker::from(Arc::new(TaskWaker { id, ready: Arc::clone(&self.ready) }));
        waker.wake_by_ref();
        state.tasks.push(Entry {
            task: Some(task),
            waker,
            faults,
            waits: 0,
            crash_at: None,
            crashed: false,
            lost_at: None,
        });
        drop(state);
        Running { shared: Arc::clone(self), id, output }
    }

    /// Runs until nothing is left to happen, or nothing until `limit`.
    pub(super) fn run(&self, limit: Option<i64>) {
        loop {
            while let Some(id) = self.next_ready() {
                self.poll(id);
            }
            let Some(event) = self.advance(limit) else { break };
            match event.what {
                What::Delivery(message) => self.state().deliver(*message),
                What::Answer(slot, answer) => {
                    self.state().note(1);
                    slot.fill(answer);
                }
            }
        }
        if let Some(limit) = limit {
            let mut state = self.state();
            self.set_now(&mut state, limit);
        }
    }

    fn next_ready(&self) -> Option<usize> {
        let mut ready = lock(&self.ready);
        match ready.len() {
            0 => None,
            1 => ready.pop(),
            many => {
                let many = u64::try_from(many).unwrap_or(u64::MAX);
                let drawn = self.state().random.below(many);
                Some(ready.swap_remove(usize::try_from(drawn).unwrap_or_default()))
            }
        }
    }

    fn poll(&self, id: usize) {
        let (mut task, waker) = {
            let mut state = self.state();
            let entry = &mut state.tasks[id];
            let Some(task) = entry.task.take() else { return };
            let (waker, waits) = (entry.waker.clone(), entry.waits);
            state.running = Some((id, waits + 1));
            (task, waker)
        };
        let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
        let mut state = self.state();
        state.running = None;
        let over = match poll {
            Poll::Ready(()) => true,
            Poll::Pending => {
                let entry = &mut state.tasks[id];
                entry.waits += 1;
                let (waits, planned) = (entry.waits, entry.crash_at);
                let faults = entry.faults.unwrap_or(state.settings.faults);
                let crash = match planned {
                    Some((at, crash)) if at == waits => Some(crash),
                    Some(_) | None if state.random.chance(faults.crash) => {
                        let lost = state.random.below(2) == 0;
                        Some(if lost { Crash::BeforeDelivery } else { Crash::AfterDelivery })
                    }
                    Some(_) | None => None,
                };
                if let Some(crash) = crash {
                    state.counts.crashes += 1;
                    state.note(2);
                    let entry = &mut state.tasks[id];
                    entry.crashed = true;
                    entry.lost_at = (crash == Crash::BeforeDelivery).then_some(waits);
                }
                crash.is_some()
            }
        };
        if over {
            // What a task drops may look at the state.
            drop(state);
            drop(task);
        } else {
            state.tasks[id].task = Some(task);
        }
    }

    /// Ends everything, since tasks hold handles of what holds them.
    pub(super) fn end(&self) {
        let ended = {
            let mut state = self.state();
            state.events.clear();
            let observers = std::mem::take(&mut state.observers);
            let of_scans = std::mem::take(&mut state.scan_observers);
            (std::mem::take(&mut state.tasks), observers, of_scans)
        };
        drop(ended);
    }
}
