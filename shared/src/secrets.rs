//! Secrets of the operator's, in AWS Secrets Manager: read at init, and again when one turns out to
//! be old, so that a new one needs no deployment.

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use aws_sdk_secretsmanager::{Client, config::Builder};
use futures_util::FutureExt;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    aws,
    config::{Secret, SecretConfig},
    log::{Log, LogLine},
    time::Timestamp,
    tls::TlsError,
};

/// How long a secret is not read again, whatever it is refused for: what a caller makes up must not
/// become a read for every call.
const PAUSE: Duration = Duration::from_secs(10);

/// The same where it could not be read, since those who ask have waited for that.
const LONG_PAUSE: Duration = Duration::from_secs(60);

/// How long whoever asks waits for a secret to be read again.
const PATIENCE: Duration = Duration::from_secs(1);

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
    current: ArcSwap<T>,
    source: Option<Source<T>>,
}

struct Source<T> {
    store: SecretStore,
    parse: fn(&Secret) -> Option<T>,
    log: Log,
    /// Whoever reads holds it, so that one read serves all who wait.
    last: Mutex<LastRead>,
}

struct LastRead {
    secret: Secret,
    /// By the wall clock, since the other one may stand still while Lambda has stopped the process.
    at: Timestamp,
    pause: Duration,
}

impl LastRead {
    /// Whether it may be read again. A clock that was set back is no reason to wait.
    fn is_over(&self, now: Timestamp) -> bool {
        now < self.at || now >= self.at.plus(self.pause)
    }
}

impl<T> Renewable<T> {
    /// What never changes.
    pub fn fixed(value: impl Into<Arc<T>>) -> Self {
        Self { current: ArcSwap::new(value.into()), source: None }
    }

    /// Reads a secret for the first time.
    ///
    /// # Errors
    /// When it cannot be read, or is not what it should be.
    pub async fn read(
        store: SecretStore,
        parse: fn(&Secret) -> Option<T>,
        log: Log,
    ) -> Result<Self, NoSecret> {
        let secret = store.read().await.ok_or(NoSecret)?;
        let current = ArcSwap::from_pointee(parse(&secret).ok_or(NoSecret)?);
        let last = LastRead { secret, at: Timestamp::now(), pause: PAUSE };
        Ok(Self { current, source: Some(Source { store, parse, log, last: Mutex::new(last) }) })
    }

    /// What it said when it was last read.
    pub fn current(&self) -> Arc<T> {
        self.current.load_full()
    }

    /// What it says now, if that is something else than `seen`, which may be old. A secret that
    /// cannot be read or is malformed changes nothing: what was read before still holds.
    pub async fn renew(&self, seen: &Arc<T>) -> Option<Arc<T>> {
        let source = self.source.as_ref()?;
        let mut last = source.last.lock().await;
        let current = self.current();
        if !Arc::ptr_eq(&current, seen) {
            return Some(current);
        }
        if !last.is_over(Timestamp::now()) {
            return None;
        }
        let read = timeout(PATIENCE, source.store.read()).await.ok().flatten();
        last.at = Timestamp::now();
        last.pause = if read.is_some() { PAUSE } else { LONG_PAUSE };
        let Some(secret) = read else {
            source.log.write(&LogLine::Secret { at: "unreadable" });
            return None;
        };
        if secret == last.secret {
            return None;
        }
        let parsed = (source.parse)(&secret);
        last.secret = secret;
        let Some(renewed) = parsed.map(Arc::new) else {
            source.log.write(&LogLine::Secret { at: "malformed" });
            return None;
        };
        self.current.store(Arc::clone(&renewed));
        Some(renewed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_over_by_the_wall_clock() {
        let at = Timestamp::now();
        let last = LastRead { secret: Secret::new(""), at, pause: PAUSE };
        assert!(!last.is_over(at));
        assert!(!last.is_over(at.plus(PAUSE / 2)));
        assert!(last.is_over(at.plus(PAUSE)));
        assert!(LastRead { at: at.plus(PAUSE), ..last }.is_over(at));
    }
}
