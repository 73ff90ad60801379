//! Tests of the stand-in: the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;

/// Sends one POST and reads until the server closes, off the runtime's thread. Returns what came
/// and how many reads it came in.
async fn post(url: String, headers: &'static str, body: &'static str) -> (String, usize) {
    let ask = move || {
        let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let length = body.len();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(
            stream,
            "POST /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let (mut all, mut reads, mut buffer) = (Vec::new(), 0_usize, [0; 65536]);
        loop {
            let read = stream.read(&mut buffer).unwrap();
            if read == 0 {
                return (String::from_utf8(all).unwrap(), reads);
            }
            all.extend_from_slice(&buffer[..read]);
            reads = reads.saturating_add(1);
        }
    };
    tokio::task::spawn_blocking(ask).await.unwrap()
}

#[tokio::test]
async fn each_base_url_leads_to_its_provider() {
    let standin = Standin::start().await.unwrap();
    let (openai, _) = post(
        format!("{}/chat/completions", standin.openai_base_url()),
        "authorization: Bearer key",
        r#"{"model":"gpt-5.4","messages":[]}"#,
    )
    .await;
    let (anthropic, _) = post(
        format!("{}/v1/messages", standin.anthropic_base_url()),
        "x-api-key: key\r\nanthropic-version: 2023-06-01",
        r#"{"model":"claude-sonnet-5","max_tokens":99,"messages":[]}"#,
    )
    .await;
    let (gemini, _) = post(
        format!("{}/v1beta/models/gemini-3.8-flash:generateContent", standin.gemini_base_url()),
        "x-goog-api-key: key",
        r#"{"contents":[]}"#,
    )
    .await;

    assert!(openai.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(openai.contains("x-request-id: req_standin00000001\r\n"));
    assert!(openai.contains("a stand-in for OpenAI"));
    assert!(anthropic.contains("request-id: req_standin00000002\r\n"));
    assert!(anthropic.contains("a stand-in for Anthropic"));
    assert!(gemini.contains("a stand-in for Gemini"));
    assert!(gemini.contains("content-length: "));
}

#[tokio::test]
async fn words_arrive_one_by_one() {
    let standin = Standin::start().await.unwrap();
    let begun = Instant::now();
    let (answer, reads) = post(
        format!(
            "{}/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse",
            standin.gemini_base_url()
        ),
        "x-goog-api-key: key",
        r#"{"contents":[]}"#,
    )
    .await;
    assert!(begun.elapsed() >= Duration::from_millis(20 * 15));
    assert!(reads > 10, "{reads} reads");
    assert!(answer.contains("transfer-encoding: chunked\r\n"));
    assert!(answer.ends_with("\r\n\r\n\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn a_path_of_no_provider_is_not_found() {
    let standin = Standin::start().await.unwrap();
    let url = standin.openai_base_url().replace("openai", "elsewhere");
    let (answer, _) = post(url, "authorization: Bearer key", "{}").await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"));
}

#[tokio::test]
async fn dropping_it_frees_the_port() {
    let standin = Standin::start().await.unwrap();
    let address = standin.address;
    drop(standin);
    while TcpStream::connect(address).is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
