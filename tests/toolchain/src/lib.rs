//! The SDKs the tests call a gateway with, each language's with an interpreter of their own;
//! stand-ins for the providers, and a DynamoDB, that others have written; and SAM.
//!
//! All are made once, under `target/sdks`, from the lock files in `tests/sdks`. Nothing is
//! installed outside `target`, and nothing but the lock files says what.
//!
//! Everything here blocks: async tests go through `spawn_blocking`.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "only tests use this crate, and what fails here has to fail the test"
)]

mod error;
mod folder;
mod node;
mod python;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

pub use self::{
    error::ToolchainError,
    node::{aimock, node, node_alone},
    python::{llmock, ministack, python, sam, schemathesis},
};

/// One provider's client library, named as the scenario scripts name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// `openai`
    OpenAi,
    /// `anthropic`
    Anthropic,
    /// `google-genai` and `@google/genai`
    GenAi,
}

impl Sdk {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::GenAi];

    /// The name the scenario scripts know it by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::GenAi => "genai",
        }
    }
}

/// Whose SDKs they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Python, 3.11 or later.
    Python,
    /// JavaScript, under Node 22.
    Node,
}

/// Which of an SDK's major versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    /// The newest.
    Current,
    /// The last of the one before.
    Previous,
}

impl Major {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Current, Self::Previous];

    /// What stands behind a name to tell the previous one.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Current => "",
            Self::Previous => "-previous",
        }
    }
}

/// One language's interpreter with the three SDKs, each in one major version.
#[derive(Clone, Debug)]
pub struct Sdks {
    /// The language.
    pub language: Language,
    /// The major versions.
    pub major: Major,
    /// The interpreter.
    program: PathBuf,
    /// A copy of the language's scenario script, where the interpreter finds the SDKs from.
    scenarios: PathBuf,
}

impl Sdks {
    /// The command that plays the scenarios it reads, and prints one line of JSON for each.
    ///
    /// The caller adds the `LAOZHANG_*` variables, which the head of the script lists. There is
    /// nothing else in its environment, so no proxy, key or profile of the person who runs the
    /// tests reaches the SDK.
    #[must_use]
    pub fn scenarios(&self, sdk: Sdk) -> Command {
        let mut command = Command::new(&self.program);
        let name = match self.language {
            // Each major version has a venv of its own.
            Language::Python => sdk.name().to_owned(),
            Language::Node => format!("{}{}", sdk.name(), self.major.suffix()),
        };
        command.arg(&self.scenarios).arg(name).env_clear();
        if let Some(directory) = self.scenarios.parent() {
            command.env("HOME", directory);
        }
        command
    }

    /// The package and version of an SDK, as it is locked.
    ///
    /// # Panics
    ///
    /// When it is not locked.
    #[must_use]
    pub fn version(&self, sdk: Sdk) -> String {
        let locked = match self.language {
            Language::Python => python::version(sdk, self.major),
            Language::Node => node::version(sdk, self.major),
        };
        locked.unwrap_or_else(|| panic!("{sdk:?} is not locked"))
    }
}

/// A stand-in for all three providers that others have written.
#[derive(Clone, Debug)]
pub struct Standin {
    /// What it is called.
    pub name: &'static str,
    /// Where it has the provider of each SDK, below its own address.
    pub paths: [(Sdk, &'static str); 3],
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Standin {
    /// The command that serves on this port of loopback, with nothing else in its environment.
    #[must_use]
    pub fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.env_clear();
        command
    }
}

/// A DynamoDB that others have written, in Python, which has nothing in common with the embedded one.
#[derive(Clone, Debug)]
pub struct Ministack {
    program: PathBuf,
    home: PathBuf,
}

impl Ministack {
    /// The command that serves DynamoDB alone on this port of loopback, with nothing else in its
    /// environment.
    #[must_use]
    pub fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        // Its own program would leave a file beside the others of the machine. A worker would be a
        // process that outlives the one that is ended.
        command.args(["-m", "hypercorn", "ministack.app:app", "--workers", "0", "--bind"]);
        command.arg(format!("127.0.0.1:{port}")).current_dir(&self.home).env_clear();
        command.env("HOME", &self.home).env("GATEWAY_PORT", port.to_string());
        command.envs([("SERVICES", "dynamodb"), ("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0")]);
        command
    }
}

/// SAM, with the translator and the linter that it is made of.
#[derive(Clone, Debug)]
pub struct Sam {
    home: PathBuf,
    transform: PathBuf,
}

impl Sam {
    /// The `sam` command, with nothing else in its environment: no account, and no word to anybody
    /// about how it is used.
    #[must_use]
    pub fn command(&self) -> Command {
        self.run("sam")
    }

    /// Its Python, which has AWS's own library, with nothing else in its environment.
    #[must_use]
    pub fn python(&self) -> Command {
        self.run("python")
    }

    /// The command that transforms the templates it reads, a JSON list of texts.
    #[must_use]
    pub fn transform(&self) -> Command {
        let mut command = self.run("python");
        command.arg(&self.transform);
        command
    }

    fn run(&self, program: &str) -> Command {
        let mut command = Command::new(self.home.join("bin").join(program));
        command.env_clear().env("HOME", &self.home).env("PATH", self.home.join("bin"));
        command.envs([("AWS_DEFAULT_REGION", "eu-west-1"), ("SAM_CLI_TELEMETRY", "0")]);
        command
    }
}

/// Cargo, as whoever calls it from a shell has it.
///
/// A test has variables of its own package in its environment. Build scripts ask for some of them, so
/// that a build called with them would not find what was built without, and leave nothing for it.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let of_package = |name: &str| {
            let groups = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "NEXTEST"];
            groups.iter().any(|group| name.starts_with(group))
                || matches!(name, "CARGO_CRATE_NAME" | "CARGO_PRIMARY_PACKAGE" | "OUT_DIR")
        };
        if name.to_str().is_some_and(of_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Cargo's target directory. Cargo reads a relative `CARGO_TARGET_DIR` from where it was called:
/// the workspace, we assume.
pub fn target() -> PathBuf {
    let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Path::new(workspace).join(target)
}
