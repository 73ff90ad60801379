//! Pairs of calls that are alike but for what is said, of the same size and with the same usage:
//! every byte that is kept or logged is the same, times and ids masked.
//!
//! `PAIRS=10000` makes so many in place of the usual number, and `PAIRS_SEED` others.

use std::ops::Range;

use serde_json::{Value, json};
use shared::{
    money::Pico,
    store::ledger::{Entry, EntryKind, PostEntry},
    time::Timestamp,
};
use simulator::random::Random;
use tests::{
    deployment::{ACCOUNT, Deployment, event},
    proof,
    provider::Script,
    runtime_api::Function,
    show,
};
use tokio::process::Command;

use crate::stage::{Build, built, privacy_says};

/// How many pairs the whole has.
const PAIRS: u64 = 500;

/// What both calls of a pair have in common.
struct Shape {
    kind: usize,
    ending: Ending,
    lengths: Vec<usize>,
    tokens: [u64; 2],
}

/// How a call ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Answered,
    Refused(u16),
    BreaksOff,
    Nonsense,
    ErrorWithin,
    /// The caller's body is no JSON.
    Malformed,
    UnknownModel,
}

const ENDINGS: [Ending; 14] = [
    Ending::Answered,
    Ending::Answered,
    Ending::Answered,
    Ending::Answered,
    Ending::Answered,
    Ending::Refused(400),
    Ending::Refused(429),
    Ending::Refused(500),
    Ending::Refused(529),
    Ending::BreaksOff,
    Ending::Nonsense,
    Ending::ErrorWithin,
    Ending::Malformed,
    Ending::UnknownModel,
];

/// The kinds of calls: the event, and whether it is streamed.
const KINDS: [(&str, bool); 12] = [
    ("proxy.chat", false),
    ("proxy.chat-stream", true),
    ("proxy.messages", false),
    ("proxy.messages-stream", true),
    ("proxy.generate-content", false),
    ("proxy.stream-generate-content", true),
    ("proxy.responses", false),
    ("proxy.responses-stream", true),
    ("proxy.embeddings", false),
    ("proxy.moderation", false),
    ("proxy.count-tokens", false),
    ("proxy.chat-claude", false),
];

impl Shape {
    fn new(random: &mut Random) -> Self {
        let pick = |random: &mut Random, length: usize| {
            usize::try_from(random.below(u64::try_from(length).expect("small"))).expect("small")
        };
        Self {
            kind: pick(random, KINDS.len()),
            ending: ENDINGS[pick(random, ENDINGS.len())],
            lengths: (0..12).map(|_| 12 + pick(random, 400)).collect(),
            tokens: [1 + random.below(5_000), 1 + random.below(5_000)],
        }
    }
}

/// One side of a pair: what is said, as JSON has it between two quotes, of the lengths of the shape.
struct Said<'a> {
    random: Random,
    lengths: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl Said<'_> {
    /// A text of the next length in bytes.
    fn text(&mut self) -> String {
        let length = *self.lengths.next().expect("a cycle");
        let mut text = String::new();
        while text.len() < length {
            let (one, two, three, six) = (
                ["a", "Z", "7", " ", "{", ":", "<", "%"],
                ["\\n", "\\\"", "é", "\\\\"],
                ["中", "€", "あ"],
                ["\\u00e9", "\\u4e2d"],
            );
            let next = match (length - text.len(), self.random.below(8)) {
                (6.., 0) => six[self.below(six.len())],
                (3.., 1) => three[self.below(three.len())],
                (2.., 2..4) => two[self.below(two.len())],
                _ => one[self.below(one.len())],
            };
            text.push_str(next);
        }
        text
    }

    /// A word of twelve letters.
    fn word(&mut self) -> String {
        let letter = |_| char::from(b'a' + u8::try_from(self.random.below(26)).expect("a letter"));
        (0..12).map(letter).collect()
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.random.below(u64::try_from(end).expect("small"))).expect("small")
    }
}

/// The event and the provider's answer for one side of a pair.
fn call(shape: &Shape, seed: u64) -> (Value, Script) {
    let mut said = Said { random: Random::new(seed), lengths: shape.lengths.iter().cycle() };
    let (name, streamed) = KINDS[shape.kind];
    let mut event: Value = serde_json::from_slice(&event(name)).expect("JSON");
    for header in ["User-Agent", "X-Title", "Cookie", "Referer"] {
        let value = said.word();
        event["headers"][header] = value.clone().into();
        event["multiValueHeaders"][header] = json!([value]);
    }
    let mut body = body(name, streamed, &mut said);
    match shape.ending {
        Ending::Malformed => {
            body.pop();
        }
        Ending::UnknownModel => {
            let model = said.word();
            for known in ["gpt-5-mini", "claude-haiku-4-5", "text-embedding-3-small"] {
                body = body
                    .replace(&format!("\"model\":\"{known}\""), &format!("\"model\":\"{model}\""));
            }
        }
        Ending::Answered
        | Ending::Refused(_)
        | Ending::BreaksOff
        | Ending::Nonsense
        | Ending::ErrorWithin => {}
    }
    event["body"] = body.into();
    (event, answer(shape, &mut said))
}

fn body(name: &str, streamed: bool, said: &mut Said<'_>) -> String {
    let stream = if streamed { "\"stream\":true," } else { "" };
    let tool = format!(
        "{{\"type\":\"object\",\"properties\":{{\"{}\":{{\"type\":\"string\"}}}}}}",
        said.word()
    );
    let (system, prompt, user, key, about) =
        (said.text(), said.text(), said.text(), said.word(), said.text());
    let (warmth, tool_name) = (said.below(10), said.word());
    match name {
        "proxy.chat" | "proxy.chat-stream" | "proxy.chat-claude" => {
            let model = if name == "proxy.chat-claude" { "claude-haiku-4-5" } else { "gpt-5-mini" };
            format!(
                "{{\"model\":\"{model}\",{stream}\"max_tokens\":500,\"temperature\":0.{warmth},\"user\":\"{user}\",\"metadata\":{{\"{key}\":\"{about}\"}},\"messages\":[{{\"role\":\"system\",\"content\":\"{system}\"}},{{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"tools\":[{{\"type\":\"function\",\"function\":{{\"name\":\"{tool_name}\",\"description\":\"{about}\",\"parameters\":{tool}}}}}]}}"
            )
        }
        "proxy.messages" | "proxy.messages-stream" => format!(
            "{{\"model\":\"claude-haiku-4-5\",{stream}\"max_tokens\":500,\"system\":\"{system}\",\"metadata\":{{\"user_id\":\"{user}\"}},\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}],\"tools\":[{{\"name\":\"{tool_name}\",\"description\":\"{about}\",\"input_schema\":{tool}}}]}}"
        ),
        "proxy.count-tokens" => format!(
            "{{\"model\":\"claude-haiku-4-5\",\"system\":\"{system}\",\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}]}}"
        ),
        "proxy.generate-content" | "proxy.stream-generate-content" => format!(
            "{{\"systemInstruction\":{{\"parts\":[{{\"text\":\"{system}\"}}]}},\"contents\":[{{\"parts\":[{{\"text\":\"{prompt}\"}}]}}],\"labels\":{{\"{key}\":\"{about}\"}},\"generationConfig\":{{\"maxOutputTokens\":500,\"temperature\":0.{warmth}}}}}"
        ),
        "proxy.responses" | "proxy.responses-stream" => format!(
            "{{\"model\":\"gpt-5-mini\",{stream}\"max_output_tokens\":500,\"instructions\":\"{system}\",\"user\":\"{user}\",\"metadata\":{{\"{key}\":\"{about}\"}},\"input\":\"{prompt}\"}}"
        ),
        "proxy.embeddings" => {
            format!(
                "{{\"model\":\"text-embedding-3-small\",\"user\":\"{user}\",\"input\":\"{prompt}\"}}"
            )
        }
        _ => format!("{{\"input\":\"{prompt}\"}}"),
    }
}

fn answer(shape: &Shape, said: &mut Said<'_>) -> Script {
    let (name, streamed) = KINDS[shape.kind];
    let (text, key) = (said.text(), said.word());
    let [read, written] = shape.tokens;
    let openai = format!(
        "{{\"prompt_tokens\":{read},\"completion_tokens\":{written},\"input_tokens\":{read},\"output_tokens\":{written}}}"
    );
    let gemini = format!(
        "{{\"promptTokenCount\":{read},\"candidatesTokenCount\":{written},\"totalTokenCount\":{}}}",
        read + written
    );
    let error =
        format!("{{\"error\":{{\"message\":\"{text}\",\"type\":\"{key}\",\"code\":\"{key}\"}}}}");
    let whole = format!(
        "{{\"{key}\":\"{text}\",\"choices\":[{{\"message\":{{\"content\":\"{text}\"}}}}],\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}},\"finishReason\":\"STOP\"}}],\"usage\":{openai},\"usageMetadata\":{gemini}}}"
    );
    let frames: [String; 2] = match name {
        "proxy.messages-stream" => [
            format!(
                "event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{{\"usage\":{{\"input_tokens\":{read},\"output_tokens\":1}}}}}}\n\nevent: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"delta\":{{\"text\":\"{text}\"}}}}\n\n"
            ),
            format!(
                "event: message_delta\ndata: {{\"type\":\"message_delta\",\"usage\":{{\"output_tokens\":{written}}}}}\n\nevent: message_stop\ndata: {{\"type\":\"message_stop\"}}\n\n"
            ),
        ],
        "proxy.stream-generate-content" => [
            format!(
                "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}]}}}}]}}\r\n\r\n"
            ),
            format!("data: {whole}\r\n\r\n"),
        ],
        "proxy.responses-stream" => [
            format!(
                ": {key}\n\nevent: response.output_text.delta\ndata: {{\"type\":\"response.output_text.delta\",\"delta\":\"{text}\"}}\n\n"
            ),
            format!(
                "event: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{whole}}}\n\n"
            ),
        ],
        _ => [
            format!(
                "event: {key}\nid: {key}\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n"
            ),
            format!(
                "data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{openai}}}\n\ndata: [DONE]\n\n"
            ),
        ],
    };
    let [first, last] = frames;
    let script = match shape.ending {
        Ending::Refused(status) => Script::json(status, error),
        Ending::BreaksOff if streamed => Script::events(first).cut(),
        Ending::BreaksOff => Script::json(200, format!("{{\"{key}\":")).cut(),
        Ending::Nonsense if streamed => Script::events(format!("data: {key}\n\n")),
        Ending::Nonsense => Script::json(200, format!("{{\"usage\":\"{key}\"}}")),
        Ending::ErrorWithin if streamed => {
            Script::events(format!("{first}event: error\ndata: {error}\n\n"))
        }
        Ending::Answered | Ending::ErrorWithin | Ending::Malformed | Ending::UnknownModel => {
            if streamed {
                Script::events(first).then(last)
            } else {
                Script::json(200, whole)
            }
        }
    };
    script.header("x-provider", &key)
}

/// One side: a deployment and its proxy.
struct Side {
    lab: Deployment,
    proxy: Function,
}

impl Side {
    async fn new(build: &Build) -> Self {
        built().await;
        let lab = Box::pin(Deployment::new()).await;
        let account = ACCOUNT.parse().expect("an id");
        let amount = Pico::from_dollars(100_000);
        let credit = Entry::new(&account, EntryKind::TopUp, "more", amount);
        lab.store().post_entry(&credit.expect("an entry"), Timestamp::now()).await.expect("credit");
        let proxy = match build {
            Build::Deployed => lab.start("proxy").await,
            Build::Seeded(seed) => {
                let path = tokio::task::spawn_blocking(|| crate::seeded::binary("proxy")).await;
                let command = Command::new(path.expect("a binary"));
                lab.run("proxy", command, &[("SEED", (*seed).to_owned())]).await
            }
        };
        proxy.ready().await;
        lab.tables.passed();
        Self { lab, proxy }
    }

    /// Makes one call, and gives what is kept of it: the head of its answer, and each request to the
    /// tables.
    async fn make(&mut self, (event, answer): (Value, Script)) -> (u64, Vec<Vec<u8>>) {
        self.lab.provider().answer(answer);
        let posted = self.proxy.invoke(event.to_string()).await;
        self.lab.provider().forget();
        let at = posted.body.windows(8).position(|window| window == [0; 8]).expect("a prelude");
        let head: Value = serde_json::from_slice(&posted.body[..at]).expect("JSON");
        let call = head["headers"]["x-laozhang-call-id"].as_str().expect("an id").to_owned();
        let passed = self.lab.tables.passed();
        assert!(self.lab.to_secrets.passed().asked.len() <= 1, "secrets are read at init alone");
        let mask = Mask::of(&call);
        let requests = passed.asked.iter().filter(|request| !is_by_the_clock(request));
        let mut kept: Vec<_> = requests.map(|request| mask.request(request)).collect();
        kept.push(mask.text(&head.to_string()).into_bytes());
        // Two that go out at once have no order.
        kept.sort_unstable();
        (head["statusCode"].as_u64().expect("a status"), kept)
    }

    /// Ends it, and gives what it has written.
    async fn end(self) -> Vec<u8> {
        let written = self.proxy.output().await;
        [written.stdout, written.stderr].concat()
    }
}

/// Whether a request is the one that is made once a minute, whichever call comes then: it asks which
/// policy is in force, and is always the same.
fn is_by_the_clock(request: &[u8]) -> bool {
    let key = json!({"account": {"S": "policy#current"}, "part": {"S": "current"}});
    let policy = json!({"ConsistentRead": true, "Key": key, "TableName": "Accounts"});
    let text = String::from_utf8_lossy(request);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str::<Value>(body).is_ok_and(|asked| asked == policy)
}

/// What is not the same in two calls: their ids and times.
struct Mask {
    id: String,
    now: i64,
}

impl Mask {
    fn of(call: &str) -> Self {
        Self { id: call.to_owned(), now: Timestamp::now().seconds() }
    }

    /// A request without the headers that are made of its time, a random number and both of its
    /// ends, and with its other times and ids masked.
    fn request(&self, request: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(request);
        let made = ["host:", "authorization:", "x-amz-date:", "amz-sdk-invocation-id:"];
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let kept = head.split("\r\n").filter(|line| {
            let line = line.to_ascii_lowercase();
            !made.iter().any(|name| line.starts_with(name))
        });
        // The SDK writes the members of an object in any order.
        let body: Value = serde_json::from_str(body).expect("JSON");
        let kept = format!("{}\n{body}", kept.collect::<Vec<_>>().join("\n"));
        self.text(&kept).into_bytes()
    }

    fn text(&self, text: &str) -> String {
        // The wallet has what is random of an id alone.
        let random = &self.id[self.id.len() - 20..];
        let text = text.replace(&self.id, "ID").replace(random, "RANDOM");
        let mut masked = String::new();
        let mut rest = text.as_str();
        while let Some(from) = rest.find(|it: char| it.is_ascii_digit()) {
            let length = rest[from..].find(|it: char| !it.is_ascii_digit());
            let to = from + length.unwrap_or(rest.len() - from);
            masked.push_str(&rest[..from]);
            let digits = &rest[from..to];
            masked.push_str(self.time(digits).unwrap_or(digits));
            rest = &rest[to..];
        }
        masked + rest
    }

    /// What these digits are, if they are a time: that of the call, in seconds, milliseconds or
    /// minutes, the same in seven days, or its hour.
    fn time(&self, digits: &str) -> Option<&'static str> {
        let number = digits.parse::<i64>().ok()?;
        // A call takes so long at the most.
        let of_call = |number: i64| (self.now - 30..=self.now).contains(&number);
        let hour = |at: i64| Timestamp::from_seconds(at).hour().to_string() == digits;
        if of_call(number) {
            Some("TIME")
        } else if of_call(number - 7 * 86_400) {
            Some("TIME+7d")
        } else if of_call(number / 1_000) {
            Some("MILLIS")
        } else if (number - self.now / 60).abs() <= 1 {
            Some("MINUTE")
        } else if hour(self.now) || hour(self.now - 30) {
            Some("HOUR")
        } else {
            None
        }
    }
}

/// Makes so many pairs, and says what of them is not the same.
pub(crate) async fn compare(numbers: Range<u64>, seed: u64, build: Build) -> Vec<String> {
    let (mut left, mut right) = tokio::join!(Side::new(&build), Side::new(&build));
    let mut shapes = Random::new(seed);
    let (mut different, mut bytes) = (Vec::new(), 0);
    for number in 0..numbers.end {
        let shape = Shape::new(&mut shapes);
        let (first, second) = (shapes.next(), shapes.next());
        if !numbers.contains(&number) {
            continue;
        }
        if number > numbers.start && number % 1_000 == 0 {
            show(&format!("{number} of {} pairs, {} differences", numbers.end, different.len()));
        }
        let (mine, yours) = (call(&shape, first), call(&shape, second));
        assert_ne!(mine.0["body"], yours.0["body"], "they say different things");
        assert_eq!(size(&mine.0), size(&yours.0), "in as many bytes");
        let ((status, mut mine), (_, mut yours)) = tokio::join!(left.make(mine), right.make(yours));
        if mine != yours {
            // What depends on what is said is there again; what the machine was too busy for is not.
            let again = (call(&shape, first), call(&shape, second));
            ((_, mine), (_, yours)) = tokio::join!(left.make(again.0), right.make(again.1));
        }
        if matches!(build, Build::Deployed) && shape.ending == Ending::Answered {
            assert_eq!(status, 200, "{}", KINDS[shape.kind].0);
        }
        bytes += mine.iter().map(Vec::len).sum::<usize>();
        if mine != yours {
            let shown = |kept: Vec<Vec<u8>>| {
                let text = kept.iter().map(|it| String::from_utf8_lossy(it).into_owned());
                text.collect::<Vec<_>>().join("\n")
            };
            let kind = KINDS[shape.kind].0;
            let ending = shape.ending;
            different.push(format!(
                "pair {number}, {kind}, {ending:?}:\n{}\n---\n{}",
                shown(mine),
                shown(yours)
            ));
        }
    }
    let (mine, yours) = (lines(&left.end().await), lines(&right.end().await));
    bytes += mine.iter().map(String::len).sum::<usize>();
    if mine != yours {
        different.push(format!("the log:\n{}\n---\n{}", mine.join("\n"), yours.join("\n")));
    }
    show(&format!(
        "{} pairs of calls from {} on (seed {seed}, {build:?}), {bytes} bytes kept or logged of each side, {} differences",
        numbers.end - numbers.start,
        numbers.start,
        different.len()
    ));
    different
}

fn size(event: &Value) -> usize {
    event["body"].as_str().expect("a body").len()
}

/// The lines of a log, each without its call's id.
fn lines(written: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(written);
    let lines = text.lines().map(|line| {
        let call = line.split("\"call\":\"").nth(1).and_then(|rest| rest.split('"').next());
        call.map_or_else(|| line.to_owned(), |call| line.replace(call, "ID"))
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_does_not_depend_on_what_is_said() {
    let (numbers, seed) = (proof::seeds("PAIRS", PAIRS), proof::setting("PAIRS_SEED").unwrap_or(1));
    let different = compare(numbers, seed, Build::Deployed).await;
    assert!(different.is_empty(), "{}", different.join("\n\n"));
    privacy_says(&format!("{PAIRS} pairs"));
}
