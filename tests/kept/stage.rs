//! A stage for one path: a deployment, a function in it, and everything that the function leaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, mem,
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;
use tests::{
    binaries::binary,
    canary::{Canaries, Hit},
    deployment::{Deployment, KEY, event},
    provider::Script,
    runtime_api::{Function, Posted, Written},
    tap::{Passed, Tap},
    world::PROVIDER_SECRET,
};
use tokio::process::Command;
use toolchain::target;

use crate::planted::{PLACES, is_callers};

/// Where something could be kept or told that should not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sink {
    /// Standard output, which is the log, and of which metrics are made.
    Stdout,
    /// Standard error.
    Stderr,
    /// What goes to the tables and comes from them, byte for byte.
    TablesWire,
    /// What is in the tables.
    Tables,
    /// The line to Secrets Manager.
    SecretsWire,
    /// The line to SES.
    MailWire,
    /// Errors that are posted to the Runtime API.
    RuntimeErrors,
    /// The bodies of answers that the platform has written, and of a provider's what the caller has.
    Bodies,
    /// The headers of answers.
    Headers,
    /// What another caller is answered afterwards.
    OthersAnswers,
    /// Files that are made, opened to write or renamed.
    Files,
    /// Hosts that are spoken to and are none of those that are known.
    Hosts,
}

impl Sink {
    /// Every one.
    pub(crate) const ALL: [Self; 12] = [
        Self::Stdout,
        Self::Stderr,
        Self::TablesWire,
        Self::Tables,
        Self::SecretsWire,
        Self::MailWire,
        Self::RuntimeErrors,
        Self::Bodies,
        Self::Headers,
        Self::OthersAnswers,
        Self::Files,
        Self::Hosts,
    ];
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "log, metrics",
            Self::Stderr => "stderr",
            Self::TablesWire => "tables, wire",
            Self::Tables => "tables",
            Self::SecretsWire => "secrets, wire",
            Self::MailWire => "mail, wire",
            Self::RuntimeErrors => "Runtime API errors",
            Self::Bodies => "error bodies",
            Self::Headers => "answer headers",
            Self::OthersAnswers => "others' answers",
            Self::Files => "files",
            Self::Hosts => "other hosts",
        })
    }
}

/// What was found where.
pub(crate) type Found = BTreeMap<Sink, BTreeSet<String>>;

/// Which build of the functions is on the stage.
#[derive(Clone, Debug)]
pub(crate) enum Build {
    /// The one that is deployed.
    Deployed,
    /// One with leaks and panics, of which the named one is open.
    Seeded(&'static str),
}

/// The stage.
pub(crate) struct Stage {
    /// The platform around the function.
    pub(crate) lab: Deployment,
    /// What is said.
    pub(crate) canaries: Canaries,
    build: Build,
    function: Option<Function>,
    notes: PathBuf,
    /// The Runtime API of each function so far.
    apis: Vec<String>,
    found: Found,
    /// Where anything was looked at.
    looked: BTreeSet<Sink>,
    /// Whom the functions have spoken to.
    connected: BTreeSet<String>,
    /// The lines of the log.
    log: Vec<Value>,
    /// What is a secret, and what it is called.
    secrets: Vec<(&'static str, String)>,
}

impl Stage {
    /// An empty stage.
    pub(crate) async fn new(build: Build) -> Box<Self> {
        built().await;
        let canaries = Canaries::of(&PLACES);
        let name = format!("watched-{}.txt", &canaries.at("prompt")[6..]);
        let lab = Box::pin(Deployment::new()).await;
        Box::new(Self {
            lab,
            canaries,
            build,
            function: None,
            notes: target().join(name),
            apis: Vec::new(),
            found: Found::new(),
            looked: BTreeSet::new(),
            connected: BTreeSet::new(),
            log: Vec::new(),
            secrets: vec![
                ("a key", KEY.to_owned()),
                ("the operator's credential", PROVIDER_SECRET.to_owned()),
                ("the pepper", "5a".repeat(10)),
            ],
        })
    }

    /// Starts a function, watched, in which these variables are others.
    pub(crate) async fn start(&mut self, name: &'static str, others: &[(&str, String)]) {
        self.end().await;
        let build = self.build.clone();
        let path = tokio::task::spawn_blocking(move || match build {
            Build::Deployed => binary(name),
            Build::Seeded(_) => crate::seeded::binary(name),
        });
        let path = path.await.expect("a binary");
        let mut command = if cfg!(target_os = "linux") {
            let mut command = Command::new(env!("CARGO_BIN_EXE_watch"));
            command.arg(&self.notes).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(target());
        let mut others = others.to_vec();
        if let Build::Seeded(name) = self.build {
            others.push(("SEED", name.to_owned()));
        }
        let function = self.lab.run(name, command, &others).await;
        self.apis.push(function.api().to_string());
        self.function = Some(function);
    }

    /// The function on the stage.
    pub(crate) const fn function(&mut self) -> &mut Function {
        self.function.as_mut().expect("a function on the stage")
    }

    /// Gives the function an event. What the platform answers may hold nothing that anybody wrote.
    pub(crate) async fn ask(&mut self, event: impl ToString) -> u16 {
        self.ask_within(event, Duration::from_secs(900)).await
    }

    /// The same, with a deadline.
    pub(crate) async fn ask_within(&mut self, event: impl ToString, time: Duration) -> u16 {
        let posted = self.function().invoke_within(event.to_string(), time).await;
        self.look_at_answer(&posted, |_| false)
    }

    /// Gives the function an event to which the provider's own words are passed on.
    pub(crate) async fn ask_provider(&mut self, event: impl ToString) -> u16 {
        self.ask_provider_within(event, Duration::from_secs(900)).await
    }

    /// The same, with a deadline.
    pub(crate) async fn ask_provider_within(
        &mut self,
        event: impl ToString,
        time: Duration,
    ) -> u16 {
        let posted = self.function().invoke_within(event.to_string(), time).await;
        self.look_at_answer(&posted, is_providers)
    }

    /// Asks an authorizer, and gives its decision.
    pub(crate) async fn decide(&mut self, event: impl ToString) -> String {
        let posted = self.function().invoke(event.to_string()).await;
        self.look_at_answer(&posted, |_| false);
        let decision: Value = serde_json::from_slice(&posted.body).expect("a decision");
        let effect = &decision["policyDocument"]["Statement"][0]["Effect"];
        effect.as_str().expect("an effect").to_owned()
    }

    /// One more secret to look for.
    pub(crate) fn keep_secret(&mut self, name: &'static str, text: String) {
        self.secrets.push((name, text));
    }

    /// The status of an answer that was posted, and what is in it.
    fn look_at_answer(&mut self, posted: &Posted, may: impl Fn(&str) -> bool) -> u16 {
        if posted.to == "error" {
            let headers = format!("{:?}", posted.headers);
            self.look(Sink::RuntimeErrors, &[headers.as_bytes(), &posted.body].concat());
            return 0;
        }
        // An authorizer's answer and a report have no head.
        let Some(at) = posted.body.windows(8).position(|window| window == [0; 8]) else {
            self.look(Sink::Bodies, &posted.body);
            return 200;
        };
        let (head, body) = (&posted.body[..at], &posted.body[at + 8..]);
        self.look(Sink::Headers, head);
        self.look(Sink::Headers, format!("{:?}", posted.headers).as_bytes());
        let hits = self.canaries.found_in(body);
        self.note(Sink::Bodies, hits.into_iter().filter(|hit| !may(hit.planted)));
        self.look_for_secrets(Sink::Bodies, body);
        let prelude: Value = serde_json::from_slice(head).expect("a prelude of JSON");
        u16::try_from(prelude["statusCode"].as_u64().expect("a status")).expect("a status")
    }

    /// Another caller asks for something else.
    async fn ask_as_another(&mut self, name: &str) {
        let asks: &[&str] = match name {
            "proxy" => &["proxy.models", "proxy.unknown-model", "proxy.not-served"],
            "usage" => &["usage.calls", "usage.credits"],
            "account" => &["account.policy", "account.providers"],
            "authorizer" => &["authorizer.missing", "authorizer.bearer"],
            _ => &[],
        };
        for ask in asks {
            let posted = self.function().invoke(event(ask)).await;
            self.look_at_others(&posted);
        }
        if name != "proxy" {
            return;
        }
        // And has calls carried, of which nobody has said anything that is looked for.
        let usage = r#"{"choices":[{}],"usage":{"prompt_tokens":9,"completion_tokens":4}}"#;
        let stream = format!("data: {usage}\n\ndata: [DONE]\n\n");
        for (ask, script) in [
            ("proxy.chat", Script::json(200, usage)),
            ("proxy.chat-stream", Script::events(stream)),
        ] {
            self.lab.provider().forget();
            self.lab.provider().answer(script);
            let posted = self.function().invoke(event(ask)).await;
            self.look_at_others(&posted);
            for received in self.lab.provider().received() {
                let head = format!("{} {:?}", received.path, received.headers);
                let hits = self.canaries.found_in(&[head.as_bytes(), &received.body].concat());
                self.note(Sink::OthersAnswers, hits.into_iter());
            }
        }
    }

    fn look_at_others(&mut self, posted: &Posted) {
        self.look(Sink::OthersAnswers, &posted.body);
        self.look(Sink::OthersAnswers, format!("{:?}", posted.headers).as_bytes());
    }

    /// Lets another caller ask the function for something, ends it and looks at everything it has
    /// left.
    pub(crate) async fn end_after_another(&mut self, name: &str) {
        self.ask_as_another(name).await;
        self.end().await;
    }

    /// Ends the function, if there is one, and looks at everything it has left.
    pub(crate) async fn end(&mut self) {
        let Some(function) = self.function.take() else { return };
        self.look_at_all(&function.output().await).await;
    }

    /// Awaits the function's own end.
    pub(crate) async fn ended(&mut self) {
        let function = self.function.take().expect("a function on the stage");
        self.look_at_all(&function.ended().await).await;
    }

    async fn look_at_all(&mut self, Written { stdout, stderr }: &Written) {
        self.look(Sink::Stdout, stdout);
        self.look(Sink::Stderr, stderr);
        // Whatever is no line of ours is a hit as well: nothing else has a place there.
        let lines = stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        for line in lines {
            let line = serde_json::from_slice::<Value>(line).unwrap_or_default();
            if !is_ours(&line) {
                self.hit(Sink::Stdout, FOREIGN);
            }
            self.log.push(line);
        }
        if !stderr.is_empty() {
            self.hit(Sink::Stderr, FOREIGN);
        }
        self.look_around().await;
    }

    /// How many lines the functions that have ended have logged in which this field says that.
    pub(crate) fn logged(&self, field: &str, says: &str) -> usize {
        self.log.iter().filter(|line| line[field] == says).count()
    }

    /// Looks at the lines, the tables and what was watched.
    async fn look_around(&mut self) {
        let lines: [(Sink, Passed); 3] = [
            (Sink::TablesWire, self.lab.tables.passed()),
            (Sink::SecretsWire, self.lab.to_secrets.passed()),
            (Sink::MailWire, self.lab.mail.passed()),
        ];
        for (sink, passed) in lines {
            self.look_at_line(sink, &passed);
        }
        for table in ["Accounts", "Keys", "Calls", "Ledger"] {
            let items = format!("{:?}", self.lab.items(table).await);
            self.look(Sink::Tables, items.as_bytes());
        }
        if cfg!(target_os = "linux") {
            self.look_at_notes();
        }
    }

    /// What others say on a line is theirs: an error of the tables quotes what a test has put in.
    fn look_at_line(&mut self, sink: Sink, passed: &Passed) {
        self.look(sink, &passed.asked.concat());
        for hit in self.canaries.found_in(&passed.told) {
            if is_callers(hit.planted) {
                self.hit(sink, &format!("{}, {}", hit.planted, hit.form));
            }
        }
    }

    fn look_at_notes(&mut self) {
        let Ok(notes) = fs::read_to_string(&self.notes) else { return };
        fs::remove_file(&self.notes).expect("its notes");
        self.looked.extend([Sink::Files, Sink::Hosts]);
        let known = self.known_hosts();
        for note in notes.lines() {
            match note.split_once(' ').expect("two words") {
                ("connects", host) => match known.get(host) {
                    Some(name) => drop(self.connected.insert((*name).to_owned())),
                    None => self.hit(Sink::Hosts, host),
                },
                (_, file) => self.hit(Sink::Files, file),
            }
        }
    }

    /// Everything a function may speak to, by its address.
    fn known_hosts(&self) -> BTreeMap<String, &'static str> {
        let lab = &self.lab;
        let [openai, anthropic, gemini] = &lab.providers;
        let taps: [(&Tap, &str); 6] = [
            (&lab.tables, "tables"),
            (&lab.to_secrets, "Secrets Manager"),
            (&lab.mail, "SES"),
            (openai, "openai"),
            (anthropic, "anthropic"),
            (gemini, "gemini"),
        ];
        let taps = taps.map(|(tap, name)| (tap.address().to_string(), name));
        let apis = self.apis.iter().map(|api| (api.clone(), "Runtime API"));
        taps.into_iter().chain(apis).collect()
    }

    /// Whom the function that has ended has spoken to, and what else it has done.
    pub(crate) fn connected(&mut self) -> (BTreeSet<String>, Found) {
        (mem::take(&mut self.connected), mem::take(&mut self.found))
    }

    fn look(&mut self, sink: Sink, bytes: &[u8]) {
        // Nothing written is what has to be found; nothing said on a line is nothing looked at.
        if bytes.is_empty() && ![Sink::Stdout, Sink::Stderr].contains(&sink) {
            return;
        }
        let hits = self.canaries.found_in(bytes);
        self.note(sink, hits.into_iter());
        self.look_for_secrets(sink, bytes);
    }

    fn look_for_secrets(&mut self, sink: Sink, bytes: &[u8]) {
        let there = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let found = self.secrets.iter().filter(|(_, text)| there(text));
        let found: Vec<_> = found.map(|(name, _)| *name).collect();
        for name in found {
            self.hit(sink, name);
        }
    }

    fn note(&mut self, sink: Sink, hits: impl Iterator<Item = Hit>) {
        self.looked.insert(sink);
        for hit in hits {
            self.hit(sink, &format!("{}, {}", hit.planted, hit.form));
        }
    }

    fn hit(&mut self, sink: Sink, what: &str) {
        self.found.entry(sink).or_default().insert(what.to_owned());
    }

    /// What was found, and which sinks were looked at.
    pub(crate) async fn clear(mut self: Box<Self>) -> (Found, BTreeSet<Sink>) {
        self.end().await;
        (self.found, self.looked)
    }
}

/// What is a hit though nobody has said it: what is not of our own words.
pub(crate) const FOREIGN: &str = "something that is not of our own words";

/// Fails the test if PRIVACY.md does not say this.
pub(crate) fn privacy_says(what: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../PRIVACY.md");
    let text = fs::read_to_string(file).expect("PRIVACY.md");
    assert!(text.contains(what), "PRIVACY.md does not say\n{what}");
}

/// Whether a provider writes there.
fn is_providers(place: &str) -> bool {
    ["provider's ", "event ", "end of a broken answer"].iter().any(|it| place.starts_with(it))
}

/// Builds what is run, before anything runs beside it.
pub(crate) async fn built() {
    let built = tokio::task::spawn_blocking(|| {
        binary("proxy");
        crate::seeded::binary("proxy");
    });
    built.await.expect("both are built");
}

/// Whether a line has the fields of our log alone, and in them words of ours and numbers.
fn is_ours(line: &Value) -> bool {
    let Some(fields) = line.as_object() else { return false };
    let word = |text: &str| {
        text.len() <= 64
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte))
    };
    let plain = |value: &Value| match value {
        Value::String(text) => word(text),
        Value::Number(_) | Value::Null => true,
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    };
    fields.contains_key("line") && fields.iter().all(|(name, value)| word(name) && plain(value))
}
