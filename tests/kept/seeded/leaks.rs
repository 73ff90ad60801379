//! Leaks of every kind, each of which has to be found.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt, stream};
use tests::{proof, show};

use super::{
    Seed,
    panics::{CALLS, KEYS},
};
use crate::{
    pairs,
    paths::{PATHS, Path, walk},
    stage::{Build, FOREIGN, Sink, privacy_says},
};

/// A leak: what it does, on which path it shows, and where it has to be noticed.
struct Leak {
    name: &'static str,
    file: &'static str,
    place: &'static str,
    code: &'static str,
    path: &'static str,
    noticed: Noticed,
}

/// How a leak is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noticed {
    /// By what was said, in this sink.
    In(Sink),
    /// By its being none of our own words, in this sink.
    Foreign(Sink),
    /// By what differs between two calls.
    InPairs,
    /// Not at all, since it leaks nothing.
    Never,
}

use Noticed::{Foreign, In, InPairs, Never};

/// Where a call is about to be admitted.
const ADMIT: (&str, &str) = ("functions/proxy/src/lib.rs", "        let admitted: Admitted =");

/// Where it is about to be recorded.
const RECORD: (&str, &str) =
    ("shared/src/store/calls.rs", "        let mut written = Err(StoreError::Unavailable);");

/// Where a provider's answer has come.
const ANSWERED: (&str, &str) =
    ("functions/proxy/src/upstream.rs", "        pick(&TO_CALLER, self.0.headers())");

/// Where an answer gets its id.
const IDENTIFY: (&str, &str) =
    ("shared/src/reply.rs", "    if let Ok(id) = HeaderValue::from_str(call.as_str()) {");

/// Where the authorizer has found a key in a request.
const KEY: (&str, &str) =
    ("functions/authorizer/src/lib.rs", "        match self.find(&key).await {");

/// Where a request to a provider gets its credential.
const CREDENTIAL: (&str, &str) = (
    "functions/proxy/src/upstream.rs",
    "        let (name, scheme) = request.target.credential();",
);

const fn leak(
    name: &'static str,
    (file, place): (&'static str, &'static str),
    code: &'static str,
    path: &'static str,
    noticed: Noticed,
) -> Leak {
    Leak { name, file, place, code, path, noticed }
}

/// Code that is put before a place, where it runs if the leak is open.
const LEAKS: [Leak; 35] = [
    leak(
        "a body is printed",
        ADMIT,
        "println!(\"{}\", shared::seed::said());",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "headers are printed",
        ADMIT,
        "eprintln!(\"{:?}\", parts.headers);",
        "calls",
        In(Sink::Stderr),
    ),
    // The cap on levels is compiled in: such an event does not exist, whoever listens.
    leak("a body is debugged", ADMIT, "shared::seed::debug();", "calls", Never),
    leak(
        "a body is logged as an error",
        ADMIT,
        "shared::seed::error();",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a line holds a word",
        ADMIT,
        "self.log.write(&shared::log::LogLine::Init { at: shared::seed::word().leak() });",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a line holds ten characters",
        ADMIT,
        "self.log.write(&shared::log::LogLine::Init { at: shared::seed::word()[9..19].to_owned().leak() });",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a line holds it in hexadecimal",
        ADMIT,
        "self.log.write(&shared::log::LogLine::Init { at: shared::seed::hex().leak() });",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a line holds it in base 64",
        ADMIT,
        "self.log.write(&shared::log::LogLine::Init { at: shared::seed::base64().leak() });",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a line holds it as a URL does",
        ADMIT,
        "self.log.write(&shared::log::LogLine::Init { at: shared::seed::url().leak() });",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a line holds it as JSON may",
        ADMIT,
        "println!(\"{}\", shared::seed::json());",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a metric is counted for it",
        ADMIT,
        "println!(\"{{\\\"_aws\\\":{{}},\\\"{}\\\":1}}\", shared::seed::word());",
        "calls",
        In(Sink::Stdout),
    ),
    leak(
        "a parser's error is printed",
        ("functions/proxy/src/object.rs", "        serde_json::from_str(self.value.get()).ok()"),
        "if let Err(error) = serde_json::from_str::<T>(self.value.get()) { eprintln!(\"{error}\"); }",
        "a body that is no JSON",
        In(Sink::Stderr),
    ),
    leak(
        "what could not be parsed is answered",
        (
            "shared/src/reply.rs",
            "    identify(&mut reply, call);\n    let headers = reply.headers_mut();",
        ),
        "*reply.body_mut() = Body::whole(crate::seed::said().into_bytes());",
        "a body that is no JSON",
        In(Sink::Bodies),
    ),
    leak(
        "a header of the answer holds it",
        IDENTIFY,
        "if let Ok(said) = HeaderValue::from_str(&crate::seed::word()) { reply.headers_mut().insert(\"x-said\", said); }",
        "calls",
        In(Sink::Headers),
    ),
    leak(
        "another is answered what one has said",
        IDENTIFY,
        "if let Ok(said) = HeaderValue::from_str(&crate::seed::word()) { reply.headers_mut().insert(\"x-said\", said); }",
        "calls",
        In(Sink::OthersAnswers),
    ),
    leak(
        "panics are printed as usual; panic: charge",
        ("shared/src/lambda.rs", "    std::panic::set_hook("),
        "return;",
        "calls",
        In(Sink::Stderr),
    ),
    leak(
        "panics are not caught; panic: bound the cost",
        ("shared/src/lambda.rs", "    match AssertUnwindSafe(reply).catch_unwind().await {"),
        "return reply.await;",
        "calls",
        In(Sink::RuntimeErrors),
    ),
    leak(
        "a handler's error holds it",
        KEY,
        "return Err(shared::seed::said().leak());",
        "keys",
        In(Sink::RuntimeErrors),
    ),
    leak(
        "the key is printed",
        KEY,
        "println!(\"{{\\\"line\\\":\\\"init\\\",\\\"at\\\":\\\"{}\\\"}}\", key.reveal());",
        "keys",
        In(Sink::Stdout),
    ),
    leak(
        "the operator's credential is printed",
        CREDENTIAL,
        "eprintln!(\"{}\", secret.expose());",
        "calls",
        In(Sink::Stderr),
    ),
    leak(
        "the provider's URL is printed",
        CREDENTIAL,
        "println!(\"{}\", request.url);",
        "calls",
        Foreign(Sink::Stdout),
    ),
    leak(
        "a provider's headers are printed",
        ANSWERED,
        "eprintln!(\"{:?}\", self.0.headers());",
        "calls",
        In(Sink::Stderr),
    ),
    leak(
        "a provider's error is printed",
        (
            "functions/proxy/src/carry.rs",
            "        let status = answer.status();\n        let provider = self.admitted.model.provider.name();",
        ),
        "println!(\"{}\", String::from_utf8_lossy(body.inspect()));",
        "the provider's error",
        In(Sink::Stdout),
    ),
    leak(
        "a comment in a stream is printed",
        ("functions/proxy/src/meter.rs", "            let frame = match framing {"),
        "if bytes.starts_with(b\":\") { println!(\"{}\", String::from_utf8_lossy(&bytes)); }",
        "a stream",
        In(Sink::Stdout),
    ),
    leak(
        "the rest of a broken answer is printed",
        (
            "functions/proxy/src/meter.rs",
            "        if self.framing == Framing::Events && !rest.is_empty() {",
        ),
        "println!(\"{}\", String::from_utf8_lossy(&rest));",
        "the provider breaks off",
        In(Sink::Stdout),
    ),
    leak(
        "an error of the tables is printed",
        ("shared/src/store/tables/aws.rs", "        answer.map(|answer| answer.item).map_err("),
        "if let Err(error) = &answer { eprintln!(\"{error:?}\"); }",
        "the tables answer with an error",
        In(Sink::Stderr),
    ),
    leak(
        "the tables are asked for it",
        RECORD,
        "let said = AttributeValue::S(crate::seed::word()); let key = Item::from([(\"account\".to_owned(), said.clone()), (\"call\".to_owned(), said)]); drop(self.tables.get(Get { table: Table::Calls, key, consistency: Consistency::Strong }).await);",
        "calls",
        In(Sink::TablesWire),
    ),
    leak(
        "a message holds it",
        ("shared/mail/src/lib.rs", "        let text = format!(\"{text}\\n\");"),
        "text = format!(\"{text}{}\", shared::seed::said());",
        "SES is not there or refuses",
        In(Sink::MailWire),
    ),
    leak(
        "a file holds it",
        ADMIT,
        "drop(std::fs::write(std::env::temp_dir().join(\"said\"), shared::seed::said()));",
        "calls",
        In(Sink::Files),
    ),
    leak(
        "another host is spoken to",
        ADMIT,
        "drop(std::net::TcpStream::connect(\"127.0.0.1:9\"));",
        "calls",
        In(Sink::Hosts),
    ),
    leak(
        "it is sent as a trace",
        ADMIT,
        "if let Ok(socket) = std::net::UdpSocket::bind(\"127.0.0.1:0\") { drop(socket.send_to(shared::seed::said().as_bytes(), \"127.0.0.1:2000\")); }",
        "calls",
        In(Sink::Hosts),
    ),
    leak(
        "a query is printed",
        ("shared/src/reply.rs", "            log.fault(&fault, &call);"),
        "println!(\"{}\", crate::seed::said());",
        "a query that is refused",
        In(Sink::Stdout),
    ),
    leak(
        "a line tells whether a digit was there",
        ADMIT,
        "if shared::seed::hash() % 2 == 0 { self.log.write(&shared::log::LogLine::Strangers); }",
        "calls",
        InPairs,
    ),
    leak(
        "some words are read twice",
        RECORD,
        "if crate::seed::hash() % 2 == 0 { drop(self.read_call(&record.account, &record.call, clock()).await); }",
        "calls",
        InPairs,
    ),
    leak(
        "a panic for some words",
        ADMIT,
        "assert!(shared::seed::hash() % 2 == 0);",
        "calls",
        InPairs,
    ),
];

/// Leaks that change what is there: code, and what it becomes.
const CHANGES: [Leak; 6] = [
    leak(
        "a record's time depends on it",
        ("shared/src/store/calls.rs", "        .number(\"time\", record.time.seconds())\n"),
        "        .number(\"time\", record.time.seconds() + if crate::seed::open(OPEN) { i64::try_from(crate::seed::hash() % 600).unwrap_or(0) } else { 0 })\n",
        "calls",
        InPairs,
    ),
    leak(
        "a record has one attribute more",
        (
            "shared/src/store/calls.rs",
            "        .number(\"expires_at\", record.expires_at().seconds())\n",
        ),
        "        .number(\"expires_at\", record.expires_at().seconds()).text(\"note\", &format!(\"-{}\", crate::seed::word_if(OPEN)))\n",
        "calls",
        In(Sink::Tables),
    ),
    leak(
        "a record has the caller's words for its model",
        ("shared/src/store/calls.rs", "        .text(\"model\", &record.model)\n"),
        "        .text(\"model\", &if crate::seed::open(OPEN) { crate::seed::word() } else { record.model.clone() })\n",
        "calls",
        In(Sink::Tables),
    ),
    leak(
        "Secrets Manager is asked for it",
        ("shared/src/secrets.rs", ".secret_id(&self.arn)"),
        ".secret_id(format!(\"{}{}\", self.arn, crate::seed::word_if(OPEN)))",
        "a secret cannot be read again",
        In(Sink::SecretsWire),
    ),
    leak(
        "a record has a hash of it",
        ("shared/src/store/calls.rs", "        .text(\"price_version\", &record.price_version)\n"),
        "        .text(\"price_version\", &if crate::seed::open(OPEN) { format!(\"{}\", crate::seed::hash()) } else { record.price_version.clone() })\n",
        "calls",
        InPairs,
    ),
    leak(
        "what is held depends on it",
        ("functions/proxy/src/gate.rs", "        let amount = held.terms.amount;\n"),
        "        let amount = if shared::seed::open(OPEN) { held.terms.amount.and(Pico::new(i128::from(shared::seed::hash() % 1_000))) } else { held.terms.amount };\n",
        "calls",
        InPairs,
    ),
];

impl Leak {
    /// Whether it is noticed where it has to be, and what is.
    async fn look_for(&self) -> (bool, String) {
        let build = Build::Seeded(self.name);
        if self.noticed == InPairs {
            let different = pairs::compare(0..40, 1, build).await;
            return (!different.is_empty(), format!("{} differences", different.len()));
        }
        let (found, _) = walk(path(self.path), build).await;
        let noticed = match self.noticed {
            In(sink) => found.get(&sink).is_some_and(|hits| hits.iter().any(|hit| hit != FOREIGN)),
            Foreign(sink) => found.get(&sink).is_some_and(|hits| hits.contains(FOREIGN)),
            InPairs | Never => found.is_empty(),
        };
        (noticed, format!("{found:?}"))
    }

    /// What a process is told to open it, the panic with it apart.
    fn open(&self) -> &'static str {
        self.name.split(';').next().unwrap_or_default()
    }
}

pub(super) fn seeds() -> impl Iterator<Item = Seed> {
    let added = LEAKS.iter().map(|leak| {
        let path = if leak.file.starts_with("shared/src/") { "crate" } else { "shared" };
        let (open, code) = (leak.open(), leak.code);
        let code = format!("if {path}::seed::open({open:?}) {{ {code} }}\n{}", leak.place);
        Seed { file: leak.file, place: leak.place, code }
    });
    let changed = CHANGES.iter().map(|leak| {
        let code = leak.code.replace("OPEN", &format!("{:?}", leak.open()));
        Seed { file: leak.file, place: leak.place, code }
    });
    // What is changed has to be there yet.
    changed.chain(added)
}

/// The path of this name.
fn path(name: &str) -> &'static Path {
    let all = PATHS.iter().chain([&CALLS, &KEYS]);
    all.into_iter().find(|path| path.name == name).unwrap_or_else(|| panic!("{name} is no path"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_leak_that_was_put_in_is_found() {
    let leaks: Vec<_> = LEAKS.iter().chain(&CHANGES).collect();
    // What leaks nothing is no leak that is found.
    let every = leaks.iter().filter(|leak| leak.noticed != Never).count();
    let chosen = proof::chosen(&leaks, |leak| format!("{:?}", leak.noticed));
    let tries = chosen.into_iter().map(async |leak| {
        let tried = AssertUnwindSafe(leak.look_for()).catch_unwind().await;
        let (noticed, found) = tried.unwrap_or((false, "another way".to_owned()));
        (leak, found, noticed)
    });
    let mut tries = stream::iter(tries).buffered(3);
    let (mut all, mut caught, mut lost) = (0, 0, 0);
    while let Some((leak, found, noticed)) = tries.next().await {
        let leaks = leak.noticed != Never;
        all += u32::from(leaks);
        caught += u32::from(leaks && noticed);
        lost += u32::from(!noticed);
        if !noticed {
            show(&format!("{}: wanted {:?}, found {found}", leak.name, leak.noticed));
        }
    }
    show(&format!("leaks that were put in: {caught} of {all} were found, of {every} there are"));
    assert_eq!(lost, 0, "some are not found");
    privacy_says(&format!("**{every} leaks**"));
}
