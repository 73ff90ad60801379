//! What the deployed functions take of memory and time.

use bytes::Bytes;
use serde_json::{Value, json};
use tests::{
    deployment::{Deployment, event, streamed},
    provider::Script,
    runtime_api::Function,
};

/// The event of `proxy.chat-stream`, with another path, content type and body.
fn other_event(path: &str, content_type: &str, body: &str, encoded: bool) -> String {
    let mut event: Value = serde_json::from_slice(&event("proxy.chat-stream")).unwrap();
    event["path"] = path.into();
    event["body"] = body.into();
    event["isBase64Encoded"] = encoded.into();
    event["headers"]["Content-Type"] = content_type.into();
    event["multiValueHeaders"]["Content-Type"] = json!([content_type]);
    event.to_string()
}

/// A stream of so many MiB: whole frames of a kilobyte each, and its usage.
fn long_stream(length: usize) -> Script {
    let frame = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{}\"}}}}]}}\n\n",
        "a".repeat(970)
    );
    let piece = Bytes::from(frame.repeat(64));
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}}\n\ndata: [DONE]\n\n";
    let pieces = length.saturating_mul(MIB).div_euclid(piece.len());
    let script = (1..pieces).fold(Script::events(piece.clone()), |it, _| it.then(piece.clone()));
    script.then(usage)
}

const MIB: usize = 1_024 * 1_024;

/// The memory of the proxy, as it is deployed, where the system tells it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_grows_neither_with_a_stream_nor_with_the_number_of_calls() {
    let world = Deployment::new().await;
    let mut function = world.start("proxy").await;
    let answer = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    let small = event("proxy.chat");
    world.provider().answer(Script::json(200, answer));
    function.invoke(small).await;
    if function.forget_peak().is_none() || function.peak_kib().is_none() {
        // Another system than Linux: there is nothing to measure, and nothing else to see.
        return tests::show("The memory of the proxy cannot be measured on this system.");
    }
    let mut table = String::from("peak of the proxy's memory\n");
    let mut measured = |function: &Function, what: String| {
        let peak = function.peak_kib().unwrap();
        table += &format!("{what:58} {:>4}.{} MiB\n", peak / 1_024, peak % 1_024 * 10 / 1_024);
        function.forget_peak().unwrap();
        peak
    };
    measured(&function, "idle after a first call".to_owned());

    let mut streams = Vec::new();
    for length in [1, 10, 100] {
        world.provider().answer(long_stream(length));
        let posted = function.invoke(event("proxy.chat-stream")).await;
        assert!(posted.body.len() > length * MIB * 9 / 10);
        streams.push(measured(&function, format!("a streamed answer of {length} MiB")));
    }
    let (shortest, longest) = (streams[0], streams[2]);
    assert!(longest < shortest + 8 * 1_024, "{streams:?} KiB");

    // As large as Lambda lets an event be: text, and a form with a file.
    let prompt = "a".repeat(5 * MIB);
    let chat = format!(r#"{{"model":"gpt-5-mini","messages":["{prompt}"]}}"#);
    let chat = other_event("/v1/chat/completions", "application/json", &chat, false);
    let file = "f".repeat(4 * MIB);
    let form = format!(
        "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n{file}\r\n--b--\r\n"
    );
    let form = base64::engine::Engine::encode(&base64::engine::general_purpose::STANDARD, form);
    let kind = "multipart/form-data; boundary=b";
    let form = other_event("/v1/audio/transcriptions", kind, &form, true);
    for (name, event) in [("text", chat), ("a form in base 64", form)] {
        let size = event.len() * 10 / MIB;
        let what = format!("an event of {}.{} MiB, {name}", size / 10, size % 10);
        let mut peaks = Vec::new();
        for count in [20, 60] {
            for _ in 0..count {
                world.provider().answer(Script::json(200, answer));
                let posted = function.invoke(event.clone()).await;
                assert_eq!(streamed(&posted).0["statusCode"], 200, "{what}");
            }
            peaks.push(measured(&function, format!("{what}, {count} calls")));
        }
        assert!(peaks[1] < peaks[0] + 8 * 1_024, "{what}: {peaks:?} KiB");
    }
    tests::show(&table);
    world.end(function).await;
}

/// How long init takes until the first event is asked for, and how long a processor works for an
/// event: what `bench/bill.html` computes with. Nothing is asserted, since a machine is not another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_init_and_events_take_is_shown() {
    let events: u64 = tests::proof::size("MEASURED_EVENTS", 20, 200);
    let streamed = tests::proof::size("MEASURED_MIB", 8, 64);
    let world = Deployment::new().await;
    let answer = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
    let mut table = String::from("a processor's work, in milliseconds\n");
    for (name, first) in [
        ("authorizer", "authorizer.bearer"),
        ("proxy", "proxy.chat"),
        ("usage", "usage.calls"),
        ("account", "account.show"),
    ] {
        let begin = std::time::Instant::now();
        let mut function = world.start(name).await;
        function.ready().await;
        let took = begin.elapsed().as_millis();
        let Some(init) = function.worked_ms() else { return };
        for _ in 0..events {
            world.provider().answer(Script::json(200, answer));
            assert_eq!(function.invoke(event(first)).await.to, "response");
        }
        let each = (function.worked_ms().unwrap() - init) * 100 / events;
        let (whole, hundredths) = (each / 100, each % 100);
        table += &format!(
            "{name:12} init {init:>3}, {took:>4} on the clock; an event {whole}.{hundredths:02}\n"
        );
        if name == "proxy" {
            let before = function.worked_ms().unwrap();
            world.provider().answer(long_stream(streamed));
            function.invoke(event("proxy.chat-stream")).await;
            let each =
                (function.worked_ms().unwrap() - before) * 100 / u64::try_from(streamed).unwrap();
            table += &format!("  a MiB of a stream {}.{:02}\n", each / 100, each % 100);
        }
        world.end(function).await;
        world.provider().forget();
    }
    tests::show(&table);
}
