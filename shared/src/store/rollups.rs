//! Roll-ups: what a key did in an hour with one model at one endpoint, in the table of calls.
//!
//! | attribute       | holds                                                     |
//! |-----------------|-----------------------------------------------------------|
//! | `account`       | partition key                                             |
//! | `call`          | sort key: `hour_YYYYMMDDHH#` and what it is summed by     |
//! | `time`          | the hour's beginning, seconds since the epoch             |
//! | `key_id`        | the key                                                   |
//! | `model`         | the catalogue's name of the model                         |
//! | `endpoint`      | the endpoint type                                         |
//! | `price_version` | the prices in force                                       |
//! | `requests`      | how many calls                                            |
//! | `failed`        | how many of them ended with a status of 400 or more       |
//! | `estimated`     | how many of them are estimated                            |
//! | `items`         | by class and unit price: quantity, amount and calls       |
//! | `cost`          | what they were charged in all, pico-dollars               |
//! | `expires_at`    | TTL: seven days after `time`, seconds since the epoch     |
//!
//! Written by retention when it closes an hour, and read by it for the day's statement; read by usage and
//! account. A roll-up is a pure function of the hour's records, and what was written first stands (`lines.rs` says
//! why).

use std::{collections::BTreeMap, ops::ControlFlow};

use super::{
    Capability, Corrupt, Store, StoreError, Table,
    calls::{Basis, RECORD_LIFE, Record},
    item::{Reader, Writer},
    tables::{Item, Query, Tables, Terms},
};
use crate::{
    catalogue::Catalogue,
    charge::{self, ItemSum, Items},
    endpoint::EndpointType,
    id::{AccountId, KeyId},
    money::Pico,
    time::{Hour, Timestamp},
};

/// What a key did in an hour with one model at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup {
    /// Whose calls they were.
    pub account: AccountId,
    /// The hour.
    pub hour: Hour,
    /// The key.
    pub key: KeyId,
    /// The catalogue's name of the model.
    pub model: String,
    /// The endpoint type.
    pub endpoint: EndpointType,
    /// The prices in force.
    pub price_version: String,
    /// How many calls.
    pub requests: u64,
    /// How many of them ended with a status of 400 or more.
    pub failed: u64,
    /// How many of them are estimated.
    pub estimated: u64,
    /// What they used and were charged.
    pub items: Items,
    /// What they were charged in all.
    pub cost: Pico,
}

/// The roll-ups of an hour, as its records are added.
#[derive(Debug, Default)]
pub struct Rollups(BTreeMap<String, Rollup>);

impl Rollups {
    /// Adds a record of `hour`.
    pub fn add(&mut self, hour: Hour, record: &Record, catalogue: &Catalogue) {
        let rollup = Rollup {
            account: record.account.clone(),
            hour,
            key: record.key.clone(),
            model: record.model.clone(),
            endpoint: record.endpoint,
            price_version: record.price_version.clone(),
            requests: 0,
            failed: 0,
            estimated: 0,
            items: Items::default(),
            cost: Pico::ZERO,
        };
        let sum = self.0.entry(rollup.id()).or_insert(rollup);
        let count = |sum: u64, counts: bool| sum.saturating_add(u64::from(counts));
        sum.requests = count(sum.requests, true);
        sum.failed = count(sum.failed, record.status >= 400);
        sum.estimated = count(sum.estimated, record.basis == Basis::Estimated);
        for item in charge::items(record, catalogue) {
            let charge::Item { class, quantity, unit_price, amount } = item;
            sum.items.add(class, unit_price, ItemSum { quantity, amount, requests: 1 });
        }
        sum.cost = sum.cost.and(record.cost);
    }

    /// They, in the order of their ids.
    pub fn all(&self) -> impl Iterator<Item = &Rollup> {
        self.0.values()
    }

    /// What they come to.
    pub fn cost(&self) -> Pico {
        self.all().fold(Pico::ZERO, |sum, rollup| sum.and(rollup.cost))
    }
}

impl Rollup {
    fn id(&self) -> String {
        let Self { hour, key, model, endpoint, price_version, .. } = self;
        format!("{PREFIX}{hour}#{key}#{model}#{}#{price_version}", endpoint.name())
    }
}

/// What the sort key of every roll-up begins with.
const PREFIX: &str = "hour_";

/// The hour of the roll-up with this sort key, if it is one.
pub(super) fn hour_of(id: &str) -> Option<Hour> {
    id.strip_prefix(PREFIX)?.split('#').next()?.parse().ok()
}

/// Writing roll-ups.
pub trait PutRollups {
    /// Writes roll-ups that are not there yet. Idempotent.
    fn put_rollups(&self, rollups: &Rollups)
    -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`PutRollups`] needs.
pub const PUT_ROLLUPS: Capability = Capability { actions: &[(Table::Calls, "dynamodb:PutItem")] };

impl<T: Tables> PutRollups for Store<T> {
    async fn put_rollups(&self, rollups: &Rollups) -> Result<(), StoreError> {
        for rollup in rollups.all() {
            self.put_first(Table::Calls, encode(rollup)).await?;
        }
        Ok(())
    }
}

/// Reading roll-ups.
pub trait ReadRollups {
    /// Shows the roll-ups of `account` of the hours from one to another, both included, to `each`,
    /// as long as that goes on, strongly consistent and in the order of hours, but for those that
    /// are seven days old at `now`.
    fn read_rollups(
        &self,
        account: &AccountId,
        hours: (Hour, Hour),
        now: Timestamp,
        each: impl FnMut(&Rollup) -> ControlFlow<()> + Send,
    ) -> impl Future<Output = Result<ControlFlow<()>, StoreError>> + Send;
}

/// What [`ReadRollups`] needs.
pub const READ_ROLLUPS: Capability = Capability { actions: &[(Table::Calls, "dynamodb:Query")] };

impl<T: Tables> ReadRollups for Store<T> {
    async fn read_rollups(
        &self,
        account: &AccountId,
        (from, to): (Hour, Hour),
        now: Timestamp,
        mut each: impl FnMut(&Rollup) -> ControlFlow<()> + Send,
    ) -> Result<ControlFlow<()>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        terms.text(":from", format!("{PREFIX}{from}#"));
        terms.text(":to", format!("{PREFIX}{}#", to.next()));
        terms.number(":now", now.seconds());
        let condition = "#account = :account AND #call BETWEEN :from AND :to";
        let query = Query {
            filter: Some("#expires_at > :now"),
            ..Query::strong(Table::Calls, condition, terms)
        };
        self.query_while(query, |item| Ok(each(&decode(item)?))).await
    }
}

fn decode(item: &Item) -> Result<Rollup, Corrupt> {
    let reader = Reader(item);
    Ok(Rollup {
        account: reader.parsed("account")?,
        hour: reader.seconds("time")?.hour(),
        key: reader.parsed("key_id")?,
        model: reader.text("model")?.to_owned(),
        endpoint: EndpointType::named(reader.text("endpoint")?).ok_or(Corrupt("endpoint"))?,
        price_version: reader.text("price_version")?.to_owned(),
        requests: reader.number("requests")?,
        failed: reader.number("failed")?,
        estimated: reader.number("estimated")?,
        items: reader.items("items")?,
        cost: reader.money("cost")?,
    })
}

fn encode(rollup: &Rollup) -> Item {
    let start = rollup.hour.start();
    Writer::default()
        .text("account", &rollup.account)
        .text("call", rollup.id())
        .number("time", start.seconds())
        .text("key_id", &rollup.key)
        .text("model", &rollup.model)
        .text("endpoint", rollup.endpoint.name())
        .text("price_version", &rollup.price_version)
        .number("requests", rollup.requests)
        .number("failed", rollup.failed)
        .number("estimated", rollup.estimated)
        .items("items", &rollup.items)
        .money("cost", rollup.cost)
        .number("expires_at", start.plus(RECORD_LIFE).seconds())
        .item()
}
