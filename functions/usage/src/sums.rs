//! Sums: what an account has used and was charged, by bucket and by what is asked.
//!
//! There are three sources, and each second of an account is in one of them:
//!
//! - statement lines, for a whole day that is on the statement;
//! - roll-ups, for a whole hour that is closed;
//! - records, for what is not closed yet, for minutes, and for the rest of an hour that is cut.
//!
//! The wallet is read first, and says how far hours are closed and days stated. A roll-up is written
//! before its hour is closed and a line before its day is stated, and what is written stands: so one
//! answer agrees with itself, whatever is closed while it is made.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::ControlFlow,
};

use shared::{
    catalogue::{Catalogue, Mode},
    charge::{self, ItemClass},
    fault::Fault,
    id::KeyId,
    money::Pico,
    store::{
        calls::{Record, Span, Wanted},
        keys::KeyItem,
        lines::Line,
        rollups::Rollup,
        tables::Order,
        wallet::Wallet,
    },
    tier::Tier,
    time::Timestamp,
    units::UnitClass,
};

use crate::{
    App, UsageStore,
    buckets::{Buckets, Width},
    plan::{Piece, plan},
};

/// How many pages of records are read for an answer: of minutes, and of anything else. A page has at
/// most a megabyte, some three thousand records. An answer that would need more, or more lines and
/// roll-ups, or more sums, has fewer buckets and says where to go on.
const MOST_PAGES: (usize, usize) = (10, 60);

/// How many lines and roll-ups are read for an answer.
const MOST_READ: usize = 200_000;

/// How many sums an answer has.
const MOST_SUMS: usize = 20_000;

/// What a call counts as. It follows from its model alone, so that it is the same on a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Completions,
    Embeddings,
    Moderations,
    Images,
    Speeches,
    Transcriptions,
}

impl Kind {
    const fn of(mode: Mode) -> Self {
        match mode {
            Mode::Chat | Mode::Responses | Mode::Completion => Self::Completions,
            Mode::Embedding => Self::Embeddings,
            Mode::Image => Self::Images,
            Mode::Transcription => Self::Transcriptions,
            Mode::Speech => Self::Speeches,
            Mode::Moderation => Self::Moderations,
        }
    }
}

/// By what sums are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dimension {
    Tag,
    Key,
    Model,
    Tier,
    Class,
}

/// What is summed, and how.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) by: BTreeSet<Dimension>,
    /// Only calls of these keys; of all where there is none.
    pub(crate) keys: BTreeSet<KeyId>,
    /// Only calls of keys with these tags.
    pub(crate) tags: BTreeSet<String>,
    /// Only calls of these models.
    pub(crate) models: BTreeSet<String>,
    /// Only these items, by their names.
    pub(crate) items: BTreeSet<String>,
    /// Only calls that count as this.
    pub(crate) kind: Option<Kind>,
    /// Only calls of these tiers.
    pub(crate) tiers: Option<Vec<Tier>>,
}

impl Asked {
    /// Whether a call by a key with a tag to a model is asked for, as far as these say.
    pub(crate) fn has(&self, key: Option<&KeyId>, tag: Option<&str>, model: &str) -> bool {
        (self.keys.is_empty() || key.is_some_and(|key| self.keys.contains(key)))
            && (self.tags.is_empty() || tag.is_some_and(|tag| self.tags.contains(tag)))
            && (self.models.is_empty() || self.models.contains(model))
    }

    /// Whether it has to be known which keys there are.
    pub(crate) fn needs_keys(&self) -> bool {
        let by = self.by.contains(&Dimension::Key) || self.by.contains(&Dimension::Tag);
        by || !self.tags.is_empty()
    }
}

/// What is the same of everything in a sum. A dimension that is not asked for is none, and so is one
/// that is not known.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) tag: Option<String>,
    pub(crate) key: Option<KeyId>,
    pub(crate) model: Option<String>,
    pub(crate) tier: Option<Tier>,
    pub(crate) class: Option<ItemClass>,
}

impl Group {
    /// The class of units that it is of, if it is of one.
    pub(crate) fn units(&self) -> Option<UnitClass> {
        match self.class {
            Some(ItemClass::Units(class)) => Some(class),
            Some(ItemClass::Calls | ItemClass::Uncharged) | None => None,
        }
    }

    /// Whether it is on a bill: that there were calls is not, unless their prices are not known any
    /// more and they have an amount.
    pub(crate) fn is_billed(&self, sum: &Sum) -> bool {
        self.class != Some(ItemClass::Calls) || sum.cost() != Pico::ZERO
    }
}

/// How much of each class, and what it was charged.
#[derive(Clone, Default)]
pub(crate) struct Sum(BTreeMap<ItemClass, (u64, Pico)>);

impl Sum {
    fn add(&mut self, (class, quantity, amount): &Entry) {
        let (sum, cost) = self.0.entry(*class).or_default();
        *sum = sum.saturating_add(*quantity);
        *cost = cost.and(*amount);
    }

    /// Adds another.
    pub(crate) fn merge(&mut self, other: &Self) {
        let entries = other.0.iter();
        entries.for_each(|(class, (quantity, amount))| self.add(&(*class, *quantity, *amount)));
    }

    /// How many units of a class.
    pub(crate) fn units(&self, class: UnitClass) -> u64 {
        self.0.get(&ItemClass::Units(class)).map_or(0, |(quantity, _)| *quantity)
    }

    /// How many units of all these classes.
    pub(crate) fn of(&self, classes: &[UnitClass]) -> u64 {
        classes.iter().fold(0, |sum, class| sum.saturating_add(self.units(*class)))
    }

    /// Tokens of the prompt, read from a cache.
    pub(crate) fn cached(&self) -> u64 {
        self.of(&[UnitClass::CacheRead, UnitClass::CacheReadAudio, UnitClass::CacheReadImage])
    }

    /// Tokens of the prompt, written to a cache.
    pub(crate) fn cache_writes(&self) -> u64 {
        self.of(&[
            UnitClass::CacheWrite5m,
            UnitClass::CacheWrite30m,
            UnitClass::CacheWrite1h,
            UnitClass::CacheWrite12h,
        ])
    }

    /// Tokens of the prompt, cached or not.
    pub(crate) fn input(&self) -> u64 {
        self.all(UnitClass::is_prompt)
    }

    /// Tokens of the prompt that no cache has to do with.
    pub(crate) fn uncached(&self) -> u64 {
        self.input().saturating_sub(self.cached()).saturating_sub(self.cache_writes())
    }

    /// Tokens of the answer.
    pub(crate) fn output(&self) -> u64 {
        self.all(|class| class.is_token() && !class.is_prompt())
    }

    fn all(&self, of: impl Fn(UnitClass) -> bool) -> u64 {
        let classes = UnitClass::ALL.into_iter().filter(|class| of(*class));
        classes.fold(0, |sum, class| sum.saturating_add(self.units(class)))
    }

    /// How many calls.
    pub(crate) fn calls(&self) -> u64 {
        self.0.get(&ItemClass::Calls).map_or(0, |(quantity, _)| *quantity)
    }

    /// What it was charged.
    pub(crate) fn cost(&self) -> Pico {
        self.0.values().fold(Pico::ZERO, |sum, (_, amount)| sum.and(*amount))
    }
}

/// A class, how much of it, and what that was charged.
type Entry = (ItemClass, u64, Pico);

/// The sums of a page.
pub(crate) struct Sums {
    pub(crate) buckets: Buckets,
    /// Of each bucket, those that there are.
    pub(crate) groups: Vec<BTreeMap<Group, Sum>>,
}

/// The keys of an account, as sums need them.
#[derive(Default)]
pub(crate) struct Keys {
    tags: HashMap<KeyId, Option<String>>,
    by_ordinal: HashMap<u32, KeyId>,
}

impl Keys {
    /// From the keys there are.
    pub(crate) fn of(keys: &[KeyItem]) -> Self {
        let tags = keys.iter().map(|key| (key.key.clone(), key.tag.clone())).collect();
        let by_ordinal = keys.iter().map(|key| (key.ordinal, key.key.clone())).collect();
        Self { tags, by_ordinal }
    }

    /// Whether this is one of them.
    pub(crate) fn have(&self, key: &KeyId) -> bool {
        self.tags.contains_key(key)
    }

    /// What the costs of a key are for.
    pub(crate) fn tag(&self, key: &KeyId) -> Option<&str> {
        self.tags.get(key)?.as_deref()
    }
}

/// What calls of one model by one key came to.
struct Fact<'a> {
    at: Timestamp,
    key: Option<&'a KeyId>,
    model: &'a str,
    price_version: &'a str,
}

/// What an item is called on a bill.
pub(crate) fn line_item(model: &str, class: ItemClass) -> String {
    format!("{model}, {}", class.name())
}

/// What takes facts in, as they come: in the order of time.
struct Collector<'a> {
    asked: &'a Asked,
    keys: &'a Keys,
    catalogue: &'a Catalogue,
    kinds: HashMap<&'a str, Kind>,
    sums: Sums,
    /// The bucket of the newest fact.
    place: usize,
    /// How many lines and roll-ups there were, and how many sums there are.
    read: usize,
    made: usize,
}

impl Collector<'_> {
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

    /// Whether there is room for more lines and roll-ups.
    fn goes_on(&mut self) -> ControlFlow<()> {
        self.read = self.read.saturating_add(1);
        let room = self.read < MOST_READ && self.made < MOST_SUMS;
        if room { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    /// Ends before the bucket that may not be whole.
    fn cut(mut self) -> Result<Sums, Fault> {
        let place = self.place;
        if place == 0 {
            return Err(Fault::QueryTooLarge);
        }
        let Sums { buckets, groups } = &mut self.sums;
        buckets.next = buckets.bounds.get(place).map(|(from, _)| *from);
        buckets.bounds.truncate(place);
        groups.truncate(place);
        Ok(self.sums)
    }

    fn line(&mut self, line: &Line) -> ControlFlow<()> {
        let keys = self.keys;
        let fact = Fact {
            at: line.day.first().start(),
            key: keys.by_ordinal.get(&line.key_ordinal),
            model: &line.model,
            price_version: &line.price_version,
        };
        self.add(&fact, &[(line.class, line.quantity, line.amount)]);
        self.goes_on()
    }

    fn rollup(&mut self, rollup: &Rollup) -> ControlFlow<()> {
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
        self.goes_on()
    }

    fn record(&mut self, record: &Record) {
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
}

impl<S: UsageStore> App<S> {
    /// Sums what was asked for. It reads what [`plan`] says, and nothing else.
    pub(crate) async fn sum(
        &self,
        wallet: &Wallet,
        keys: &Keys,
        asked: &Asked,
        buckets: Buckets,
        now: Timestamp,
    ) -> Result<Sums, Fault> {
        let (store, catalogue, account) = (&self.store, &self.catalogue, &wallet.account);
        let plan = plan(&buckets, wallet, now)?;
        let groups = vec![BTreeMap::new(); buckets.bounds.len()];
        let kinds = catalogue.models().map(|it| (it.id.as_str(), Kind::of(it.mode))).collect();
        let sums = Sums { buckets, groups };
        let (place, read, made) = (0, 0, 0);
        let mut collector = Collector { asked, keys, catalogue, kinds, sums, place, read, made };
        let unavailable = |_| Fault::StoreUnavailable;
        for piece in plan {
            let read = match piece {
                Piece::Lines(from, to) => {
                    let each = |line: &Line| collector.line(line);
                    store.read_lines(account, (from, to), each).await.map_err(unavailable)?
                }
                Piece::Rollups(from, to) => {
                    let each = |rollup: &Rollup| collector.rollup(rollup);
                    store.read_rollups(account, (from, to), now, each).await.map_err(unavailable)?
                }
                Piece::Records(span) => records(store, wallet, &mut collector, span, now).await?,
            };
            if read.is_break() {
                return collector.cut();
            }
        }
        Ok(collector.sums)
    }
}

/// Reads records, as far as there is room.
async fn records<S: UsageStore>(
    store: &S,
    wallet: &Wallet,
    collector: &mut Collector<'_>,
    span: Span,
    now: Timestamp,
) -> Result<ControlFlow<()>, Fault> {
    let (minutes, others) = MOST_PAGES;
    let most = if collector.sums.buckets.width == Width::Minute { minutes } else { others };
    let mut wanted = Wanted { span, order: Order::Rising, after: None, limit: None };
    let mut pages: usize = 0;
    loop {
        let read = store.read_calls(&wallet.account, &wanted, now).await;
        let read = read.map_err(|_| Fault::StoreUnavailable)?;
        read.records.iter().for_each(|record| collector.record(record));
        wanted.after = read.next;
        if wanted.after.is_none() {
            return Ok(ControlFlow::Continue(()));
        }
        pages = pages.saturating_add(1);
        // A first minute that has more is read to its end.
        let first = most == minutes && collector.place == 0;
        if (pages >= most && !first) || collector.made >= MOST_SUMS {
            return Ok(ControlFlow::Break(()));
        }
    }
}
