//! Who asks, as the authorizer found it and API Gateway passes it on.

use std::collections::HashMap;

use lambda_http::RequestExt;
use serde_json::Value;

use crate::{
    event::Request,
    fault::Fault,
    id::{AccountId, KeyId},
    key::{IdempotencyTag, KeyHash},
    limits::Limits,
    store::keys::KeyItem,
    time::Timestamp,
};

/// The header in which a caller names a call, so that it is carried once.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// What a key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Calling models.
    Inference,
    /// Reading usage and cost.
    UsageRead,
    /// Managing the account and its keys.
    AccountManage,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Inference, Self::UsageRead, Self::AccountManage];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::UsageRead => "usage:read",
            Self::AccountManage => "account:manage",
        }
    }

    /// The scope of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// The holder of a key that the authorizer has found in the Keys table.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Caller {
    /// The account that pays.
    pub account: AccountId,
    /// The key that was used.
    pub key: KeyId,
    /// Where the key stands in the Keys table, with its books.
    pub hash: KeyHash,
    /// The hash that found it, for reading it again: of another secret than the first, after a
    /// rotation.
    pub found: KeyHash,
    /// What the key may be used for.
    pub scopes: Vec<Scope>,
    /// The models it may call, by the catalogue's names. With none it may call all.
    pub models: Vec<String>,
    /// What it may spend and ask.
    pub limits: Limits,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// The authorizer's clock before it read the key. What was changed later was not seen.
    pub auth_at: Timestamp,
    /// What was sent as `Idempotency-Key`, if there was one.
    pub idempotency: Option<IdempotencyTag>,
}

impl Caller {
    /// The caller that `item` describes, read no sooner than `auth_at`.
    pub fn found(item: &KeyItem, auth_at: Timestamp) -> Self {
        Self {
            account: item.account.clone(),
            key: item.key.clone(),
            hash: item.hash.clone(),
            found: item.found.clone(),
            scopes: item.scopes.clone(),
            models: item.models.clone(),
            limits: item.limits.clone(),
            expires_at: item.expires_at,
            auth_at,
            idempotency: None,
        }
    }

    /// Whether its key, read again, is still one: where it was changed in this very moment, the
    /// authorizer may have seen it as it was before.
    ///
    /// # Errors
    /// [`Fault::KeyRevoked`] and [`Fault::KeyExpired`].
    pub fn is_still(&self, read: Option<KeyItem>, now: Timestamp) -> Result<KeyItem, Fault> {
        let ours = |key: &KeyItem| key.revoked_at.is_none() && key.account == self.account;
        let key = read.filter(ours).ok_or(Fault::KeyRevoked)?;
        if key.expires_at.is_some_and(|at| at <= now) { Err(Fault::KeyExpired) } else { Ok(key) }
    }

    /// Whether it may call `model`, by the catalogue's name.
    pub fn may_call(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|allowed| allowed == model)
    }

    /// The caller of `request`, if its key has `scope` and has not ended at `now`.
    ///
    /// # Errors
    /// [`Fault::KeyExpired`], [`Fault::MissingScope`], [`Fault::BadIdempotencyKey`], and
    /// [`Fault::Internal`] where the request has not come through the authorizer.
    pub fn of(request: &Request, scope: Scope, now: Timestamp) -> Result<Self, Fault> {
        let caller = Self::with_any(request, now)?;
        let may = caller.may(scope);
        may.then_some(caller).ok_or(Fault::MissingScope(scope.name()))
    }

    /// Whether its key has a scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// The caller of `request`, whatever its key may be used for, if that has not ended at `now`.
    ///
    /// # Errors
    /// The same as of [`Caller::of`], but for the scope.
    pub fn with_any(request: &Request, now: Timestamp) -> Result<Self, Fault> {
        let context = request.request_context_ref();
        let authorizer = context.as_ref().and_then(|context| context.authorizer());
        let caller = authorizer.and_then(|found| Self::from_context(&found.fields));
        let caller = caller.ok_or(Fault::Internal)?;
        if caller.expires_at.is_some_and(|at| at <= now) {
            return Err(Fault::KeyExpired);
        }
        // The authorizer makes a tag of each that is one.
        if request.headers().contains_key(IDEMPOTENCY_KEY) && caller.idempotency.is_none() {
            return Err(Fault::BadIdempotencyKey);
        }
        Ok(caller)
    }

    /// The authorizer's context: strings only, since API Gateway carries nothing else.
    pub fn to_context(&self) -> HashMap<&'static str, String> {
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.name()).collect();
        let mut context = HashMap::from([
            ("account", self.account.to_string()),
            ("key", self.key.to_string()),
            ("hash", self.hash.as_str().to_owned()),
            ("scopes", scopes.join(" ")),
            ("auth_at", self.auth_at.millis().to_string()),
        ]);
        if self.found != self.hash {
            context.insert("found", self.found.as_str().to_owned());
        }
        if !self.models.is_empty() {
            context.insert("models", self.models.join(" "));
        }
        if self.limits.any() {
            context.insert("limits", self.limits.to_string());
        }
        if let Some(at) = self.expires_at {
            context.insert("expires_at", at.millis().to_string());
        }
        if let Some(tag) = &self.idempotency {
            context.insert("idempotency", tag.as_str().to_owned());
        }
        context
    }

    /// Reads the context back. None when the request did not come through the authorizer.
    fn from_context(context: &HashMap<String, Value>) -> Option<Self> {
        let text = |name: &str| context.get(name).and_then(Value::as_str);
        let time = |text: &str| text.parse().ok().map(Timestamp::from_millis);
        let expires_at = text("expires_at").map(|text| time(text).ok_or(())).transpose().ok()?;
        let models: Option<Vec<_>> =
            text("models").map(|text| text.split_whitespace().map(str::to_owned).collect());
        if models.as_ref().is_some_and(Vec::is_empty) {
            // A list of none would be one of all.
            return None;
        }
        let hash = KeyHash::parse(text("hash")?).ok()?;
        let found = text("found").map(KeyHash::parse).transpose().ok()?;
        Some(Self {
            account: text("account")?.parse().ok()?,
            key: text("key")?.parse().ok()?,
            found: found.unwrap_or_else(|| hash.clone()),
            hash,
            scopes: text("scopes")?.split(' ').filter_map(Scope::named).collect(),
            models: models.unwrap_or_default(),
            // What cannot be read is no limit that may be left out.
            limits: text("limits").unwrap_or_default().parse().ok()?,
            expires_at,
            auth_at: time(text("auth_at")?)?,
            idempotency: text("idempotency").and_then(IdempotencyTag::parse),
        })
    }
}
