//! The receipt of an account that is closed, among its parts: what was deleted of it and what was kept.
//!
//! It is there from the moment the account is closed to everybody, and stays for a while after
//! the last of it is deleted, so that whatever comes late is deleted, too.
//!
//! | attribute        | holds                                                               |
//! |------------------|---------------------------------------------------------------------|
//! | `part`           | `receipt`                                                           |
//! | `code`           | the secret half of the receipt's id                                 |
//! | `asked_at`       | since when the account is closed to everybody, seconds since the epoch |
//! | `deleted_…`      | how many were deleted: `emails`, `keys`, `consents`, `accesses`, `alerts`, `records`, `rollups`, `markers` |
//! | `closed_at`      | when the last of them was deleted, seconds since the epoch          |
//! | `refund_due`     | the balance that was not spent, pico-dollars                        |
//! | `payments`       | how many payment records are kept                                   |
//! | `payments_until` | until when the last of them is, seconds since the epoch             |
//! | `backups_until`  | until when a backup may hold what was deleted, seconds since the epoch |
//! | `expires_at`     | TTL, seconds since the epoch                                        |
//!
//! and until then the numbers of its keys, which its last statement needs: `key#` and a key's id is
//! the `part` of each, with its `ordinal`.
//!
//! Written and read by account and retention. What is deleted is counted in the same transaction, so
//! that the receipt says neither more nor less, wherever whoever deletes breaks off.

use std::{collections::HashMap, time::Duration};

use super::{
    Capability, Consistency, Corrupt, Cursor, Store, StoreError, Table,
    accounts::{PROFILE, Profile, as_read, part_key},
    codes, emails,
    item::{Reader, Writer},
    keys, ledger, pace,
    tables::{Get, Item, Query, Tables, Terms, Write},
    wallet::{State, WALLET, Wallet},
};
use crate::{
    id::{AccountId, KeyId, ReceiptId},
    key::{CodeHash, EmailHash},
    money::Pico,
    time::Timestamp,
};

/// How long a receipt stays: longer than any backup of what it says was deleted, since a restore
/// deletes that once more.
const RECEIPT_LIFE: Duration = Duration::from_secs(8 * 24 * 3_600);

/// How many items a transaction deletes. It takes a hundred writes, of which one counts; and where
/// a key is deleted its number is noted.
const BATCH: usize = 99;
const KEY_BATCH: usize = BATCH / 2;

/// What is deleted of an account and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deleted {
    /// Its address, and the one before.
    Emails,
    /// Its keys.
    Keys,
    /// What it has agreed to and taken back.
    Consents,
    /// What its owner saw of the operator's accesses.
    Accesses,
    /// What its owner was to be told.
    Alerts,
    /// The records of its calls.
    Records,
    /// The roll-ups of its hours.
    Rollups,
    /// The markers of calls that had an `Idempotency-Key`.
    Markers,
}

impl Deleted {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Emails,
        Self::Keys,
        Self::Consents,
        Self::Accesses,
        Self::Alerts,
        Self::Records,
        Self::Rollups,
        Self::Markers,
    ];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Emails => "emails",
            Self::Keys => "keys",
            Self::Consents => "consents",
            Self::Accesses => "accesses",
            Self::Alerts => "alerts",
            Self::Records => "records",
            Self::Rollups => "rollups",
            Self::Markers => "markers",
        }
    }

    /// By the sort key of an item. What is none of these is deleted and not counted.
    fn of(sort: &str) -> Option<Self> {
        let (prefix, _) = sort.split_once(['#', '_'])?;
        match prefix {
            "consent" => Some(Self::Consents),
            "access" => Some(Self::Accesses),
            "alert" => Some(Self::Alerts),
            "call" => Some(Self::Records),
            "hour" => Some(Self::Rollups),
            "mark" => Some(Self::Markers),
            _ => None,
        }
    }

    fn attribute(self) -> String {
        format!("deleted_{}", self.name())
    }
}

/// A receipt, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its id, by which it is shown to whoever has it.
    pub id: ReceiptId,
    /// Since when the account is closed to everybody.
    pub asked_at: Timestamp,
    /// How many of each were deleted so far.
    pub deleted: Vec<(Deleted, u64)>,
    /// How it has ended, once it has.
    pub ended: Option<Ended>,
}

/// How a closing has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When the last was deleted.
    pub closed_at: Timestamp,
    /// The balance that was not spent, which is owed.
    pub refund_due: Pico,
    /// What was kept.
    pub payments: Payments,
    /// Until when a backup may hold what was deleted.
    pub backups_until: Timestamp,
    /// Until when there is this receipt.
    pub expires_at: Timestamp,
}

/// The payment records of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payments {
    /// How many there are.
    pub count: u64,
    /// Until when the last of them is kept.
    pub until: Option<Timestamp>,
}

/// How an account is closed to everybody.
pub struct Closing<'a> {
    /// The id of its receipt.
    pub receipt: &'a ReceiptId,
    /// Under which hashes its addresses stand.
    pub emails: &'a [EmailHash],
    /// The code by which its owner confirms it, which is used up.
    pub code: Option<&'a CodeHash>,
    /// Whether it is closed also while it is frozen.
    pub frozen: bool,
}

/// Closing an account to everybody.
pub trait BeginClosing {
    /// Ends an account for all who have to do with it, in one transaction: its wallet takes no more
    /// calls, its profile and its addresses are gone, and there is a receipt. What is left is deleted
    /// by [`EraseAccount`]. Conditional on the profile as it was `read`; sent again it is a conflict.
    fn begin_closing(
        &self,
        read: &Profile,
        closing: &Closing<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`BeginClosing`] needs.
pub const BEGIN_CLOSING: Capability = Capability {
    actions: &[
        (Table::Accounts, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:DeleteItem"),
    ],
};

impl<T: Tables> BeginClosing for Store<T> {
    async fn begin_closing(
        &self,
        read: &Profile,
        closing: &Closing<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Closing { receipt, emails, code, frozen } = *closing;
        let account = &read.account;
        let end = "SET #state = :closing";
        let wallet = Write::update(Table::Accounts, part_key(account, WALLET), end)
            .text(":closing", State::Closing.name());
        let wallet = if frozen {
            wallet.only_if("attribute_exists(#account)")
        } else {
            wallet.only_if("#state = :active").text(":active", State::Active.name())
        };
        let profile = as_read(read, Write::delete(Table::Accounts, part_key(account, PROFILE)));
        let item = Writer::from(part_key(account, RECEIPT))
            .text("code", receipt.code())
            .number("asked_at", now.seconds())
            .number(&Deleted::Emails.attribute(), emails.len());
        let put =
            Write::put(Table::Accounts, item.item()).only_if("attribute_not_exists(#account)");
        let mut writes = vec![wallet, profile, put];
        writes.extend(emails.iter().map(|hash| emails::forget(hash, account)));
        writes.extend(emails.iter().flat_map(pace::forget));
        writes.extend(code.map(|code| codes::use_up(code, now)));
        self.persist(writes).await
    }
}

/// Reading receipts.
pub trait ReadReceipt {
    /// The receipt of an account, strongly consistent, if it is closed or about to be.
    fn read_receipt(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Option<Receipt>, StoreError>> + Send;
}

/// What [`ReadReceipt`] needs.
pub const READ_RECEIPT: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:GetItem")] };

impl<T: Tables> ReadReceipt for Store<T> {
    async fn read_receipt(&self, account: &AccountId) -> Result<Option<Receipt>, StoreError> {
        let (key, consistency) = (part_key(account, RECEIPT), Consistency::Strong);
        let item = self.tables.get(Get { table: Table::Accounts, key, consistency }).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }
}

/// Which parts of an account are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// What was its owner's to see.
    Shown,
    /// The numbers of its keys, too, which no statement needs any more.
    All,
}

/// Deleting what an account has that is closed to everybody. Any number may do so at the same time,
/// and whoever comes later deletes what was left, or what has come since.
pub trait EraseAccount {
    /// Deletes its keys, so far as the index shows them, and notes their numbers.
    fn erase_keys(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Deletes its parts, but for the wallet and the receipt.
    fn erase_parts(
        &self,
        account: &AccountId,
        parts: Parts,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The numbers of its keys, as they are noted while it is being closed.
    fn ordinals_of(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<HashMap<KeyId, u32>, StoreError>> + Send;
}

/// What [`EraseAccount`] needs.
pub const ERASE_ACCOUNT: Capability = Capability {
    actions: &[
        (Table::Keys, "dynamodb:Query"),
        (Table::Keys, "dynamodb:DeleteItem"),
        (Table::Accounts, "dynamodb:Query"),
        (Table::Accounts, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:DeleteItem"),
    ],
};

/// Something that is to be deleted.
struct Doomed {
    table: Table,
    key: Item,
    counted: Option<Deleted>,
    /// What takes its place.
    note: Option<Item>,
}

impl<T: Tables> EraseAccount for Store<T> {
    async fn erase_keys(&self, account: &AccountId) -> Result<(), StoreError> {
        let mut doomed = Vec::new();
        self.query_all(keys::of_account(account), |item| {
            let reader = Reader(item);
            let key = keys::primary(item)?;
            // A secret that a rotation has made is no key of its own.
            let is_key = item.contains_key("scopes");
            let ordinal = reader.optional_number::<u32>("ordinal")?.unwrap_or(0);
            let note = Writer::from(number_of(account, reader.text("key_id")?))
                .number("ordinal", ordinal)
                .item();
            let (counted, note) =
                if is_key { (Some(Deleted::Keys), Some(note)) } else { (None, None) };
            doomed.push(Doomed { table: Table::Keys, key, counted, note });
            Ok(())
        })
        .await?;
        self.erase(account, doomed, KEY_BATCH).await
    }

    async fn erase_parts(&self, account: &AccountId, parts: Parts) -> Result<(), StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        let mut doomed = Vec::new();
        self.query_all(Query::strong(Table::Accounts, "#account = :account", terms), |item| {
            let part = Reader(item).text("part")?;
            let stays = part == WALLET
                || part == RECEIPT
                || (parts == Parts::Shown && part.starts_with(NUMBER));
            if !stays {
                let (key, counted) = (part_key(account, part), Deleted::of(part));
                doomed.push(Doomed { table: Table::Accounts, key, counted, note: None });
            }
            Ok(())
        })
        .await?;
        self.erase(account, doomed, BATCH).await
    }

    async fn ordinals_of(&self, account: &AccountId) -> Result<HashMap<KeyId, u32>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        terms.text(":number", NUMBER);
        let condition = "#account = :account AND begins_with(#part, :number)";
        let mut ordinals = HashMap::new();
        self.query_all(Query::strong(Table::Accounts, condition, terms), |item| {
            let reader = Reader(item);
            let key = reader.text("part")?.strip_prefix(NUMBER).and_then(|key| key.parse().ok());
            ordinals.insert(key.ok_or(Corrupt("part"))?, reader.number("ordinal")?);
            Ok(())
        })
        .await?;
        Ok(ordinals)
    }
}

/// Bringing a closing to its end.
pub trait EndClosing {
    /// Deletes a page of an account's records, roll-ups and markers, and says where the next begins.
    /// Its hours have to be closed, and its days stated.
    fn erase_calls(
        &self,
        account: &AccountId,
        from: Option<Cursor>,
    ) -> impl Future<Output = Result<Option<Cursor>, StoreError>> + Send;

    /// The payment records of an account, which stay.
    fn payments_of(
        &self,
        account: &AccountId,
    ) -> impl Future<Output = Result<Payments, StoreError>> + Send;

    /// Ends a closing in one transaction: what of the balance was not spent becomes an entry of the
    /// ledger, the wallet is deleted, and the receipt is complete. Conditional on the wallet as it
    /// was read, of which nothing may be out; sent again it is a conflict.
    fn end_closing(
        &self,
        wallet: &Wallet,
        payments: Payments,
        backups: Duration,
        now: Timestamp,
    ) -> impl Future<Output = Result<Ended, StoreError>> + Send;

    /// Deletes a receipt that has expired at `now`.
    fn forget_receipt(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`EndClosing`] needs.
pub const END_CLOSING: Capability = Capability {
    actions: &[
        (Table::Calls, "dynamodb:Query"),
        (Table::Calls, "dynamodb:DeleteItem"),
        (Table::Ledger, "dynamodb:Query"),
        (Table::Ledger, "dynamodb:PutItem"),
        (Table::Accounts, "dynamodb:UpdateItem"),
        (Table::Accounts, "dynamodb:DeleteItem"),
    ],
};

impl<T: Tables> EndClosing for Store<T> {
    async fn erase_calls(
        &self,
        account: &AccountId,
        from: Option<Cursor>,
    ) -> Result<Option<Cursor>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        let query = Query::strong(Table::Calls, "#account = :account", terms);
        let from = from.map(|cursor| cursor.0);
        let page = self.tables.query(Query { from, ..query }).await?;
        let doomed = page.items.iter().map(|item| {
            let call = Reader(item).text("call")?;
            let key = Writer::default().text("account", account).text("call", call);
            let (key, counted) = (key.item(), Deleted::of(call));
            Ok(Doomed { table: Table::Calls, key, counted, note: None })
        });
        let doomed: Vec<_> = doomed.collect::<Result<_, Corrupt>>()?;
        self.erase(account, doomed, BATCH).await?;
        Ok(page.next.map(Cursor))
    }

    async fn payments_of(&self, account: &AccountId) -> Result<Payments, StoreError> {
        let mut terms = Terms::default();
        terms.text(":account", account);
        let mut payments = Payments::default();
        self.query_all(Query::strong(Table::Ledger, "#account = :account", terms), |item| {
            let until = Reader(item).seconds("expires_at")?;
            payments.count = payments.count.saturating_add(1);
            payments.until = payments.until.max(Some(until));
            Ok(())
        })
        .await?;
        Ok(payments)
    }

    async fn end_closing(
        &self,
        wallet: &Wallet,
        mut payments: Payments,
        backups: Duration,
        now: Timestamp,
    ) -> Result<Ended, StoreError> {
        let account = &wallet.account;
        let mut writes = Vec::new();
        if wallet.balance > Pico::ZERO {
            let due = ledger::refund_due(account, wallet.balance);
            let until = self.kept_until(now.hour().day());
            payments.count = payments.count.saturating_add(1);
            payments.until = payments.until.max(Some(until));
            writes.push(due.put(until, now));
        }
        let delete = Write::delete(Table::Accounts, part_key(account, WALLET))
            .only_if("#state = :closing AND #balance = :balance AND #closed = :closed")
            .text(":closing", State::Closing.name())
            .number(":balance", wallet.balance.pico())
            .number(":closed", wallet.closed);
        let ended = Ended {
            closed_at: now,
            refund_due: wallet.balance,
            payments,
            backups_until: now.plus(backups),
            expires_at: now.plus(RECEIPT_LIFE),
        };
        let (sets, until) = match payments.until {
            Some(until) => (", #payments_until = :until", until.seconds()),
            None => ("", 0),
        };
        let set = format!(
            "SET #closed_at = :now, #refund_due = :due, #payments = :payments, \
             #backups_until = :backups, #expires_at = :expires{sets}"
        );
        let mut receipt = Write::update(Table::Accounts, part_key(account, RECEIPT), set)
            .only_if("attribute_exists(#asked_at) AND attribute_not_exists(#closed_at)")
            .number(":now", ended.closed_at.seconds())
            .number(":due", ended.refund_due.pico())
            .number(":payments", payments.count)
            .number(":backups", ended.backups_until.seconds())
            .number(":expires", ended.expires_at.seconds());
        if payments.until.is_some() {
            receipt = receipt.number(":until", until);
        }
        writes.extend([delete, receipt]);
        self.tables.transact(writes).await.done()?;
        Ok(ended)
    }

    async fn forget_receipt(&self, account: &AccountId, now: Timestamp) -> Result<(), StoreError> {
        let delete = Write::delete(Table::Accounts, part_key(account, RECEIPT))
            .only_if("#expires_at <= :now")
            .number(":now", now.seconds());
        match self.tables.write(delete).await.done() {
            // The TTL was faster.
            Err(StoreError::Conflict) => Ok(()),
            done => done,
        }
    }
}

impl<T: Tables> Store<T> {
    /// Deletes these and counts them, or what of them is still there.
    async fn erase(
        &self,
        account: &AccountId,
        mut doomed: Vec<Doomed>,
        batch: usize,
    ) -> Result<(), StoreError> {
        let mut batches = Vec::new();
        while !doomed.is_empty() {
            batches.push(doomed.split_off(doomed.len().saturating_sub(batch)));
        }
        while let Some(mut batch) = batches.pop() {
            match self.persist(erasing(account, &batch)).await {
                Ok(()) => {}
                // One of them is gone already: the others are looked for.
                Err(StoreError::Conflict) => {
                    let half = batch.split_off(batch.len() / 2);
                    if !batch.is_empty() {
                        batches.extend([half, batch]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The writes that delete these and count them.
fn erasing(account: &AccountId, batch: &[Doomed]) -> Vec<Write> {
    let mut counts: HashMap<Deleted, u64> = HashMap::new();
    let mut writes = Vec::new();
    for Doomed { table, key, counted, note } in batch {
        let there = match table {
            Table::Keys => "attribute_exists(#hash)",
            Table::Accounts | Table::Calls | Table::Ledger => "attribute_exists(#account)",
        };
        writes.push(Write::delete(*table, key.clone()).only_if(there));
        writes.extend(note.clone().map(|note| Write::put(Table::Accounts, note)));
        if let Some(kind) = counted {
            let count = counts.entry(*kind).or_default();
            *count = count.saturating_add(1);
        }
    }
    let counted: Vec<_> =
        COUNTED.into_iter().filter(|(kind, ..)| counts.contains_key(kind)).collect();
    if !counted.is_empty() {
        let adds: Vec<_> =
            counted.iter().map(|(_, name, value)| format!("{name} {value}")).collect();
        let update = format!("ADD {}", adds.join(", "));
        let mut count = Write::update(Table::Accounts, part_key(account, RECEIPT), update)
            .only_if("attribute_exists(#asked_at)");
        for (kind, _, value) in counted {
            count = count.number(value, counts.get(&kind).copied().unwrap_or(0));
        }
        writes.push(count);
    }
    writes
}

/// What is counted as it is deleted, and how an expression names that.
const COUNTED: [(Deleted, &str, &str); 7] = [
    (Deleted::Keys, "#deleted_keys", ":keys"),
    (Deleted::Consents, "#deleted_consents", ":consents"),
    (Deleted::Accesses, "#deleted_accesses", ":accesses"),
    (Deleted::Alerts, "#deleted_alerts", ":alerts"),
    (Deleted::Records, "#deleted_records", ":records"),
    (Deleted::Rollups, "#deleted_rollups", ":rollups"),
    (Deleted::Markers, "#deleted_markers", ":markers"),
];

/// The sort key of every receipt.
pub(super) const RECEIPT: &str = "receipt";

/// How the part of every key's number begins.
const NUMBER: &str = "key#";

fn number_of(account: &AccountId, key: &str) -> Item {
    part_key(account, &format!("{NUMBER}{key}"))
}

fn decode(item: &Item) -> Result<Receipt, Corrupt> {
    let reader = Reader(item);
    let account: AccountId = reader.parsed("account")?;
    let id = ReceiptId::of(&account, reader.text("code")?).map_err(|_| Corrupt("code"))?;
    let deleted = Deleted::ALL.into_iter().map(|kind| {
        let count = reader.optional_named(&kind.attribute())?.unwrap_or(0);
        Ok((kind, u64::try_from(count).map_err(|_| Corrupt("deleted"))?))
    });
    let deleted = deleted.collect::<Result<_, Corrupt>>()?;
    let closed_at = reader.optional_number("closed_at")?.map(Timestamp::from_seconds);
    let ended = closed_at.map(|closed_at| {
        let until = reader.optional_number("payments_until")?.map(Timestamp::from_seconds);
        Ok(Ended {
            closed_at,
            refund_due: reader.money("refund_due")?,
            payments: Payments { count: reader.number("payments")?, until },
            backups_until: reader.seconds("backups_until")?,
            expires_at: reader.seconds("expires_at")?,
        })
    });
    let ended = ended.transpose()?;
    Ok(Receipt { id, asked_at: reader.seconds("asked_at")?, deleted, ended })
}
