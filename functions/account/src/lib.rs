//! Account: what its owner may see of it, and what the operator enters for it.
//!
//! An operator's route is reached by IAM alone, which API Gateway checks before this function
//! runs; a customer's by a key with the scope `account:manage`.

mod entry;
mod open;

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
    key::Pepper,
    lambda,
    log::Log,
    reply::{self, Reply},
    secrets::Renewable,
    store::{
        Capability,
        accounts::{CREATE_ACCOUNT, CreateAccount},
        keys::{CREATE_KEY, CreateKey},
        ledger::{POST_ENTRY, PostEntry, Posted},
        wallet::{READ_WALLET, ReadWallet, Wallet},
    },
    time::Timestamp,
};

use self::entry::Asked;
pub use self::open::{Opened, open};

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 4] = [READ_WALLET, POST_ENTRY, CREATE_ACCOUNT, CREATE_KEY];

/// What the account function asks of a store.
pub trait AccountStore: ReadWallet + PostEntry + CreateAccount + CreateKey + Sync {}
impl<S: ReadWallet + PostEntry + CreateAccount + CreateKey + Sync> AccountStore for S {}

/// The account function.
pub struct App<S> {
    store: S,
    pepper: Renewable<Pepper>,
    log: Log,
}

/// Opens the connection to the tables: nobody's wallet is read.
pub async fn warm(store: &impl ReadWallet) {
    if let Ok(nobody) = AccountId::random() {
        lambda::warm(store.read_wallet(&nobody)).await;
    }
}

impl<S: AccountStore> App<S> {
    /// Makes the function.
    pub const fn new(store: S, pepper: Renewable<Pepper>, log: Log) -> Self {
        Self { store, pepper, log }
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
        let path = request.raw_http_path();
        if path == "/operator/accounts" {
            let consents = open::consents(request.body().inspect())?;
            // A new key is hashed with the newest version, for the old one may have leaked.
            let pepper = self.pepper.current();
            let pepper = self.pepper.renew(&pepper).await.unwrap_or(pepper);
            let opened = open(&self.store, &pepper, &consents, now).await?;
            return Ok(open::shown(&opened, &consents, now));
        }
        if let Some(rest) = path.strip_prefix("/operator/accounts/") {
            let account = rest.strip_suffix("/entries").ok_or(Fault::UnknownPath)?;
            let account = account.parse().map_err(|_| Fault::UnknownAccount)?;
            return self.enter(&account, request, now).await;
        }
        let caller = Caller::of(request, Scope::AccountManage, now)?;
        match (request.method(), path) {
            (&Method::GET, "/v1/account") => self.show(&caller.account).await,
            _ => Err(Fault::UnknownPath),
        }
    }

    async fn show(&self, account: &AccountId) -> Result<Value, Fault> {
        let wallet = self.wallet(account).await?;
        let total = wallet.total().unwrap_or(wallet.balance);
        let consents: Map<_, _> = wallet
            .consents
            .iter()
            .map(|(provider, policy)| (provider.name().to_owned(), (*policy).into()))
            .collect();
        Ok(json!({
            "object": "account",
            "id": account.as_str(),
            "balance_usd": wallet.balance.to_string(),
            "outstanding_usd": total.checked_sub(wallet.balance).unwrap_or_default().to_string(),
            "consents": consents,
        }))
    }

    async fn enter(
        &self,
        account: &AccountId,
        request: &Request,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let asked = Asked::read(request.body().inspect())?;
        let entry = asked.entry(account)?;
        let time = match self.store.post_entry(&entry, now).await.map_err(entry::fault)? {
            Posted::Now => now,
            Posted::Before(time) => time,
        };
        Ok(entry::shown(&entry, time, self.wallet(account).await?.balance))
    }

    async fn wallet(&self, account: &AccountId) -> Result<Wallet, Fault> {
        let wallet = self.store.read_wallet(account).await;
        wallet.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::AccountClosed)
    }
}
