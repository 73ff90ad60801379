//! Opening an account: its wallet, the consents its owner has given, and a key for each scope.

use serde_json::{Value, json};
use shared::{
    caller::Scope,
    fault::Fault,
    id::{AccountId, KeyId},
    key::{Pepper, PlainKey},
    limits::Limits,
    policy::POLICY,
    provider::Provider,
    store::{
        accounts::{CreateAccount, NewAccount},
        keys::{CreateKey, NewKey},
    },
    time::Timestamp,
};

use crate::fields::Fields;

/// An account that was opened. Its keys are shown once and stand nowhere else.
pub struct Opened {
    /// The account.
    pub account: AccountId,
    /// A key for each scope.
    pub keys: Vec<(Scope, KeyId, PlainKey)>,
}

/// The providers that the body names, to which the owner has agreed to send requests.
pub(crate) fn consents(body: &[u8]) -> Result<Vec<Provider>, Fault> {
    let fields = Fields::read(body, "consents")?;
    let names = fields.texts("consents")?.ok_or(Fault::MissingField("consents"))?;
    let named: Option<Vec<_>> = names.into_iter().map(Provider::named).collect();
    let mut providers = named.ok_or(Fault::WrongType("consents"))?;
    providers.sort_unstable();
    providers.dedup();
    Ok(providers)
}

/// Opens an account.
///
/// # Errors
/// When the store fails or there is no randomness.
pub async fn open(
    store: &(impl CreateAccount + CreateKey),
    pepper: &Pepper,
    consents: &[Provider],
    now: Timestamp,
) -> Result<Opened, Fault> {
    let account = AccountId::random().map_err(|_| Fault::Internal)?;
    let new = NewAccount { account: &account, consents, policy: POLICY };
    store.create_account(&new, now).await.map_err(|_| Fault::StoreUnavailable)?;
    let mut keys = Vec::new();
    for scope in Scope::ALL {
        let key = PlainKey::random().map_err(|_| Fault::Internal)?;
        let id = KeyId::random().map_err(|_| Fault::Internal)?;
        let new = NewKey {
            hash: &pepper.hash(&key).ok_or(Fault::Internal)?,
            account: &account,
            key: &id,
            label: scope.name(),
            scopes: &[scope],
            models: &[],
            limits: &Limits::default(),
            expires_at: None,
        };
        store.create_key(&new, now).await.map_err(|_| Fault::StoreUnavailable)?;
        keys.push((scope, id, key));
    }
    Ok(Opened { account, keys })
}

/// The answer to the operator, who gives the keys to the account's owner.
pub(crate) fn shown(opened: &Opened, consents: &[Provider], now: Timestamp) -> Value {
    let keys: Vec<_> = opened
        .keys
        .iter()
        .map(|(scope, id, key)| {
            json!({
                "object": "key",
                "id": id.as_str(),
                "label": scope.name(),
                "scopes": [scope.name()],
                "key": key.reveal(),
            })
        })
        .collect();
    let consents: Vec<_> = consents.iter().map(|provider| provider.name()).collect();
    json!({
        "object": "account",
        "id": opened.account.as_str(),
        "created_at": now.seconds(),
        "balance_usd": shared::money::Pico::ZERO.to_string(),
        "consents": consents,
        "keys": keys,
    })
}
