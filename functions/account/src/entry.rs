//! The operator's entry of the ledger: its body, and its answer.

use serde_json::{Value, json};
use shared::{
    fault::Fault,
    id::AccountId,
    money::Pico,
    store::ledger::{Entry, EntryError, EntryKind, NotAnEntry},
    time::Timestamp,
};

use crate::fields::Fields;

/// An entry as the operator asks for it.
pub(crate) struct Asked {
    kind: EntryKind,
    amount: Pico,
    reference: String,
}

impl Asked {
    /// Reads the body: a `kind`, US dollars as `"10"` or, of an adjustment, also `"-2.50"` in
    /// `amount_usd`, and a `reference` that names this entry and, of its kind, no other.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Fault> {
        let fields = Fields::read(body, "kind, amount_usd, reference")?;
        let kind = fields.required_text("kind")?;
        let amount = fields.required_text("amount_usd")?;
        let reference = fields.required_text("reference")?;
        Ok(Self {
            kind: EntryKind::entered(kind).ok_or(Fault::WrongType("kind"))?,
            amount: dollars(amount).ok_or(Fault::WrongType("amount_usd"))?,
            reference: reference.to_owned(),
        })
    }

    /// The entry, for this account.
    pub(crate) fn entry<'a>(&'a self, account: &'a AccountId) -> Result<Entry<'a>, Fault> {
        let entry = Entry::new(account, self.kind, &self.reference, self.amount);
        entry.map_err(|wrong| match wrong {
            NotAnEntry::Reference => Fault::WrongType("reference"),
            NotAnEntry::Amount => Fault::WrongType("amount_usd"),
        })
    }
}

/// The answer to an entry that was made at `time`. `amount_usd` is what it changed the balance by.
pub(crate) fn shown(entry: &Entry<'_>, time: Timestamp, balance: Pico) -> Value {
    json!({
        "object": "ledger_entry",
        "id": entry.id(),
        "account": entry.account().as_str(),
        "kind": entry.kind().name(),
        "reference": entry.reference(),
        "amount_usd": entry.amount().to_string(),
        "time": time.seconds(),
        "balance_usd": balance.to_string(),
    })
}

/// What the operator is told where nothing was entered.
pub(crate) const fn fault(error: EntryError) -> Fault {
    match error {
        EntryError::Different => Fault::AlreadyEntered,
        EntryError::UnknownAccount => Fault::UnknownAccount,
        EntryError::BalanceTooLow => Fault::BalanceTooLow,
        EntryError::Unavailable => Fault::StoreUnavailable,
    }
}

/// Dollars with a sign.
fn dollars(text: &str) -> Option<Pico> {
    match text.strip_prefix('-') {
        Some(text) => Pico::ZERO.checked_sub(Pico::parse_dollars(text)?),
        None => Pico::parse_dollars(text),
    }
}
