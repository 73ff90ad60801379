//! The environment. Every variable is named here, and nowhere else.

use std::{fmt, time::Duration};

use http::HeaderValue;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::{money::Markup, provider::Provider, store::PAYMENT_YEARS};

/// A variable is missing or malformed. Its value is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the environment variable {0} is missing or malformed")]
pub struct ConfigError(pub &'static str);

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn optional(name: &'static str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn required(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError(name))
}

/// Where an AWS service is, and the credentials for it.
#[derive(Clone)]
pub struct AwsConfig {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ENDPOINT_URL_SERVICE`: another place than the region's own.
    pub endpoint: Option<String>,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`. Lambda renews them by
    /// starting a new environment.
    pub credentials: Credentials,
}

impl AwsConfig {
    /// A service on this machine, which checks no signature.
    pub fn loopback(url: String) -> Self {
        Self {
            region: "us-east-1".to_owned(),
            endpoint: Some(url),
            credentials: Credentials {
                access_key_id: "local".to_owned(),
                secret_access_key: Secret::new("local"),
                session_token: None,
            },
        }
    }

    fn from_env(endpoint: &'static str) -> Result<Self, ConfigError> {
        Ok(Self {
            region: required("AWS_REGION")?,
            endpoint: optional(endpoint),
            credentials: Credentials {
                access_key_id: required("AWS_ACCESS_KEY_ID")?,
                secret_access_key: Secret::new(required("AWS_SECRET_ACCESS_KEY")?),
                session_token: optional("AWS_SESSION_TOKEN").map(Secret::new),
            },
        })
    }
}

/// Where the tables are.
#[derive(Clone)]
pub struct StoreConfig {
    /// The service; `AWS_ENDPOINT_URL_DYNAMODB` is another place than the region's own.
    pub aws: AwsConfig,
    /// `TABLE_ACCOUNTS`.
    pub accounts: String,
    /// `TABLE_KEYS`.
    pub keys: String,
    /// `TABLE_CALLS`.
    pub calls: String,
    /// `TABLE_LEDGER`.
    pub ledger: String,
    /// `PAYMENT_RECORD_YEARS`: for how many years after the end of theirs payment records are kept.
    pub payment_years: u16,
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
#[derive(Clone, PartialEq, Eq)]
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

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
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
            aws: AwsConfig::from_env("AWS_ENDPOINT_URL_DYNAMODB")?,
            accounts: required("TABLE_ACCOUNTS")?,
            keys: required("TABLE_KEYS")?,
            calls: required("TABLE_CALLS")?,
            ledger: required("TABLE_LEDGER")?,
            payment_years: match optional("PAYMENT_RECORD_YEARS") {
                Some(years) => years.parse().map_err(|_| ConfigError("PAYMENT_RECORD_YEARS"))?,
                None => PAYMENT_YEARS,
            },
        })
    }
}

/// Reads `ACCOUNT_BACKUP_DAYS`: for how long a backup may hold what was deleted of an account, 7 days
/// by default.
///
/// # Errors
/// When it is not a whole number.
pub fn account_backups_from_env() -> Result<Duration, ConfigError> {
    let days = optional("ACCOUNT_BACKUP_DAYS").map_or(Ok(7), |days| days.parse::<u64>());
    let days = days.map_err(|_| ConfigError("ACCOUNT_BACKUP_DAYS"))?;
    Ok(Duration::from_secs(days.saturating_mul(24 * 3_600)))
}

/// Where a secret is.
pub struct SecretConfig {
    /// The service; `AWS_ENDPOINT_URL_SECRETS_MANAGER` is another place than the region's own.
    pub aws: AwsConfig,
    /// The secret's ARN.
    pub arn: String,
}

impl SecretConfig {
    /// Reads `SECRET_PEPPER`: where the secret is that keys are hashed with.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn pepper() -> Result<Self, ConfigError> {
        Self::from_env("SECRET_PEPPER")
    }

    /// Reads `SECRET_PROVIDERS`: where the operator's credentials at the providers are.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn providers() -> Result<Self, ConfigError> {
        Self::from_env("SECRET_PROVIDERS")
    }

    fn from_env(arn: &'static str) -> Result<Self, ConfigError> {
        let aws = AwsConfig::from_env("AWS_ENDPOINT_URL_SECRETS_MANAGER")?;
        Ok(Self { aws, arn: required(arn)? })
    }
}

/// From where messages are sent.
pub struct MailConfig {
    /// The service; `AWS_ENDPOINT_URL_SESV2` is another place than the region's own.
    pub aws: AwsConfig,
    /// `MAIL_FROM`: the sender, an identity that SES knows.
    pub from: String,
    /// `MAIL_CONTACT`: where a person answers.
    pub contact: Option<String>,
    /// Whom a reader may ask.
    pub operator: OperatorConfig,
}

impl MailConfig {
    /// Reads the environment of a function. Without a sender nothing is sent.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> Result<Option<Self>, ConfigError> {
        let Some(from) = optional("MAIL_FROM") else { return Ok(None) };
        let aws = AwsConfig::from_env("AWS_ENDPOINT_URL_SESV2")?;
        Ok(Some(Self {
            aws,
            from,
            contact: optional("MAIL_CONTACT"),
            operator: OperatorConfig::from_env(),
        }))
    }
}

/// Who operates the platform, as people are told.
#[derive(Clone, Debug, Default)]
pub struct OperatorConfig {
    /// `OPERATOR_NAME`.
    pub name: Option<String>,
    /// `OPERATOR_CONTACT`, or else `MAIL_CONTACT`.
    pub contact: Option<String>,
}

impl OperatorConfig {
    /// Reads the environment. Who has no name is called the operator, and nothing else.
    pub fn from_env() -> Self {
        let contact = optional("OPERATOR_CONTACT").or_else(|| optional("MAIL_CONTACT"));
        Self { name: optional("OPERATOR_NAME"), contact }
    }
}

/// Reads `REGISTRATION_DOMAINS`: who may register by e-mail, as domains with commas between them,
/// `*` for everybody or nothing for nobody.
pub fn registration_domains_from_env() -> String {
    optional("REGISTRATION_DOMAINS").unwrap_or_default()
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

/// The providers' credentials as they stand in their secret: a text for each, of which those that
/// are empty, missing or no text for a header are none.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderSecrets {
    openai: Option<Secret>,
    anthropic: Option<Secret>,
    gemini: Option<Secret>,
}

impl ChannelsConfig {
    /// Reads `OPENAI_BASE_URL`, `OPENAI_API_KEY`, and likewise `ANTHROPIC_` and `GEMINI_`. A
    /// function's environment has no such key: [`Self::from_secret`] is for that.
    pub fn from_env() -> Self {
        let credential = |name| optional(name).map(Secret::new);
        Self::with_credentials(ProviderSecrets {
            openai: credential("OPENAI_API_KEY"),
            anthropic: credential("ANTHROPIC_API_KEY"),
            gemini: credential("GEMINI_API_KEY"),
        })
    }

    /// The same with the credentials of a secret, `{"openai": …, "anthropic": …, "gemini": …}`.
    /// None if it is no such thing.
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        serde_json::from_str(secret.expose()).ok().map(Self::with_credentials)
    }

    fn with_credentials(secrets: ProviderSecrets) -> Self {
        let channel = |credential: Option<Secret>, url, default: &str| Channel {
            base_url: optional(url).as_deref().unwrap_or(default).trim_end_matches('/').to_owned(),
            credential: credential.filter(|secret| {
                let text = secret.expose();
                !text.is_empty() && HeaderValue::from_str(text).is_ok()
            }),
        };
        Self {
            openai: channel(secrets.openai, "OPENAI_BASE_URL", "https://api.openai.com/v1"),
            anthropic: channel(
                secrets.anthropic,
                "ANTHROPIC_BASE_URL",
                "https://api.anthropic.com",
            ),
            gemini: channel(
                secrets.gemini,
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
