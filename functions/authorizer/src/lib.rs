//! The authorizer: finds the key in the four places where SDKs put it, and who holds it.
//!
//! It denies a key that is missing, malformed, unknown or revoked, which API Gateway answers with one body
//! that every SDK understands. Everything else is for the function behind it to refuse, in its
//! caller's dialect. No key is ever in an error or a log line.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use shared::{
    caller::{Caller, IDEMPOTENCY_KEY},
    key::{KeyHash, Pepper, PlainKey},
    lambda,
    secrets::Renewable,
    store::{
        Capability, StoreError,
        keys::{Consistency, FIND_KEY, FindKey, KeyItem},
    },
    time::Timestamp,
};

/// What this function may do to the tables.
pub const CAPABILITIES: [Capability; 1] = [FIND_KEY];

/// The authorizer.
pub struct App<S> {
    store: S,
    pepper: Renewable<Pepper>,
}

/// What API Gateway asks. Only what is read is named here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    method_arn: String,
    #[serde(default)]
    headers: Option<HashMap<String, String>>,
    #[serde(default)]
    query_string_parameters: Option<HashMap<String, String>>,
}

/// What API Gateway is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    principal_id: String,
    policy_document: PolicyDocument,
    context: HashMap<&'static str, String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PolicyDocument {
    version: &'static str,
    statement: [Statement; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: &'static str,
    resource: String,
}

/// Opens the connection to the tables: a key that nobody has is looked for.
pub async fn warm(store: &impl FindKey) {
    lambda::warm(store.find_key(&KeyHash::nobodys(), Consistency::Eventual)).await;
}

impl<S: FindKey> App<S> {
    /// Makes the authorizer.
    pub const fn new(store: S, pepper: Renewable<Pepper>) -> Self {
        Self { store, pepper }
    }

    /// Decides about one request.
    ///
    /// # Errors
    /// When the store cannot be asked: then nobody is let in, and nobody is told that the key is
    /// wrong.
    pub async fn authorize(self: Arc<Self>, event: Event) -> Result<Decision, &'static str> {
        // Before the read: what is changed after this moment may not have been seen.
        let auth_at = Timestamp::now();
        let Some(key) = event.key() else { return Ok(event.deny()) };
        match self.find(&key).await {
            Ok(Some((item, pepper))) if item.revoked_at.is_none() => {
                let mut caller = Caller::found(&item, auth_at);
                caller.idempotency = event
                    .idempotency_key()
                    .and_then(|sent| pepper.tag(&item.found, &item.key, sent));
                Ok(event.allow(&caller))
            }
            Ok(_) => Ok(event.deny()),
            Err(_) => Err("the store is unavailable"),
        }
    }

    /// Looks under every version of the pepper. A key that is not found is looked for again,
    /// strongly, or a new one would be refused for its first second, and under a version that was
    /// added since the pepper was read.
    async fn find(&self, key: &PlainKey) -> Result<Option<(KeyItem, Arc<Pepper>)>, StoreError> {
        let mut pepper = self.pepper.current();
        loop {
            if let Some(item) = self.find_under(&pepper, key).await? {
                return Ok(Some((item, pepper)));
            }
            let Some(renewed) = self.pepper.renew(&pepper).await else { return Ok(None) };
            pepper = renewed;
        }
    }

    async fn find_under(
        &self,
        pepper: &Pepper,
        key: &PlainKey,
    ) -> Result<Option<KeyItem>, StoreError> {
        for consistency in [Consistency::Eventual, Consistency::Strong] {
            for hash in pepper.hashes(key) {
                if let Some(item) = self.store.find_key(&hash, consistency).await? {
                    return Ok(Some(item));
                }
            }
        }
        Ok(None)
    }
}

impl Event {
    /// The first text in one of the four places that is a key by its checksum. SDKs may fill more
    /// than one place, and proxies before us may use `Authorization` for themselves.
    fn key(&self) -> Option<PlainKey> {
        let bearer = self.header("authorization").and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
        });
        let query = self.query_string_parameters.as_ref();
        let query = query.and_then(|query| query.get("key")).map(String::as_str);
        [bearer, self.header("x-api-key"), self.header("x-goog-api-key"), query]
            .into_iter()
            .flatten()
            .find_map(|text| PlainKey::parse(text).ok())
    }

    /// What names the call, if it is a text that may. What is none is for the proxy to refuse.
    fn idempotency_key(&self) -> Option<&str> {
        let sent = self.header(IDEMPOTENCY_KEY)?;
        let printable = sent.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        (printable && (1..=255).contains(&sent.len())).then_some(sent)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.headers.as_ref()?;
        let found = headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    fn allow(&self, caller: &Caller) -> Decision {
        self.decide("Allow", caller.key.to_string(), caller.to_context())
    }

    fn deny(&self) -> Decision {
        self.decide("Deny", "nobody".to_owned(), HashMap::new())
    }

    /// The policy is for the whole stage: its resource may not be longer than 512 characters,
    /// and a method's ARN has the path in it.
    fn decide(
        &self,
        effect: &'static str,
        principal_id: String,
        context: HashMap<&'static str, String>,
    ) -> Decision {
        let stage: Vec<&str> = self.method_arn.splitn(3, '/').take(2).collect();
        let resource = format!("{}/*", stage.join("/"));
        let statement = [Statement { action: "execute-api:Invoke", effect, resource }];
        let policy_document = PolicyDocument { version: "2012-10-17", statement };
        Decision { principal_id, policy_document, context }
    }
}

impl Decision {
    /// Whether the caller is let through, and with which context.
    pub fn context(&self) -> Option<&HashMap<&'static str, String>> {
        let [statement] = &self.policy_document.statement;
        (statement.effect == "Allow").then_some(&self.context)
    }

    /// Who it is, by a name that may be logged: the key's id.
    pub fn principal(&self) -> &str {
        &self.principal_id
    }
}
