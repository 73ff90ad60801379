//! What every client of an AWS service has in common: one TLS stack, the function's own credentials,
//! time-outs that are shorter than a caller's patience.
//!
//! [`sdk_config`] is for the services that are asked by their SDK; [`SignedPost`] for one of which a
//! single operation is used, whose SDK would be the most of a build.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::{
    http::HttpConnector, identity::Identity, orchestrator::HttpRequest,
};
use aws_smithy_types::{body::SdkBody, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use http::{Request, header::CONTENT_TYPE};
use http_body_util::BodyExt as _;

use crate::{
    config::AwsConfig,
    time::Timestamp,
    tls::{TlsError, aws_connector, aws_http_client},
};

fn credentials(config: &AwsConfig) -> Credentials {
    let secret = &config.credentials;
    Credentials::new(
        secret.access_key_id.clone(),
        secret.secret_access_key.expose(),
        secret.session_token.as_ref().map(|token| token.expose().to_owned()),
        None,
        "environment",
    )
}

/// The configuration of a client. Nothing is sent yet.
///
/// # Errors
/// When TLS cannot be set up.
pub fn sdk_config(config: &AwsConfig) -> Result<SdkConfig, TlsError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(3))
        .operation_timeout(Duration::from_secs(8))
        .build();
    let mut builder = SdkConfig::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(SharedCredentialsProvider::new(credentials(config)))
        .http_client(aws_http_client()?)
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(3));
    builder.set_endpoint_url(config.endpoint.clone());
    Ok(builder.build())
}

/// A service of AWS.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// What it is called in a signature.
    pub name: &'static str,
    /// What its host begins with.
    pub host: &'static str,
}

impl Service {
    /// SES, which signs as the first version of its API did.
    pub const SES: Self = Self { name: "ses", host: "email" };
}

/// Sends JSON to one service, each request signed (Signature Version 4), and none of them twice.
///
/// Who sends sets the time-out.
pub struct SignedPost {
    connector: Connector,
    identity: Identity,
    region: String,
    service: Service,
    /// Scheme and host.
    origin: String,
}

impl SignedPost {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: &AwsConfig, service: Service) -> Result<Self, TlsError> {
        let AwsConfig { region, endpoint, .. } = config;
        let origin = endpoint.as_ref().map_or_else(
            || format!("https://{}.{region}.{}", service.host, domain(region)),
            |endpoint| endpoint.trim_end_matches('/').to_owned(),
        );
        Ok(Self {
            connector: aws_connector()?,
            identity: credentials(config).into(),
            region: region.clone(),
            service,
            origin,
        })
    }

    /// Sends `body` to `path`, and waits until the service has taken it.
    ///
    /// # Errors
    /// [`NotTaken`] when the service refuses it, or does not answer and may have taken it.
    pub async fn send(&self, path: &str, body: Vec<u8>) -> Result<(), NotTaken> {
        let request = self.signed(path, body, Timestamp::now()).ok_or(NotTaken)?;
        let mut answer = self.connector.call(request).await.map_err(|_| NotTaken)?;
        let taken = answer.status().is_success();
        // The connection is used again once its answer is read.
        let read = answer.take_body().collect().await.is_ok();
        if taken && read { Ok(()) } else { Err(NotTaken) }
    }

    /// The request as it goes out.
    fn signed(&self, path: &str, body: Vec<u8>, now: Timestamp) -> Option<HttpRequest> {
        const JSON: &str = "application/json";
        let url = format!("{}{path}", self.origin);
        let millis = Duration::from_millis(u64::try_from(now.millis()).ok()?);
        let parameters = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(self.service.name)
            .time(UNIX_EPOCH.checked_add(millis)?)
            .settings(SigningSettings::default())
            .build()
            .ok()?
            .into();
        let headers = [(CONTENT_TYPE.as_str(), JSON)].into_iter();
        let signable = SignableRequest::new("POST", &url, headers, SignableBody::Bytes(&body));
        let (signature, _) = sign(signable.ok()?, &parameters).ok()?.into_parts();
        let mut request = Request::post(&url).header(CONTENT_TYPE, JSON).body(()).ok()?;
        signature.apply_to_request_http1x(&mut request);
        HttpRequest::try_from(request.map(|()| SdkBody::from(body))).ok()
    }
}

/// The domain below which a region has its services, of all partitions from which a provider can be
/// reached.
fn domain(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "amazonaws.com.cn",
        Some("eusc") => "amazonaws.eu",
        _ => "amazonaws.com",
    }
}

/// A service has refused a request or has not answered. Neither the request nor the answer is
/// repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service has not taken the request")]
pub struct NotTaken;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Credentials, Secret};

    #[test]
    fn a_request_goes_to_the_service_of_its_region_and_is_signed_for_it() {
        for (region, host) in [
            ("eu-west-1", "email.eu-west-1.amazonaws.com"),
            ("us-gov-west-1", "email.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "email.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "email.eusc-de-east-1.amazonaws.eu"),
        ] {
            let config = AwsConfig {
                region: region.to_owned(),
                endpoint: None,
                credentials: Credentials {
                    access_key_id: "AKIDEXAMPLE".to_owned(),
                    secret_access_key: Secret::new("secret"),
                    session_token: None,
                },
            };
            let ses = SignedPost::connect(&config, Service::SES).unwrap();
            let now = Timestamp::from_seconds(1_795_483_200);
            let request = ses.signed("/path", b"{}".to_vec(), now).unwrap();
            assert_eq!(request.uri(), format!("https://{host}/path"));
            let scope = format!("Credential=AKIDEXAMPLE/20261124/{region}/ses/aws4_request,");
            let signature = request.headers().get("authorization").unwrap();
            assert!(signature.contains(&scope), "{signature}");
        }
    }
}
