//! Consents, as evidence, among the parts of Accounts. Whether a call may go to a provider stands in
//! the wallet, where every call asks for it.
//!
//! | attribute | holds                                                     |
//! |-----------|-----------------------------------------------------------|
//! | `part`    | `consent#PROVIDER#VERSION#MILLISECONDS`                   |
//! | `kind`    | `given` or `withdrawn`                                    |
//! | `by`      | who: a key's id, `code` or `operator`                     |
//! | `time`    | when, seconds since the epoch                             |
//!
//! Written and read by account. They live until the account is closed.

use std::{fmt, str::FromStr};

use super::{
    Capability, Corrupt, Store, StoreError, Table,
    accounts::part_key,
    item::{Reader, Writer},
    tables::{Item, Query, Tables, Terms, Write},
    wallet::{State, WALLET, consent_attribute},
};
use crate::{
    id::{AccountId, KeyId, NotAnId},
    provider::Provider,
    time::Timestamp,
};

/// That a consent was given or withdrawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentEvent {
    /// To send requests to it.
    pub provider: Provider,
    /// Under which major version of the policy.
    pub policy: u32,
    /// Which of them.
    pub kind: ConsentKind,
    /// Who has done it.
    pub by: By,
    /// When.
    pub time: Timestamp,
}

/// What became of a consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsentKind {
    /// It was given.
    Given,
    /// It was withdrawn.
    Withdrawn,
}

impl ConsentKind {
    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Who has done something for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Whoever has this key.
    Key(KeyId),
    /// Whoever has a code that was sent to the account's address.
    Code,
    /// The operator, for its owner.
    Operator,
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => key.fmt(f),
            Self::Code => f.write_str("code"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

impl FromStr for By {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        match text {
            "code" => Ok(Self::Code),
            "operator" => Ok(Self::Operator),
            key => key.parse().map(Self::Key),
        }
    }
}

/// Giving consents and taking them back.
pub trait KeepConsents {
    /// Notes that an account agrees, in the wallet and as evidence, in one transaction. Idempotent.
    /// An account that is not there is a conflict.
    fn give_consent(
        &self,
        account: &AccountId,
        event: &ConsentEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Takes an agreement back, after which no call goes there, and then notes it as evidence.
    /// Idempotent. An account that is not there is a conflict.
    fn withdraw_consent(
        &self,
        account: &AccountId,
        event: &ConsentEvent,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Everything that an account has agreed to and taken back, strongly consistent.
    fn consents_of(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Vec<ConsentEvent>, StoreError>> + Send;
}

/// What [`KeepConsents`] needs.
pub const KEEP_CONSENTS: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:Query"),
    ],
};

impl<T: Tables> KeepConsents for Store<T> {
    async fn give_consent(
        &self,
        account: &AccountId,
        event: &ConsentEvent,
    ) -> Result<(), StoreError> {
        let wallet = wallet(account, "SET #consent = :policy", event.provider);
        let evidence = Write::put(Table::Accounts, encode(account, event));
        self.tables.transact(vec![wallet.number(":policy", event.policy), evidence]).await.done()
    }

    async fn withdraw_consent(
        &self,
        account: &AccountId,
        event: &ConsentEvent,
    ) -> Result<(), StoreError> {
        let wallet = wallet(account, "REMOVE #consent", event.provider);
        self.tables.write(wallet).await.done()?;
        self.tables.write(Write::put(Table::Accounts, encode(account, event))).await.done()
    }

    async fn consents_of(&self, account: &AccountId) -> Result<Vec<ConsentEvent>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        terms.text(":consent", "consent#");
        let query = Query::strong(
            Table::Accounts,
            "#account = :account AND begins_with(#part, :consent)",
            terms,
        );
        let mut events = Vec::new();
        self.query_all(query, |item| decode(item).map(|event| events.push(event))).await?;
        events.sort_by_key(|event| event.time);
        Ok(events)
    }
}

fn wallet(account: &AccountId, update: &str, provider: Provider) -> Write {
    Write::update(Table::Accounts, part_key(account, WALLET), update)
        .only_if("attribute_exists(#account) AND #state <> :closing")
        .name("#consent", consent_attribute(provider))
        .text(":closing", State::Closing.name())
}

/// The item of an event.
pub(super) fn encode(account: &AccountId, event: &ConsentEvent) -> Item {
    let ConsentEvent { provider, policy, kind, by, time } = event;
    let part = format!("consent#{provider}#{policy}#{}", time.millis());
    Writer::from(part_key(account, &part))
        .text("kind", kind.name())
        .text("by", by)
        .number("time", time.seconds())
        .item()
}

fn decode(item: &Item) -> Result<ConsentEvent, Corrupt> {
    const PART: Corrupt = Corrupt("part");
    let reader = Reader(item);
    let mut parts = reader.text("part")?.split('#').skip(1);
    let provider = parts.next().and_then(Provider::named).ok_or(PART)?;
    let policy = parts.next().and_then(|policy| policy.parse().ok()).ok_or(PART)?;
    let millis = parts.next().and_then(|millis| millis.parse().ok()).ok_or(PART)?;
    let kinds = [ConsentKind::Given, ConsentKind::Withdrawn];
    let kind = reader.text("kind")?;
    let kind = kinds.into_iter().find(|known| known.name() == kind).ok_or(Corrupt("kind"))?;
    let (by, time) = (reader.parsed("by")?, Timestamp::from_millis(millis));
    Ok(ConsentEvent { provider, policy, kind, by, time })
}
