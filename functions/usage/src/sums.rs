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

use std::collections::{BTreeMap, BTreeSet, HashMap};

use shared::{
    catalogue::{Catalogue, Mode},
    charge::{self, ItemClass},
    fault::Fault,
    id::KeyId,
    money::Pico,
    store::{
        calls::{RECORD_LIFE, Record, Span, Wanted},
        keys::KeyItem,
        lines::Line,
        rollups::Rollup,
        tables::Order,
        wallet::Wallet,
    },
    tier::Tier,
    time::{Day, Hour, Timestamp},
    units::UnitClass,
};

use crate::{
    UsageStore,
    buckets::{Buckets, Width},
};

/// How many pages of records are read for minutes. A page has at most a megabyte, some four thousand
/// records; an answer that would need more has fewer minutes, and says where to go on.
const MOST_PAGES: usize = 10;

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
    /// Only calls that count as this.
    pub(crate) kind: Option<Kind>,
    /// Only calls of these tiers.
    pub(crate) tiers: Option<Vec<Tier>>,
}

impl Asked {
    /// Whether it has to be known which keys there are.
    pub(crate) fn needs_keys(&self) -> bool {
        let by = self.by.contains(&Dimension::Key) || self.by.contains(&Dimension::Tag);
        by || !self.keys.is_empty() || !self.tags.is_empty()
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

    /// How many units of all classes of which this is true.
    pub(crate) fn all(&self, of: impl Fn(UnitClass) -> bool) -> u64 {
        let classes: Vec<_> = UnitClass::ALL.into_iter().filter(|class| of(*class)).collect();
        self.of(&classes)
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

/// Where a piece of time is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Lines(Day, Day),
    Rollups(Hour, Hour),
    Records(Span),
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

/// What takes facts in.
struct Collector<'a> {
    asked: &'a Asked,
    keys: &'a Keys,
    catalogue: &'a Catalogue,
    kinds: HashMap<&'a str, Kind>,
    sums: Sums,
}

impl Collector<'_> {
    fn add(&mut self, fact: &Fact<'_>, entries: &[Entry]) {
        let asked = self.asked;
        let Some(place) = self.sums.buckets.place(fact.at) else { return };
        let tag = fact.key.and_then(|key| self.keys.tag(key));
        let tier = fact
            .price_version
            .split_once('/')
            .map_or(Some(Tier::Standard), |(_, name)| Tier::named(name));
        // What is offered no more was most likely a conversation.
        let kind = self.kinds.get(fact.model).copied().unwrap_or(Kind::Completions);
        let in_keys = asked.keys.is_empty() || fact.key.is_some_and(|key| asked.keys.contains(key));
        let in_tags = asked.tags.is_empty() || tag.is_some_and(|tag| asked.tags.contains(tag));
        let in_models = asked.models.is_empty() || asked.models.contains(fact.model);
        let in_tiers =
            asked.tiers.as_ref().is_none_or(|tiers| tier.is_some_and(|tier| tiers.contains(&tier)));
        let of_kind = asked.kind.is_none_or(|asked| asked == kind);
        if !(in_keys && in_tags && in_models && in_tiers && of_kind) {
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
        if by(Dimension::Class) {
            for entry in entries {
                group.class = Some(entry.0);
                groups.entry(group.clone()).or_default().add(entry);
            }
        } else {
            let sum = groups.entry(group).or_default();
            entries.iter().for_each(|entry| sum.add(entry));
        }
    }

    fn line(&mut self, line: &Line) {
        let keys = self.keys;
        let fact = Fact {
            at: line.day.first().start(),
            key: keys.by_ordinal.get(&line.key_ordinal),
            model: &line.model,
            price_version: &line.price_version,
        };
        self.add(&fact, &[(line.class, line.quantity, line.amount)]);
    }

    fn rollup(&mut self, rollup: &Rollup) {
        let fact = Fact {
            at: rollup.hour.start(),
            key: Some(&rollup.key),
            model: &rollup.model,
            price_version: &rollup.price_version,
        };
        let mut entries: BTreeMap<_, _> = rollup
            .units
            .iter()
            .map(|(class, quantity)| (ItemClass::Units(class), (quantity, Pico::ZERO)))
            .collect();
        entries.insert(ItemClass::Calls, (rollup.requests, Pico::ZERO));
        for (class, amount) in &rollup.amounts {
            entries.entry(*class).or_default().1 = *amount;
        }
        let entries: Vec<_> = entries
            .into_iter()
            .map(|(class, (quantity, amount))| (class, quantity, amount))
            .collect();
        self.add(&fact, &entries);
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

/// Sums what was asked for. It reads what [`plan`] says, and nothing else.
pub(crate) async fn sum<S: UsageStore>(
    store: &S,
    catalogue: &Catalogue,
    wallet: &Wallet,
    keys: &Keys,
    asked: &Asked,
    buckets: Buckets,
    now: Timestamp,
) -> Result<Sums, Fault> {
    let account = &wallet.account;
    let plan = plan(&buckets, wallet, now)?;
    let groups = vec![BTreeMap::new(); buckets.bounds.len()];
    let kinds = catalogue.models().map(|model| (model.id.as_str(), Kind::of(model.mode))).collect();
    let sums = Sums { buckets, groups };
    let mut collector = Collector { asked, keys, catalogue, kinds, sums };
    let unavailable = |_| Fault::StoreUnavailable;
    for piece in plan {
        match piece {
            Piece::Lines(from, to) => {
                let each = |line: &Line| collector.line(line);
                store.read_lines(account, (from, to), each).await.map_err(unavailable)?;
            }
            Piece::Rollups(from, to) => {
                let each = |rollup: &Rollup| collector.rollup(rollup);
                store.read_rollups(account, (from, to), now, each).await.map_err(unavailable)?;
            }
            Piece::Records(span) => {
                if !records(store, wallet, &mut collector, span, now).await? {
                    break;
                }
            }
        }
    }
    Ok(collector.sums)
}

/// Reads records, and says whether to go on: of minutes there are fewer where that is too much.
async fn records<S: UsageStore>(
    store: &S,
    wallet: &Wallet,
    collector: &mut Collector<'_>,
    span: Span,
    now: Timestamp,
) -> Result<bool, Fault> {
    let mut wanted = Wanted { span, order: Order::Rising, after: None, limit: None };
    let mut pages: usize = 0;
    loop {
        let read = store.read_calls(&wallet.account, &wanted, now).await;
        let read = read.map_err(|_| Fault::StoreUnavailable)?;
        read.records.iter().for_each(|record| collector.record(record));
        wanted.after = read.next;
        if wanted.after.is_none() {
            return Ok(true);
        }
        pages = pages.saturating_add(1);
        let sums = &mut collector.sums;
        if pages >= MOST_PAGES && sums.buckets.width == Width::Minute {
            // The minute that the page ends in may go on behind it.
            let last = read.records.last().and_then(|record| sums.buckets.place(record.time));
            if let Some(last) = last.filter(|last| *last > 0) {
                sums.buckets.next = sums.buckets.bounds.get(last).map(|(from, _)| *from);
                sums.buckets.bounds.truncate(last);
                sums.groups.truncate(last);
                return Ok(false);
            }
        }
    }
}

/// Where each second of the buckets is read: a source once for all that is next to each other.
fn plan(buckets: &Buckets, wallet: &Wallet, now: Timestamp) -> Result<Vec<Piece>, Fault> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (from, to) in &buckets.bounds {
        let day = from.hour().day();
        let whole_day =
            buckets.width == Width::Day && day.first().start() == *from && day.last().end() == *to;
        if whole_day && is_stated(wallet, day) {
            push(&mut pieces, Piece::Lines(day, day));
            continue;
        }
        let mut at = *from;
        while at < *to {
            let hour = at.hour();
            let end = hour.end().min(*to);
            let whole = hour.start() == at && hour.end() == end;
            if whole_day && hour.start().plus(RECORD_LIFE) <= now {
                return Err(Fault::Unstated);
            }
            if buckets.width == Width::Minute || !whole || hour > wallet.closed {
                push(&mut pieces, Piece::Records(Span { from: at, to: end }));
            } else {
                push(&mut pieces, Piece::Rollups(hour, hour));
            }
            at = end;
        }
    }
    Ok(pieces)
}

/// Whether everything of a day is on its statement. What is out is not closed, and what was closed is
/// not on the statement until the wallet says so; another day has no calls.
fn is_stated(wallet: &Wallet, day: Day) -> bool {
    wallet.out.iter().all(|(hour, _)| hour.day() != day)
        && wallet.unstated.is_none_or(|unstated| day < unstated)
}

fn push(pieces: &mut Vec<Piece>, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Lines(_, last)), Piece::Lines(first, to)) if last.next() == first => {
            *last = to
        }
        (Some(Piece::Rollups(_, last)), Piece::Rollups(first, to)) if last.next() == first => {
            *last = to;
        }
        (Some(Piece::Records(last)), Piece::Records(span)) if last.to == span.from => {
            last.to = span.to;
        }
        _ => pieces.push(piece),
    }
}
