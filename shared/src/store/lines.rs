//! Statement lines: what a key used of one class of units in a day, in the ledger.
//!
//! | attribute       | holds                                                        |
//! |-----------------|--------------------------------------------------------------|
//! | `account`       | partition key                                                |
//! | `entry`         | sort key: `line#YYYYMMDD#` and what it is summed by          |
//! | `kind`          | `line`                                                       |
//! | `day`           | the day, `YYYYMMDD`                                          |
//! | `key_ordinal`   | the key's number within the account; 0 for one that is gone  |
//! | `model`         | the catalogue's name of the model                            |
//! | `price_version` | the prices in force                                          |
//! | `class`         | the class of units, or `calls` or `uncharged`                |
//! | `quantity`      | how many units                                               |
//! | `unit_price`    | pico-dollars per unit                                        |
//! | `amount`        | pico-dollars                                                 |
//! | `requests`      | how many calls                                               |
//! | `expires_at`    | TTL: so many years after the end of the day's year, seconds since the epoch |
//!
//! Written by retention after a day's last hour, or as an account is closed; read by usage and account. A
//! line is a pure function of the day's roll-ups, and so of no prices but those that are in them: whoever goes on
//! with a statement that broke off, after a deployment with other prices, writes the same. What was
//! written first stands: whoever is slow may read roll-ups of an account that is being closed when some
//! are deleted already. All lines of a day together
//! are what its records were charged, to the unit, and have all that they used. `calls` are in a line of
//! their own, which has an amount where their prices are no longer known; what calls cost beyond their
//! holds is another, `uncharged`, below zero.

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    Capability, Corrupt, Store, StoreError, Table,
    item::{Reader, Writer},
    rollups::Rollup,
    tables::{Item, Query, Tables, Terms},
};
use crate::{
    charge::ItemClass,
    id::AccountId,
    money::{Pico, Price},
    time::{Day, Timestamp},
};

/// A line of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whose statement it is.
    pub account: AccountId,
    /// The day.
    pub day: Day,
    /// The key's number within the account; 0 for one that is gone.
    pub key_ordinal: u32,
    /// The catalogue's name of the model.
    pub model: String,
    /// The prices in force.
    pub price_version: String,
    /// What it is for.
    pub class: ItemClass,
    /// How many units.
    pub quantity: u64,
    /// What one costs; none where it is not known any more, or is no price.
    pub unit_price: Option<Price>,
    /// What they cost.
    pub amount: Pico,
    /// How many calls.
    pub requests: u64,
}

/// The lines of a day, as its roll-ups are added.
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<String, Line>);

impl Lines {
    /// Adds a roll-up, of a key of this number.
    pub fn add(&mut self, rollup: &Rollup, key_ordinal: u32) {
        for (class, unit_price, item) in rollup.items.iter() {
            let line = Line {
                account: rollup.account.clone(),
                day: rollup.hour.day(),
                key_ordinal,
                model: rollup.model.clone(),
                price_version: rollup.price_version.clone(),
                class,
                quantity: 0,
                unit_price,
                amount: Pico::ZERO,
                requests: 0,
            };
            let sum = self.0.entry(line.id()).or_insert(line);
            sum.quantity = sum.quantity.saturating_add(item.quantity);
            sum.amount = sum.amount.and(item.amount);
            sum.requests = sum.requests.saturating_add(item.requests);
        }
    }

    /// They, in the order of their ids.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.0.values()
    }
}

impl Line {
    fn id(&self) -> String {
        let Self { day, key_ordinal, model, price_version, class, .. } = self;
        let (class, price) = (class.name(), self.unit_price.map_or(0, Price::pico));
        format!("{LINE}{day}#{key_ordinal}#{model}#{price_version}#{class}#{price}")
    }
}

/// What the sort key of every line begins with.
pub(super) const LINE: &str = "line#";

/// After the sort keys of all lines.
pub(super) const AFTER_LINES: &str = "line$";

/// Writing statement lines.
pub trait PutLines {
    /// Writes lines that are not there yet. Idempotent.
    fn put_lines(&self, lines: &Lines) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`PutLines`] needs.
pub const PUT_LINES: Capability = Capability { actions: &[(Table::Ledger, "dynamodb:PutItem")] };

impl<T: Tables> PutLines for Store<T> {
    async fn put_lines(&self, lines: &Lines) -> Result<(), StoreError> {
        for line in lines.all() {
            let item = encode(line, self.kept_until(line.day));
            self.put_first(Table::Ledger, item).await?;
        }
        Ok(())
    }
}

/// Reading statement lines.
pub trait ReadLines {
    /// Shows the lines of `account` of the days from one to another, both included, to `each`, as
    /// long as that goes on, strongly consistent and in the order of days.
    fn read_lines(
        &self,
        account: &AccountId,
        days: (Day, Day),
        each: impl FnMut(&Line) -> ControlFlow<()> + Send,
    ) -> impl Future<Output = Result<ControlFlow<()>, StoreError>> + Send;
}

/// What [`ReadLines`] needs.
pub const READ_LINES: Capability = Capability { actions: &[(Table::Ledger, "dynamodb:Query")] };

impl<T: Tables> ReadLines for Store<T> {
    async fn read_lines(
        &self,
        account: &AccountId,
        (from, to): (Day, Day),
        mut each: impl FnMut(&Line) -> ControlFlow<()> + Send,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        terms.text(":from", format!("{LINE}{from}#"));
        terms.text(":to", format!("{LINE}{}#", to.next()));
        let condition = "#account = :account AND #entry BETWEEN :from AND :to";
        let query = Query::strong(Table::Ledger, condition, terms);
        self.query_while(query, |item| Ok(each(&decode(item)?))).await
    }
}

fn decode(item: &Item) -> Result<Line, Corrupt> {
    let reader = Reader(item);
    Ok(Line {
        account: reader.parsed("account")?,
        day: reader.parsed("day")?,
        key_ordinal: reader.number("key_ordinal")?,
        model: reader.text("model")?.to_owned(),
        price_version: reader.text("price_version")?.to_owned(),
        class: ItemClass::named(reader.text("class")?).ok_or(Corrupt("class"))?,
        quantity: reader.number("quantity")?,
        unit_price: reader.optional_number("unit_price")?.map(Price::new),
        amount: reader.money("amount")?,
        requests: reader.number("requests")?,
    })
}

fn encode(line: &Line, until: Timestamp) -> Item {
    let item = Writer::default()
        .text("account", &line.account)
        .text("entry", line.id())
        .text("kind", "line")
        .text("day", line.day)
        .number("key_ordinal", line.key_ordinal)
        .text("model", &line.model)
        .text("price_version", &line.price_version)
        .text("class", line.class.name())
        .number("quantity", line.quantity)
        .money("amount", line.amount)
        .number("requests", line.requests)
        .number("expires_at", until.seconds());
    match line.unit_price {
        Some(price) => item.number("unit_price", price.pico()).item(),
        None => item.item(),
    }
}
