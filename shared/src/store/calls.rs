//! Records of calls.
//!
//! | attribute       | holds                                                       |
//! |-----------------|-------------------------------------------------------------|
//! | `account`       | partition key                                               |
//! | `call`          | sort key: the call's id, which begins with its hour         |
//! | `time`          | when it was admitted, seconds since the epoch               |
//! | `model`         | the catalogue's name of the model                           |
//! | `units`         | tokens, seconds, characters, images or searches by class    |
//! | `endpoint`      | the endpoint type                                           |
//! | `status`        | the HTTP status; of a stream that broke off, the error's    |
//! | `key_id`        | the key that was used                                       |
//! | `cost`          | what was charged, pico-dollars                              |
//! | `price_version` | the prices in force, and the tier if not the standard one   |
//! | `basis`         | `reported` by the provider, or `estimated`                  |
//! | `expires_at`    | TTL: seven days after `time`, seconds since the epoch       |
//!
//! Written by proxy; read by usage, account, retention and, of a call with an `Idempotency-Key`, proxy.
//! It lives for seven days. There is no other attribute, and a test compares this list with what is
//! stored.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, stream};

use super::{
    Capability, Consistency, Corrupt, Cursor, Store, StoreError, Table, hold,
    item::{Reader, Writer},
    rollups,
    tables::{Get, Item, Order, Query, Scan, Tables, Terms, Write},
    wallet::{ReadWallet, Wallet},
};
use crate::{
    endpoint::EndpointType,
    id::{AccountId, CallId, KeyId},
    money::Pico,
    time::{Clock, Day, Hour, Timestamp},
    units::Units,
};

/// How often a record is written before it is given up.
const ATTEMPTS: usize = 3;

/// How long a record lives.
pub const RECORD_LIFE: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What is kept of a call, and all that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Whose call it was.
    pub account: AccountId,
    /// The call.
    pub call: CallId,
    /// When it was admitted.
    pub time: Timestamp,
    /// The catalogue's name of the model.
    pub model: String,
    /// What it used.
    pub units: Units,
    /// The endpoint type.
    pub endpoint: EndpointType,
    /// The HTTP status.
    pub status: u16,
    /// The key that was used.
    pub key: KeyId,
    /// What was charged.
    pub cost: Pico,
    /// The prices in force when it was admitted, and the tier if it was not the standard one.
    pub price_version: String,
    /// Where the units come from.
    pub basis: Basis,
}

impl Record {
    /// When it will be gone.
    pub fn expires_at(&self) -> Timestamp {
        self.time.plus(RECORD_LIFE)
    }
}

/// Where the units of a record come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The provider reported them.
    Reported,
    /// The provider did not, or its answer broke off: they are estimated.
    Estimated,
}

impl Basis {
    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Estimated => "estimated",
        }
    }
}

/// Writing the record of a call.
pub trait RecordCall {
    /// Writes the record. Idempotent, and so repeated where it fails: the id is the call's, and
    /// the content never changes. It is a conflict when the close of the hour may have begun, or
    /// the call is over, where it has to be by then.
    fn record_call(
        &self,
        record: &Record,
        over: Option<Timestamp>,
        clock: Clock<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`RecordCall`] needs.
pub const RECORD_CALL: Capability = Capability { actions: &[(Table::Calls, "dynamodb:PutItem")] };

impl<T: Tables> RecordCall for Store<T> {
    async fn record_call(
        &self,
        record: &Record,
        over: Option<Timestamp>,
        clock: Clock<'_>,
    ) -> Result<(), StoreError> {
        let mut written = Err(StoreError::Unavailable);
        for _ in 0..ATTEMPTS {
            // The SDK's own attempts would be signed without asking the clock again.
            let now = clock();
            if hold::is_late(record.call.hour(), now) || over.is_some_and(|over| now > over) {
                return Err(StoreError::Conflict);
            }
            written =
                self.tables.write(Write::put(Table::Calls, encode(record)).once()).await.done();
            if written != Err(StoreError::Unavailable) {
                break;
            }
        }
        written
    }
}

/// Reading the records of an account.
pub trait ReadCalls {
    /// A page of the records of `account` that are not seven days old at `now`.
    fn read_calls(
        &self,
        account: &AccountId,
        wanted: &Wanted,
        now: Timestamp,
    ) -> impl Future<Output = Result<Calls, StoreError>> + Send;
}

/// Which records are read.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The time in which they were admitted.
    pub span: Span,
    /// In which order. The newest first may miss the last second; the oldest first miss none.
    pub order: Order,
    /// The call with which the page before ended.
    pub after: Option<CallId>,
    /// How many are looked at; without it, as many as a page has.
    pub limit: Option<i32>,
}

impl Wanted {
    /// The newest of all.
    pub const fn newest(limit: i32) -> Self {
        Self { span: Span::ALL, order: Order::Falling, after: None, limit: Some(limit) }
    }
}

/// A page of records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// The records.
    pub records: Vec<Record>,
    /// The call after which the next page begins, if there may be more.
    pub next: Option<CallId>,
}

/// What [`ReadCalls`] needs.
pub const READ_CALLS: Capability = Capability { actions: &[(Table::Calls, "dynamodb:Query")] };

impl<T: Tables> ReadCalls for Store<T> {
    async fn read_calls(
        &self,
        account: &AccountId,
        wanted: &Wanted,
        now: Timestamp,
    ) -> Result<Calls, StoreError> {
        let Wanted { span, order, after, limit } = wanted;
        let mut query = of_span(account, *span);
        query.filter = Some("#expires_at > :now");
        query.terms.number(":now", now.seconds());
        query.order = *order;
        if *order == Order::Falling {
            query.consistency = Consistency::Eventual;
        }
        query.limit = *limit;
        if let Some(after) = after {
            // A bound is one of those between, so that the one that was seen comes once more.
            let bound = if *order == Order::Falling { ":to" } else { ":from" };
            query.terms.text(bound, after);
            query.limit = limit.map(|limit| limit.saturating_add(1));
        }
        let page = self.tables.query(query).await?;
        let records = page.items.iter().map(decode);
        let mut records = records.collect::<Result<Vec<_>, _>>()?;
        records.retain(|record| after.as_ref() != Some(&record.call));
        let next = page.next.as_ref().map(|next| Reader(next).parsed("call")).transpose()?;
        Ok(Calls { records, next })
    }
}

/// The query for the records of a span.
fn of_span(account: &AccountId, span: Span) -> Query {
    let mut terms = Terms::default();
    terms.text(":account", account);
    // The first that a call of the end's second could have is before all of them.
    terms.text(":from", CallId::first_at(span.from));
    terms.text(":to", CallId::first_at(span.to));
    Query::strong(Table::Calls, "#account = :account AND #call BETWEEN :from AND :to", terms)
}

/// Finding out how far back records go.
pub trait OldestRecord {
    /// When the oldest call of `account` was admitted whose record is in the table, strongly
    /// consistent, also where it is past its time: whoever asks wants to know whether it is.
    fn oldest_record(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;
}

/// What [`OldestRecord`] needs.
pub const OLDEST_RECORD: Capability = READ_CALLS;

impl<T: Tables> OldestRecord for Store<T> {
    async fn oldest_record(&self, account: &AccountId) -> Result<Option<Timestamp>, StoreError> {
        let query = Query { limit: Some(1), ..of_span(account, Span::ALL) };
        let page = self.tables.query(query).await?;
        Ok(page.items.first().map(|item| Reader(item).seconds("time")).transpose()?)
    }
}

/// Reading what became of one call.
pub trait ReadCall {
    /// The record of a call, strongly consistent, if there is one that is not seven days old at
    /// `now`.
    fn read_call(
        &self,
        account: &AccountId,
        call: &CallId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;
}

/// What [`ReadCall`] needs.
pub const READ_CALL: Capability = Capability { actions: &[(Table::Calls, "dynamodb:GetItem")] };

impl<T: Tables> ReadCall for Store<T> {
    async fn read_call(
        &self,
        account: &AccountId,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Option<Record>, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let key = Item::from([
            ("account".to_owned(), text(account.as_str())),
            ("call".to_owned(), text(call.as_str())),
        ]);
        let get = Get { table: Table::Calls, key, consistency: Consistency::Strong };
        let item = self.tables.get(get).await?;
        let record = item.as_ref().map(decode).transpose()?;
        Ok(record.filter(|record| record.expires_at().seconds() > now.seconds()))
    }
}

/// Reading all records of a time.
pub trait ReadSpan {
    /// Shows every record of `account` in `span` to `each`, strongly consistent, a page at a time:
    /// an hour of a busy account is more than a function has memory for.
    fn read_span(
        &self,
        account: &AccountId,
        span: Span,
        each: impl FnMut(&Record) + Send,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A time, of which calls are those that were admitted in it, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment after it.
    pub to: Timestamp,
}

impl Span {
    /// All there is.
    pub const ALL: Self = Self { from: Timestamp::from_seconds(0), to: Timestamp::LAST };

    /// An hour.
    pub const fn hour(hour: Hour) -> Self {
        Self { from: hour.start(), to: hour.end() }
    }

    /// A day.
    pub const fn day(day: Day) -> Self {
        Self { from: day.first().start(), to: day.last().end() }
    }
}

/// What [`ReadSpan`] needs.
pub const READ_SPAN: Capability = READ_CALLS;

impl<T: Tables> ReadSpan for Store<T> {
    async fn read_span(
        &self,
        account: &AccountId,
        span: Span,
        mut each: impl FnMut(&Record) + Send,
    ) -> Result<(), StoreError> {
        let query = of_span(account, span);
        self.query_all(query, |item| {
            each(&decode(item)?);
            Ok(())
        })
        .await
    }
}

/// Deleting what is past its time.
pub trait SweepCalls {
    /// Deletes what has expired at `now` on one page of one of `segments` parts of the table, and
    /// says where the next begins. DynamoDB's own TTL takes days; this makes seven days true. Each
    /// delete is conditional on the item's own expiry, so that any number of sweeps can run at
    /// once. What is of an hour that is not closed or of a day that is on no statement is left, since
    /// both have to count it.
    fn sweep_calls(
        &self,
        now: Timestamp,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> impl Future<Output = Result<Swept, StoreError>> + Send;
}

/// What a page of a sweep found.
#[derive(Clone, Debug, Default)]
pub struct Swept {
    /// How many items were deleted.
    pub deleted: u64,
    /// How many records were left since nothing has counted them.
    pub unclosed: u64,
    /// How many are left since the store failed.
    pub failed: u64,
    /// How old the oldest record or roll-up was of those that had expired, in whole seconds.
    pub oldest_found: Option<Duration>,
    /// The same of those that were left, or are not known to have been deleted.
    pub oldest_left: Option<Duration>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
}

/// What [`SweepCalls`] needs.
pub const SWEEP_CALLS: Capability = Capability {
    actions: &[
        (Table::Calls, "dynamodb:Scan"),
        (Table::Calls, "dynamodb:DeleteItem"),
        (Table::Accounts, "dynamodb:GetItem"),
    ],
};

/// How many items are deleted at a time.
const DELETES_AT_ONCE: usize = 32;

impl<T: Tables> SweepCalls for Store<T> {
    async fn sweep_calls(
        &self,
        now: Timestamp,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> Result<Swept, StoreError> {
        let mut terms = Terms::default();
        terms.number(":now", now.seconds());
        let scan = Scan {
            table: Table::Calls,
            segment,
            segments,
            filter: "#expires_at <= :now",
            projection: Some("#account, #call, #time"),
            terms,
            from: from.map(|cursor| cursor.0),
        };
        let page = self.tables.scan(scan).await?;
        let mut swept = Swept { next: page.next.map(Cursor), ..Swept::default() };
        let (mut wallets, mut due) = (HashMap::new(), Vec::new());
        for mut item in page.items {
            let age = age_of(&item, now);
            swept.oldest_found = swept.oldest_found.max(age);
            match self.is_uncounted(&item, &mut wallets).await {
                Ok(false) => {
                    item.remove("time");
                    due.push(async move { (age, self.delete_expired(item, now).await) });
                }
                Ok(true) => swept.leave(age, |swept| &mut swept.unclosed),
                // One wallet that cannot be read keeps nobody else's records.
                Err(_) => swept.leave(age, |swept| &mut swept.failed),
            }
        }
        let mut deleting = stream::iter(due).buffer_unordered(DELETES_AT_ONCE);
        while let Some((age, deleted)) = deleting.next().await {
            match deleted {
                Ok(()) => swept.deleted = swept.deleted.saturating_add(1),
                // Another sweep or the TTL was faster.
                Err(StoreError::Conflict) => {}
                Err(_) => swept.leave(age, |swept| &mut swept.failed),
            }
        }
        Ok(swept)
    }
}

impl Swept {
    /// Counts one that is left.
    fn leave(&mut self, age: Option<Duration>, count: fn(&mut Self) -> &mut u64) {
        let count = count(self);
        *count = count.saturating_add(1);
        self.oldest_left = self.oldest_left.max(age);
    }
}

/// How old a record or a roll-up is. Markers have no time, and a day of their own.
fn age_of(item: &Item, now: Timestamp) -> Option<Duration> {
    let time = Reader(item).seconds("time").ok()?;
    Some(Duration::from_secs(now.since(time).as_secs()))
}

impl<T: Tables> Store<T> {
    async fn delete_expired(&self, key: Item, now: Timestamp) -> Result<(), StoreError> {
        let delete = Write::delete(Table::Calls, key)
            .only_if("#expires_at <= :now")
            .number(":now", now.seconds());
        self.tables.write(delete).await.done()
    }

    /// Whether a record's hour is still out of its wallet, or its day on no statement. Each wallet
    /// is read once for a page.
    async fn is_uncounted(
        &self,
        key: &Item,
        wallets: &mut HashMap<AccountId, Option<Wallet>>,
    ) -> Result<bool, StoreError> {
        let reader = Reader(key);
        let id = reader.text("call")?;
        let call = id.parse::<CallId>().ok().map(|call| call.hour());
        // The statement is made of roll-ups. What is neither is counted by nothing.
        let Some(hour) = call.or_else(|| rollups::hour_of(id)) else { return Ok(false) };
        let account: AccountId = reader.parsed("account")?;
        let wallet = match wallets.entry(account) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => {
                let wallet = self.read_wallet(place.key()).await?;
                place.insert(wallet)
            }
        };
        let Some(wallet) = wallet else { return Ok(false) };
        let out = wallet.out.iter().any(|(out, _)| *out == hour);
        Ok(out || wallet.unstated.is_some_and(|day| hour.day() >= day))
    }
}

fn encode(record: &Record) -> Item {
    Writer::default()
        .text("account", &record.account)
        .text("call", &record.call)
        .number("time", record.time.seconds())
        .text("model", &record.model)
        .units("units", &record.units)
        .text("endpoint", record.endpoint.name())
        .number("status", record.status)
        .text("key_id", &record.key)
        .money("cost", record.cost)
        .text("price_version", &record.price_version)
        .text("basis", record.basis.name())
        .number("expires_at", record.expires_at().seconds())
        .item()
}

fn decode(item: &Item) -> Result<Record, Corrupt> {
    let reader = Reader(item);
    Ok(Record {
        account: reader.parsed("account")?,
        call: reader.parsed("call")?,
        time: reader.seconds("time")?,
        model: reader.text("model")?.to_owned(),
        units: reader.units("units")?,
        endpoint: EndpointType::named(reader.text("endpoint")?).ok_or(Corrupt("endpoint"))?,
        status: reader.number("status")?,
        key: reader.parsed("key_id")?,
        cost: reader.money("cost")?,
        price_version: reader.text("price_version")?.to_owned(),
        basis: match reader.text("basis")? {
            "reported" => Basis::Reported,
            "estimated" => Basis::Estimated,
            _ => return Err(Corrupt("basis")),
        },
    })
}
