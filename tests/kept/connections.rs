//! Whom the real binaries speak to, as the kernel sees it, from their first instruction on.

use std::collections::BTreeSet;

use serde_json::json;
use tests::deployment::{PROVIDERS, event};

use crate::{
    planted::{Planted, calls, planted, streams},
    stage::{Build, Stage},
};

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn each_function_speaks_to_what_it_needs_and_to_nothing_else() {
    let mut stage = Stage::new(Build::Deployed).await;
    let with_tables = |others: &[&str]| named(&[&["Runtime API", "tables"], others].concat());
    for (name, events, speaks_to) in [
        (
            "authorizer",
            &["authorizer.bearer", "authorizer.malformed"][..],
            with_tables(&["Secrets Manager"]),
        ),
        ("usage", &["usage.calls", "usage.costs"], with_tables(&[])),
        (
            "account",
            &["account.show", "account.ask-code"],
            with_tables(&["Secrets Manager", "SES"]),
        ),
        ("retention", &["retention.hour"], with_tables(&[])),
    ] {
        stage.start(name, &[]).await;
        for name in events {
            stage.function().invoke(event(name)).await;
        }
        stage.end().await;
        assert_eq!(stage.connected(), (speaks_to, Default::default()), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg(target_os = "linux")]
async fn a_call_goes_to_the_provider_of_its_model_alone() {
    let mut stage = Stage::new(Build::Deployed).await;
    let all: Vec<Planted> =
        calls(&stage.canaries).into_iter().chain(streams(&stage.canaries)).collect();
    stage.start("proxy", &[]).await;
    stage.function().ready().await;
    for Planted { name, event, answer } in all {
        let provider = match name {
            "proxy.messages" | "proxy.messages-stream" | "proxy.count-tokens" => 1,
            "proxy.generate-content" | "proxy.stream-generate-content" => 2,
            _ => 0,
        };
        for tap in &stage.lab.providers {
            tap.passed();
        }
        stage.lab.provider().answer(answer);
        assert_eq!(stage.ask_provider(event).await, 200, "{name}");
        let asked = stage.lab.providers.each_ref().map(|tap| tap.passed().asked.len());
        let mut expected = [0; 3];
        expected[provider] = 1;
        assert_eq!(asked, expected, "{name}");
    }
    stage.end().await;
    let everybody =
        named(&["Runtime API", "tables", "Secrets Manager", "openai", "anthropic", "gemini"]);
    assert_eq!(stage.connected(), (everybody, Default::default()));

    // A provider that the operator has no credential for is not even spoken to.
    stage
        .lab
        .secrets
        .put(PROVIDERS, json!({"openai": "a", "anthropic": "", "gemini": ""}).to_string());
    stage.start("proxy", &[]).await;
    for name in ["proxy.chat", "proxy.messages", "proxy.generate-content"] {
        stage.ask_provider(planted(name, &stage.canaries)).await;
    }
    stage.end().await;
    let one = named(&["Runtime API", "tables", "Secrets Manager", "openai"]);
    assert_eq!(stage.connected(), (one, Default::default()));
}
