//! What is in the table of calls and until when, by what was done and not by what is stored; and
//! what each run has found and deleted of it, by what left the store and what has reached it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use aws_sdk_dynamodb::types::AttributeValue;
use shared::{
    store::{
        Table,
        tables::{Change, Page, Scan},
    },
    time::Hour,
};
use simulator::{Applied, Commit, Simulation};

/// Seven days, in seconds.
pub(super) const WEEK: i64 = 7 * 86_400;

/// An item's account and its place below that.
pub(super) type Place = (String, String);

/// Items by their names, and when their calls were or their hours began; of a marker, when it ends.
pub(super) type Live = BTreeMap<String, i64>;

/// An item of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// When its call was, or its hour began; of a marker nothing.
    born: Option<i64>,
    /// From which second on it is in no answer.
    pub(super) ends: i64,
    /// Since when it should not be there: as it ended, or came if that was later.
    due: i64,
}

/// What a run has seen and done.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// What it found, and how old that was then.
    found: BTreeMap<Place, Option<i64>>,
    /// What it tried to delete.
    tried: BTreeSet<Place>,
    /// What it deleted.
    deleted: BTreeSet<Place>,
    /// The second as of which its first page was.
    pub(super) first: Option<i64>,
}

/// What a run has to say of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) deleted: u64,
    pub(super) unclosed: u64,
    pub(super) oldest_found: Option<i64>,
    pub(super) oldest_left: Option<i64>,
}

#[derive(Default)]
pub(super) struct Truth {
    /// The second in which a call was admitted.
    admitted: BTreeMap<String, i64>,
    held: BTreeMap<Place, Held>,
    by_due: BTreeSet<(i64, Place)>,
    /// What has come since somebody asked.
    new: Vec<(Place, Held)>,
    runs: BTreeMap<u32, Seen>,
    violations: Vec<String>,
    /// For how many seconds the latest has been there beyond its end that has gone since somebody
    /// asked.
    gone_after: i64,
    pub(super) counts: Counts,
}

/// What has become of items.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) records: u64,
    pub(super) rollups: u64,
    pub(super) markers: u64,
    pub(super) swept: u64,
    /// With their accounts.
    pub(super) erased: u64,
    pub(super) expired: u64,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Truth {
    /// Watches a world.
    pub(super) fn watch(simulation: &Simulation) -> Arc<Mutex<Self>> {
        let truth: Arc<Mutex<Self>> = Arc::default();
        let (commits, scans) = (Arc::clone(&truth), Arc::clone(&truth));
        simulation.observe(move |commit| {
            if commit.table == Table::Calls {
                lock(&commits).commit(commit);
            }
        });
        simulation.observe_scans(move |environment, scan, page| {
            if scan.table == Table::Calls {
                lock(&scans).page(environment, scan, page);
            }
        });
        truth
    }

    /// A call begins.
    pub(super) fn admits(&mut self, call: &str, second: i64) {
        self.admitted.insert(call.to_owned(), second);
    }

    fn commit(&mut self, commit: &Commit<'_>) {
        let place = (commit.partition.to_owned(), commit.sort.to_owned());
        let applied = commit.applied == Applied::Applied;
        if matches!(commit.write.change, Change::Delete { .. }) {
            let seen = self.runs.entry(commit.environment).or_default();
            let swept = seen.found.contains_key(&place);
            seen.tried.insert(place.clone());
            if applied && self.forget(&place, commit.at.seconds()) {
                if swept {
                    let seen = self.runs.entry(commit.environment).or_default();
                    seen.deleted.insert(place);
                    self.counts.swept += 1;
                } else {
                    self.counts.erased += 1;
                }
            }
        } else if let Some(item) = commit.after.filter(|_| applied) {
            let now = commit.at.seconds();
            let at = |name: &str| item[name].as_n().unwrap().parse::<i64>().unwrap();
            let (born, ends) = if let Some(hour) = place.1.strip_prefix("hour_") {
                let hour = hour.split('#').next().unwrap().parse::<Hour>().unwrap();
                let start = hour.start().seconds();
                (Some(start), start + WEEK)
            } else if place.1.starts_with("mark_") {
                // It says so itself, and that is a day at the most.
                let ends = at("expires_at");
                if ends > now + 86_400 {
                    self.violate("a marker is kept for longer than a day");
                }
                (None, ends)
            } else {
                let second = self.admitted[&place.1];
                (Some(second), second + WEEK)
            };
            let held = Held { born, ends, due: ends.max(now) };
            if !self.forget(&place, now) {
                let count = match place.1.as_bytes()[0] {
                    b'h' => &mut self.counts.rollups,
                    b'm' => &mut self.counts.markers,
                    _ => &mut self.counts.records,
                };
                *count += 1;
                self.new.push((place.clone(), held));
            }
            self.by_due.insert((held.due, place.clone()));
            self.held.insert(place, held);
        }
    }

    fn page(&mut self, environment: u32, scan: &Scan, page: &Page) {
        let text = |value: &AttributeValue| value.as_n().unwrap().parse::<i64>().unwrap();
        let now = scan.terms.values.iter().find(|(name, _)| *name == ":now");
        let now = text(&now.unwrap().1);
        let seen = self.runs.entry(environment).or_default();
        seen.first.get_or_insert(now);
        for item in &page.items {
            let part = |name: &str| item[name].as_s().unwrap().clone();
            let place = (part("account"), part("call"));
            let born = self.held.get(&place).and_then(|held| held.born);
            seen.found.insert(place, born.map(|born| now - born));
        }
    }

    fn forget(&mut self, place: &Place, now: i64) -> bool {
        let Some(held) = self.held.remove(place) else { return false };
        self.gone_after = self.gone_after.max(now - held.due);
        self.by_due.remove(&(held.due, place.clone()));
        true
    }

    /// DynamoDB's own expiry deletes something, if it is there.
    pub(super) fn expire(&mut self, place: &Place, now: i64) -> bool {
        let was_there = self.forget(place, now);
        self.counts.expired += u64::from(was_there);
        was_there
    }

    /// What has come since the last time.
    pub(super) fn take_new(&mut self) -> Vec<(Place, Held)> {
        std::mem::take(&mut self.new)
    }

    /// What of an account has not ended at a second, of what is of a time.
    pub(super) fn live(&self, account: &str, within: &Range<i64>, second: i64) -> Live {
        let from = (account.to_owned(), String::new());
        let of_account = self.held.range(from..).take_while(|((of, _), _)| of == account);
        let live = of_account.filter(|(_, held)| held.ends > second);
        let at = live.map(|((_, name), held)| (name, held.born.unwrap_or(held.ends)));
        let within = at.filter(|(_, born)| within.contains(born));
        within.map(|(name, born)| (name.clone(), born)).collect()
    }

    /// When a call was whose record is in the table, however old.
    pub(super) fn born(&self, account: &str, call: &str) -> Option<i64> {
        self.held.get(&(account.to_owned(), call.to_owned()))?.born
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Since when the oldest item should not be there that should not.
    pub(super) fn oldest_due(&self) -> Option<i64> {
        self.by_due.first().map(|(due, _)| *due)
    }

    /// For how many seconds something is there beyond its end, or was that has gone since somebody
    /// asked.
    pub(super) fn longest_overdue(&mut self, now: i64) -> i64 {
        let there = self.oldest_due().map_or(0, |due| now - due);
        there.max(std::mem::take(&mut self.gone_after))
    }

    /// What the run in an environment has seen.
    pub(super) fn seen(&mut self, environment: u32) -> Seen {
        self.runs.remove(&environment).unwrap_or_default()
    }

    pub(super) fn violate(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(super) fn violations(&self) -> &[String] {
        &self.violations
    }
}

impl Seen {
    /// How many it deleted.
    pub(super) fn deleted(&self) -> u64 {
        u64::try_from(self.deleted.len()).unwrap()
    }

    /// What it has to say, where every answer came.
    pub(super) fn says(&self) -> Said {
        let left = || self.found.iter().filter(|(place, _)| !self.tried.contains(*place));
        Said {
            deleted: self.deleted(),
            unclosed: u64::try_from(left().count()).unwrap(),
            oldest_found: self.found.values().copied().max().flatten(),
            oldest_left: left().map(|(_, age)| *age).max().flatten(),
        }
    }
}
