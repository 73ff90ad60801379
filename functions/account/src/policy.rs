//! The policy: its versions, as everybody may read them and as the operator publishes them.

use serde_json::{Value, json};
use shared::{
    config::OperatorConfig,
    fault::Fault,
    policy::{
        CurrentPolicy, Grace, LONGEST_TEXT, PolicyChange, PolicyVersion, Required, VersionNumber,
        sha256,
    },
    store::{StoreError, notices::Progress, policies::Published},
    time::Timestamp,
};

use crate::{ATTEMPTS, AccountStore, App, fields::Fields};

/// The text that the project ships, of version 1.0. Whoever changes it changes what people have
/// agreed to where nothing was published yet.
const SHIPPED: &str = include_str!("policy.md");

/// When it was written: 2026-11-27.
const SHIPPED_AT: Timestamp = Timestamp::from_seconds(1_795_737_600);

/// The version that the project ships, in force while nothing is published.
pub(crate) struct Shipped {
    version: PolicyVersion,
    text: String,
}

impl Shipped {
    /// The text, with who operates the platform.
    pub(crate) fn of(operator: &OperatorConfig) -> Self {
        let name = operator.name.as_deref().unwrap_or("the operator of this platform");
        let contact = match (&operator.contact, &operator.name) {
            (Some(contact), Some(name)) => format!("{name}, {contact}"),
            (Some(contact), None) => format!("The operator of this platform: {contact}"),
            (None, Some(name)) => format!("{name}, where you got your account or your key from."),
            (None, None) => "Whoever you got your account or your key from.".to_owned(),
        };
        let text = SHIPPED.replace("{operator}", name).replace("{contact}", &contact);
        let version = PolicyVersion {
            number: VersionNumber::SHIPPED,
            sha256: sha256(&text),
            published_at: SHIPPED_AT,
            in_force_at: SHIPPED_AT,
        };
        Self { version, text }
    }

    fn current(&self) -> CurrentPolicy {
        let PolicyVersion { number, sha256, published_at, in_force_at } = self.version.clone();
        let (major_published_at, required_from) = (published_at, in_force_at);
        CurrentPolicy { number, sha256, major_published_at, required_from }
    }
}

impl<S: AccountStore> App<S> {
    /// Which major version is the newest, and from when it is required.
    pub(crate) async fn required(&self) -> Result<Required, Fault> {
        let current = self.store.read_policy().await.map_err(|_| Fault::StoreUnavailable)?;
        Ok(current.map_or(Required::SHIPPED, |current| current.required()))
    }

    /// The same for somebody who agrees now. The text that the project ships is kept as they see it,
    /// whatever a later release ships or the operator is called then.
    pub(crate) async fn to_agree(&self) -> Result<Required, Fault> {
        let current = self.store.read_policy().await.map_err(|_| Fault::StoreUnavailable)?;
        if let Some(current) = current {
            return Ok(current.required());
        }
        let shipped = Published { version: &self.shipped.version, text: &self.shipped.text };
        match self.store.publish(None, &[shipped], &self.shipped.current()).await {
            // Somebody else has, or has published another.
            Ok(()) | Err(StoreError::Conflict) => self.required().await,
            Err(_) => Err(Fault::StoreUnavailable),
        }
    }

    /// The newest version, all of them, or one, for everybody.
    pub(crate) async fn show_policy(&self, path: &[&str]) -> Result<Value, Fault> {
        match path {
            [] => {
                let current = self.store.read_policy().await;
                let current = current.map_err(|_| Fault::StoreUnavailable)?;
                let newest = current.map_or(self.shipped.version.number, |it| it.number);
                let mut shown = self.show_version(newest).await?;
                if let Some(fields) = shown.as_object_mut() {
                    let operator = operator(&self.correspondence.operator);
                    fields.insert("operator".to_owned(), operator);
                }
                Ok(shown)
            }
            ["versions"] => {
                let data: Vec<_> = self.versions().await?.iter().map(shown).collect();
                Ok(json!({"object": "list", "data": data}))
            }
            ["versions", number] => {
                let number = number.parse().map_err(|_| Fault::UnknownPolicyVersion)?;
                self.show_version(number).await
            }
            _ => Err(Fault::UnknownPath),
        }
    }

    async fn show_version(&self, number: VersionNumber) -> Result<Value, Fault> {
        let stored = self.store.policy_version(number).await;
        let stored = stored.map_err(|_| Fault::StoreUnavailable)?;
        let (mut shown, text) = match &stored {
            Some((version, text)) => (shown(version), text),
            None if number == self.shipped.version.number => {
                (shown(&self.shipped.version), &self.shipped.text)
            }
            None => return Err(Fault::UnknownPolicyVersion),
        };
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("text".to_owned(), text.as_str().into());
        }
        Ok(shown)
    }

    /// Every version, the newest first.
    async fn versions(&self) -> Result<Vec<PolicyVersion>, Fault> {
        let stored = self.store.policy_versions().await.map_err(|_| Fault::StoreUnavailable)?;
        Ok(if stored.is_empty() { vec![self.shipped.version.clone()] } else { stored })
    }

    /// Every version, and how far the notices of the newest major one are.
    pub(crate) async fn review_policy(&self) -> Result<Value, Fault> {
        let versions = self.versions().await?;
        let major = versions.first().map_or(0, |version| version.number.major);
        let parts = self.store.progress_of(major).await.map_err(|_| Fault::StoreUnavailable)?;
        let notices = Progress::sum(&parts).map(|progress| {
            json!({
                "policy_version": progress.major,
                "told": progress.told,
                "left": progress.left,
                "without_address": progress.without_address,
                "as_of": progress.time.seconds(),
            })
        });
        let versions: Vec<_> = versions.iter().map(shown).collect();
        Ok(json!({"object": "policy", "versions": versions, "notices": notices}))
    }

    /// Publishes a version. The text of the newest one, sent again, changes nothing.
    pub(crate) async fn publish_policy(&self, body: &[u8], now: Timestamp) -> Result<Value, Fault> {
        let fields = Fields::read(body, "text, kind, grace_days")?;
        let change = change(&fields)?;
        let text = fields.required_text("text")?;
        if text.trim().is_empty() || text.len() > LONGEST_TEXT {
            return Err(Fault::WrongType("text"));
        }
        for _ in 0..ATTEMPTS {
            let read = self.store.read_policy().await.map_err(|_| Fault::StoreUnavailable)?;
            let current = read.clone().unwrap_or_else(|| self.shipped.current());
            let hash = sha256(text);
            if current.sha256 == hash {
                let newest = self.versions().await?.into_iter().next();
                return newest.as_ref().map(shown).ok_or(Fault::StoreUnavailable);
            }
            let next = current.next(hash, change, now);
            let (version, current) = next.map_err(|early| Fault::PolicyInGrace(early.0))?;
            let new = Published { version: &version, text };
            // What was agreed to before stays what it was, whatever a later release ships.
            let shipped = Published { version: &self.shipped.version, text: &self.shipped.text };
            let published = match &read {
                None => self.store.publish(None, &[shipped, new], &current).await,
                Some(read) => self.store.publish(Some(read), &[new], &current).await,
            };
            match published {
                Ok(()) => return Ok(shown(&version)),
                // Somebody else has published: the next number is another.
                Err(StoreError::Conflict) => {}
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => {
                    return Err(Fault::StoreUnavailable);
                }
            }
        }
        Err(Fault::StoreUnavailable)
    }
}

/// Who operates the platform, and where they are reached.
pub(crate) fn operator(operator: &OperatorConfig) -> Value {
    let OperatorConfig { name, contact } = operator;
    json!({"name": name, "contact": contact})
}

/// What the operator says a version changes.
fn change(fields: &Fields) -> Result<PolicyChange, Fault> {
    let days = fields.number("grace_days")?;
    match (fields.required_text("kind")?, days) {
        ("minor", None) => Ok(PolicyChange::Minor),
        ("minor", Some(_)) => Err(Fault::RefusedField {
            field: "grace_days",
            why: "a minor version asks nobody again, and has no grace",
        }),
        ("major", None) => Ok(PolicyChange::Major(Grace::USUAL)),
        ("major", Some(days)) => {
            Grace::days(days).map(PolicyChange::Major).ok_or(Fault::WrongType("grace_days"))
        }
        _ => Err(Fault::WrongType("kind")),
    }
}

fn shown(version: &PolicyVersion) -> Value {
    json!({
        "object": "policy_version",
        "version": version.number.to_string(),
        "sha256": version.sha256,
        "published_at": version.published_at.seconds(),
        "in_force_at": version.in_force_at.seconds(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_text_reads_well_whoever_operates_the_platform_and_is_what_its_hash_says() {
        for (name, contact, says) in [
            (None, None, "Whoever you got your account or your key from."),
            (None, Some("a@b.example"), "The operator of this platform: a@b.example"),
            (Some("Example Ltd"), Some("a@b.example"), "Example Ltd, a@b.example"),
            (Some("Example Ltd"), None, "Example Ltd, where you got"),
        ] {
            let (name, contact) = (name.map(str::to_owned), contact.map(str::to_owned));
            let Shipped { version, text } = Shipped::of(&OperatorConfig { name, contact });
            assert!(text.contains(says), "{text}");
            assert_eq!(text.matches('{').count(), 1, "the one of a path alone");
            assert_eq!(version.sha256, sha256(&text));
            assert!(text.len() <= LONGEST_TEXT && !text.contains("://"));
        }
    }

    #[test]
    fn the_shipped_text_is_changed_by_a_decision_and_not_by_the_way() {
        // Where nothing was published yet, people have agreed to it as version 1.0.
        assert_eq!(
            sha256(SHIPPED),
            "5ca053d3eac350cbe50f272fdbdced832b7a6a92c95342bd390b5330275c779c"
        );
    }
}
