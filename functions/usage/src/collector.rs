//! What takes in what was read, in the order of time, and says when there is enough of it.

use std::{
    collections::{BTreeMap, HashMap},
    ops::ControlFlow,
};

use shared::{
    catalogue::Catalogue,
    charge,
    fault::Fault,
    id::KeyId,
    store::{calls::Record, lines::Line, rollups::Rollup},
    tier::Tier,
    time::Timestamp,
};

use crate::{
    asked::{Asked, Dimension, Keys, Kind},
    buckets::{Buckets, Width},
    group::{Entry, Group, Sum, line_item},
};

/// How much is read and summed for an answer. One that would need more ends sooner and says where to
/// go on.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Pages of records, where buckets are minutes. A page has at most a megabyte, some three
    /// thousand records.
    pub pages_of_minutes: usize,
    /// Pages of records, where buckets are hours or days.
    pub pages: usize,
    /// Statement lines and roll-ups.
    pub items: usize,
    /// Sums.
    pub sums: usize,
}

impl Bounds {
    /// What a function has time and memory for.
    pub const USUAL: Self = Self { pages_of_minutes: 10, pages: 60, items: 200_000, sums: 20_000 };
}

/// The sums of a page.
pub(crate) struct Sums {
    pub(crate) buckets: Buckets,
    /// Of each bucket, those that there are.
    pub(crate) groups: Vec<BTreeMap<Group, Sum>>,
}

/// What calls of one model by one key came to, in one moment.
struct Fact<'a> {
    at: Timestamp,
    key: Option<&'a KeyId>,
    model: &'a str,
    price_version: &'a str,
}

/// What takes facts in.
pub(crate) struct Collector<'a> {
    asked: &'a Asked,
    keys: &'a Keys,
    catalogue: &'a Catalogue,
    kinds: HashMap<&'a str, Kind>,
    bounds: Bounds,
    sums: Sums,
    /// The bucket of the newest fact.
    place: usize,
    /// How many lines and roll-ups there were, how many pages of records, and how many sums there
    /// are.
    items: usize,
    pages: usize,
    made: usize,
}

impl<'a> Collector<'a> {
    /// One that has nothing yet.
    pub(crate) fn new(
        asked: &'a Asked,
        keys: &'a Keys,
        catalogue: &'a Catalogue,
        buckets: Buckets,
        bounds: Bounds,
    ) -> Self {
        let groups = vec![BTreeMap::new(); buckets.bounds.len()];
        let kinds = catalogue.models().map(|it| (it.id.as_str(), Kind::of(it.mode))).collect();
        let sums = Sums { buckets, groups };
        Self { asked, keys, catalogue, kinds, bounds, sums, place: 0, items: 0, pages: 0, made: 0 }
    }

    /// Takes in a line, and says whether there is room for more.
    pub(crate) fn line(&mut self, line: &Line) -> ControlFlow<()> {
        let keys = self.keys;
        let fact = Fact {
            at: line.day.first().start(),
            key: keys.by_ordinal(line.key_ordinal),
            model: &line.model,
            price_version: &line.price_version,
        };
        self.add(&fact, &[(line.class, line.quantity, line.amount)]);
        self.has_room()
    }

    /// Takes in a roll-up, and says whether there is room for more.
    pub(crate) fn rollup(&mut self, rollup: &Rollup) -> ControlFlow<()> {
        let fact = Fact {
            at: rollup.hour.start(),
            key: Some(&rollup.key),
            model: &rollup.model,
            price_version: &rollup.price_version,
        };
        let items = rollup.items.iter();
        let entries: Vec<_> =
            items.map(|(class, _, sum)| (class, sum.quantity, sum.amount)).collect();
        self.add(&fact, &entries);
        self.has_room()
    }

    /// Takes in a page of records, and says whether there is room for another.
    pub(crate) fn page(&mut self, records: &[Record]) -> ControlFlow<()> {
        for record in records {
            let fact = Fact {
                at: record.time,
                key: Some(&record.key),
                model: &record.model,
                price_version: &record.price_version,
            };
            let items = charge::items(record, self.catalogue);
            let entries: Vec<_> =
                items.iter().map(|item| (item.class, item.quantity, item.amount)).collect();
            self.add(&fact, &entries);
        }
        self.pages = self.pages.saturating_add(1);
        let minutes = self.sums.buckets.width == Width::Minute;
        let most = if minutes { self.bounds.pages_of_minutes } else { self.bounds.pages };
        room(self.pages < most && self.made < self.bounds.sums)
    }

    /// Everything that was asked for.
    pub(crate) fn whole(self) -> Sums {
        self.sums
    }

    /// What there is before the bucket that may not be whole.
    ///
    /// # Errors
    /// When that is the first.
    pub(crate) fn whole_buckets(mut self) -> Result<Sums, Fault> {
        let place = self.place;
        let at = self.sums.buckets.bounds.get(place).map(|(from, _)| *from);
        self.sums.end(at.filter(|_| place > 0).ok_or(Fault::QueryTooLarge)?);
        Ok(self.sums)
    }

    /// What there is before this moment, of which everything was taken in and nothing since.
    pub(crate) fn until(mut self, moment: Timestamp) -> Sums {
        self.sums.end(moment);
        self.sums
    }

    fn has_room(&mut self) -> ControlFlow<()> {
        self.items = self.items.saturating_add(1);
        room(self.items < self.bounds.items && self.made < self.bounds.sums)
    }

    fn add(&mut self, fact: &Fact<'_>, entries: &[Entry]) {
        let asked = self.asked;
        let Some(place) = self.sums.buckets.place(fact.at) else { return };
        self.place = place;
        let tag = fact.key.and_then(|key| self.keys.tag(key));
        let tier = fact
            .price_version
            .split_once('/')
            .map_or(Some(Tier::Standard), |(_, name)| Tier::named(name));
        // What is offered no more was most likely a conversation.
        let kind = self.kinds.get(fact.model).copied().unwrap_or(Kind::Completions);
        let in_tiers =
            asked.tiers.as_ref().is_none_or(|tiers| tier.is_some_and(|tier| tiers.contains(&tier)));
        let of_kind = asked.kind.is_none_or(|asked| asked == kind);
        if !(asked.has(fact.key, tag, fact.model) && in_tiers && of_kind) {
            return;
        }
        let by = |dimension| asked.by.contains(&dimension);
        let mut group = Group {
            tag: by(Dimension::Tag).then(|| tag.map(str::to_owned)).flatten(),
            key: by(Dimension::Key).then(|| fact.key.cloned()).flatten(),
            model: by(Dimension::Model).then(|| fact.model.to_owned()),
            tier: by(Dimension::Tier).then_some(tier).flatten(),
            class: None,
        };
        let Some(groups) = self.sums.groups.get_mut(place) else { return };
        let before = groups.len();
        let wanted = |(class, ..): &&Entry| {
            asked.items.is_empty() || asked.items.contains(&line_item(fact.model, *class))
        };
        let mut entries = entries.iter().filter(wanted).peekable();
        if by(Dimension::Class) {
            for entry in entries {
                group.class = Some(entry.0);
                groups.entry(group.clone()).or_default().add(entry);
            }
        } else if entries.peek().is_some() {
            let sum = groups.entry(group).or_default();
            entries.for_each(|entry| sum.add(entry));
        }
        self.made = self.made.saturating_add(groups.len().saturating_sub(before));
    }
}

impl Sums {
    /// Ends them at a moment, of which and after which nothing is in them. A bucket that it is within
    /// ends there, too.
    fn end(&mut self, moment: Timestamp) {
        let Self { buckets, groups } = self;
        let count = buckets.bounds.partition_point(|(from, _)| *from < moment);
        buckets.bounds.truncate(count);
        groups.truncate(count);
        if let Some((_, to)) = buckets.bounds.last_mut() {
            *to = (*to).min(moment);
        }
        buckets.next = Some(moment);
    }
}

const fn room(is_left: bool) -> ControlFlow<()> {
    if is_left { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
