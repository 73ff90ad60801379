//! The program as a person runs it: started, called, stopped, started again.

#![cfg(test)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A running `local`, with the lines it has greeted with.
struct Local {
    child: Child,
    address: String,
    greeting: String,
}

impl Local {
    fn start(data: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
            .args(["--port", "0", "--data"])
            .arg(data)
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut greeting = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !greeting.contains("Stop with") {
            assert!(lines.read_line(&mut greeting).unwrap() > 0, "it ended: {greeting}");
        }
        // The rest is read too, or its last words would break the pipe.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        let address = greeting.split("http://").nth(1).unwrap().lines().next().unwrap();
        Self { child, address: address.to_owned(), greeting }
    }

    /// Sends a request and gives the connection, on which the answer comes.
    fn ask(&self, method: &str, path: &str, key: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}",
            self.address
        )
        .unwrap();
        stream
    }

    fn get(&self, path: &str, key: &str) -> String {
        let mut answer = String::new();
        self.ask("GET", path, key, "").read_to_string(&mut answer).unwrap();
        answer
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A data directory of this test's own, below `target`.
fn data(name: &str) -> PathBuf {
    let data = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    drop(std::fs::remove_dir_all(&data));
    data
}

fn demo(data: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(data.join("demo.env")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
    line.unwrap_or_else(|| panic!("{name} is in demo.env")).to_owned()
}

const STREAM: &str = r#"{"model":"gpt-5-mini","stream":true,"messages":[]}"#;

#[test]
fn the_line_it_prints_works() {
    let data = data("the_line_it_prints");
    let local = Local::start(&data);
    let line = local.greeting.split("\n\n").find(|part| part.contains("curl ")).unwrap();
    let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    assert!(answer.contains("stand-in"), "{line}\n{answer}");
    assert!(local.greeting.contains("Set OPENAI_API_KEY"));
    for name in [
        "LAOZHANG_BASE_URL",
        "LAOZHANG_API_KEY",
        "LAOZHANG_USAGE_KEY",
        "LAOZHANG_MANAGEMENT_KEY",
        "LAOZHANG_OPERATOR_TOKEN",
    ] {
        assert!(!demo(&data, name).is_empty(), "{name}");
    }
    assert_eq!(demo(&data, "LAOZHANG_BASE_URL"), format!("http://{}", local.address));
}

#[test]
fn a_signal_lets_calls_in_flight_finish_and_settle_and_what_is_kept_survives() {
    for (name, signal) in [("interrupted", "-INT"), ("terminated", "-TERM")] {
        let data = data(name);
        let mut local = Local::start(&data);
        let key = demo(&data, "LAOZHANG_API_KEY");
        let mut stream = local.ask("POST", "/v1/chat/completions", &key, STREAM);
        let mut first = [0; 1];
        stream.read_exact(&mut first).unwrap();
        local.signal(signal);
        let mut rest = String::new();
        stream.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("[DONE]"), "the stream was cut: {rest}");
        assert!(local.child.wait().unwrap().success());

        let again = Local::start(&data);
        assert_eq!(demo(&data, "LAOZHANG_API_KEY"), key);
        let calls = again.get("/v1/usage/calls", &demo(&data, "LAOZHANG_USAGE_KEY"));
        assert_eq!(calls.matches("\"object\":\"call\"").count(), 1, "{calls}");
        // What is out is what the call cost: the rest of its hold is back.
        let account = again.get("/v1/account", &demo(&data, "LAOZHANG_MANAGEMENT_KEY"));
        let out = account.split("\"outstanding_usd\":\"").nth(1).unwrap();
        let cost = calls.split("\"cost_usd\":\"").nth(1).unwrap();
        assert_eq!(out.split('"').next(), cost.split('"').next());
        assert!(!account.contains("\"balance_usd\":\"10.0"), "{account}");
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_nothing_is_touched() {
    let local = Local::start(&data("first"));
    let port = local.address.rsplit(':').next().unwrap();
    let other = data("second");
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    let command = command.args(["--port", port, "--data"]).arg(&other);
    let output = command.output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("is taken: choose another with --port"), "{error}");
    assert!(!other.exists());
}
