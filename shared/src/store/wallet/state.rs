//! The wallet as it stands, read from its item.

use super::consent_attribute;
use crate::{
    id::AccountId,
    limits::Limits,
    money::Pico,
    provider::Provider,
    store::{
        hold::{self, Left},
        item::{Corrupt, Reader},
        tables::Item,
    },
    time::{Day, Hour, Timestamp},
};

/// Whether calls are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are.
    Active,
    /// The account is frozen: by the operator, or because its books did not agree.
    Frozen,
    /// The account is closed, and its last hours are not yet. It never goes back.
    Closing,
}

impl State {
    /// Those that an operator sets.
    pub const SET: [Self; 2] = [Self::Active, Self::Frozen];

    /// The state of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Active, Self::Frozen, Self::Closing].into_iter().find(|state| state.name() == name)
    }

    /// The name by which it is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Frozen => "frozen",
            Self::Closing => "closing",
        }
    }
}

/// A wallet as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// Whose it is.
    pub account: AccountId,
    /// What can be spent.
    pub balance: Pico,
    /// What is out, by hour, the oldest first.
    pub out: Vec<(Hour, Pico)>,
    /// The last hour closed.
    pub closed: Hour,
    /// Whether calls are taken.
    pub state: State,
    /// The major policy version agreed to, by provider.
    pub consents: Vec<(Provider, u32)>,
    /// A key looked up no later than this has to be read again.
    pub auth_after: Timestamp,
    /// What the account may spend in a month and ask in a minute.
    pub limits: Limits,
    /// What is left of its months.
    pub left: Left,
    /// The first day whose statement lines are not written.
    pub unstated: Option<Day>,
    /// The balance below which its owner wants to be told.
    pub alert_below: Option<Pico>,
}

impl Wallet {
    pub(super) fn decode(item: &Item) -> Result<Self, Corrupt> {
        let reader = Reader(item);
        let out = hold::out_of(item)?;
        let consent = |provider: Provider| {
            let value = item.get(&consent_attribute(provider))?;
            Some((provider, value.as_n().ok()?.parse().ok()?))
        };
        let state = State::named(reader.text("state")?).ok_or(Corrupt("state"))?;
        Ok(Self {
            account: reader.parsed("account")?,
            balance: reader.money("balance")?,
            out,
            closed: reader.number::<Hour>("closed")?,
            state,
            consents: Provider::ALL.into_iter().filter_map(consent).collect(),
            auth_after: Timestamp::from_millis(reader.number("auth_after")?),
            limits: hold::limits_of(item)?,
            left: Left::of(item)?,
            unstated: reader.optional_number("unstated")?,
            alert_below: reader.optional_number("alert_below")?.map(Pico::new),
        })
    }

    /// The balance and everything that is out.
    pub fn total(&self) -> Option<Pico> {
        self.out.iter().try_fold(self.balance, |sum, (_, out)| sum.checked_add(*out))
    }
}
