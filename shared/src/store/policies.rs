//! Policy versions, in Accounts under names that are no account's.
//!
//! | `account`         | `part`              | attributes                                          |
//! |-------------------|---------------------|-----------------------------------------------------|
//! | `policy#current`  | `current`           | `version`, `sha256`, `published_at`, `in_force_at`: the newest version, and of its major one when it was published and from when it is required |
//! | `policy#versions` | its number, padded  | `version`, `sha256`, `published_at`, `in_force_at` of each |
//! | `policy#texts`    | the same            | `text`                                              |
//!
//! Moments are seconds since the epoch. Written by account, the first also read by proxy and
//! retention. They are never deleted: somebody has agreed to them. Texts stand apart, so that a list
//! of versions reads none.

use super::{
    Capability, Consistency, Corrupt, Store, StoreError, Table,
    accounts::named_part,
    item::{Reader, Writer},
    tables::{Get, Item, Order, Query, Tables, Terms, Write},
};
use crate::policy::{CurrentPolicy, PolicyVersion, VersionNumber};

/// A version and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Published<'a> {
    /// The version.
    pub version: &'a PolicyVersion,
    /// Its text.
    pub text: &'a str,
}

/// Reading what is the newest.
pub trait ReadPolicy {
    /// The newest version, strongly consistent. None while nothing was published: then it is the
    /// one that the project ships.
    fn read_policy(&self)
    -> impl Future<Output = Result<Option<CurrentPolicy>, StoreError>> + Send;
}

/// What [`ReadPolicy`] needs.
pub const READ_POLICY: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:GetItem")] };

impl<T: Tables> ReadPolicy for Store<T> {
    async fn read_policy(&self) -> Result<Option<CurrentPolicy>, StoreError> {
        let consistency = Consistency::Strong;
        let get = Get { table: Table::Accounts, key: current_key(), consistency };
        let item = self.tables.get(get).await?;
        let current = item.as_ref().map(decode).transpose()?;
        Ok(current.map(|it| {
            let PolicyVersion { number, sha256, published_at, in_force_at } = it;
            let (major_published_at, required_from) = (published_at, in_force_at);
            CurrentPolicy { number, sha256, major_published_at, required_from }
        }))
    }
}

/// Publishing versions, and reading them.
pub trait KeepPolicies {
    /// Publishes versions, of which the last is then the newest, in one transaction. Conditional on
    /// the newest as it was `read`, or a conflict: of two that publish at once one does.
    fn publish(
        &self,
        read: Option<&CurrentPolicy>,
        versions: &[Published<'_>],
        current: &CurrentPolicy,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Every version that was published, the newest first.
    fn policy_versions(
        &self,
    ) -> impl Future<Output = Result<Vec<PolicyVersion>, StoreError>> + Send;

    /// A version and its text, if it was published.
    fn policy_version(
        &self,
        number: VersionNumber,
    ) -> impl Future<Output = Result<Option<(PolicyVersion, String)>, StoreError>> + Send;
}

/// What [`KeepPolicies`] needs.
pub const KEEP_POLICIES: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:GetItem"),
        (Table::Accounts, "dynamodb:Query"),
    ],
};

impl<T: Tables> KeepPolicies for Store<T> {
    async fn publish(
        &self,
        read: Option<&CurrentPolicy>,
        versions: &[Published<'_>],
        current: &CurrentPolicy,
    ) -> Result<(), StoreError> {
        let CurrentPolicy { number, sha256, major_published_at, required_from } = current.clone();
        let (published_at, in_force_at) = (major_published_at, required_from);
        let newest = PolicyVersion { number, sha256, published_at, in_force_at };
        let newest = Write::put(Table::Accounts, encode(current_key(), &newest));
        let mut writes = vec![match read {
            Some(read) => newest.only_if("#version = :seen").text(":seen", read.number),
            None => newest.only_if("attribute_not_exists(#account)"),
        }];
        for Published { version, text } in versions {
            let part = part_of(version.number);
            let text = Writer::from(named_part(TEXTS, &part)).text("text", text).item();
            for item in [encode(named_part(VERSIONS, &part), version), text] {
                let put = Write::put(Table::Accounts, item);
                writes.push(put.only_if("attribute_not_exists(#account)"));
            }
        }
        self.persist(writes).await
    }

    async fn policy_versions(&self) -> Result<Vec<PolicyVersion>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", VERSIONS);
        let query = Query::strong(Table::Accounts, "#account = :account", terms);
        let query = Query { order: Order::Falling, ..query };
        let mut versions = Vec::new();
        self.query_all(query, |item| decode(item).map(|version| versions.push(version))).await?;
        Ok(versions)
    }

    async fn policy_version(
        &self,
        number: VersionNumber,
    ) -> Result<Option<(PolicyVersion, String)>, StoreError> {
        let part = part_of(number);
        let read = |name| {
            let (table, key) = (Table::Accounts, named_part(name, &part));
            self.tables.get(Get { table, key, consistency: Consistency::Strong })
        };
        let Some(version) = read(VERSIONS).await? else { return Ok(None) };
        let text = read(TEXTS).await?.ok_or(Corrupt("text"))?;
        Ok(Some((decode(&version)?, Reader(&text).text("text")?.to_owned())))
    }
}

const VERSIONS: &str = "policy#versions";
const TEXTS: &str = "policy#texts";

fn current_key() -> Item {
    named_part("policy#current", "current")
}

/// A number as it sorts.
fn part_of(VersionNumber { major, minor }: VersionNumber) -> String {
    format!("{major:010}.{minor:010}")
}

fn encode(key: Item, version: &PolicyVersion) -> Item {
    Writer::from(key)
        .text("version", version.number)
        .text("sha256", &version.sha256)
        .number("published_at", version.published_at.seconds())
        .number("in_force_at", version.in_force_at.seconds())
        .item()
}

fn decode(item: &Item) -> Result<PolicyVersion, Corrupt> {
    let reader = Reader(item);
    Ok(PolicyVersion {
        number: reader.parsed("version")?,
        sha256: reader.text("sha256")?.to_owned(),
        published_at: reader.seconds("published_at")?,
        in_force_at: reader.seconds("in_force_at")?,
    })
}
