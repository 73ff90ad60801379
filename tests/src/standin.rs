//! A stand-in for all three providers that others have written, in a process of its own.

use serde_json::Value;
use shared::provider::Provider;
use toolchain::{Sdk, Standin};

use crate::process::Process;

/// The process. It ends when this is dropped.
pub struct Running {
    standin: Standin,
    process: Process,
}

impl Running {
    /// Starts `standin` on a free port, and waits until it answers.
    pub async fn start(standin: &Standin) -> Self {
        let process = Process::start(standin.name, |port| standin.command(port)).await;
        Self { standin: standin.clone(), process }
    }

    /// Where each provider is.
    pub fn places(&self) -> [(Provider, String); 3] {
        self.standin.paths.map(|(sdk, path)| {
            let provider = match sdk {
                Sdk::OpenAi => Provider::OpenAi,
                Sdk::Anthropic => Provider::Anthropic,
                Sdk::GenAi => Provider::Gemini,
            };
            (provider, format!("{}{path}", self.process.url()))
        })
    }

    /// Tells llmock how to treat the next request, in its own words.
    pub async fn behave(&self, behaviors: &Value) {
        let body = format!(r#"{{"behaviors":{behaviors}}}"#);
        let told = self.process.client().post(format!("{}/_llmock/scenario", self.process.url()));
        let told = told.header("content-type", "application/json").body(body).send().await;
        let told = told.expect("llmock answers");
        assert!(told.status().is_success(), "{}", told.text().await.unwrap_or_default());
    }
}
