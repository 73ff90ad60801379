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

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Capability, Consistency, Corrupt, Store, StoreError, Table,
    item::{Reader, Writer},
    tables::{Item, Order, Query, Scan, Tables, Terms, Write},
    wallet,
};
use crate::{
    endpoint::EndpointType,
    id::{AccountId, CallId, KeyId},
    money::Pico,
    time::{Clock, Timestamp},
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
    /// the content never changes. It is a conflict when the close of the hour may have begun.
    fn record_call(
        &self,
        record: &Record,
        clock: Clock<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`RecordCall`] needs.
pub const RECORD_CALL: Capability = Capability { actions: &[(Table::Calls, "dynamodb:PutItem")] };

impl<T: Tables> RecordCall for Store<T> {
    async fn record_call(&self, record: &Record, clock: Clock<'_>) -> Result<(), StoreError> {
        let mut written = Err(StoreError::Unavailable);
        for _ in 0..ATTEMPTS {
            // The SDK's own attempts would be signed without asking the clock again.
            if wallet::is_late(record.call.hour(), clock()) {
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

/// Deleting the records that are seven days old.
pub trait SweepCalls {
    /// Deletes what has expired at `now`, a page of the table at a time, and says how many it
    /// were. DynamoDB's own TTL takes days; this makes seven days true. Each delete is conditional
    /// on the record's own expiry, so that any number of sweeps can run at once.
    fn sweep_calls(&self, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// What [`SweepCalls`] needs.
pub const SWEEP_CALLS: Capability = Capability {
    actions: &[(Table::Calls, "dynamodb:Scan"), (Table::Calls, "dynamodb:DeleteItem")],
};

impl<T: Tables> SweepCalls for Store<T> {
    async fn sweep_calls(&self, now: Timestamp) -> Result<u64, StoreError> {
        let now = now.seconds();
        let mut deleted = 0_u64;
        let mut from = None;
        loop {
            let values = vec![(":now", AttributeValue::N(now.to_string()))];
            let page = self.tables.scan(Scan {
                table: Table::Calls,
                segment: 0,
                segments: 1,
                filter: "#expires_at <= :now",
                projection: "#account, #call",
                terms: Terms { names: Vec::new(), values },
                from,
            });
            let page = page.await?;
            for key in page.items {
                let delete = Write::delete(Table::Calls, key)
                    .only_if("#expires_at <= :now")
                    .number(":now", now);
                match self.tables.write(delete).await.done() {
                    Ok(()) => deleted = deleted.saturating_add(1),
                    // Another sweep or the TTL was faster.
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
            from = page.next;
            if from.is_none() {
                return Ok(deleted);
            }
        }
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
