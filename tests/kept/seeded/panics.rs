//! A panic at each step of a call, with what was said for its message.

use futures_util::{FutureExt, StreamExt, stream};
use tests::{provider::Script, show};

use super::Seed;
use crate::{
    paths::Path,
    planted::{calls, planted, streams},
    stage::{Build, Stage, privacy_says},
};

/// The steps of a call, the file of each, and what stands there at its beginning.
const STEPS: [(&str, &str, &str); 18] = [
    ("authorize", "functions/authorizer/src/lib.rs", "        let Some(key) = event.key()"),
    (
        "find the key",
        "functions/authorizer/src/lib.rs",
        "            if let Some(item) = self.find_under(",
    ),
    ("take up the event", "shared/src/lambda.rs", "            handle(app, request).await"),
    ("read who asks", "functions/proxy/src/lib.rs", "        let caller = Caller::of("),
    ("read the path", "functions/proxy/src/lib.rs", "        let kind = match endpoint {"),
    ("read the head", "functions/proxy/src/head.rs", "        if kind.takes_form(headers) {"),
    ("bound the cost", "functions/proxy/src/lib.rs", "        let admitted: Admitted ="),
    ("hold", "functions/proxy/src/gate.rs", "    let held = hold(store, clock, asked).await;"),
    (
        "prepare the request",
        "functions/proxy/src/lib.rs",
        "        let outgoing = self.upstream.prepare(",
    ),
    ("carry", "functions/proxy/src/carry.rs", "        let Outgoing { request, wire, streamed"),
    (
        "send",
        "functions/proxy/src/upstream.rs",
        "        let mut headers = request.headers.clone();",
    ),
    ("write the body", "functions/proxy/src/splice.rs", "        Poll::Ready(self.next()"),
    (
        "read the answer",
        "functions/proxy/src/carry.rs",
        "        let meter = Meter::new(wire, strip_usage);",
    ),
    ("meter", "functions/proxy/src/meter.rs", "        let Self { framer, framing, counters"),
    (
        "pass a frame on",
        "functions/proxy/src/carry.rs",
        "        let patience = Instant::now().checked_add(PATIENCE)",
    ),
    ("charge", "functions/proxy/src/settle.rs", "        let tier = reading.served.tier("),
    ("settle", "functions/proxy/src/settle.rs", "        let Admitted { caller, call, held"),
    (
        "write the record",
        "shared/src/store/calls.rs",
        "        let mut written = Err(StoreError::Unavailable);",
    ),
];

pub(super) fn seeds() -> impl Iterator<Item = Seed> {
    STEPS.iter().map(|(step, file, place)| {
        let path = if file.starts_with("shared/") { "crate" } else { "shared" };
        let code = format!("{path}::seed::panics(\"panic: {step}\");\n{place}");
        Seed { file, place, code }
    })
}

/// Calls of all kinds, whatever becomes of them.
pub(super) const CALLS: Path = Path { name: "calls", take: |stage| make_calls(stage).boxed() };

async fn make_calls(stage: &mut Stage) {
    stage.start("proxy", &[]).await;
    for call in calls(&stage.canaries).into_iter().chain(streams(&stage.canaries)) {
        stage.lab.provider().answer(call.answer);
        stage.ask_provider(call.event).await;
        stage.lab.provider().forget();
    }
    // With a key for doing it once there is one step more.
    let call = calls(&stage.canaries).into_iter().next().expect("a call");
    let mut event = call.event;
    event["requestContext"]["authorizer"]["idempotency"] = "0".repeat(64).into();
    stage.lab.provider().answer(Script::json(400, "{}"));
    stage.ask_provider(event).await;
    stage.end_after_another("proxy").await;
}

/// Keys of all kinds, likewise.
pub(super) const KEYS: Path = Path { name: "keys", take: |stage| authorize(stage).boxed() };

async fn authorize(stage: &mut Stage) {
    stage.start("authorizer", &[]).await;
    for name in ["authorizer.bearer", "authorizer.malformed", "authorizer.query"] {
        stage.ask(planted(name, &stage.canaries)).await;
    }
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_at_any_step_of_a_call_says_nothing() {
    let walks = STEPS.iter().map(async |(step, ..)| {
        let seed: &'static str = format!("panic: {step}").leak();
        let mut stage = Stage::new(Build::Seeded(seed)).await;
        if step.contains("authorize") || step.contains("key") {
            authorize(&mut stage).await;
        } else {
            make_calls(&mut stage).await;
        }
        let panics = stage.logged("line", "panic");
        let (found, _) = stage.clear().await;
        (step, panics, found)
    });
    let mut walks = stream::iter(walks).buffered(3);
    let mut all = 0;
    while let Some((step, panics, found)) = walks.next().await {
        assert!(panics > 0, "{step}: nothing has panicked");
        assert!(found.is_empty(), "{step}: {found:?}");
        all += panics;
    }
    privacy_says(&format!("at each of {} steps of a call", STEPS.len()));
    show(&format!("{} steps of a call, {all} panics, and nothing found in any sink", STEPS.len()));
}
