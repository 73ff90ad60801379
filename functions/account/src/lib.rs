//! Account: what its owner does with it and with its keys, and what the operator does for it; and
//! the description of the whole API.
//!
//! An operator's route is reached by IAM alone, which API Gateway checks before this function
//! runs; a customer's by a key with the scope `account:manage`.

mod entry;
mod fields;
mod keys;
mod open;
mod operator;
mod owner;

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use lambda_http::RequestExt;
use serde_json::{Map, Value, json};
use shared::{
    caller::{Caller, Scope},
    catalogue::Catalogue,
    dialect::Dialect,
    event::Request,
    fault::Fault,
    id::AccountId,
    key::Pepper,
    lambda::{self, InitError},
    log::Log,
    money::Markup,
    reply::{self, Reply},
    secrets::Renewable,
    store::{
        Capability,
        accounts::{CREATE_ACCOUNT, CreateAccount},
        keys::{
            CHANGE_KEYS, CREATE_KEY, ChangeKeys, CreateKey, FIND_KEY, FindKey, KEYS_OF, KeysOf,
        },
        ledger::{POST_ENTRY, PostEntry},
        wallet::{CHANGE_WALLET, ChangeWallet, READ_WALLET, ReadWallet, Wallet},
    },
    time::Timestamp,
};

pub use self::open::{Opened, open};

/// The description of the whole API.
const OPENAPI: &str = include_str!("../../../openapi/openapi.json");

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 8] = [
    READ_WALLET,
    POST_ENTRY,
    CREATE_ACCOUNT,
    CREATE_KEY,
    FIND_KEY,
    KEYS_OF,
    CHANGE_KEYS,
    CHANGE_WALLET,
];

/// What the account function asks of a store.
pub trait AccountStore:
    ReadWallet
    + PostEntry
    + CreateAccount
    + CreateKey
    + FindKey
    + KeysOf
    + ChangeKeys
    + ChangeWallet
    + Sync
{
}
impl<S> AccountStore for S where
    S: ReadWallet
        + PostEntry
        + CreateAccount
        + CreateKey
        + FindKey
        + KeysOf
        + ChangeKeys
        + ChangeWallet
        + Sync
{
}

/// The account function.
pub struct App<S> {
    store: S,
    pepper: Renewable<Pepper>,
    catalogue: Catalogue,
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
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn new(store: S, pepper: Renewable<Pepper>, log: Log) -> Result<Self, InitError> {
        // Of the catalogue the names of models are read, and no price.
        let catalogue = Catalogue::load(Markup::default());
        let catalogue = catalogue.map_err(|_| InitError("catalogue"))?;
        Ok(Self { store, pepper, catalogue, log })
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request) -> Reply {
        reply::answer(&self.log, Dialect::OpenAi, async |_, now| {
            if request.raw_http_path() == "/openapi.json" {
                return Ok(kept(reply::json(StatusCode::OK, OPENAPI), "public, max-age=3600"));
            }
            let body = self.answer(&request, now).await?;
            // There may be a secret in it.
            Ok(kept(reply::json(StatusCode::OK, body.to_string()), "no-store"))
        })
        .await
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Result<Value, Fault> {
        let parts: Vec<&str> = request.raw_http_path().split('/').skip(1).collect();
        let (method, body) = (request.method(), request.body().inspect());
        if let ["operator", "accounts", rest @ ..] = parts.as_slice() {
            return match (method, rest) {
                (&Method::POST, []) => self.open(body, now).await,
                (&Method::GET, [account]) => self.look_up(account).await,
                (&Method::PATCH, [account]) => self.set_state(account, body).await,
                (&Method::POST, [account, "entries"]) => self.enter(account, body, now).await,
                _ => Err(Fault::UnknownPath),
            };
        }
        let ["v1", "account", rest @ ..] = parts.as_slice() else {
            return Err(Fault::UnknownPath);
        };
        let caller = &Caller::of(request, Scope::AccountManage, now)?;
        match (method, rest) {
            (&Method::GET, []) => Ok(shown(&self.wallet(&caller.account).await?)),
            (&Method::PATCH, []) => self.change_account(caller, body, now).await,
            (&Method::GET, ["keys"]) => self.list_keys(caller).await,
            (&Method::POST, ["keys"]) => self.create_key(caller, body, now).await,
            (&Method::GET, ["keys", key]) => self.show_key(caller, key).await,
            (&Method::PATCH, ["keys", key]) => self.change_key(caller, key, body, now).await,
            (&Method::DELETE, ["keys", key]) => self.revoke_key(caller, key, now).await,
            (&Method::POST, ["keys", key, "rotate"]) => {
                self.rotate_key(caller, key, body, now).await
            }
            _ => Err(Fault::UnknownPath),
        }
    }

    /// The newest pepper, since a key that is made may be made because the one before has leaked.
    async fn newest_pepper(&self) -> Arc<Pepper> {
        let pepper = self.pepper.current();
        self.pepper.renew(&pepper).await.unwrap_or(pepper)
    }

    async fn wallet(&self, account: &AccountId) -> Result<Wallet, Fault> {
        let wallet = self.store.read_wallet(account).await;
        wallet.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::AccountClosed)
    }
}

/// A reply, and how long whoever stands in between may keep it.
fn kept(mut reply: Reply, how: &'static str) -> Reply {
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    reply
}

/// An account, as its owner and the operator see it.
fn shown(wallet: &Wallet) -> Value {
    let total = wallet.total().unwrap_or(wallet.balance);
    let consents: Map<_, _> = wallet
        .consents
        .iter()
        .map(|(provider, policy)| (provider.name().to_owned(), (*policy).into()))
        .collect();
    json!({
        "object": "account",
        "id": wallet.account.as_str(),
        "state": wallet.state.name(),
        "balance_usd": wallet.balance.to_string(),
        "outstanding_usd": total.checked_sub(wallet.balance).unwrap_or_default().to_string(),
        "limits": keys::shown_limits(&wallet.limits),
        "alert_below_usd": wallet.alert_below.map(|below| below.to_string()),
        "consents": consents,
    })
}
