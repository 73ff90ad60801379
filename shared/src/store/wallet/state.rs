//! The wallet as it stands, read from its item.

use super::consent_attribute;
use crate::{
    id::CallId,
    money::Pico,
    provider::Provider,
    store::{
        item::{Corrupt, Reader},
        tables::Item,
    },
    time::{Hour, Timestamp},
};

const OUT: &str = "out_";

/// Whether calls are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// They are.
    Active,
    /// The operator has frozen the account.
    Frozen,
}

impl State {
    /// The name by which it is stored.
    pub(in crate::store) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Frozen => "frozen",
        }
    }
}

/// A wallet as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wallet {
    /// What can be spent.
    pub balance: Pico,
    /// What is out, by hour.
    pub out: Vec<(Hour, Pico)>,
    /// The last hour closed.
    pub closed: Hour,
    /// Whether calls are taken.
    pub state: State,
    /// The major policy version agreed to, by provider.
    pub consents: Vec<(Provider, u32)>,
    /// A key looked up no later than this has to be read again.
    pub auth_after: Timestamp,
    /// The last call that was given a hold.
    pub last: Option<CallId>,
}

impl Wallet {
    pub(super) fn decode(item: &Item) -> Result<Self, Corrupt> {
        let reader = Reader(item);
        let mut out = Vec::new();
        for (name, value) in item {
            let Some(hour) = name.strip_prefix(OUT) else { continue };
            let hour = hour.parse().map_err(|_| Corrupt("out_"))?;
            let pico = value.as_n().ok().and_then(|text| text.parse().ok());
            out.push((hour, Pico::new(pico.ok_or(Corrupt("out_"))?)));
        }
        out.sort_unstable();
        let consent = |provider: Provider| {
            let value = item.get(&consent_attribute(provider))?;
            Some((provider, value.as_n().ok()?.parse().ok()?))
        };
        let state = match reader.text("state")? {
            "active" => State::Active,
            "frozen" => State::Frozen,
            _ => return Err(Corrupt("state")),
        };
        Ok(Self {
            balance: reader.money("balance")?,
            out,
            closed: reader.number::<Hour>("closed")?,
            state,
            consents: Provider::ALL.into_iter().filter_map(consent).collect(),
            auth_after: Timestamp::from_millis(reader.number("auth_after")?),
            last: item.contains_key("last").then(|| reader.parsed("last")).transpose()?,
        })
    }

    /// The balance and everything that is out.
    pub fn total(&self) -> Option<Pico> {
        self.out.iter().try_fold(self.balance, |sum, (_, out)| sum.checked_add(*out))
    }
}
