//! How Claude Code and Codex call, replayed: their paths, headers and bodies as they were captured,
//! with the texts in them replaced.

use std::{fs, path::PathBuf};

use serde_json::Value;
use tests::{
    provider::Script,
    world::{Answer, World},
};

/// One captured request.
struct Replay {
    file: String,
    capture: Value,
}

impl Replay {
    fn text(&self, name: &str) -> &str {
        self.capture[name].as_str().unwrap_or_else(|| panic!("{} has no {name}", self.file))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let headers = self.capture["headers"].as_array().unwrap();
        let found = headers.iter().find(|it| it[0].as_str().unwrap().eq_ignore_ascii_case(name));
        found.and_then(|it| it[1].as_str())
    }
}

fn all() -> Vec<Replay> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("replays");
    let mut replays: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let capture = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            Replay { file: path.file_name().unwrap().to_str().unwrap().to_owned(), capture }
        })
        .collect();
    replays.sort_by(|one, other| one.file.cmp(&other.file));
    replays
}

const RESPONSE: &str = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":4}}}\n\n";
const MESSAGE: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":4}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// What the provider would answer.
fn script(replay: &Replay) -> Script {
    let streamed = replay.capture["body"]["stream"] == true;
    let path = replay.text("path");
    if path.contains("count_tokens") {
        Script::json(200, r#"{"input_tokens":9}"#)
    } else if path.starts_with("/v1/messages") && streamed {
        Script::events(MESSAGE)
    } else if path.starts_with("/v1/messages") {
        let usage = r#"{"input_tokens":9,"output_tokens":4}"#;
        Script::json(200, format!(r#"{{"type":"message","content":[],"usage":{usage}}}"#))
    } else if streamed {
        Script::events(RESPONSE)
    } else {
        let usage = r#"{"input_tokens":9,"output_tokens":4}"#;
        Script::json(200, format!(r#"{{"object":"response.compaction","usage":{usage}}}"#))
    }
}

async fn send(world: &World, replay: &Replay) -> Answer {
    let method = replay.text("method").parse().unwrap();
    let mut request = world.request(method, replay.text("path"));
    for header in replay.capture["headers"].as_array().unwrap() {
        let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
        // What the client's own connection decides.
        if ["connection", "host", "content-length", "upgrade", "transfer-encoding"]
            .contains(&name.to_ascii_lowercase().as_str())
        {
            continue;
        }
        request = request.header(name, value.replace("KEY", &world.demo("LAOZHANG_API_KEY")));
    }
    let body = &replay.capture["body"];
    if !body.is_null() {
        request = request.body(body.to_string());
    }
    world.send(request).await
}

/// What a member of a body may hold that would name the person who calls, or keep what they say.
const DROPPED: [&str; 3] = ["metadata", "client_metadata", "user"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_claude_code_and_codex_send_is_carried() {
    let replays = all();
    assert!(replays.len() >= 30, "{} replays", replays.len());
    let world = World::new().await;
    world.credit(100_000).await;
    let mut carried = 0;
    for replay in &replays {
        let file = &replay.file;
        let model = replay.capture["body"]["model"].as_str();
        let posts = replay.text("method") == "POST";
        let unknown = file.contains("unknown_model");
        if posts && !unknown && replay.header("content-encoding").is_none() {
            world.provider().answer(script(replay));
            let answer = send(&world, replay).await;
            assert_eq!(answer.status, 200, "{file}: {:?}", answer.body);
            let received = world.provider().received();
            let received = received.last().unwrap();
            let sent: Value = serde_json::from_slice(&received.body).unwrap();
            for (member, value) in replay.capture["body"].as_object().unwrap() {
                if DROPPED.contains(&member.as_str()) {
                    assert!(sent.get(member).is_none(), "{file}: {member} was sent");
                } else if member == "tools" {
                    let (sent, tools) =
                        (sent[member].as_array().unwrap(), value.as_array().unwrap());
                    assert_eq!(sent.len(), tools.len(), "{file}");
                    for (sent, tool) in sent.iter().zip(tools) {
                        let mut sent = sent.clone();
                        // Claude's search may have got a limit.
                        if tool.get("max_uses").is_none() {
                            sent.as_object_mut().unwrap().remove("max_uses");
                        }
                        assert_eq!(&sent, tool, "{file}");
                    }
                } else {
                    assert_eq!(&sent[member], value, "{file}: {member}");
                }
            }
            let names: Vec<_> = received.headers.keys().map(|name| name.as_str()).collect();
            for name in names {
                let known = name.starts_with("anthropic-")
                    || ["accept", "accept-encoding", "authorization", "content-length"]
                        .contains(&name)
                    || ["content-type", "host", "user-agent", "x-api-key"].contains(&name);
                assert!(known && !name.contains("dangerous"), "{file}: {name} was sent");
            }
            let version = replay.header("anthropic-version");
            let sent = received.headers.get("anthropic-version");
            assert_eq!(sent.and_then(|it| it.to_str().ok()), version, "{file}");
            let betas = received.headers.get("anthropic-beta");
            let betas = betas.and_then(|it| it.to_str().ok());
            assert_eq!(betas, replay.header("anthropic-beta"), "{file}");
            let query = replay.text("path").split_once('?').map(|(_, query)| query);
            assert_eq!(received.path.split_once('?').map(|(_, query)| query), query, "{file}");
            carried += 1;
            continue;
        }
        let answer = send(&world, replay).await;
        let expected = match replay.text("path").split('?').next().unwrap() {
            // Codex goes on over HTTP at once.
            "/v1/responses" if !posts => 426,
            "/v1/models" => 200,
            "/api/hello" => 404,
            _ if unknown => 404,
            // With a login of its own it compresses what it sends.
            _ => 415,
        };
        assert_eq!(answer.status, expected, "{file} ({model:?}): {:?}", answer.body);
    }
    assert!(carried >= 25, "{carried} were carried");
    assert_eq!(world.provider().received().len(), carried);
}
