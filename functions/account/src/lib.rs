//! Account: what its owner may see of it, and how the operator credits it.
//!
//! An operator's route is reached by IAM alone, which API Gateway checks before this function
//! runs; a customer's by a key with the scope `account:manage`.

use std::sync::Arc;

use http::{Method, StatusCode};
use lambda_http::RequestExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::{
    caller::{Caller, Scope},
    content::Malformed,
    dialect::Dialect,
    event::Request,
    fault::Fault,
    id::AccountId,
    log::Log,
    money::Pico,
    reply::{self, Reply},
    store::{
        Capability, StoreError,
        ledger::{CREDIT, Credit, TopUp},
        wallet::{READ_WALLET, ReadWallet},
    },
    time::Timestamp,
};

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 2] = [READ_WALLET, CREDIT];

/// The account function.
pub struct App<S> {
    store: S,
    log: Log,
}

/// What an operator sends to credit an account.
#[derive(Deserialize)]
struct CreditBody {
    /// US dollars, as `"10"` or `"2.50"`.
    amount_usd: String,
    /// What names this payment and no other.
    reference: String,
}

impl<S: ReadWallet + Credit> App<S> {
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
        let path = request.raw_http_path();
        if let Some(rest) = path.strip_prefix("/operator/accounts/") {
            let account = rest.strip_suffix("/credit").ok_or(Fault::UnknownPath)?;
            let account = account.parse().map_err(|_| Fault::UnknownPath)?;
            return self.credit(&account, request, now).await;
        }
        let caller = Caller::of(request, Scope::AccountManage)?;
        match (request.method(), path) {
            (&Method::GET, "/v1/account") => self.show(&caller.account).await,
            _ => Err(Fault::UnknownPath),
        }
    }

    async fn show(&self, account: &AccountId) -> Result<Value, Fault> {
        let wallet = self.store.read_wallet(account).await;
        let wallet = wallet.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::AccountClosed)?;
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

    async fn credit(
        &self,
        account: &AccountId,
        request: &Request,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let body: CreditBody = serde_json::from_slice(request.body().inspect())
            .map_err(|error| Fault::Malformed(Malformed::from(error)))?;
        let amount = Pico::parse_dollars(&body.amount_usd).filter(|amount| *amount > Pico::ZERO);
        let amount = amount.ok_or(Fault::WrongType("amount_usd"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let reference = Some(body.reference.as_str())
            .filter(|text| (1..=64).contains(&text.len()) && text.bytes().all(plain))
            .ok_or(Fault::WrongType("reference"))?;
        match self.store.credit(&TopUp { account, reference, amount }, now).await {
            Ok(()) => self.show(account).await,
            Err(StoreError::Conflict) => Err(Fault::NotCredited),
            Err(StoreError::Unavailable | StoreError::Corrupt(_)) => Err(Fault::StoreUnavailable),
        }
    }
}
