//! The four tables in memory: what they hold now, and what they held a moment ago.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::{
    Table,
    tables::{Change, Item, Write},
};

use super::{
    expression::{self, GrammarError},
    schema::Schema,
};

/// All items of all tables.
#[derive(Default)]
pub struct Contents {
    accounts: Partitions,
    keys: Partitions,
    calls: Partitions,
    ledger: Partitions,
}

/// Items by partition key and sort key; of a table without a sort key, by an empty one.
type Partitions = BTreeMap<String, BTreeMap<String, Versions>>;

impl Contents {
    /// An item, by the values of its primary key.
    pub fn item(&self, table: Table, key: &[&str]) -> Option<&Item> {
        let partition = key.first().copied().unwrap_or_default();
        let sort = key.get(1).copied().unwrap_or_default();
        self.versions(table, partition, sort)?.current.as_deref()
    }

    /// The items of a table, in the order of their keys.
    pub fn items(&self, table: Table) -> impl Iterator<Item = &Item> {
        let partitions = self.partitions(table).values();
        partitions.flat_map(BTreeMap::values).filter_map(|item| item.current.as_deref())
    }

    pub(super) const fn partitions(&self, table: Table) -> &Partitions {
        match table {
            Table::Accounts => &self.accounts,
            Table::Keys => &self.keys,
            Table::Calls => &self.calls,
            Table::Ledger => &self.ledger,
        }
    }

    pub(super) fn versions(&self, table: Table, partition: &str, sort: &str) -> Option<&Versions> {
        self.partitions(table).get(partition)?.get(sort)
    }

    fn versions_mut(&mut self, place: &Place) -> &mut Versions {
        let partitions = match place.table {
            Table::Accounts => &mut self.accounts,
            Table::Keys => &mut self.keys,
            Table::Calls => &mut self.calls,
            Table::Ledger => &mut self.ledger,
        };
        let partition = partitions.entry(place.partition.clone()).or_default();
        partition.entry(place.sort.clone()).or_default()
    }

    /// What a write would do.
    pub(super) fn evaluate(&self, write: &Write) -> Result<Evaluated, GrammarError> {
        let schema = Schema::of(write.table);
        let (key, update) = match &write.change {
            Change::Put(item) => (item, None),
            Change::Delete { key } => (key, None),
            Change::Update { key, update } => (key, Some(expression::update(update)?)),
        };
        let (partition, sort) = match &write.change {
            Change::Put(item) => schema.values(item)?,
            Change::Update { .. } | Change::Delete { .. } => schema.key_values(key)?,
        };
        let condition = write.condition.as_deref().map(expression::condition).transpose()?;
        let uses = [
            update.as_ref().map(|update| update.uses()).unwrap_or_default(),
            condition.as_ref().map(|condition| condition.uses()).unwrap_or_default(),
        ];
        expression::check_terms(&uses, &write.terms)?;
        if let Some(update) = &update {
            update.check(schema.key(), &write.terms)?;
        }
        let versions = self.versions(write.table, partition, sort);
        let before = versions.and_then(|versions| versions.current.clone());
        let holds = match &condition {
            None => true,
            Some(condition) => {
                condition.check(&write.terms)?;
                condition.holds(before.as_deref(), &write.terms)?
            }
        };
        let after = match (&write.change, update) {
            _ if !holds => before.clone(),
            (Change::Put(item), _) => Some(Arc::new(item.clone())),
            (Change::Update { key, .. }, Some(update)) => {
                // What is missing is created with its key, but has no attribute to read.
                let missing = Item::new();
                let old = before.as_deref().unwrap_or(&missing);
                let mut item = before.as_deref().unwrap_or(key).clone();
                update.apply(old, &mut item, &write.terms)?;
                Some(Arc::new(item))
            }
            (Change::Update { .. } | Change::Delete { .. }, _) => None,
        };
        if let Some(after) = after.as_deref().filter(|_| holds) {
            schema.check(after)?;
            expression::check_item(after)?;
        }
        let place =
            Place { table: write.table, partition: partition.to_owned(), sort: sort.to_owned() };
        Ok(Evaluated { place, before, after, holds })
    }

    /// Makes an item what it is from now on, and keeps what it was for `staleness`.
    pub(super) fn commit(
        &mut self,
        place: &Place,
        after: Option<Arc<Item>>,
        now: i64,
        staleness: i64,
    ) {
        let versions = self.versions_mut(place);
        let before = std::mem::replace(&mut versions.current, after);
        versions.past.retain(|(until, _)| *until > now - staleness);
        if staleness > 0 {
            versions.past.push((now, before));
        }
    }

    /// Counts a write of an item within this second, and says how many they are.
    pub(super) fn count(&mut self, place: &Place, second: i64) -> u32 {
        let versions = self.versions_mut(place);
        if versions.second != second {
            versions.second = second;
            versions.writes = 0;
        }
        versions.writes += 1;
        versions.writes
    }

    /// Makes an item what a test says.
    pub(super) fn set(&mut self, table: Table, item: Item) -> Result<(), GrammarError> {
        let schema = Schema::of(table);
        schema.check(&item)?;
        expression::check_item(&item)?;
        let (partition, sort) = schema.values(&item)?;
        let place = Place { table, partition: partition.to_owned(), sort: sort.to_owned() };
        self.commit(&place, Some(Arc::new(item)), 0, 0);
        Ok(())
    }

    /// Takes an item away.
    pub(super) fn unset(&mut self, table: Table, key: &[&str]) {
        let text = |at: usize| key.get(at).copied().unwrap_or_default().to_owned();
        let place = Place { table, partition: text(0), sort: text(1) };
        self.commit(&place, None, 0, 0);
    }
}

/// An item over time.
#[derive(Default)]
pub(super) struct Versions {
    current: Option<Arc<Item>>,
    /// What it was until a moment.
    past: Vec<(i64, Option<Arc<Item>>)>,
    /// The last second in which it was written, and how often.
    second: i64,
    writes: u32,
}

impl Versions {
    /// What it was at a moment.
    pub(super) fn as_of(&self, moment: i64) -> Option<&Arc<Item>> {
        let past = self.past.iter().find(|(until, _)| *until > moment);
        past.map_or(&self.current, |(_, item)| item).as_ref()
    }
}

/// Where an item is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) table: Table,
    pub(super) partition: String,
    pub(super) sort: String,
}

/// What a write would do.
pub(super) struct Evaluated {
    pub(super) place: Place,
    pub(super) before: Option<Arc<Item>>,
    /// What the item would be. What it was, if the condition does not hold.
    pub(super) after: Option<Arc<Item>>,
    pub(super) holds: bool,
}

/// A key, as the value of an attribute.
pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}
