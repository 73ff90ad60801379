//! Who asks, as the authorizer found it and API Gateway passes it on.

use std::collections::HashMap;

use lambda_http::RequestExt;
use serde_json::Value;

use crate::{
    event::Request,
    fault::Fault,
    id::{AccountId, KeyId},
    key::KeyHash,
    store::keys::KeyItem,
    time::Timestamp,
};

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
    /// Where the key stands in the Keys table, for reading it again.
    pub hash: KeyHash,
    /// What the key may be used for.
    pub scopes: Vec<Scope>,
    /// The authorizer's clock before it read the key. What was changed later was not seen.
    pub auth_at: Timestamp,
}

impl Caller {
    /// The caller that `item` describes, read no sooner than `auth_at`.
    pub fn found(item: &KeyItem, auth_at: Timestamp) -> Self {
        Self {
            account: item.account.clone(),
            key: item.key.clone(),
            hash: item.hash.clone(),
            scopes: item.scopes.clone(),
            auth_at,
        }
    }

    /// The caller of `request`, if its key has `scope`.
    ///
    /// # Errors
    /// [`Fault::MissingScope`], and [`Fault::Internal`] where the request has not come through
    /// the authorizer.
    pub fn of(request: &Request, scope: Scope) -> Result<Self, Fault> {
        let context = request.request_context_ref();
        let authorizer = context.as_ref().and_then(|context| context.authorizer());
        let caller = authorizer.and_then(|found| Self::from_context(&found.fields));
        let caller = caller.ok_or(Fault::Internal)?;
        let may = caller.scopes.contains(&scope);
        may.then_some(caller).ok_or(Fault::MissingScope(scope.name()))
    }

    /// The authorizer's context: strings only, since API Gateway carries nothing else.
    pub fn to_context(&self) -> HashMap<&'static str, String> {
        let scopes: Vec<_> = self.scopes.iter().map(|scope| scope.name()).collect();
        HashMap::from([
            ("account", self.account.to_string()),
            ("key", self.key.to_string()),
            ("hash", self.hash.as_str().to_owned()),
            ("scopes", scopes.join(" ")),
            ("auth_at", self.auth_at.millis().to_string()),
        ])
    }

    /// Reads the context back. None when the request did not come through the authorizer.
    fn from_context(context: &HashMap<String, Value>) -> Option<Self> {
        let text = |name: &str| context.get(name).and_then(Value::as_str);
        Some(Self {
            account: text("account")?.parse().ok()?,
            key: text("key")?.parse().ok()?,
            hash: KeyHash::parse(text("hash")?).ok()?,
            scopes: text("scopes")?.split(' ').filter_map(Scope::named).collect(),
            auth_at: Timestamp::from_millis(text("auth_at")?.parse().ok()?),
        })
    }
}
