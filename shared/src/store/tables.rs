//! What the store asks of DynamoDB, as plain values, and what became of it.
//!
//! The expressions stand in the files of their items; here is how they are carried. [`Aws`] is
//! DynamoDB over the AWS SDK, and the only [`Tables`] a function links. The money tests have
//! another one, which interprets the same expressions and fails in every way a network can.
//!
//! A placeholder `#name` stands for the attribute `name` unless another is given.

mod aws;

use std::{collections::HashMap, time::Duration};

use aws_sdk_dynamodb::types::AttributeValue;

pub use self::aws::Aws;
use super::{Consistency, StoreError, Table};

/// An item, or the key of one.
pub type Item = HashMap<String, AttributeValue>;

/// Reading and writing tables.
pub trait Tables: Send + Sync + 'static {
    /// Writes one item.
    fn write(&self, write: Write) -> impl Future<Output = Outcome> + Send;

    /// Writes several items of different keys, or none of them.
    fn transact(&self, writes: Vec<Write>) -> impl Future<Output = Outcome> + Send;

    /// Reads one item.
    ///
    /// # Errors
    /// When the store does not answer.
    fn get(&self, get: Get) -> impl Future<Output = Result<Option<Item>, StoreError>> + Send;

    /// Reads a page of the items under one partition key.
    ///
    /// # Errors
    /// When the store does not answer.
    fn query(&self, query: Query) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Reads a page of a segment of a table.
    ///
    /// # Errors
    /// When the store does not answer.
    fn scan(&self, scan: Scan) -> impl Future<Output = Result<Page, StoreError>> + Send;

    /// Waits before something is sent again.
    fn pause(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// A write of one item.
#[derive(Clone, Debug)]
pub struct Write {
    /// The table.
    pub table: Table,
    /// What is written.
    pub change: Change,
    /// What has to hold, or nothing is written.
    pub condition: Option<String>,
    /// What the placeholders mean.
    pub terms: Terms,
    /// How often it may be sent.
    pub sending: Sending,
}

/// What a write does to its item.
#[derive(Clone, Debug)]
pub enum Change {
    /// The item becomes this one.
    Put(Item),
    /// The item with this key is changed by an update expression.
    Update {
        /// The primary key.
        key: Item,
        /// The update expression.
        update: String,
    },
    /// The item with this key is deleted.
    Delete {
        /// The primary key.
        key: Item,
    },
}

/// How often a write may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Once: sent twice it would do more.
    Once,
    /// Until there is an answer, a few times: sent twice it does the same.
    Repeated,
}

/// What the placeholders of an expression mean.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Attributes by `#placeholder`, where the attribute is not called so itself.
    pub names: Vec<(&'static str, String)>,
    /// Values by `:placeholder`.
    pub values: Vec<(&'static str, AttributeValue)>,
}

impl Terms {
    /// The attribute that a placeholder stands for.
    pub fn name(&mut self, placeholder: &'static str, attribute: impl Into<String>) {
        self.names.retain(|(other, _)| *other != placeholder);
        self.names.push((placeholder, attribute.into()));
    }

    /// A number.
    pub fn number(&mut self, placeholder: &'static str, value: impl ToString) {
        self.value(placeholder, AttributeValue::N(value.to_string()));
    }

    /// A text.
    pub fn text(&mut self, placeholder: &'static str, value: impl ToString) {
        self.value(placeholder, AttributeValue::S(value.to_string()));
    }

    /// A set of texts, which may not be empty.
    pub fn texts(&mut self, placeholder: &'static str, values: impl Iterator<Item = String>) {
        self.value(placeholder, AttributeValue::Ss(values.collect()));
    }

    /// The pieces of an expression may need the same value, each for itself.
    fn value(&mut self, placeholder: &'static str, value: AttributeValue) {
        self.values.retain(|(other, _)| *other != placeholder);
        self.values.push((placeholder, value));
    }

    /// The attributes by all the placeholders that these expressions use.
    pub fn names_in<'a>(
        &self,
        expressions: impl IntoIterator<Item = &'a str>,
    ) -> HashMap<String, String> {
        let mut names = HashMap::new();
        for expression in expressions {
            for rest in expression.split('#').skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let (name, _) =
                    rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
                let placeholder = format!("#{name}");
                let given = self.names.iter().find(|(given, _)| *given == placeholder);
                let attribute = given.map_or_else(|| name.to_owned(), |(_, name)| name.clone());
                names.insert(placeholder, attribute);
            }
        }
        names
    }
}

impl Write {
    fn new(table: Table, change: Change) -> Self {
        let terms = Terms::default();
        Self { table, change, condition: None, terms, sending: Sending::Repeated }
    }

    /// A whole item.
    pub fn put(table: Table, item: Item) -> Self {
        Self::new(table, Change::Put(item))
    }

    /// A change to the item with `key`.
    pub fn update(table: Table, key: Item, update: impl Into<String>) -> Self {
        Self::new(table, Change::Update { key, update: update.into() })
    }

    /// The end of the item with `key`.
    pub fn delete(table: Table, key: Item) -> Self {
        Self::new(table, Change::Delete { key })
    }

    /// Only if this holds.
    #[must_use]
    pub fn only_if(mut self, condition: impl Into<String>) -> Self {
        self.condition = Some(condition.into());
        self
    }

    /// With the attribute that a placeholder stands for.
    #[must_use]
    pub fn name(mut self, placeholder: &'static str, attribute: impl Into<String>) -> Self {
        self.terms.name(placeholder, attribute);
        self
    }

    /// With a number.
    #[must_use]
    pub fn number(mut self, placeholder: &'static str, value: impl ToString) -> Self {
        self.terms.number(placeholder, value);
        self
    }

    /// With a text.
    #[must_use]
    pub fn text(mut self, placeholder: &'static str, value: impl ToString) -> Self {
        self.terms.text(placeholder, value);
        self
    }

    /// A set of texts, which may not be empty.
    #[must_use]
    pub fn texts(
        mut self,
        placeholder: &'static str,
        values: impl Iterator<Item = String>,
    ) -> Self {
        self.terms.texts(placeholder, values);
        self
    }

    /// Sent again where there is no answer.
    #[must_use]
    pub const fn repeated(mut self) -> Self {
        self.sending = Sending::Repeated;
        self
    }

    /// Sent once.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.sending = Sending::Once;
        self
    }
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is written.
    Done,
    /// Its condition did not hold. This is the item as it stood, if there is one and the write was
    /// of one item.
    Refused(Option<Item>),
    /// The store says that nothing was written: throttled, or a transaction in the way. Of a write
    /// that is repeated it says so of the last time alone.
    NothingWritten,
    /// No answer: it may have been written or not.
    Unknown,
}

impl Outcome {
    /// For writes of which only this matters: whether they are done.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the condition did not hold.
    pub fn done(self) -> Result<(), StoreError> {
        match self {
            Self::Done => Ok(()),
            Self::Refused(_) => Err(StoreError::Conflict),
            Self::NothingWritten | Self::Unknown => Err(StoreError::Unavailable),
        }
    }
}

/// A read of one item.
#[derive(Clone, Debug)]
pub struct Get {
    /// The table.
    pub table: Table,
    /// The primary key.
    pub key: Item,
    /// How fresh it has to be.
    pub consistency: Consistency,
}

/// A read of items under one partition key.
#[derive(Clone, Debug)]
pub struct Query {
    /// The table.
    pub table: Table,
    /// An index, whose reads are never strong.
    pub index: Option<&'static str>,
    /// Which items.
    pub condition: &'static str,
    /// Which of them are shown.
    pub filter: Option<&'static str>,
    /// What the placeholders mean.
    pub terms: Terms,
    /// How fresh it has to be.
    pub consistency: Consistency,
    /// In which order of the sort key.
    pub order: Order,
    /// How many are looked at for a page, before the filter.
    pub limit: Option<i32>,
    /// Where the page before ended.
    pub from: Option<Item>,
}

impl Query {
    /// Of a whole table, strongly consistent, in rising order and from the beginning.
    pub const fn strong(table: Table, condition: &'static str, terms: Terms) -> Self {
        Self {
            table,
            index: None,
            condition,
            filter: None,
            terms,
            consistency: Consistency::Strong,
            order: Order::Rising,
            limit: None,
            from: None,
        }
    }
}

/// The order of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The least sort key first.
    Rising,
    /// The greatest first.
    Falling,
}

/// A read of a whole table, or of one of `segments` parts of it.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The table.
    pub table: Table,
    /// Which part, from 0.
    pub segment: i32,
    /// Of how many.
    pub segments: i32,
    /// Which items are shown.
    pub filter: &'static str,
    /// The attributes that are shown, where not all are.
    pub projection: Option<&'static str>,
    /// What the placeholders mean.
    pub terms: Terms,
    /// Where the page before ended.
    pub from: Option<Item>,
}

/// Some items, and where they ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The items.
    pub items: Vec<Item>,
    /// The key to go on from, if there may be more.
    pub next: Option<Item>,
}
