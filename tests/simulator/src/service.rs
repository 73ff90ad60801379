//! What the store does with a message that has arrived.

use shared::{
    store::{
        Consistency,
        tables::{Page, Write},
    },
    time::Timestamp,
};

use super::{
    Contents,
    expression::GrammarError,
    network::{Answer, Request},
    observation::{Applied, Commit},
    reading::Moments,
    state::{SECOND, State},
    tables::Evaluated,
};

/// How long the store knows a transaction by its token.
const TOKEN: i64 = 600 * SECOND;

impl State {
    /// Does what is asked, and says what came of it.
    pub(super) fn serve(&mut self, request: &Request, environment: u32) -> Answer {
        match &request {
            Request::Write(write) => self.write(write, environment),
            Request::Transact(token, writes) => self.transact(*token, writes, environment),
            Request::Get(get) => {
                let moment = self.moment(get.consistency);
                let item = self.contents.get(get, moment);
                Answer::Item(item.unwrap_or_else(|error| refuse(error, get)))
            }
            Request::Query(query) => {
                let whole = self.moment(query.consistency);
                self.page(whole, |state, page_size, moments| {
                    let page = state.query(query, page_size, moments);
                    page.unwrap_or_else(|error| refuse(error, query))
                })
            }
            Request::Scan(scan) => {
                let answer = self.page(self.now, |state, page_size, moments| {
                    let page = state.scan(scan, page_size, moments);
                    page.unwrap_or_else(|error| refuse(error, scan))
                });
                if let Answer::Page(page) = &answer {
                    for observer in &mut self.scan_observers {
                        observer(environment, scan, page);
                    }
                }
                answer
            }
        }
    }

    fn page(
        &mut self,
        whole: i64,
        read: impl FnOnce(&Contents, usize, &mut Moments<'_>) -> Page,
    ) -> Answer {
        let (random, now, staleness) = (&mut self.random, self.now, self.settings.staleness);
        let mut each = || now - random.between(0, staleness) * i64::from(random.below(2) == 0);
        let mut moments = Moments { whole, each: &mut each };
        Answer::Page(read(&self.contents, self.settings.page_size, &mut moments))
    }

    /// As of when something is read.
    fn moment(&mut self, consistency: Consistency) -> i64 {
        let stale = consistency == Consistency::Eventual && self.random.below(2) == 0;
        if stale { self.now - self.random.between(0, self.settings.staleness) } else { self.now }
    }

    fn write(&mut self, write: &Write, environment: u32) -> Answer {
        if self.settings.closed == Some(write.table) {
            self.counts.nothing_done += 1;
            return Answer::NothingDone;
        }
        let evaluated = self.contents.evaluate(write).unwrap_or_else(|error| refuse(error, write));
        if self.too_many(&evaluated) {
            return Answer::NothingDone;
        }
        let answer = if evaluated.holds {
            Answer::Done
        } else {
            Answer::Refused(evaluated.before.as_deref().cloned())
        };
        self.finish(&[evaluated], std::slice::from_ref(write), environment);
        answer
    }

    fn transact(&mut self, token: u64, writes: &[Write], environment: u32) -> Answer {
        if self.tokens.get(&token).is_some_and(|applied| self.now - applied <= TOKEN) {
            return Answer::Done;
        }
        let all: Result<Vec<Evaluated>, _> =
            writes.iter().map(|write| self.contents.evaluate(write)).collect();
        let all = all.unwrap_or_else(|error| refuse(error, writes));
        let twice =
            |(at, one): (usize, &Evaluated)| all[..at].iter().any(|it| it.place == one.place);
        if all.iter().enumerate().any(twice) {
            refuse(GrammarError("a transaction writes an item twice"), writes)
        }
        if !(1..=100).contains(&all.len()) {
            refuse(GrammarError("a transaction has 1 to 100 writes"), writes)
        }
        // Each counts, also behind one that is too many.
        let too_many = all.iter().filter(|evaluated| self.too_many(evaluated)).count();
        if too_many > 0 {
            return Answer::NothingDone;
        }
        if self.finish(&all, writes, environment) {
            self.tokens.insert(token, self.now);
            Answer::Done
        } else {
            Answer::Refused(None)
        }
    }

    /// Whether this is one write too many of an item within a second.
    fn too_many(&mut self, evaluated: &Evaluated) -> bool {
        let Some(limit) = self.settings.write_limit else { return false };
        let many = self.contents.count(&evaluated.place, self.now / SECOND) > limit;
        self.counts.nothing_done += u64::from(many);
        many
    }

    /// Applies all, if the conditions of all hold, and tells of each. Says whether it did.
    fn finish(&mut self, all: &[Evaluated], writes: &[Write], environment: u32) -> bool {
        let applied = all.iter().all(|evaluated| evaluated.holds);
        if applied {
            for Evaluated { place, after, .. } in all {
                let staleness = self.settings.staleness;
                self.contents.commit(place, after.clone(), self.now, staleness);
                self.counts.applied += 1;
            }
        } else {
            self.counts.refused += 1;
        }
        for (part, (evaluated, write)) in all.iter().zip(writes).enumerate() {
            let before = evaluated.before.as_deref();
            let commit = Commit {
                at: Timestamp::from_millis(self.now.div_euclid(1_000)),
                table: evaluated.place.table,
                partition: &evaluated.place.partition,
                sort: &evaluated.place.sort,
                before,
                after: if applied { evaluated.after.as_deref() } else { before },
                environment,
                write,
                applied: match evaluated.holds {
                    true if applied => Applied::Applied,
                    true => Applied::Cancelled,
                    false => Applied::Refused,
                },
                part,
                parts: all.len(),
                contents: &self.contents,
            };
            for observer in &mut self.observers {
                observer(&commit);
            }
        }
        applied
    }
}

/// Ends the test: in production this would be a `ValidationException`.
fn refuse<T>(error: GrammarError, request: &(impl std::fmt::Debug + ?Sized)) -> T {
    panic!("DynamoDB refuses this, since {}: {request:?}", error.0)
}
