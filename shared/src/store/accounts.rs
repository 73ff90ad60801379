//! Accounts, the wallet apart.
//!
//! | `part`    | attributes | holds |
//! |-----------|------------|-------|
//! | `profile` | `created_at`, `email`, `email_before`, `email_until`, `keys`, `managed_from`, `revision` | since when there is an account; where its owner is reached; the keyed hash of the address before, and until when that can undo the change; how many keys it has had, the number of the first that may manage it, and how often keys that manage it or its address were changed |
//!
//! and those of `notices.rs`: `policy_told`, `claimed_at`.
//!
//! Written and read by account, the address also by retention. They live until the account is
//! closed.
//!
//! Whatever gives or takes the right to manage an account counts `revision` up in its transaction,
//! and is conditional on it as it was before the caller's own right was looked at. So no right that
//! has just been taken is used once more, and two keys cannot take each other's.

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Capability, Consistency, Corrupt, Store, StoreError, Table,
    accesses::{self, Access},
    codes,
    consents::{self, By, ConsentEvent, ConsentKind},
    emails,
    item::{Reader, Writer},
    keys::{self, NewKey},
    tables::{Get, Item, Tables, Write},
    wallet::{State, WALLET, consent_attribute},
};
use crate::{
    email::EmailAddress,
    id::{AccountId, CallId},
    key::{CodeHash, EmailHash},
    provider::Provider,
    time::Timestamp,
};

/// A new account.
pub struct NewAccount<'a> {
    /// Its id.
    pub account: &'a AccountId,
    /// The providers its calls may go to.
    pub consents: &'a [Provider],
    /// The major policy version agreed to.
    pub policy: u32,
    /// Where its owner is reached.
    pub email: Option<(&'a EmailAddress, &'a EmailHash)>,
    /// Its first keys.
    pub keys: &'a [NewKey<'a>],
    /// The code by which it is registered. Without one it is opened by the operator.
    pub code: Option<&'a CodeHash>,
    /// That somebody of the operator's opens it, and the id of their request.
    pub access: Option<(&'a Access, &'a CallId)>,
}

impl<'a> NewAccount<'a> {
    /// One without an address and without a key.
    pub const fn bare(account: &'a AccountId, consents: &'a [Provider], policy: u32) -> Self {
        Self { account, consents, policy, email: None, keys: &[], code: None, access: None }
    }
}

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Which account.
    pub account: AccountId,
    /// Since when there is one.
    pub created_at: Timestamp,
    /// Where its owner is reached.
    pub email: Option<EmailAddress>,
    /// The address before, and until when it can undo that there is another.
    pub email_before: Option<(EmailHash, Timestamp)>,
    /// How many keys it has had.
    pub keys: u32,
    /// The number of the first key that may manage it: those before were lost.
    pub managed_from: u32,
    /// How often its address or the keys that manage it were changed.
    pub revision: u64,
}

/// Creating an account.
pub trait CreateAccount {
    /// Creates an account with an empty wallet and its first keys, in one transaction, which uses
    /// up the code and notes who of the operator opens it. Conditional: an account that exists, an address that has one and a code that is
    /// not good are conflicts.
    fn create_account(
        &self,
        new: &NewAccount<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`CreateAccount`] needs.
pub const CREATE_ACCOUNT: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:DeleteItem"),
        (Table::Keys, "dynamodb:PutItem"),
    ],
};

impl<T: Tables> CreateAccount for Store<T> {
    async fn create_account(&self, new: &NewAccount<'_>, now: Timestamp) -> Result<(), StoreError> {
        let mut wallet = part(new.account, WALLET)
            .number("balance", 0)
            .number("closed", now.hour().previous())
            .text("state", State::Active.name())
            .number("auth_after", 0);
        for provider in new.consents {
            wallet = wallet.number(&consent_attribute(*provider), new.policy);
        }
        let mut profile = part(new.account, PROFILE).number("created_at", now.seconds());
        let numbered: Vec<_> = (1_u32..).zip(new.keys).collect();
        if let Some((last, _)) = numbered.last() {
            profile = profile.number("keys", last);
        }
        if let Some((email, _)) = new.email {
            profile = profile.text("email", email.as_str());
        }
        let by = if new.code.is_some() { By::Code } else { By::Operator };
        let consents = new.consents.iter().map(|provider| {
            let (policy, kind, by) = (new.policy, ConsentKind::Given, by.clone());
            let event = ConsentEvent { provider: *provider, policy, kind, by, time: now };
            consents::encode(new.account, &event)
        });
        let put = |item: Item| {
            Write::put(Table::Accounts, item).only_if("attribute_not_exists(#account)")
        };
        let items = [wallet.item(), profile.item()].into_iter().chain(consents);
        let mut writes: Vec<_> = items.map(put).collect();
        writes.extend(new.email.map(|(_, hash)| emails::take(hash, new.account, now)));
        writes.extend(new.code.map(|code| codes::use_up(code, now)));
        let noted = new.access.map(|(access, request)| accesses::writes_of(access, request));
        writes.extend(noted.into_iter().flatten());
        writes.extend(numbered.into_iter().map(|(ordinal, key)| keys::put(key, ordinal, now)));
        self.persist(writes).await
    }
}

/// Reading a profile.
pub trait ReadProfile {
    /// The profile of `account`, strongly consistent, if there is one.
    fn read_profile(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Option<Profile>, StoreError>> + Send;
}

/// What [`ReadProfile`] needs.
pub const READ_PROFILE: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:GetItem")] };

impl<T: Tables> ReadProfile for Store<T> {
    async fn read_profile(&self, account: &AccountId) -> Result<Option<Profile>, StoreError> {
        let key = part_key(account, PROFILE);
        let get = Get { table: Table::Accounts, key, consistency: Consistency::Strong };
        let item = self.tables.get(get).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }
}

/// A change of an account's address. Of the hashes those are none that are the same for both.
pub struct EmailChange<'a> {
    /// What it becomes.
    pub email: &'a EmailAddress,
    /// The hash that it takes.
    pub takes: Option<&'a EmailHash>,
    /// The hash that it leaves, and whether what is left can undo that.
    pub leaves: Option<(&'a EmailHash, Leaving)>,
    /// The code by which it is changed.
    pub code: Option<&'a CodeHash>,
}

/// How an address is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It can undo that for a while: [`emails::UNDO`].
    ForAWhile,
    /// For good, with one that could undo an earlier change.
    ForGood,
}

/// Giving an account another address.
pub trait ChangeEmail {
    /// Changes the address in one transaction, which uses up the code. Conditional on the profile
    /// as it was `read`; an address that has an account and a code that is not good are conflicts,
    /// too.
    fn change_email(
        &self,
        read: &Profile,
        change: &EmailChange<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`ChangeEmail`] needs.
pub const CHANGE_EMAIL: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:DeleteItem"),
    ],
};

impl<T: Tables> ChangeEmail for Store<T> {
    async fn change_email(
        &self,
        read: &Profile,
        change: &EmailChange<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (account, until) = (&read.account, now.plus(emails::UNDO));
        // One whose time is over is nobody's, and may be another's by now.
        let undoes = read.email_before.as_ref().filter(|(_, until)| *until > now);
        let undoes = undoes.map(|(before, _)| before);
        let mut writes = Vec::new();
        let profile = match change.leaves {
            Some((hash, Leaving::ForAWhile)) => {
                writes.push(emails::leave(hash, account, until));
                let sets = "#email = :email, #email_before = :before, #email_until = :until";
                revise(read, sets, "")
                    .text(":before", hash.as_str())
                    .number(":until", until.seconds())
            }
            Some((hash, Leaving::ForGood)) => {
                writes.push(emails::forget(hash, account));
                let undoes = undoes.filter(|before| Some(*before) != change.takes);
                writes.extend(undoes.map(|before| emails::forget(before, account)));
                revise(read, "#email = :email", "#email_before, #email_until")
            }
            None => revise(read, "#email = :email", ""),
        };
        writes.push(profile.text(":email", change.email.as_str()));
        writes.extend(change.takes.map(|hash| match undoes {
            Some(before) if before == hash => emails::restore(hash, account, now),
            _ => emails::take(hash, account, now),
        }));
        writes.extend(change.code.map(|code| codes::use_up(code, now)));
        self.persist(writes).await
    }
}

/// A change of the profile that was `read`, which is conditional on it and counts it up.
pub(super) fn revise(read: &Profile, sets: &str, removes: &str) -> Write {
    let sets = if sets.is_empty() { String::new() } else { format!("{sets}, ") };
    let removes = if removes.is_empty() { String::new() } else { format!(" REMOVE {removes}") };
    let update = format!("SET {sets}#revision = :revision{removes}");
    let write = Write::update(Table::Accounts, part_key(&read.account, PROFILE), update)
        .number(":revision", read.revision.saturating_add(1));
    as_read(read, write)
}

/// A write to the profile that was `read`, if it is still so.
pub(super) fn as_read(read: &Profile, write: Write) -> Write {
    match read.revision {
        0 => write.only_if("attribute_exists(#account) AND attribute_not_exists(#revision)"),
        seen => write.only_if("#revision = :seen").number(":seen", seen),
    }
}

/// Forgetting an address that an account had.
pub trait ForgetEmail {
    /// Forgets the address before, where its time to undo the change is over. Idempotent; where there
    /// is none, or it can undo something, that is a conflict.
    fn forget_email_before(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`ForgetEmail`] needs.
pub const FORGET_EMAIL: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:UpdateItem")] };

impl<T: Tables> ForgetEmail for Store<T> {
    async fn forget_email_before(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = part_key(account, PROFILE);
        let forget = Write::update(Table::Accounts, key, "REMOVE #email_before, #email_until")
            .only_if("#email_until <= :now")
            .number(":now", now.seconds());
        self.tables.write(forget).await.done()
    }
}

fn decode(item: &Item) -> Result<Profile, Corrupt> {
    let reader = Reader(item);
    let email = reader.optional_text("email").map(EmailAddress::parse).transpose();
    let before = reader.optional_text("email_before").map(EmailHash::parse).transpose();
    let before = before.map_err(|_| Corrupt("email_before"))?;
    let until = reader.optional_number("email_until")?.map(Timestamp::from_seconds);
    Ok(Profile {
        account: reader.parsed("account")?,
        created_at: reader.seconds("created_at")?,
        email: email.map_err(|_| Corrupt("email"))?,
        email_before: before.zip(until),
        keys: reader.optional_number("keys")?.unwrap_or(0),
        managed_from: reader.optional_number("managed_from")?.unwrap_or(0),
        revision: reader.optional_number("revision")?.unwrap_or(0),
    })
}

/// The sort key of every profile.
pub(super) const PROFILE: &str = "profile";

fn part(account: &AccountId, part: &str) -> Writer {
    Writer::from(part_key(account, part))
}

/// The primary key of a part of an account.
pub(super) fn part_key(account: &AccountId, part: &str) -> Item {
    named_part(account.as_str(), part)
}

/// The same of what is no account, and has another name in place of its id.
pub(super) fn named_part(name: &str, part: &str) -> Item {
    Item::from([
        ("account".to_owned(), AttributeValue::S(name.to_owned())),
        ("part".to_owned(), AttributeValue::S(part.to_owned())),
    ])
}
