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
//! Written by proxy; read by usage and retention. It lives for seven days. There is no other
//! attribute, and a test compares this list with what is stored.

use std::{
    collections::{HashMap, hash_map::Entry},
    time::Duration,
};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, stream};

use super::{
    Capability, Consistency, Corrupt, Cursor, Store, StoreError, Table, hold,
    item::{Reader, Writer},
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
    /// The records of `account` that are not seven days old at `now`, newest first, at most
    /// `limit`.
    fn read_calls(
        &self,
        account: &AccountId,
        limit: i32,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Record>, StoreError>> + Send;
}

/// What [`ReadCalls`] needs.
pub const READ_CALLS: Capability = Capability { actions: &[(Table::Calls, "dynamodb:Query")] };

impl<T: Tables> ReadCalls for Store<T> {
    async fn read_calls(
        &self,
        account: &AccountId,
        limit: i32,
        now: Timestamp,
    ) -> Result<Vec<Record>, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let values = vec![
            (":account", text(account.as_str())),
            (":prefix", text("call_")),
            (":now", AttributeValue::N(now.seconds().to_string())),
        ];
        let query = Query {
            table: Table::Calls,
            index: None,
            condition: "#account = :account AND begins_with(#call, :prefix)",
            filter: Some("#expires_at > :now"),
            terms: Terms { names: Vec::new(), values },
            consistency: Consistency::Eventual,
            order: Order::Falling,
            limit: Some(limit),
            from: None,
        };
        let page = self.tables.query(query).await?;
        page.items.iter().map(|item| Ok(decode(item)?)).collect()
    }
}

/// Reading what became of one call.
pub trait ReadCall {
    /// The record of a call, strongly consistent, if there is one.
    fn read_call(
        &self,
        account: &AccountId,
        call: &CallId,
    ) -> impl Future<Output = Result<Option<Record>, StoreError>> + Send;
}

/// What [`ReadCall`] needs.
pub const READ_CALL: Capability = Capability { actions: &[(Table::Calls, "dynamodb:GetItem")] };

impl<T: Tables> ReadCall for Store<T> {
    async fn read_call(
        &self,
        account: &AccountId,
        call: &CallId,
    ) -> Result<Option<Record>, StoreError> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let key = Item::from([
            ("account".to_owned(), text(account.as_str())),
            ("call".to_owned(), text(call.as_str())),
        ]);
        let get = Get { table: Table::Calls, key, consistency: Consistency::Strong };
        let item = self.tables.get(get).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }
}

/// Reading all records of an hour or a day, for its close.
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

/// An hour or a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// An hour.
    Hour(Hour),
    /// A day.
    Day(Day),
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
        let prefix = match span {
            Span::Hour(hour) => format!("call_{hour}"),
            Span::Day(day) => format!("call_{day}"),
        };
        let mut terms = Terms::default();
        terms.text(":account", account);
        terms.text(":prefix", &prefix);
        let query = Query::strong(
            Table::Calls,
            "#account = :account AND begins_with(#call, :prefix)",
            terms,
        );
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
    /// once. A record whose hour is not closed or whose day is on no statement is left, since both
    /// have to count it.
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
            projection: Some("#account, #call"),
            terms,
            from: from.map(|cursor| cursor.0),
        };
        let page = self.tables.scan(scan).await?;
        let mut swept = Swept { next: page.next.map(Cursor), ..Swept::default() };
        let (mut wallets, mut due) = (HashMap::new(), Vec::new());
        for key in page.items {
            match self.is_uncounted(&key, &mut wallets).await {
                Ok(false) => due.push(self.delete_expired(key, now)),
                Ok(true) => swept.unclosed = swept.unclosed.saturating_add(1),
                // One wallet that cannot be read keeps nobody else's records.
                Err(_) => swept.failed = swept.failed.saturating_add(1),
            }
        }
        let mut deleting = stream::iter(due).buffer_unordered(DELETES_AT_ONCE);
        while let Some(deleted) = deleting.next().await {
            match deleted {
                Ok(()) => swept.deleted = swept.deleted.saturating_add(1),
                // Another sweep or the TTL was faster.
                Err(StoreError::Conflict) => {}
                Err(_) => swept.failed = swept.failed.saturating_add(1),
            }
        }
        Ok(swept)
    }
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
        // What is no record is counted by nothing.
        let Ok(call) = reader.parsed::<CallId>("call") else { return Ok(false) };
        let account: AccountId = reader.parsed("account")?;
        let wallet = match wallets.entry(account) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => {
                let wallet = self.read_wallet(place.key()).await?;
                place.insert(wallet)
            }
        };
        let Some(wallet) = wallet else { return Ok(false) };
        let out = wallet.out.iter().any(|(hour, _)| *hour == call.hour());
        Ok(out || wallet.unstated.is_some_and(|day| call.hour().day() >= day))
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
