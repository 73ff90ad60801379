//! The primary keys and the index, as `template.yaml` has them.

use shared::store::{Table, tables::Item};

use super::{expression::GrammarError, tables::text};

/// The keys of a table or an index. All are texts.
pub(super) struct Schema {
    /// The partition key, then the sort key if there is one.
    key: &'static [&'static str],
    /// The keys of the table's index.
    index: &'static [&'static str],
}

impl Schema {
    pub(super) const fn of(table: Table) -> Self {
        let (key, index): (&'static [&'static str], &'static [&'static str]) = match table {
            Table::Accounts => (&["account", "part"], &[]),
            Table::Keys => (&["hash"], &["account", "key_id"]),
            Table::Calls => (&["account", "call"], &[]),
            Table::Ledger => (&["account", "entry"], &[]),
        };
        Self { key, index }
    }

    /// The keys of an index of a table.
    pub(super) fn of_index(table: Table, index: &str) -> Result<Self, GrammarError> {
        if table == Table::Keys && index == "by_account" {
            Ok(Self { key: Self::of(table).index, index: &[] })
        } else {
            Err(GrammarError("there is no such index"))
        }
    }

    /// The attributes of the primary key.
    pub(super) const fn key(&self) -> &'static [&'static str] {
        self.key
    }

    /// The partition key.
    pub(super) fn partition(&self) -> &'static str {
        self.key[0]
    }

    /// The sort key. Without one, the partition key, which no range can be of.
    pub(super) fn sort(&self) -> &'static str {
        self.key.get(1).copied().unwrap_or(self.key[0])
    }

    /// The values of the primary key, which has to be all there is.
    pub(super) fn key_values<'a>(&self, key: &'a Item) -> Result<(&'a str, &'a str), GrammarError> {
        if key.len() == self.key.len() {
            self.values(key)
        } else {
            Err(GrammarError("a key has other attributes than the primary key"))
        }
    }

    /// The values of the primary key of an item.
    pub(super) fn values<'a>(&self, item: &'a Item) -> Result<(&'a str, &'a str), GrammarError> {
        let value = |name: &str| {
            let text = item.get(name).and_then(|value| value.as_s().ok());
            let text = text.filter(|text| !text.is_empty());
            text.map(String::as_str).ok_or(GrammarError("a key is missing, empty or no text"))
        };
        Ok((value(self.key[0])?, self.key.get(1).map_or(Ok(""), |name| value(name))?))
    }

    /// Checks that an item can be in the table and in its index.
    pub(super) fn check(&self, item: &Item) -> Result<(), GrammarError> {
        self.values(item)?;
        for name in self.index {
            if item.get(*name).is_some_and(|value| value.as_s().map_or(true, String::is_empty)) {
                return Err(GrammarError("a key of an index is empty or no text"));
            }
        }
        Ok(())
    }

    /// The key of an item alone, as a page ends with it.
    pub(super) fn key_of(&self, item: &Item) -> Result<Item, GrammarError> {
        let (partition, sort) = self.values(item)?;
        let values = self.key.iter().zip([partition, sort]);
        Ok(values.map(|(name, value)| ((*name).to_owned(), text(value))).collect())
    }
}
