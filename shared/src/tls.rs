//! One TLS stack: rustls with ring, and roots that are compiled in. To providers TLS 1.3 only.

use std::sync::Arc;

use aws_smithy_http_client::{
    Builder, Connector,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
    version::TLS13,
};

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("TLS could not be set up: {0}")]
pub struct TlsError(&'static str);

/// TLS 1.3 towards providers, trusting the bundled roots and the operator's own authority.
///
/// # Errors
/// When `extra_ca` holds no certificate in PEM.
pub fn provider_tls(extra_ca: Option<&str>) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(pem) = extra_ca {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| TlsError("the extra certificate authority is not PEM"))?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(TlsError("the extra certificate authority holds no certificate"));
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| TlsError("TLS 1.3 is not available"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The HTTP client of the AWS SDK, which trusts Amazon's own roots and no other.
///
/// # Errors
/// When the bundled roots cannot be used.
pub fn aws_http_client() -> Result<SharedHttpClient, TlsError> {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(builder.tls_context(amazons_roots()?).build_https())
}

/// The same connections without the SDK.
///
/// # Errors
/// When the bundled roots cannot be used.
pub fn aws_connector() -> Result<Connector, TlsError> {
    let builder = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring));
    Ok(builder.tls_context(amazons_roots()?).build())
}

fn amazons_roots() -> Result<TlsContext, TlsError> {
    let mut trust = TrustStore::empty();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        if signed_by_amazon(certificate) {
            trust.add_pem_certificate(pem(certificate));
        }
    }
    TlsContext::builder()
        .with_trust_store(trust)
        .build()
        .map_err(|_| TlsError("the bundled roots cannot be used"))
}

/// AWS's endpoints are signed by Amazon Trust Services, and older ones by its Starfield root.
fn signed_by_amazon(certificate: &[u8]) -> bool {
    [&b"Amazon Root CA"[..], b"Starfield Services Root"]
        .iter()
        .any(|name| memchr::memmem::find(certificate, name).is_some())
}

fn pem(der: &[u8]) -> String {
    use base64::Engine as _;
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    let mut text = String::from("-----BEGIN CERTIFICATE-----\n");
    for (place, character) in body.chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_roots_are_bundled() {
        let found = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter(|certificate| signed_by_amazon(certificate))
            .count();
        assert!(found >= 4, "{found} roots of Amazon's");
        assert!(aws_http_client().is_ok());
    }

    #[test]
    fn an_extra_authority_must_be_a_certificate() {
        assert!(provider_tls(None).is_ok());
        assert!(provider_tls(Some("not a certificate")).is_err());
    }
}
