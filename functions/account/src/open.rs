//! Opening an account: its wallet, the consents its owner has given, its address, and a key for each
//! scope, in one transaction.

use serde_json::{Value, json};
use shared::{
    asker::Asker,
    caller::Scope,
    email::EmailAddress,
    fault::Fault,
    id::AccountId,
    key::{CodeHash, Pepper},
    provider::Provider,
    store::{
        StoreError,
        accesses::{Deed, Purpose},
        accounts::{CreateAccount, NewAccount},
    },
    time::Timestamp,
};

use crate::{fields::Fields, keys::Made};

/// An account that is to be opened.
pub struct Opening<'a> {
    /// The providers to which its owner has agreed to send requests.
    pub consents: &'a [Provider],
    /// The major policy version agreed to, which is the newest.
    pub policy: u32,
    /// Where its owner is reached.
    pub email: Option<&'a EmailAddress>,
    /// The code that shows it, which is used up.
    pub code: Option<&'a CodeHash>,
    /// Who of the operator opens it, which is noted with it.
    pub asker: Option<&'a Asker<'a>>,
}

/// An account that was opened. Its keys are shown once and stand nowhere else.
pub struct Opened {
    /// The account.
    pub account: AccountId,
    /// A key for each scope.
    pub keys: Vec<Made>,
}

/// The providers that the body names, to which the owner has agreed to send requests.
pub(crate) fn consents(fields: &Fields) -> Result<Vec<Provider>, Fault> {
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
/// When the store fails or there is no randomness; [`Fault::EmailTaken`] where the address has an
/// account or the code is not good any more.
pub async fn open(
    store: &impl CreateAccount,
    pepper: &Pepper,
    opening: &Opening<'_>,
    now: Timestamp,
) -> Result<Opened, Fault> {
    let account = AccountId::random().map_err(|_| Fault::Internal)?;
    let keys = Scope::ALL.into_iter().map(|scope| Made::new(pepper, scope));
    let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
    let new_keys: Vec<_> = keys.iter().map(|made| made.key(&account)).collect();
    let hash = opening.email.and_then(|email| pepper.email_hashes(email).next());
    let access = |asker: &Asker<'_>| asker.access(&account, Purpose::Support, Deed::Open, now);
    let access = opening.asker.map(access);
    let new = NewAccount {
        account: &account,
        consents: opening.consents,
        policy: opening.policy,
        email: opening.email.zip(hash.as_ref()),
        keys: &new_keys,
        code: opening.code,
        access: access.as_ref().zip(opening.asker.map(|asker| asker.call)),
    };
    store.create_account(&new, now).await.map_err(|error| match error {
        StoreError::Conflict => Fault::EmailTaken,
        StoreError::Unavailable | StoreError::Corrupt(_) => Fault::StoreUnavailable,
    })?;
    Ok(Opened { account, keys })
}

/// The answer to whoever has opened it: the owner, or the operator, who gives the keys to them.
pub(crate) fn shown(opened: &Opened, opening: &Opening<'_>, now: Timestamp) -> Value {
    let keys: Vec<_> = opened
        .keys
        .iter()
        .map(|made| {
            json!({
                "object": "key",
                "id": made.id.as_str(),
                "label": made.scope.name(),
                "scopes": [made.scope.name()],
                "key": made.secret.reveal(),
            })
        })
        .collect();
    let consents: Vec<_> = opening.consents.iter().map(|provider| provider.name()).collect();
    json!({
        "object": "account",
        "id": opened.account.as_str(),
        "email": opening.email.map(EmailAddress::as_str),
        "created_at": now.seconds(),
        "balance_usd": shared::money::Pico::ZERO.to_string(),
        "consents": consents,
        "policy_version": opening.policy,
        "keys": keys,
    })
}
