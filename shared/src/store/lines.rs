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
//! Written by retention after a day's last hour, or as an account is closed. A line is a pure function
//! of the day's records, and what was written first stands: whoever is slow may read records of an
//! account that is being closed when some are deleted already. All lines of a day together are what its records were
//! charged, to the unit: what a call cost beyond its hold is a line of its own, `uncharged`, below
//! zero, and a call whose prices are no longer known is in one line, `calls`.

use std::collections::BTreeMap;

use super::{
    Capability, Store, StoreError, Table,
    calls::Record,
    item::Writer,
    tables::{Item, Tables},
};
use crate::{
    catalogue::Catalogue,
    id::AccountId,
    money::{Pico, Price},
    time::{Day, Timestamp},
};

/// The class of what a call cost beyond its hold.
const UNCHARGED: &str = "uncharged";

/// The class of calls whose prices are no longer known.
const CALLS: &str = "calls";

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
    /// The class of units.
    pub class: &'static str,
    /// How many units.
    pub quantity: u64,
    /// What one costs; none where it is not known any more, or is no price.
    pub unit_price: Option<Price>,
    /// What they cost.
    pub amount: Pico,
    /// How many calls.
    pub requests: u64,
}

/// The lines of a day, as its records are added.
#[derive(Debug, Default)]
pub struct Lines(BTreeMap<String, Line>);

impl Lines {
    /// Adds a record of `day`, by a key of this number.
    pub fn add(&mut self, day: Day, record: &Record, catalogue: &Catalogue, key_ordinal: u32) {
        let mut add = |class, quantity, unit_price: Option<Price>, amount| {
            let line = Line {
                account: record.account.clone(),
                day,
                key_ordinal,
                model: record.model.clone(),
                price_version: record.price_version.clone(),
                class,
                quantity: 0,
                unit_price,
                amount: Pico::ZERO,
                requests: 0,
            };
            let sum = self.0.entry(line.id()).or_insert(line);
            sum.quantity = sum.quantity.saturating_add(quantity);
            sum.amount = sum.amount.and(amount);
            sum.requests = sum.requests.saturating_add(1);
        };
        match catalogue.itemize(&record.model, &record.price_version, &record.units) {
            Some(items) => {
                let mut sum = Pico::ZERO;
                for (class, quantity, price) in items {
                    let amount = price.of(quantity);
                    sum = sum.and(amount);
                    add(class.name(), quantity, Some(price), amount);
                }
                if sum != record.cost {
                    add(UNCHARGED, 1, None, record.cost.less(sum));
                }
            }
            None => add(CALLS, 1, None, record.cost),
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
        let price = self.unit_price.map_or(0, Price::pico);
        format!("line#{day}#{key_ordinal}#{model}#{price_version}#{class}#{price}")
    }
}

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

fn encode(line: &Line, until: Timestamp) -> Item {
    let item = Writer::default()
        .text("account", &line.account)
        .text("entry", line.id())
        .text("kind", "line")
        .text("day", line.day)
        .number("key_ordinal", line.key_ordinal)
        .text("model", &line.model)
        .text("price_version", &line.price_version)
        .text("class", line.class)
        .number("quantity", line.quantity)
        .money("amount", line.amount)
        .number("requests", line.requests)
        .number("expires_at", until.seconds());
    match line.unit_price {
        Some(price) => item.number("unit_price", price.pico()).item(),
        None => item.item(),
    }
}
