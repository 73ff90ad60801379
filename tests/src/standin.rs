//! A stand-in for all three providers that others have written, in a process of its own.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Stdio},
    time::Duration,
};

use serde_json::Value;
use shared::provider::Provider;

use crate::toolchain::Standin;

/// The process. It ends when this is dropped.
pub struct Running {
    standin: Standin,
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Running {
    /// Starts `standin` on a free port, and waits until it answers.
    pub async fn start(standin: &Standin) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut command = standin.command(port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the stand-in runs");
        let tls = shared::tls::provider_tls(None).expect("TLS");
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let client = client.build().expect("a client");
        let url = format!("http://127.0.0.1:{port}");
        let started = Self { standin: standin.clone(), child, url, client };
        for _ in 0..600 {
            if started.client.get(format!("{}/health", started.url)).send().await.is_ok() {
                return started;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} does not answer", standin.name);
    }

    /// Where each provider is.
    pub fn places(&self) -> [(Provider, String); 3] {
        self.standin.paths.map(|(provider, path)| (provider, format!("{}{path}", self.url)))
    }

    /// Tells llmock how to treat the next request, in its own words.
    pub async fn behave(&self, behaviors: &Value) {
        let body = format!(r#"{{"behaviors":{behaviors}}}"#);
        let told = self.client.post(format!("{}/_llmock/scenario", self.url));
        let told = told.header("content-type", "application/json").body(body).send().await;
        let told = told.expect("llmock answers");
        assert!(told.status().is_success(), "{}", told.text().await.unwrap_or_default());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has nothing to lose, and may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
