//! A process in which one SDK plays scenarios, one after the other.

use std::{process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// How long a scenario may take. The first one loads the SDK.
const LONGEST: Duration = Duration::from_secs(60);

/// The process. It ends when this is dropped.
pub struct Player {
    _child: Child,
    scenarios: ChildStdin,
    seen: Lines<BufReader<ChildStdout>>,
}

impl Player {
    /// Starts it, for a caller with this key and prompt.
    pub fn start(command: std::process::Command, key: &str, prompt: &str) -> Self {
        let mut command = Command::from(command);
        command.env("LAOZHANG_API_KEY", key).env("LAOZHANG_PROMPT", prompt);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the interpreter runs");
        let scenarios = child.stdin.take().expect("its stdin");
        let seen = BufReader::new(child.stdout.take().expect("its stdout")).lines();
        Self { _child: child, scenarios, seen }
    }

    /// Plays one scenario at `base_url`; returns what a developer would see.
    ///
    /// # Panics
    /// When it raises something that the scenario does not expect.
    pub async fn play(&mut self, scenario: &str, base_url: &str, model: Option<&str>) -> Value {
        let mut line = format!("{scenario} LAOZHANG_BASE_URL={base_url}");
        if let Some(model) = model {
            line.push_str(" LAOZHANG_MODEL=");
            line.push_str(model);
        }
        line.push('\n');
        self.scenarios.write_all(line.as_bytes()).await.expect("it reads");
        let seen = timeout(LONGEST, self.seen.next_line()).await;
        let seen = seen.unwrap_or_else(|_| panic!("{scenario} hangs")).expect("it writes");
        let seen = seen.unwrap_or_else(|| panic!("{scenario} has ended the process"));
        let seen: Value = serde_json::from_str(&seen).expect("JSON");
        assert!(seen["ok"] == true, "{}", seen["error"].as_str().unwrap_or_default());
        seen
    }
}
