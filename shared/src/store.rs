//! The four tables. No expression string stands outside this folder.
//!
//! What a function may do is a narrow trait, one per capability. A [`Capability`] says which
//! AWS actions on which tables each one needs, every function lists its own, and a test compares
//! that with `template.yaml`.

pub mod accounts;
pub mod calls;
mod item;
pub mod keys;
pub mod ledger;
mod outcome;
pub mod wallet;

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
};

pub use self::item::Corrupt;
use crate::config::StoreConfig;

/// A table, by the noun for what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Wallets, profiles, consents.
    Accounts,
    /// Keys by their hash.
    Keys,
    /// Records of calls, for seven days.
    Calls,
    /// Payment records.
    Ledger,
}

/// One thing a function may do to a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// The actions AWS has to allow.
    pub actions: &'static [(Table, &'static str)],
}

/// The store did not do what it was asked, or its answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store could not be reached, refused or did not answer in time.
    #[error("the store is unavailable")]
    Unavailable,
    /// A condition of the write did not hold: it had been done before, or something is in its way.
    #[error("a condition did not hold")]
    Conflict,
    /// An item is not what it should be.
    #[error("{0}")]
    Corrupt(#[from] Corrupt),
}

/// The tables, over the AWS SDK.
#[derive(Clone)]
pub struct Store {
    client: Client,
    /// The same connections without the SDK's retries, for writes that must not be repeated
    /// blindly.
    once: Client,
    config: StoreConfig,
}

impl Store {
    /// Makes the clients. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: StoreConfig) -> Result<Self, crate::tls::TlsError> {
        let secret = &config.credentials;
        let credentials = aws_credential_types::Credentials::new(
            secret.access_key_id.clone(),
            secret.secret_access_key.expose(),
            secret.session_token.as_ref().map(|token| token.expose().to_owned()),
            None,
            "environment",
        );
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(Duration::from_secs(3))
            .operation_timeout(Duration::from_secs(8))
            .build();
        let mut builder = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(config.region.clone()))
            .credentials_provider(credentials)
            .http_client(crate::tls::aws_http_client()?)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3));
        builder.set_endpoint_url(config.endpoint.clone());
        let config_many = builder.build();
        let config_once = config_many.to_builder().retry_config(RetryConfig::disabled()).build();
        Ok(Self {
            client: Client::from_conf(config_many),
            once: Client::from_conf(config_once),
            config,
        })
    }

    /// The name of a table in this deployment.
    pub fn name(&self, table: Table) -> &str {
        match table {
            Table::Accounts => &self.config.accounts,
            Table::Keys => &self.config.keys,
            Table::Calls => &self.config.calls,
            Table::Ledger => &self.config.ledger,
        }
    }
}
