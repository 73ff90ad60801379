//! Node, and both major versions of the SDKs beside it.

use std::{path::PathBuf, process::Command};

use super::{
    Language, Major, Sdk, Sdks, Standin,
    error::ToolchainError,
    folder::{Folder, answers, run},
};
use serde_json::Value;

const PACKAGE: &str = include_str!("../../sdks/node/package.json");
const LOCK: &str = include_str!("../../sdks/node/package-lock.json");

const AIMOCK: &str = include_str!("../../sdks/aimock/fixtures.json");

const SCENARIOS: &str = include_str!("../../sdks/node/scenarios.mjs");
const MODULES: [(&str, &str); 4] = [
    ("caller.mjs", include_str!("../../sdks/node/caller.mjs")),
    ("calls_openai.mjs", include_str!("../../sdks/node/calls_openai.mjs")),
    ("calls_anthropic.mjs", include_str!("../../sdks/node/calls_anthropic.mjs")),
    ("calls_genai.mjs", include_str!("../../sdks/node/calls_genai.mjs")),
];

/// Node 22 with the SDKs of `tests/sdks/node`.
///
/// Node is one of the locked packages: for each platform there is one that holds the binary, so
/// that no install script has to run.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn node(major: Major) -> Result<Sdks, ToolchainError> {
    let (folder, program) = make()?;
    // Imports are resolved from where the scripts are.
    for (name, text) in MODULES {
        folder.place(name, text)?;
    }
    let scenarios = folder.place("scenarios.mjs", SCENARIOS)?;
    Ok(Sdks { language: Language::Node, major, program, scenarios })
}

/// Node by itself, with nothing in its environment.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn node_alone() -> Result<Command, ToolchainError> {
    let (_, program) = make()?;
    let mut command = Command::new(program);
    command.env_clear();
    Ok(command)
}

/// aimock, which is among the locked packages. What it says is in `tests/sdks/aimock`.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn aimock() -> Result<Standin, ToolchainError> {
    let (folder, program) = make()?;
    let fixtures = folder.place("aimock.json", AIMOCK)?;
    // It has an older name of its own, which stands for the program without a suite around it.
    let script = folder.path.join("node_modules/.bin/llmock");
    Ok(Standin {
        name: "aimock",
        program,
        arguments: vec![script.into(), "--fixtures".into(), fixtures.into()],
        paths: [(Sdk::OpenAi, "/v1"), (Sdk::Anthropic, ""), (Sdk::GenAi, "")],
    })
}

fn make() -> Result<(Folder, PathBuf), ToolchainError> {
    let folder = Folder::hold("node")?;
    let program = folder.path.join("node_modules/.bin/node");
    folder.make(&program, LOCK, || {
        if !answers(Command::new("npm").arg("--version")) {
            return Err(ToolchainError::NoNpm);
        }
        folder.place("package.json", PACKAGE)?;
        folder.place("package-lock.json", LOCK)?;
        run(
            "npm ci",
            Command::new("npm")
                .args(["ci", "--include=optional", "--ignore-scripts", "--no-audit", "--no-fund"])
                // The Node that runs npm may be too old for the SDKs, of which npm warns; the
                // Node it installs is not.
                .arg("--loglevel=error")
                .current_dir(&folder.path),
        )?;
        if !answers(Command::new(&program).arg("--version")) {
            return Err(ToolchainError::NoNode);
        }
        Ok(())
    })?;
    Ok((folder, program))
}

/// The package and version of an SDK.
pub(super) fn version(sdk: Sdk, major: Major) -> Option<String> {
    let package = match sdk {
        Sdk::OpenAi => "openai",
        Sdk::Anthropic => "@anthropic-ai/sdk",
        Sdk::GenAi => "@google/genai",
    };
    let locked: Value = serde_json::from_str(PACKAGE).ok()?;
    let locked = locked["dependencies"][format!("{package}{}", major.suffix())].as_str()?;
    let (_, version) = locked.rsplit_once('@').unwrap_or(("", locked));
    Some(format!("{package} {version}"))
}
