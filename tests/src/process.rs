//! A server that others have written, in a process of its own on loopback.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The process. It ends when this is dropped.
pub struct Process {
    child: Child,
    url: String,
    client: reqwest::Client,
}

impl Process {
    /// Starts what `command` makes of a free port, and waits until it answers.
    pub async fn start(name: &str, command: impl FnOnce(u16) -> Command) -> Self {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut command = command(port);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("the server runs");
        let tls = shared::tls::provider_tls(None).expect("TLS");
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let client = client.build().expect("a client");
        let url = format!("http://127.0.0.1:{port}");
        let started = Self { child, url, client };
        for _ in 0..600 {
            if started.client.get(format!("{}/health", started.url)).send().await.is_ok() {
                return started;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} does not answer");
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client.
    pub const fn client(&self) -> &reqwest::Client {
        &self.client
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to lose, and may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
