//! The keys of an account: what their owner asks for, and what is shown of them. A secret is shown
//! once, when it is made.

use std::num::NonZeroU64;

use serde_json::{Map, Value, json};
use shared::{
    caller::Scope,
    catalogue::Catalogue,
    fault::Fault,
    id::{AccountId, KeyId},
    key::{KeyHash, Pepper, PlainKey},
    limits::{Concurrent, Limits},
    money::Pico,
    period::Period,
    store::keys::{KeyItem, NewKey},
    time::{Day, Timestamp},
};

use crate::fields::Fields;

/// How many keys that are not revoked an account may have.
pub(crate) const MOST_KEYS: usize = 500;

/// The longest label and the longest tag, in bytes: so that with all that a key can have it stays
/// below one write unit.
const LONGEST_LABEL: usize = 40;
const LONGEST_TAG: usize = 24;

/// How many models a key may be for, where it is not for all.
const MOST_MODELS: usize = 16;

/// For how long a rotated secret goes on unless its owner says otherwise, and at most: a day, and
/// thirty.
const OVERLAP: u64 = 24 * 3_600;
const LONGEST_OVERLAP: u64 = 30 * OVERLAP;

/// A key that is being made for one scope, with the secret that is shown once. Its label says what
/// it is for.
pub struct Made {
    /// Its name everywhere else.
    pub id: KeyId,
    /// What it may be used for.
    pub scope: Scope,
    /// The key itself.
    pub secret: PlainKey,
    /// What finds it.
    pub(crate) hash: KeyHash,
}

impl Made {
    /// Makes a key, which is not stored yet.
    pub(crate) fn new(pepper: &Pepper, scope: Scope) -> Result<Self, Fault> {
        let secret = PlainKey::random().map_err(|_| Fault::Internal)?;
        let hash = pepper.hash(&secret).ok_or(Fault::Internal)?;
        let id = KeyId::random().map_err(|_| Fault::Internal)?;
        Ok(Self { id, scope, secret, hash })
    }

    /// As it is stored: for everything that its scope is for.
    pub(crate) fn key<'a>(&'a self, account: &'a AccountId) -> NewKey<'a> {
        NewKey {
            hash: &self.hash,
            account,
            key: &self.id,
            label: self.scope.name(),
            tag: None,
            scopes: std::slice::from_ref(&self.scope),
            models: &[],
            limits: &Limits::NONE,
            expires_at: None,
        }
    }
}

/// What is asked of a key, new or not. What is none is not mentioned.
pub(crate) struct Asked {
    pub(crate) label: Option<String>,
    /// A tag, or that there is none.
    pub(crate) tag: Option<Option<String>>,
    pub(crate) scopes: Option<Vec<Scope>>,
    /// By the catalogue's names; an empty list is all of them.
    pub(crate) models: Option<Vec<String>>,
    /// As it was sent: what it changes depends on what there is.
    pub(crate) limits: Option<Value>,
    /// An end, or that there is none.
    pub(crate) expires_at: Option<Option<Timestamp>>,
}

impl Asked {
    /// Reads a body.
    pub(crate) fn read(body: &[u8], catalogue: &Catalogue, now: Timestamp) -> Result<Self, Fault> {
        let fields = Fields::read(body, "label, tag, scopes, models, limits, expires_at")?;
        let scopes = fields.texts("scopes")?.map(|names| {
            let scopes: Option<Vec<_>> = names.into_iter().map(Scope::named).collect();
            scopes.filter(|scopes| !scopes.is_empty()).ok_or(Fault::WrongType("scopes"))
        });
        let models = if fields.get("models").is_some_and(Value::is_null) {
            Some(Vec::new())
        } else {
            fields.texts("models")?.map(|names| models(names, catalogue)).transpose()?
        };
        Ok(Self {
            label: fields
                .text("label")?
                .map(|text| name(text, LONGEST_LABEL, "label"))
                .transpose()?,
            tag: fields.get("tag").map(tag).transpose()?,
            scopes: scopes.transpose()?,
            models,
            limits: fields.get("limits").cloned(),
            expires_at: fields.get("expires_at").map(|value| end(value, now)).transpose()?,
        })
    }
}

/// Models by the catalogue's names. A list that came out empty was hardly meant to allow everything.
fn models(names: Vec<&str>, catalogue: &Catalogue) -> Result<Vec<String>, Fault> {
    let known = |name: &str| catalogue.find(name).map(|model| model.id.clone());
    let models: Option<Vec<_>> = names.into_iter().map(known).collect();
    let fine = |models: &Vec<_>| (1..=MOST_MODELS).contains(&models.len());
    models.filter(fine).ok_or(Fault::WrongType("models"))
}

/// What an owner calls something.
fn name(text: &str, longest: usize, field: &'static str) -> Result<String, Fault> {
    let fine = (1..=longest).contains(&text.len())
        && !text.chars().any(char::is_control)
        && text.trim() == text;
    fine.then(|| text.to_owned()).ok_or(Fault::WrongType(field))
}

/// What the costs of a key are for; `null` says nothing of it.
fn tag(value: &Value) -> Result<Option<String>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    let text = value.as_str().ok_or(Fault::WrongType("tag"))?;
    name(text, LONGEST_TAG, "tag").map(Some)
}

/// The year 9999, beyond which no date is shown.
const LAST: i64 = 253_402_300_799;

/// Seconds since the epoch, to come; `null` is no end.
fn end(value: &Value, now: Timestamp) -> Result<Option<Timestamp>, Fault> {
    if value.is_null() {
        return Ok(None);
    }
    let seconds = value.as_i64().filter(|seconds| *seconds <= LAST);
    let at = seconds.map(Timestamp::from_seconds).filter(|at| *at > now);
    at.map(Some).ok_or(Fault::WrongType("expires_at"))
}

/// How a limit of a period is called.
const fn name_of(period: Period) -> &'static str {
    match period {
        Period::Total => "total_usd",
        Period::Day => "day_usd",
        Period::Month => "month_usd",
    }
}

const REQUESTS: &str = "requests_per_minute";
const TOKENS: &str = "tokens_per_minute";
const CONCURRENT: &str = "concurrent_requests";

/// The most that a limit may be: what a balance can hold and more.
pub(crate) const MOST_DOLLARS: Pico = Pico::from_dollars(1_000_000_000);

/// The limits that an account has of its own, after this change.
pub(crate) fn account_limits(change: &Value, of: &Limits) -> Result<Limits, Fault> {
    let changed = limits(change, of)?;
    let own = Limits { month: changed.month, requests: changed.requests, ..Limits::default() };
    if own == changed { Ok(own) } else { Err(Fault::WrongType("limits")) }
}

/// `limits` after this change: what is not mentioned stays, `null` lifts one, or all of them. A name
/// that is not known may not be passed over.
pub(crate) fn limits(change: &Value, limits: &Limits) -> Result<Limits, Fault> {
    const WRONG: Fault = Fault::WrongType("limits");
    if change.is_null() {
        return Ok(Limits::default());
    }
    let given = change.as_object().ok_or(WRONG)?;
    given.iter().try_fold(limits.clone(), |limits, (name, value)| {
        if let Some(period) = Period::ALL.into_iter().find(|it| name_of(*it) == name) {
            if value.is_null() {
                return Ok(limits.with_spend(period, None));
            }
            let amount = value.as_str().and_then(Pico::parse_dollars);
            let amount = amount.filter(|amount| *amount <= MOST_DOLLARS).ok_or(WRONG)?;
            return Ok(limits.with_spend(period, Some(amount)));
        }
        let number = if value.is_null() {
            None
        } else {
            Some(value.as_u64().and_then(NonZeroU64::new).ok_or(WRONG)?)
        };
        Ok(match name.as_str() {
            REQUESTS => Limits { requests: number, ..limits },
            TOKENS => Limits { tokens: number, ..limits },
            CONCURRENT => {
                let calls = |number: NonZeroU64| {
                    u8::try_from(number.get()).ok().and_then(Concurrent::new).ok_or(WRONG)
                };
                Limits { concurrent: number.map(calls).transpose()?, ..limits }
            }
            _ => return Err(WRONG),
        })
    })
}

/// How long the secret before goes on: `overlap_seconds` of the body.
pub(crate) fn overlap(body: &[u8]) -> Result<std::time::Duration, Fault> {
    let seconds =
        Fields::read_if_any(body, "overlap_seconds")?.number("overlap_seconds")?.unwrap_or(OVERLAP);
    let fine = seconds <= LONGEST_OVERLAP;
    fine.then(|| std::time::Duration::from_secs(seconds)).ok_or(Fault::WrongType("overlap_seconds"))
}

/// Limits as they are shown: those that there are.
pub(crate) fn shown_limits(limits: &Limits) -> Map<String, Value> {
    let mut shown = Map::new();
    for period in Period::ALL {
        if let Some(limit) = limits.spend(period) {
            shown.insert(name_of(period).to_owned(), limit.to_string().into());
        }
    }
    for (name, limit) in [(REQUESTS, limits.requests), (TOKENS, limits.tokens)] {
        if let Some(limit) = limit {
            shown.insert(name.to_owned(), limit.get().into());
        }
    }
    if let Some(limit) = limits.concurrent {
        shown.insert(CONCURRENT.to_owned(), limit.get().into());
    }
    shown
}

/// A key as its owner sees it.
pub(crate) fn shown(key: &KeyItem) -> Value {
    let scopes: Vec<_> = key.scopes.iter().map(|scope| scope.name()).collect();
    json!({
        "object": "key",
        "id": key.key.as_str(),
        "ordinal": key.ordinal,
        "label": key.label,
        "tag": key.tag,
        "scopes": scopes,
        "models": key.models,
        "limits": shown_limits(&key.limits),
        "created_at": key.created_at.seconds(),
        "expires_at": key.expires_at.map(Timestamp::seconds),
        "revoked_at": key.revoked_at.map(Timestamp::seconds),
        "last_used_on": key.used.map(Day::iso),
    })
}

/// The same with a secret that was just made.
pub(crate) fn shown_once(key: &KeyItem, secret: &PlainKey) -> Value {
    let mut shown = shown(key);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("key".to_owned(), secret.reveal().into());
    }
    shown
}
