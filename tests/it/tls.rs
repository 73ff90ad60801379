//! The way to a provider is TLS 1.3 or none, to a certificate of a known authority or none.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use shared::money::Pico;
use tests::world::World;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig, SupportedProtocolVersion,
        pki_types::PrivateKeyDer,
        version::{TLS12, TLS13},
    },
};

/// A provider that speaks this version alone: where it is, who signs its certificate, and how
/// many requests it has read.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) authority: String,
    pub(crate) requests: Arc<AtomicUsize>,
}

pub(crate) async fn server(version: &'static SupportedProtocolVersion) -> Server {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = vec![0; 4_096];
            if stream.read(&mut request).await.is_ok_and(|length| length > 0) {
                seen.fetch_add(1, Ordering::Relaxed);
                let body = r#"{"choices":[{}],"usage":{"prompt_tokens":1}}"#;
                let length = body.len();
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(head.as_bytes()).await.unwrap();
                stream.flush().await.unwrap();
            }
        }
    });
    Server { url, authority: authority.pem(), requests }
}

const CHAT: &str = r#"{"model":"gpt-5-mini","messages":[]}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_is_reached_by_tls_1_3_under_an_authority_that_the_operator_trusts() {
    let server = server(&TLS13).await;
    let world = World::with_openai(server.url.clone(), Some(server.authority.clone())).await;
    assert_eq!(world.send(world.post("/v1/chat/completions", CHAT)).await.status, 200);
    assert_eq!(server.requests.load(Ordering::Relaxed), 1);
    world.settled_wallet(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_by_an_older_version_or_to_a_certificate_of_nobodys() {
    let (old, own) = (server(&TLS12).await, server(&TLS13).await);
    for (server, authority) in [(&old, Some(old.authority.clone())), (&own, None)] {
        let world = World::with_openai(server.url.clone(), authority).await;
        let answer = world.send(world.post("/v1/chat/completions", CHAT)).await;
        assert_eq!(answer.status, 502);
        assert_eq!(answer.json()["error"]["code"], "provider_unreachable");
        assert_eq!(server.requests.load(Ordering::Relaxed), 0);
        assert_eq!(world.settled_wallet(1).await.balance, Pico::from_dollars(10));
    }
}
