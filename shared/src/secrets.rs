//! Secrets of the operator's, in AWS Secrets Manager: read at init, and again when one turns out to
//! be old, so that a new one needs no deployment.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_sdk_secretsmanager::{Client, config::Builder};
use futures_util::FutureExt;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    aws,
    config::{Secret, SecretConfig},
    tls::TlsError,
};

/// How long a secret is not read again, whatever it is refused for: what a caller makes up must not
/// become a read for every call.
const PAUSE: Duration = Duration::from_secs(10);

/// Where a secret is.
pub struct SecretStore {
    client: Client,
    arn: String,
}

impl SecretStore {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: SecretConfig) -> Result<Self, TlsError> {
        let sdk = aws::sdk_config(&config.aws)?;
        Ok(Self { client: Client::from_conf(Builder::from(&sdk).build()), arn: config.arn })
    }

    async fn read(&self) -> Option<Secret> {
        // The SDK's future is large, and its error prints the answer.
        let asked = self.client.get_secret_value().secret_id(&self.arn).send().boxed().await;
        asked.ok()?.secret_string.map(Secret::new)
    }
}

/// The secret cannot be read, or is not what it should be. It is not repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret cannot be read, or is not what it should be")]
pub struct NoSecret;

/// What a secret says, as it was last read.
pub struct Renewable<T> {
    current: RwLock<Arc<T>>,
    source: Option<Source<T>>,
}

struct Source<T> {
    store: SecretStore,
    parse: fn(&Secret) -> Option<T>,
    /// What was read last, and when. Whoever reads holds it, so that one read serves all who wait.
    last: Mutex<(Secret, Instant)>,
}

impl<T> Renewable<T> {
    /// What never changes.
    pub fn fixed(value: impl Into<Arc<T>>) -> Self {
        Self { current: RwLock::new(value.into()), source: None }
    }

    /// Reads a secret for the first time.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub async fn read(
        store: SecretStore,
        parse: fn(&Secret) -> Option<T>,
    ) -> Result<Self, NoSecret> {
        let secret = store.read().await.ok_or(NoSecret)?;
        let current = RwLock::new(Arc::new(parse(&secret).ok_or(NoSecret)?));
        let last = Mutex::new((secret, Instant::now()));
        Ok(Self { current, source: Some(Source { store, parse, last }) })
    }

    /// What it said when it was last read.
    pub fn current(&self) -> Arc<T> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What it says now, if that is something else than `seen`, which has turned out to be old. A
    /// secret that cannot be read or is malformed changes nothing: what was read before still
    /// holds.
    pub async fn renew(&self, seen: &Arc<T>) -> Option<Arc<T>> {
        let source = self.source.as_ref()?;
        let mut last = source.last.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, seen) {
            return Some(current);
        }
        if last.1.elapsed() < PAUSE {
            return None;
        }
        last.1 = Instant::now();
        let secret = source.store.read().await?;
        if secret == last.0 {
            return None;
        }
        let renewed = Arc::new((source.parse)(&secret)?);
        last.0 = secret;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&renewed);
        Some(renewed)
    }
}
