//! Usage: queries for finance and for troubleshooting. It reads, and changes nothing; what it writes is
//! that an operator has read.

mod anthropic;
mod asked;
mod balance;
mod buckets;
mod calls;
mod collector;
mod group;
mod organization;
mod plan;
mod query;
mod sums;

use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use lambda_http::RequestExt;
use shared::{
    asker::{self, Asker},
    caller::{Caller, Scope},
    catalogue::Catalogue,
    dialect::Dialect,
    event::Request,
    fault::Fault,
    id::{AccountId, CallId, KeyId},
    lambda::{self, InitError},
    log::Log,
    money::Markup,
    reply::{self, Reply},
    store::{
        Capability,
        accesses::{Deed, NOTE_ACCESS, NoteAccess},
        calls::{READ_CALLS, ReadCalls},
        keys::{Consistency, FIND_KEY, FindKey, KEYS_OF, KeysOf, READ_KEY_ACCOUNT, ReadKeyAccount},
        ledger::{READ_ENTRIES, ReadEntries},
        lines::{READ_LINES, ReadLines},
        rollups::{READ_ROLLUPS, ReadRollups},
        wallet::{READ_WALLET, ReadWallet, State, Wallet},
    },
    time::Timestamp,
};

pub use self::collector::Bounds;
use self::{
    asked::{Asked, Keys},
    balance::Question,
};

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 9] = [
    READ_WALLET,
    READ_CALLS,
    READ_ROLLUPS,
    READ_LINES,
    READ_ENTRIES,
    FIND_KEY,
    READ_KEY_ACCOUNT,
    KEYS_OF,
    NOTE_ACCESS,
];

/// What the usage function asks of a store.
pub trait UsageStore:
    ReadWallet
    + ReadCalls
    + ReadRollups
    + ReadLines
    + ReadEntries
    + FindKey
    + ReadKeyAccount
    + KeysOf
    + NoteAccess
    + Sync
{
}
impl<S> UsageStore for S where
    S: ReadWallet
        + ReadCalls
        + ReadRollups
        + ReadLines
        + ReadEntries
        + FindKey
        + ReadKeyAccount
        + KeysOf
        + NoteAccess
        + Sync
{
}

/// Opens the connection to the tables: nobody's wallet is read.
pub async fn warm(store: &impl ReadWallet) {
    if let Ok(nobody) = AccountId::random() {
        lambda::warm(store.read_wallet(&nobody)).await;
    }
}

/// The usage function.
pub struct App<S> {
    store: S,
    catalogue: Catalogue,
    bounds: Bounds,
    log: Log,
}

impl<S: UsageStore> App<S> {
    /// Makes the function.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn new(store: S, markup: Markup, log: Log) -> Result<Self, InitError> {
        let catalogue = Catalogue::load(markup).map_err(|_| InitError("catalogue"))?;
        Ok(Self { store, catalogue, bounds: Bounds::USUAL, log })
    }

    /// With other bounds to what is read for an answer.
    #[must_use]
    pub fn with_bounds(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request) -> Reply {
        let dialect = dialect(request.raw_http_path());
        let answer = async |call: CallId, now| {
            let mut reply = self.answer(&request, &call, now).await?;
            reply::identify(&mut reply, &call);
            Ok(reply)
        };
        let mut reply = reply::answer(&self.log, dialect, answer).await;
        // Whoever stands in between would keep it for longer than seven days.
        let headers = reply.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        reply
    }

    /// Answers one request that came at `now` under the id `call`.
    ///
    /// # Errors
    /// What its caller is told.
    pub async fn answer(
        &self,
        request: &Request,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let parts: Vec<&str> = request.raw_http_path().split('/').skip(1).collect();
        if request.method() != Method::GET {
            return Err(Fault::UnknownPath);
        }
        if let ["operator", "accounts", account, path @ ..] = parts.as_slice() {
            let wanted = Wanted::named(path).ok_or(Fault::UnknownPath)?;
            let wallet = self.for_operator(request, account, call, now).await?;
            return self.read(wanted, &wallet, request, now).await;
        }
        if let Some(question) = Question::named(&parts) {
            let caller = Caller::with_any(request, now)?;
            let wallet = self.open_to(&caller, now).await?;
            return self.standing(question, &caller, &wallet, now).await;
        }
        let caller = Caller::of(request, Scope::UsageRead, now)?;
        let wanted = Wanted::named(&parts).ok_or(Fault::UnknownPath)?;
        let wallet = self.open_to(&caller, now).await?;
        self.read(wanted, &wallet, request, now).await
    }

    /// Answers a query of an account.
    async fn read(
        &self,
        wanted: Wanted,
        wallet: &Wallet,
        request: &Request,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let body = match wanted {
            Wanted::Calls => return self.calls(wallet, request, now).await,
            Wanted::Organization(report) => self.organization(report, wallet, request, now).await?,
            Wanted::Anthropic(report) => self.anthropic(report, wallet, request, now).await?,
        };
        Ok(reply::json(StatusCode::OK, body))
    }

    /// The account that an operator asks for, once that is noted. One that is closed is none.
    async fn for_operator(
        &self,
        request: &Request,
        account: &str,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Wallet, Fault> {
        let asker = Asker::of(request, call)?;
        let query = request.query_string_parameters_ref();
        let purpose = asker::purpose(query.and_then(|query| query.first("purpose")))?;
        let account: AccountId = account.parse().map_err(|_| Fault::UnknownAccount)?;
        let closed =
            |fault| if fault == Fault::AccountClosed { Fault::UnknownAccount } else { fault };
        let wallet = self.open(&account).await.map_err(closed)?;
        asker.note(&self.store, &account, purpose, Deed::Usage, now).await?;
        Ok(wallet)
    }

    /// The wallet of a caller's account. Where a key was changed since the caller's was looked up,
    /// that is looked up again.
    async fn open_to(&self, caller: &Caller, now: Timestamp) -> Result<Wallet, Fault> {
        let wallet = self.open(&caller.account).await?;
        if wallet.auth_after >= caller.auth_at {
            let read = self.store.find_key(&caller.found, Consistency::Strong).await;
            let key = caller.is_still(read.map_err(|_| Fault::StoreUnavailable)?, now)?;
            let lost = caller.scopes.iter().find(|scope| !key.scopes.contains(scope));
            if let Some(scope) = lost {
                return Err(Fault::MissingScope(scope.name()));
            }
        }
        Ok(wallet)
    }

    /// The wallet of an account. One that is closed shows nothing, whatever is left of it and of its
    /// keys.
    async fn open(&self, account: &AccountId) -> Result<Wallet, Fault> {
        let wallet = self.store.read_wallet(account).await.map_err(|_| Fault::StoreUnavailable)?;
        wallet.filter(|wallet| wallet.state != State::Closing).ok_or(Fault::AccountClosed)
    }

    /// The catalogue's name of a model, by whatever name it is asked for.
    fn model(&self, name: &str) -> String {
        self.catalogue.find(name).map_or_else(|| name.to_owned(), |model| model.id.clone())
    }

    /// The keys of the account, where they have to be known, and which of them are asked for.
    async fn keys(
        &self,
        wallet: &Wallet,
        asked: &mut Asked,
        given: &[String],
    ) -> Result<Keys, Fault> {
        if given.is_empty() && !asked.needs_keys() {
            return Ok(Keys::default());
        }
        self.all_keys(wallet, asked, given).await
    }

    /// The same, whether they have to be known or not.
    async fn all_keys(
        &self,
        wallet: &Wallet,
        asked: &mut Asked,
        given: &[String],
    ) -> Result<Keys, Fault> {
        let keys = self.store.keys_of(&wallet.account).await;
        let keys = Keys::of(&keys.map_err(|_| Fault::StoreUnavailable)?);
        for key in given {
            let key = key.parse().ok().filter(|key: &KeyId| keys.have(key));
            let (name, why) = ("api_key_ids", "must be ids of keys of this account");
            asked.keys.insert(key.ok_or(Fault::BadParameter { name, why })?);
        }
        Ok(keys)
    }
}

/// What is asked of an account.
#[derive(Clone, Copy)]
enum Wanted {
    Calls,
    Organization(organization::Report),
    Anthropic(anthropic::Report),
}

impl Wanted {
    fn named(path: &[&str]) -> Option<Self> {
        match path {
            ["v1", "usage", "calls"] => Some(Self::Calls),
            ["v1", "organization", report @ ..] => {
                organization::Report::named(report).map(Self::Organization)
            }
            ["v1", "organizations", report @ ..] => {
                anthropic::Report::named(report).map(Self::Anthropic)
            }
            _ => None,
        }
    }
}

/// In whose words a path is answered.
fn dialect(path: &str) -> Dialect {
    if path.contains("/v1/organizations/") { Dialect::Anthropic } else { Dialect::OpenAi }
}
