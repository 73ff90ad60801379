//! The environment, read once at init. Every variable is named here, and nowhere else.

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    key::{NotAPepper, Pepper},
    money::Markup,
    provider::Provider,
};

/// A variable is missing or malformed. Its value is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is missing or malformed")]
pub struct ConfigError(pub &'static str);

impl From<NotAPepper> for ConfigError {
    fn from(_: NotAPepper) -> Self {
        Self("PEPPER")
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError(name))
}

/// Where the tables are, and the credentials for them.
#[derive(Clone)]
pub struct StoreConfig {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ENDPOINT_URL_DYNAMODB`: another place than the region's own.
    pub endpoint: Option<String>,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`. Lambda renews them by
    /// starting a new environment.
    pub credentials: Credentials,
    /// `TABLE_ACCOUNTS`.
    pub accounts: String,
    /// `TABLE_KEYS`.
    pub keys: String,
    /// `TABLE_CALLS`.
    pub calls: String,
    /// `TABLE_LEDGER`.
    pub ledger: String,
}

/// AWS credentials. They cannot be printed.
#[derive(Clone)]
pub struct Credentials {
    /// The public half.
    pub access_key_id: String,
    /// The secret half.
    pub secret_access_key: Secret,
    /// The token of temporary credentials.
    pub session_token: Option<Secret>,
}

/// A secret of the operator's. It cannot be printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes up a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Lends the secret to whoever sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl StoreConfig {
    /// Reads the environment of a function.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            region: required("AWS_REGION")?,
            endpoint: optional("AWS_ENDPOINT_URL_DYNAMODB"),
            credentials: Credentials {
                access_key_id: required("AWS_ACCESS_KEY_ID")?,
                secret_access_key: Secret::new(required("AWS_SECRET_ACCESS_KEY")?),
                session_token: optional("AWS_SESSION_TOKEN").map(Secret::new),
            },
            accounts: required("TABLE_ACCOUNTS")?,
            keys: required("TABLE_KEYS")?,
            calls: required("TABLE_CALLS")?,
            ledger: required("TABLE_LEDGER")?,
        })
    }
}

/// Reads `PEPPER`: `VERSION:HEX` pairs divided by commas, the version for new keys first.
///
/// # Errors
/// When it is missing or malformed.
pub fn pepper_from_env() -> Result<Pepper, ConfigError> {
    Ok(Pepper::parse(&required("PEPPER")?)?)
}

/// Reads `MARKUP_BASIS_POINTS`: what the operator adds to the providers' prices, 0 by default.
///
/// # Errors
/// When it is not a whole number.
pub fn markup_from_env() -> Result<Markup, ConfigError> {
    let Some(points) = optional("MARKUP_BASIS_POINTS") else { return Ok(Markup::default()) };
    let points = points.parse().map_err(|_| ConfigError("MARKUP_BASIS_POINTS"))?;
    Ok(Markup::basis_points(points))
}

/// Where a provider is, and the operator's credential there.
#[derive(Clone)]
pub struct Channel {
    /// The base URL, without a slash at its end: `OpenAI`'s with `/v1`, the others' without.
    pub base_url: String,
    /// The operator's credential. Without one the provider's models are refused.
    pub credential: Option<Secret>,
}

/// The channels to the providers, and a certificate authority the operator trusts besides.
pub struct ChannelsConfig {
    openai: Channel,
    anthropic: Channel,
    gemini: Channel,
    /// `EXTRA_CA_PEM`.
    pub extra_ca: Option<String>,
}

impl ChannelsConfig {
    /// Reads `OPENAI_API_KEY`, `OPENAI_BASE_URL`, and likewise `ANTHROPIC_` and `GEMINI_`.
    pub fn from_env() -> Self {
        let channel = |key, url, default: &str| Channel {
            base_url: optional(url).as_deref().unwrap_or(default).trim_end_matches('/').to_owned(),
            credential: optional(key).map(Secret::new),
        };
        Self {
            openai: channel("OPENAI_API_KEY", "OPENAI_BASE_URL", "https://api.openai.com/v1"),
            anthropic: channel(
                "ANTHROPIC_API_KEY",
                "ANTHROPIC_BASE_URL",
                "https://api.anthropic.com",
            ),
            gemini: channel(
                "GEMINI_API_KEY",
                "GEMINI_BASE_URL",
                "https://generativelanguage.googleapis.com",
            ),
            extra_ca: optional("EXTRA_CA_PEM"),
        }
    }

    /// The channel to `provider`.
    pub const fn channel(&self, provider: Provider) -> &Channel {
        match provider {
            Provider::OpenAi => &self.openai,
            Provider::Anthropic => &self.anthropic,
            Provider::Gemini => &self.gemini,
        }
    }

    /// The same channels, with another to `provider`.
    #[must_use]
    pub fn with(mut self, provider: Provider, channel: Channel) -> Self {
        match provider {
            Provider::OpenAi => self.openai = channel,
            Provider::Anthropic => self.anthropic = channel,
            Provider::Gemini => self.gemini = channel,
        }
        self
    }
}
