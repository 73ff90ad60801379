//! What the operator has looked at and done of an account, among the parts of Accounts: once for its
//! owner to see, and once by day for whoever reviews it.
//!
//! | attribute    | holds                                                                 |
//! |--------------|-----------------------------------------------------------------------|
//! | `account`    | the account; or `platform#accesses#YYYYMMDD`                          |
//! | `part`       | `access#MILLISECONDS#CALL`, and by day `MILLISECONDS#CALL`            |
//! | `who`        | who of the operator, as IAM names them                                |
//! | `purpose`    | `billing`, `troubleshooting` or `support`                             |
//! | `what`       | what was looked at or done                                            |
//! | `of`         | by day: the account                                                   |
//! | `time`       | when, seconds since the epoch                                         |
//! | `expires_at` | by day: TTL, thirteen months later, seconds since the epoch           |
//!
//! Written by account and usage before anything is looked at, and read by account. What an owner sees
//! lives until the account is closed.

use std::time::Duration;

use super::{
    Capability, Corrupt, Store, StoreError, Table,
    accounts::{named_part, part_key},
    item::{Reader, Writer},
    tables::{Item, Order, Query, Tables, Terms, Write},
};
use crate::{
    id::{AccountId, CallId},
    time::{Day, Timestamp},
};

/// How long an access can be reviewed.
pub const REVIEWED: Duration = Duration::from_secs(396 * 24 * 3_600);

/// That somebody of the operator's has looked at an account, or done something with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Which account.
    pub account: AccountId,
    /// Who.
    pub who: Operator,
    /// For what.
    pub purpose: Purpose,
    /// What.
    pub what: Deed,
    /// When.
    pub time: Timestamp,
}

/// Somebody of the operator's, as IAM names them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operator(String);

impl Operator {
    /// From the ARN that API Gateway passes on. None of what is no ARN of a person or a role.
    pub fn from_arn(arn: &str) -> Option<Self> {
        // Of the account it is in its owner learns nothing by it.
        let name = arn.strip_prefix("arn:")?.splitn(5, ':').nth(4)?;
        let fine =
            !name.is_empty() && name.len() <= 256 && name.bytes().all(|b| b.is_ascii_graphic());
        fine.then(|| Self(name.to_owned()))
    }

    /// The name: `user/NAME` or `assumed-role/ROLE/SESSION`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an operator may look at an account for (clause C3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// What is owed and paid.
    Billing,
    /// What does not work.
    Troubleshooting,
    /// What its owner has asked.
    Support,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 3] = [Self::Billing, Self::Troubleshooting, Self::Support];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Billing => "billing",
            Self::Troubleshooting => "troubleshooting",
            Self::Support => "support",
        }
    }

    /// The purpose of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// What was looked at or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The account was opened.
    Open,
    /// The account was looked up.
    LookUp,
    /// It was frozen, let go on, or given another address.
    Set,
    /// A payment was entered.
    Enter,
    /// It was closed.
    Close,
    /// Its calls, its use or its costs were read.
    Usage,
}

impl Deed {
    const ALL: [Self; 6] =
        [Self::Open, Self::LookUp, Self::Set, Self::Enter, Self::Close, Self::Usage];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::LookUp => "look_up",
            Self::Set => "set",
            Self::Enter => "enter",
            Self::Close => "close",
            Self::Usage => "usage",
        }
    }
}

/// Noting accesses.
pub trait NoteAccess {
    /// Notes an access under the id of its request, for the owner and for the review, or neither.
    fn note_access(
        &self,
        access: &Access,
        request: &CallId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`NoteAccess`] needs.
pub const NOTE_ACCESS: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:PutItem")] };

/// Noting accesses to accounts that are closed, and showing all.
pub trait KeepAccesses {
    /// Notes an access to an account that is closed, for the review alone: it has no owner who would
    /// see it.
    fn note_access_to_closed(
        &self,
        access: &Access,
        request: &CallId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Every access to an account, the newest first.
    fn accesses_of(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Vec<Access>, StoreError>> + Send;

    /// Every access of a day, the oldest first.
    fn accesses_on(&self, day: Day)
    -> impl Future<Output = Result<Vec<Access>, StoreError>> + Send;
}

/// What [`KeepAccesses`] needs.
pub const KEEP_ACCESSES: Capability = Capability {
    actions: &[(Table::Accounts, "dynamodb:PutItem"), (Table::Accounts, "dynamodb:Query")],
};

/// How the part of every access begins.
const ACCESS: &str = "access#";

impl<T: Tables> NoteAccess for Store<T> {
    async fn note_access(&self, access: &Access, request: &CallId) -> Result<(), StoreError> {
        self.persist(writes_of(access, request).into()).await
    }
}

/// What notes an access, for the owner and for the review.
pub(super) fn writes_of(access: &Access, request: &CallId) -> [Write; 2] {
    let part = format!("{ACCESS}{}", place_of(access, request));
    let of_owner = encode(Writer::from(part_key(&access.account, &part)), access);
    [of_owner, of_day(access, request)].map(|item| Write::put(Table::Accounts, item))
}

impl<T: Tables> KeepAccesses for Store<T> {
    async fn note_access_to_closed(
        &self,
        access: &Access,
        request: &CallId,
    ) -> Result<(), StoreError> {
        self.tables.write(Write::put(Table::Accounts, of_day(access, request))).await.done()
    }

    async fn accesses_of(&self, account: &AccountId) -> Result<Vec<Access>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        terms.text(":access", ACCESS);
        let condition = "#account = :account AND begins_with(#part, :access)";
        self.accesses(condition, terms, Order::Falling).await
    }

    async fn accesses_on(&self, day: Day) -> Result<Vec<Access>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", name_of(day));
        self.accesses("#account = :account", terms, Order::Rising).await
    }
}

impl<T: Tables> Store<T> {
    async fn accesses(
        &self,
        condition: &'static str,
        terms: Terms,
        order: Order,
    ) -> Result<Vec<Access>, StoreError> {
        let query = Query { order, ..Query::strong(Table::Accounts, condition, terms) };
        let mut accesses = Vec::new();
        self.query_all(query, |item| decode(item).map(|access| accesses.push(access))).await?;
        Ok(accesses)
    }
}

fn place_of(access: &Access, request: &CallId) -> String {
    format!("{}#{request}", access.time.millis())
}

/// The item for the review.
fn of_day(access: &Access, request: &CallId) -> Item {
    let name = name_of(access.time.hour().day());
    let item = Writer::from(named_part(&name, &place_of(access, request)))
        .text("of", &access.account)
        .number("expires_at", access.time.plus(REVIEWED).seconds());
    encode(item, access)
}

fn encode(item: Writer, access: &Access) -> Item {
    item.text("who", access.who.as_str())
        .text("purpose", access.purpose.name())
        .text("what", access.what.name())
        .number("time", access.time.seconds())
        .item()
}

fn name_of(day: Day) -> String {
    format!("platform#accesses#{day}")
}

fn decode(item: &Item) -> Result<Access, Corrupt> {
    let reader = Reader(item);
    let account = if item.contains_key("of") { "of" } else { "account" };
    let what = reader.text("what")?;
    Ok(Access {
        account: reader.parsed(account)?,
        who: Operator(reader.text("who")?.to_owned()),
        purpose: Purpose::named(reader.text("purpose")?).ok_or(Corrupt("purpose"))?,
        what: Deed::ALL.into_iter().find(|deed| deed.name() == what).ok_or(Corrupt("what"))?,
        time: reader.seconds("time")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_iam_names_is_named_without_the_account_they_are_in() {
        let name = |arn: &str| Operator::from_arn(arn).map(|it| it.as_str().to_owned());
        let role = "arn:aws:sts::123456789012:assumed-role/Operator/ada";
        assert_eq!(name(role).unwrap(), "assumed-role/Operator/ada");
        assert_eq!(name("arn:aws:iam::123456789012:user/ada").unwrap(), "user/ada");
        for wrong in ["", "ada", "arn:aws:iam", "arn:aws:iam::1:", "arn:aws:iam::1:user/a\nb"] {
            assert!(name(wrong).is_none(), "{wrong}");
        }
    }
}
