//! Usage: queries for finance and for troubleshooting. It reads records and changes nothing.

use std::sync::Arc;

use http::{Method, StatusCode};
use lambda_http::RequestExt;
use serde_json::{Map, Value, json};
use shared::{
    caller::{Caller, Scope},
    dialect::Dialect,
    event::Request,
    fault::Fault,
    id::AccountId,
    lambda,
    log::Log,
    reply::{self, Reply},
    store::{
        Capability,
        calls::{READ_CALLS, ReadCalls, Record},
        wallet::{READ_WALLET, ReadWallet, State},
    },
    time::Timestamp,
};

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 2] = [READ_CALLS, READ_WALLET];

/// What the usage function asks of a store.
pub trait UsageStore: ReadCalls + ReadWallet {}
impl<S: ReadCalls + ReadWallet> UsageStore for S {}

/// How many records one answer has at most.
const PAGE: i32 = 100;

/// Opens the connection to the tables: nobody's calls are read.
pub async fn warm(store: &impl ReadCalls) {
    if let Ok(nobody) = AccountId::random() {
        lambda::warm(store.read_calls(&nobody, 1, Timestamp::now())).await;
    }
}

/// The usage function.
pub struct App<S> {
    store: S,
    log: Log,
}

impl<S: UsageStore> App<S> {
    /// Makes the function.
    pub const fn new(store: S, log: Log) -> Self {
        Self { store, log }
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request) -> Reply {
        reply::answer(&self.log, Dialect::OpenAi, async |_, now| {
            let body = self.answer(&request, now).await?;
            Ok(reply::json(StatusCode::OK, body.to_string()))
        })
        .await
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Result<Value, Fault> {
        let caller = Caller::of(request, Scope::UsageRead, now)?;
        match (request.method(), request.raw_http_path()) {
            (&Method::GET, "/v1/usage/calls") => {
                self.require_open(&caller.account).await?;
                let records = self.store.read_calls(&caller.account, PAGE, now).await;
                let records = records.map_err(|_| Fault::StoreUnavailable)?;
                let data: Vec<_> = records.iter().map(call).collect();
                Ok(json!({"object": "list", "data": data}))
            }
            _ => Err(Fault::UnknownPath),
        }
    }

    /// An account that is closed shows nothing, whatever is left of it and of its keys.
    async fn require_open(&self, account: &AccountId) -> Result<(), Fault> {
        let wallet = self.store.read_wallet(account).await.map_err(|_| Fault::StoreUnavailable)?;
        let open = wallet.is_some_and(|wallet| wallet.state != State::Closing);
        if open { Ok(()) } else { Err(Fault::AccountClosed) }
    }
}

/// A record as it is shown: every field there is, and when it will be gone.
fn call(record: &Record) -> Value {
    let units: Map<_, _> = record
        .units
        .iter()
        .map(|(class, quantity)| (class.name().to_owned(), quantity.into()))
        .collect();
    json!({
        "object": "call",
        "id": record.call.as_str(),
        "time": record.time.seconds(),
        "model": record.model,
        "units": units,
        "endpoint": record.endpoint.name(),
        "status": record.status,
        "key_id": record.key.as_str(),
        "cost_usd": record.cost.to_string(),
        "price_version": record.price_version,
        "basis": record.basis.name(),
        "expires_at": record.expires_at().seconds(),
    })
}
