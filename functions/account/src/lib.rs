//! Account: what its owner does with it and with its keys, what somebody does who has no key yet or
//! no longer, and what the operator does for it; and the description of the whole API.
//!
//! An operator's route is reached by IAM alone, which API Gateway checks before this function
//! runs; a customer's by a key with the scope `account:manage`, or by a code that was sent to them;
//! and what is kept is shown to every key.

mod accesses;
mod closing;
mod codes;
mod consents;
mod copy;
mod correction;
mod entry;
mod fields;
mod keys;
mod messages;
mod open;
mod operator;
mod owner;
mod policy;
mod privacy;
mod recovery;
mod registration;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use lambda_http::RequestExt;
use mail::Mailer;
use serde_json::{Map, Value, json};
use shared::{
    asker::Asker,
    caller::{Caller, Scope},
    catalogue::Catalogue,
    config::{self, MailConfig, OperatorConfig},
    dialect::Dialect,
    email::EmailAddress,
    event::Request,
    fault::Fault,
    id::{AccountId, CallId},
    key::Pepper,
    lambda::{self, InitError},
    log::Log,
    money::Markup,
    reply::{self, Reply},
    secrets::Renewable,
    store::{
        Capability,
        accesses::{KEEP_ACCESSES, KeepAccesses, NOTE_ACCESS, NoteAccess},
        accounts::{
            CHANGE_EMAIL, CREATE_ACCOUNT, ChangeEmail, CreateAccount, Profile, READ_PROFILE,
            ReadProfile,
        },
        calls::{OLDEST_RECORD, OldestRecord},
        codes::{CODES, Codes},
        consents::{KEEP_CONSENTS, KeepConsents},
        copies::{COPY_ACCOUNT, CopyAccount},
        emails::{FIND_EMAIL, FindEmail},
        keys::{
            CHANGE_KEYS, CREATE_KEY, ChangeKeys, CreateKey, FIND_KEY, FindKey, KEYS_OF, KeysOf,
        },
        ledger::{POST_ENTRY, PostEntry},
        notices::{READ_PROGRESS, ReadProgress},
        pace::{KEEP_PACE, KeepPace},
        policies::{KEEP_POLICIES, KeepPolicies, READ_POLICY, ReadPolicy},
        receipts::{
            BEGIN_CLOSING, BeginClosing, ERASE_ACCOUNT, EraseAccount, READ_RECEIPT, ReadReceipt,
        },
        reports::{READ_REPORTS, ReadReports},
        wallet::{CHANGE_WALLET, ChangeWallet, READ_WALLET, ReadWallet, Wallet},
    },
    time::Timestamp,
};

use self::policy::Shipped;
pub use self::{
    keys::Made,
    open::{Opened, Opening, open},
    registration::Registration,
};

/// The description of the whole API.
const OPENAPI: &str = include_str!("../../../openapi/openapi.json");

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 25] = [
    READ_WALLET,
    POST_ENTRY,
    CREATE_ACCOUNT,
    READ_PROFILE,
    CHANGE_EMAIL,
    FIND_EMAIL,
    CODES,
    KEEP_PACE,
    KEEP_CONSENTS,
    NOTE_ACCESS,
    KEEP_ACCESSES,
    CREATE_KEY,
    FIND_KEY,
    KEYS_OF,
    CHANGE_KEYS,
    CHANGE_WALLET,
    BEGIN_CLOSING,
    ERASE_ACCOUNT,
    READ_RECEIPT,
    COPY_ACCOUNT,
    READ_POLICY,
    KEEP_POLICIES,
    READ_PROGRESS,
    OLDEST_RECORD,
    READ_REPORTS,
];

/// What the account function asks of a store.
pub trait AccountStore:
    ReadWallet
    + PostEntry
    + CreateAccount
    + ReadProfile
    + ChangeEmail
    + FindEmail
    + Codes
    + KeepPace
    + KeepConsents
    + NoteAccess
    + KeepAccesses
    + CreateKey
    + FindKey
    + KeysOf
    + ChangeKeys
    + ChangeWallet
    + BeginClosing
    + EraseAccount
    + ReadReceipt
    + CopyAccount
    + ReadPolicy
    + KeepPolicies
    + ReadProgress
    + OldestRecord
    + ReadReports
    + Send
    + Sync
    + 'static
{
}
impl<S> AccountStore for S where
    S: ReadWallet
        + PostEntry
        + CreateAccount
        + ReadProfile
        + ChangeEmail
        + FindEmail
        + Codes
        + KeepPace
        + KeepConsents
        + NoteAccess
        + KeepAccesses
        + CreateKey
        + FindKey
        + KeysOf
        + ChangeKeys
        + ChangeWallet
        + BeginClosing
        + EraseAccount
        + ReadReceipt
        + CopyAccount
        + ReadPolicy
        + KeepPolicies
        + ReadProgress
        + OldestRecord
        + ReadReports
        + Send
        + Sync
        + 'static
{
}

/// How often a change is tried that others get in the way of.
const ATTEMPTS: usize = 4;

/// How long keys are waited for that the index may not show yet, since they were just made.
const INDEX_PAUSES: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(400)];

/// How long the answer to whoever asks for a code takes, whatever is done: as long as SES may take,
/// and the tables before it.
pub const ANSWER_AFTER: Duration = mail::PATIENCE.saturating_add(Duration::from_millis(500));

/// How the platform writes to people, and to whom.
pub struct Correspondence {
    /// What sends messages. Without it there are no codes.
    pub mailer: Option<Mailer>,
    /// Who may register.
    pub registration: Registration,
    /// How long the answer to whoever asks for a code takes at least.
    pub answer_after: Duration,
    /// Who operates the platform.
    pub operator: OperatorConfig,
}

impl Correspondence {
    /// Reads the environment of a function.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> Result<Self, InitError> {
        let mailer = MailConfig::from_env()?.map(Mailer::connect).transpose()?;
        let registration = Registration::parse(&config::registration_domains_from_env());
        let operator = OperatorConfig::from_env();
        Ok(Self { mailer, registration, answer_after: ANSWER_AFTER, operator })
    }
}

/// The account function.
pub struct App<S> {
    store: S,
    pepper: Renewable<Pepper>,
    catalogue: Catalogue,
    correspondence: Correspondence,
    shipped: Shipped,
    providers: Bytes,
    privacy: Map<String, Value>,
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
    pub fn new(
        store: S,
        pepper: Renewable<Pepper>,
        correspondence: Correspondence,
        log: Log,
    ) -> Result<Self, InitError> {
        // Of the catalogue the names of models are read, and no price.
        let catalogue = Catalogue::load(Markup::default());
        let catalogue = catalogue.map_err(|_| InitError("catalogue"))?;
        let operator = &correspondence.operator;
        let shipped = Shipped::of(operator);
        let providers = consents::providers(operator).ok_or(InitError("providers"))?;
        let privacy = privacy::published(&providers).ok_or(InitError("inventory"))?;
        let providers = Bytes::from(providers.to_string());
        Ok(Self { store, pepper, catalogue, correspondence, shipped, providers, privacy, log })
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request) -> Reply {
        reply::answer(&self.log, Dialect::OpenAi, async |call, now| {
            let (parts, body) = request.into_parts();
            let body = body.plain().map_err(|_| Fault::NotAnObject)?;
            let request = Request::from_parts(parts, body);
            let published = match request.raw_http_path() {
                "/openapi.json" => Some(Bytes::from_static(OPENAPI.as_bytes())),
                "/v1/providers" => Some(self.providers.clone()),
                _ => None,
            };
            if let Some(published) = published {
                return Ok(kept(reply::json(StatusCode::OK, published), "public, max-age=3600"));
            }
            if (request.method(), request.raw_http_path()) == (&Method::GET, "/v1/account/copy") {
                let caller = Caller::of(&request, Scope::AccountManage, now)?;
                return Arc::clone(&self).copy(&caller, now).await;
            }
            let body = self.answer(&request, &call, now).await?;
            // There may be a secret in it, but for what everybody may read.
            let open = request.raw_http_path().starts_with("/v1/policy");
            let how = if open { "public, max-age=60" } else { "no-store" };
            Ok(kept(reply::json(StatusCode::OK, body.to_string()), how))
        })
        .await
    }

    async fn answer(
        &self,
        request: &Request,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let parts: Vec<&str> = request.raw_http_path().split('/').skip(1).collect();
        let (method, body) = (request.method(), request.body().inspect());
        match (method, parts.as_slice()) {
            (&Method::GET, ["v1", "policy", rest @ ..]) => self.show_policy(rest).await,
            (&Method::GET, ["operator", "policy"]) => self.review_policy().await,
            (&Method::POST, ["operator", "policy"]) => self.publish_policy(body, now).await,
            (&Method::GET, ["operator", "accesses"]) => self.review(request).await,
            (_, ["operator", "accounts", rest @ ..]) => {
                let asker = Asker::of(request, call)?;
                let query = request.query_string_parameters_ref();
                let purpose = query.and_then(|query| query.first("purpose"));
                self.for_operator(&asker, method, rest, purpose, body, now).await
            }
            (&Method::GET, ["v1", "privacy"]) => {
                self.show_privacy(&Caller::with_any(request, now)?, now).await
            }
            (&Method::GET, ["v1", "receipts", receipt]) => self.show_receipt(receipt).await,
            (&Method::POST, ["v1", "account"]) => self.register(body, now).await,
            (&Method::POST, ["v1", "account", "codes"]) => self.ask_code(body, call, now).await,
            (&Method::POST, ["v1", "account", "recovery"]) => self.recover(body, call, now).await,
            (_, ["v1", "account", rest @ ..]) => {
                let caller = &Caller::of(request, Scope::AccountManage, now)?;
                self.for_owner(caller, method, rest, body, call, now).await
            }
            _ => Err(Fault::UnknownPath),
        }
    }

    async fn for_operator(
        &self,
        asker: &Asker<'_>,
        method: &Method,
        path: &[&str],
        purpose: Option<&str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        match (method, path) {
            (&Method::POST, []) => self.open(asker, body, now).await,
            (&Method::GET, [account]) => self.look_up(asker, account, purpose, now).await,
            (&Method::PATCH, [account]) => self.set(asker, account, body, now).await,
            (&Method::POST, [account, "entries"]) => self.enter(asker, account, body, now).await,
            (&Method::POST, [account, "closing"]) => {
                self.close_for(asker, account, body, now).await
            }
            _ => Err(Fault::UnknownPath),
        }
    }

    async fn for_owner(
        &self,
        caller: &Caller,
        method: &Method,
        path: &[&str],
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        match (method, path) {
            (&Method::GET, []) => self.show_account(caller, now).await,
            (&Method::PATCH, []) => self.change_account(caller, body, now).await,
            (&Method::POST, ["email"]) => self.ask_correction(caller, body, call, now).await,
            (&Method::PUT, ["email"]) => self.correct(caller, body, call, now).await,
            (&Method::POST, ["closing"]) => self.close_account(caller, body, call, now).await,
            (&Method::GET, ["accesses"]) => self.list_accesses(caller, now).await,
            (&Method::GET, ["consents"]) => self.list_consents(caller, now).await,
            (&Method::PUT, ["consents", provider]) => {
                self.give_consent(caller, provider, body, now).await
            }
            (&Method::DELETE, ["consents", provider]) => {
                self.withdraw_consent(caller, provider, now).await
            }
            (&Method::GET, ["keys"]) => self.list_keys(caller, now).await,
            (&Method::POST, ["keys"]) => self.create_key(caller, body, now).await,
            (&Method::GET, ["keys", key]) => self.show_key(caller, key, now).await,
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

    /// What sends messages.
    fn mailer(&self) -> Result<&Mailer, Fault> {
        let mailer = self.correspondence.mailer.as_ref();
        mailer.ok_or(Fault::NotServed(
            "this platform sends no e-mail; ask its operator, whom GET /v1/policy names",
        ))
    }

    async fn wallet(&self, account: &AccountId) -> Result<Wallet, Fault> {
        let wallet = self.store.read_wallet(account).await;
        wallet.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::AccountClosed)
    }

    async fn profile(&self, account: &AccountId) -> Result<Profile, Fault> {
        let profile = self.store.read_profile(account).await;
        profile.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::AccountClosed)
    }

    /// An account as it stands, as its owner and the operator see it.
    async fn show(&self, account: &AccountId) -> Result<Value, Fault> {
        let profile = self.profile(account).await?;
        Ok(shown(&self.wallet(account).await?, &profile))
    }
}

/// A reply, and how long whoever stands in between may keep it.
fn kept(mut reply: Reply, how: &'static str) -> Reply {
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(how));
    reply
}

fn shown(wallet: &Wallet, profile: &Profile) -> Value {
    let total = wallet.total().unwrap_or(wallet.balance);
    let consents: Map<_, _> = wallet
        .consents
        .iter()
        .map(|(provider, policy)| (provider.name().to_owned(), (*policy).into()))
        .collect();
    json!({
        "object": "account",
        "id": wallet.account.as_str(),
        "email": profile.email.as_ref().map(EmailAddress::as_str),
        "created_at": profile.created_at.seconds(),
        "state": wallet.state.name(),
        "balance_usd": wallet.balance.to_string(),
        "outstanding_usd": total.checked_sub(wallet.balance).unwrap_or_default().to_string(),
        "limits": keys::shown_limits(&wallet.limits),
        "alert_below_usd": wallet.alert_below.map(|below| below.to_string()),
        "consents": consents,
    })
}
