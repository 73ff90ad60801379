//! The ledger: payment records, kept as long as the law asks.
//!
//! | attribute | holds                                                         |
//! |-----------|---------------------------------------------------------------|
//! | `account` | partition key                                                 |
//! | `entry`   | sort key, which makes an entry once: `KIND#REFERENCE`         |
//! | `kind`    | `top_up`, `refund`, `adjustment` or `refund_due`              |
//! | `amount`  | pico-dollars by which it changed the balance, with their sign |
//! | `time`    | when it was entered, seconds since the epoch                  |
//! | `expires_at` | TTL: so many years after the end of the year, seconds since the epoch |
//!
//! Written and read by account, written by retention as an account ends, and read by usage. Each of
//! these changes the balance by its amount, in one transaction with it; ids of other kinds are passed
//! over by who reads them.

mod post;
mod read;

use aws_sdk_dynamodb::types::AttributeValue;

pub use self::{
    post::{EntryError, POST_ENTRY, PostEntry, Posted},
    read::{READ_ENTRIES, ReadEntries},
};
use super::{
    Corrupt, Table,
    item::{Reader, Writer},
    tables::{Item, Write},
};
use crate::{
    id::AccountId,
    money::Pico,
    time::{Day, Timestamp},
};

/// The most that one entry can be, so that no slip of the hand is beyond what a table can hold.
const LARGEST: Pico = Pico::from_dollars(1_000_000_000);

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryKind {
    /// Money that came in: it raises the balance.
    TopUp,
    /// Money that was paid back to the customer: it lowers the balance.
    Refund,
    /// A correction in either direction.
    Adjustment,
    /// What was left of the balance as the account was closed: it is owed. Never entered by hand.
    RefundDue,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::TopUp, Self::Refund, Self::Adjustment, Self::RefundDue];

    /// Those that an operator enters.
    pub const ENTERED: [Self; 3] = [Self::TopUp, Self::Refund, Self::Adjustment];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopUp => "top_up",
            Self::Refund => "refund",
            Self::Adjustment => "adjustment",
            Self::RefundDue => "refund_due",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of this name that an operator enters.
    pub fn entered(name: &str) -> Option<Self> {
        Self::ENTERED.into_iter().find(|kind| kind.name() == name)
    }
}

/// An entry to be posted: it changes a balance, and it is well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    account: &'a AccountId,
    kind: EntryKind,
    reference: &'a str,
    amount: Pico,
}

/// Why something is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEntry {
    /// The reference is not 1 to 64 letters, digits, dots, underscores and hyphens.
    #[error("the reference is not 1 to 64 letters, digits, dots, underscores and hyphens")]
    Reference,
    /// The amount is zero, has the wrong sign for its kind, or is above a billion dollars.
    #[error("the amount is zero, has the wrong sign for its kind, or is above a billion dollars")]
    Amount,
}

impl<'a> Entry<'a> {
    /// An entry for `account`. `reference` names it and, of its kind, no other. `amount` is as
    /// people write it: above zero for a top-up and for a refund, with its sign for an adjustment.
    ///
    /// # Errors
    /// When the reference or the amount cannot be that of an entry.
    pub fn new(
        account: &'a AccountId,
        kind: EntryKind,
        reference: &'a str,
        amount: Pico,
    ) -> Result<Self, NotAnEntry> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=64).contains(&reference.len()) || !reference.bytes().all(plain) {
            return Err(NotAnEntry::Reference);
        }
        let negative = Pico::new(amount.pico().saturating_neg());
        let (size, amount) = match kind {
            EntryKind::TopUp => (amount, amount),
            EntryKind::Refund | EntryKind::RefundDue => (amount, negative),
            EntryKind::Adjustment => (amount.max(negative), amount),
        };
        if size <= Pico::ZERO || size > LARGEST {
            return Err(NotAnEntry::Amount);
        }
        Ok(Self { account, kind, reference, amount })
    }

    /// Whose balance it changes.
    pub const fn account(&self) -> &AccountId {
        self.account
    }

    /// What it is.
    pub const fn kind(&self) -> EntryKind {
        self.kind
    }

    /// What names it among those of its kind.
    pub const fn reference(&self) -> &str {
        self.reference
    }

    /// By how much it changes the balance: below zero where it lowers it, and never zero.
    pub const fn amount(&self) -> Pico {
        self.amount
    }

    /// Its id in the ledger of its account.
    pub fn id(&self) -> String {
        format!("{}#{}", self.kind.name(), self.reference)
    }

    /// The write that enters it, once, and keeps it until then.
    pub(super) fn put(&self, until: Timestamp, now: Timestamp) -> Write {
        Write::put(Table::Ledger, self.item(until, now)).only_if("attribute_not_exists(#entry)")
    }

    fn item(&self, until: Timestamp, now: Timestamp) -> Item {
        Writer::default()
            .text("account", self.account)
            .text("entry", self.id())
            .text("kind", self.kind.name())
            .money("amount", self.amount)
            .number("time", now.seconds())
            .number("expires_at", until.seconds())
            .item()
    }

    fn key(&self) -> Item {
        Item::from([
            ("account".to_owned(), AttributeValue::S(self.account.to_string())),
            ("entry".to_owned(), AttributeValue::S(self.id())),
        ])
    }
}

/// An entry as it stands in the ledger of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Its id there.
    pub id: String,
    /// What it is.
    pub kind: EntryKind,
    /// By how much it changed the balance.
    pub amount: Pico,
    /// When it was entered, to the second.
    pub time: Timestamp,
}

/// What an account is owed that is closed with this balance.
pub(super) const fn refund_due(account: &AccountId, balance: Pico) -> Entry<'_> {
    let amount = Pico::new(balance.pico().saturating_neg());
    Entry { account, kind: EntryKind::RefundDue, reference: "closing", amount }
}

/// Until when a payment record of `day` is kept: for whole years after the year it is of, as laws on
/// books count.
pub(super) fn kept_until(day: Day, years: u16) -> Timestamp {
    let (last, name) = (i64::from(years).saturating_add(1), day.to_string());
    let year: i64 = name.get(..4).and_then(|year| year.parse().ok()).unwrap_or(9_999);
    let after: Option<Day> = format!("{:04}0101", year.saturating_add(last)).parse().ok();
    // Beyond what a calendar has.
    after.map_or(Timestamp::from_millis(i64::MAX), |day| day.first().start())
}

/// Reads an item, or nothing where its id is that of something else.
fn decode(item: &Item) -> Result<Option<LedgerEntry>, Corrupt> {
    let reader = Reader(item);
    let id = reader.text("entry")?;
    let kind = id.split_once('#').and_then(|(kind, _)| EntryKind::named(kind));
    let Some(kind) = kind else { return Ok(None) };
    if reader.text("kind")? != kind.name() {
        return Err(Corrupt("kind"));
    }
    let (amount, time) = (reader.money("amount")?, reader.seconds("time")?);
    Ok(Some(LedgerEntry { id: id.to_owned(), kind, amount, time }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_sign_of_its_kind_and_is_never_zero() {
        let account = AccountId::random().unwrap();
        let amount = |kind, amount| {
            Entry::new(&account, kind, "r", Pico::new(amount)).map(|entry| entry.amount().pico())
        };
        assert_eq!(amount(EntryKind::TopUp, 7), Ok(7));
        assert_eq!(amount(EntryKind::Refund, 7), Ok(-7));
        assert_eq!(amount(EntryKind::Adjustment, 7), Ok(7));
        assert_eq!(amount(EntryKind::Adjustment, -7), Ok(-7));
        assert_eq!(amount(EntryKind::RefundDue, 7), Ok(-7));
        for kind in EntryKind::ALL {
            for wrong in [0, i128::MAX, LARGEST.pico() + 1] {
                assert_eq!(amount(kind, wrong), Err(NotAnEntry::Amount), "{kind:?} {wrong}");
            }
        }
        for wrong in [-7, i128::MIN] {
            assert_eq!(amount(EntryKind::TopUp, wrong), Err(NotAnEntry::Amount));
            assert_eq!(amount(EntryKind::Refund, wrong), Err(NotAnEntry::Amount));
        }
        assert_eq!(amount(EntryKind::Adjustment, i128::MIN), Err(NotAnEntry::Amount));
    }

    #[test]
    fn payment_records_are_kept_for_whole_years() {
        let until = |day: &str, years| kept_until(day.parse().unwrap(), years).to_string();
        assert_eq!(until("20261127", 10), "2037-01-01T00:00:00Z");
        assert_eq!(until("20260101", 1), "2028-01-01T00:00:00Z");
    }

    #[test]
    fn a_reference_is_plain() {
        let account = AccountId::random().unwrap();
        let long = "x".repeat(65);
        for wrong in ["", "a b", "a#b", "ä", &long] {
            let entry = Entry::new(&account, EntryKind::TopUp, wrong, Pico::new(1));
            assert_eq!(entry, Err(NotAnEntry::Reference), "{wrong}");
        }
        let entry = Entry::new(&account, EntryKind::Refund, "Invoice_1.2-3", Pico::new(1)).unwrap();
        assert_eq!(entry.id(), "refund#Invoice_1.2-3");
    }
}
