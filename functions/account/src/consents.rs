//! Consents: to which providers an account's owner agrees to send requests, under which version of
//! the policy, and what was agreed and taken back when. And who those providers are.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    caller::Caller,
    config::OperatorConfig,
    fault::Fault,
    policy::Required,
    provider::Provider,
    store::{
        StoreError,
        consents::{By, ConsentEvent, ConsentKind},
    },
    time::Timestamp,
};
use tokio::time::sleep;

use crate::{AccountStore, App, fields::Fields, policy};

/// Who the providers are, where they process requests and what they keep.
const PROVIDERS: &str = include_str!("providers.json");

/// The same, with whom to ask. None if the file is not what it should be.
pub(crate) fn providers(operator: &OperatorConfig) -> Option<Value> {
    let mut published: Value = serde_json::from_str(PROVIDERS).ok()?;
    published.as_object_mut()?.insert("operator".to_owned(), policy::operator(operator));
    Some(published)
}

/// How long a change waits that calls of the same account are in the way of, each time.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(60),
    Duration::from_millis(180),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

impl<S: AccountStore> App<S> {
    /// What the account agrees to now, and everything that was agreed to and taken back.
    pub(crate) async fn list_consents(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        self.still_may(caller, now).await?;
        let wallet = self.wallet(&caller.account).await?;
        let events = self.store.consents_of(&caller.account).await;
        let events = events.map_err(|_| Fault::StoreUnavailable)?;
        let required = self.required().await?;
        let shown = |provider: &Provider| shown(*provider, &wallet.consents, required, now);
        let data: Vec<_> = Provider::ALL.iter().map(shown).collect();
        let history: Vec<_> = events.iter().map(shown_event).collect();
        let newest = required.newest;
        Ok(json!({"object": "list", "policy_version": newest, "data": data, "history": history}))
    }

    /// Agrees to a provider under the newest policy, also before that is in force.
    pub(crate) async fn give_consent(
        &self,
        caller: &Caller,
        provider: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let provider = Provider::named(provider).ok_or(Fault::UnknownProvider)?;
        let fields = Fields::read(body, "policy_version")?;
        let policy =
            fields.number("policy_version")?.ok_or(Fault::MissingField("policy_version"))?;
        let required = self.required().await?;
        if policy != u64::from(required.newest) {
            return Err(Fault::OtherPolicy(required.newest));
        }
        self.still_may(caller, now).await?;
        let required = self.to_agree().await?;
        self.note_consent(caller, provider, ConsentKind::Given, required, now).await
    }

    /// Takes it back. No call begins after that goes there.
    pub(crate) async fn withdraw_consent(
        &self,
        caller: &Caller,
        provider: &str,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let provider = Provider::named(provider).ok_or(Fault::UnknownProvider)?;
        let required = self.required().await?;
        self.still_may(caller, now).await?;
        self.note_consent(caller, provider, ConsentKind::Withdrawn, required, now).await
    }

    async fn note_consent(
        &self,
        caller: &Caller,
        provider: Provider,
        kind: ConsentKind,
        required: Required,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let by = By::Key(caller.key.clone());
        let event = ConsentEvent { provider, policy: required.newest, kind, by, time: now };
        // The same is written each time.
        for pause in PAUSES {
            let noted = match kind {
                ConsentKind::Given => self.store.give_consent(&caller.account, &event).await,
                ConsentKind::Withdrawn => {
                    self.store.withdraw_consent(&caller.account, &event).await
                }
            };
            match noted {
                Ok(()) => {
                    let wallet = self.wallet(&caller.account).await?;
                    return Ok(shown(provider, &wallet.consents, required, now));
                }
                Err(StoreError::Conflict) => return Err(Fault::AccountClosed),
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => sleep(pause).await,
            }
        }
        Err(Fault::StoreUnavailable)
    }
}

/// Whether calls may go to a provider, under which version that was agreed to, and until when it
/// suffices if a newer one comes.
fn shown(
    provider: Provider,
    consents: &[(Provider, u32)],
    required: Required,
    now: Timestamp,
) -> Value {
    let policy = consents.iter().find(|(other, _)| *other == provider).map(|(_, policy)| *policy);
    let valid = policy.is_some_and(|policy| policy >= required.at(now));
    let ends = valid && policy < Some(required.newest);
    json!({
        "object": "consent",
        "provider": provider.name(),
        "policy_version": policy,
        "valid": valid,
        "valid_until": ends.then(|| required.from.seconds()),
    })
}

fn shown_event(event: &ConsentEvent) -> Value {
    json!({
        "object": "consent_event",
        "provider": event.provider.name(),
        "policy_version": event.policy,
        "kind": event.kind.name(),
        "by": event.by.to_string(),
        "time": event.time.seconds(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_published_with_where_it_processes_and_what_it_keeps() {
        let published = providers(&OperatorConfig::default()).unwrap();
        assert!(published["operator"].is_object());
        let data = published["data"].as_array().unwrap();
        let names: Vec<_> = data.iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(names, Provider::ALL.map(Provider::name));
        for provider in data {
            for says in ["company", "countries", "keeps", "purpose", "as_of"] {
                assert!(provider[says].as_str().is_some_and(|text| !text.is_empty()), "{says}");
            }
        }
    }
}
