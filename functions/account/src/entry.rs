//! The operator's entry of the ledger: its body, and its answer.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    content::Malformed,
    fault::Fault,
    id::AccountId,
    money::Pico,
    store::ledger::{Entry, EntryError, EntryKind, NotAnEntry},
    time::Timestamp,
};

/// What an operator sends to enter something.
#[derive(Deserialize)]
struct Fields {
    /// `top_up`, `refund` or `adjustment`.
    kind: Option<Value>,
    /// US dollars, as `"10"` or `"2.50"`; of an adjustment also `"-2.50"`.
    amount_usd: Option<Value>,
    /// What names this entry and, of its kind, no other.
    reference: Option<Value>,
}

/// An entry as the operator asks for it.
pub(crate) struct Asked {
    kind: EntryKind,
    amount: Pico,
    reference: String,
}

impl Asked {
    /// Reads the body.
    pub(crate) fn read(body: &[u8]) -> Result<Self, Fault> {
        let fields: Fields = serde_json::from_slice(body)
            .map_err(|error| Fault::Malformed(Malformed::from(error)))?;
        let kind = text(fields.kind.as_ref(), "kind")?;
        let amount = text(fields.amount_usd.as_ref(), "amount_usd")?;
        let reference = text(fields.reference.as_ref(), "reference")?;
        Ok(Self {
            kind: EntryKind::named(kind).ok_or(Fault::WrongType("kind"))?,
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

fn text<'a>(value: Option<&'a Value>, field: &'static str) -> Result<&'a str, Fault> {
    value.ok_or(Fault::MissingField(field))?.as_str().ok_or(Fault::WrongType(field))
}

/// Dollars with a sign.
fn dollars(text: &str) -> Option<Pico> {
    match text.strip_prefix('-') {
        Some(text) => Pico::ZERO.checked_sub(Pico::parse_dollars(text)?),
        None => Pico::parse_dollars(text),
    }
}
