//! What every client of an AWS service has in common: one TLS stack, the function's own credentials,
//! time-outs that are shorter than a caller's patience.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};

use crate::{
    config::AwsConfig,
    tls::{TlsError, aws_http_client},
};

/// The configuration of a client. Nothing is sent yet.
///
/// # Errors
/// When TLS cannot be set up.
pub fn sdk_config(config: &AwsConfig) -> Result<SdkConfig, TlsError> {
    let secret = &config.credentials;
    let credentials = Credentials::new(
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
    let mut builder = SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(aws_http_client()?)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    builder.set_endpoint_url(config.endpoint.clone());
    Ok(builder.build())
}
