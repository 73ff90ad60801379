//! Venvs: one for each major version of the SDKs, one for a provider that others have written, one
//! for their DynamoDB, one for SAM, and one for a client that is made up.

use std::process::{Command, Stdio};

use super::{
    Language, Major, Ministack, Sam, Sdk, Sdks, Standin,
    error::ToolchainError,
    folder::{Folder, run},
};

const CURRENT: &str = include_str!("../../sdks/python/requirements.txt");
const PREVIOUS: &str = include_str!("../../sdks/python/requirements-previous.txt");
const LLMOCK: &str = include_str!("../../sdks/llmock/requirements.txt");
const MINISTACK: &str = include_str!("../../sdks/ministack/requirements.txt");
const SCHEMATHESIS: &str = include_str!("../../sdks/schemathesis/requirements.txt");
const SAM: &str = include_str!("../../sdks/sam/requirements.txt");

const TRANSFORM: &str = include_str!("../../sdks/sam/transform.py");

const SCENARIOS: &str = include_str!("../../sdks/python/scenarios.py");
const MODULES: [(&str, &str); 4] = [
    ("caller.py", include_str!("../../sdks/python/caller.py")),
    ("calls_openai.py", include_str!("../../sdks/python/calls_openai.py")),
    ("calls_anthropic.py", include_str!("../../sdks/python/calls_anthropic.py")),
    ("calls_genai.py", include_str!("../../sdks/python/calls_genai.py")),
];

/// Exits with what is missing: 3 the version (google-genai sets it), 4 a part of the library.
const PROBE: &str = "
import sys
if sys.version_info < (3, 11): sys.exit(3)
try: import ensurepip, venv
except ImportError: sys.exit(4)
";

/// Python with the SDKs of `tests/sdks/python`.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn python(major: Major) -> Result<Sdks, ToolchainError> {
    let folder = Folder::hold(&format!("python{}", major.suffix()))?;
    make(&folder, requirements(major))?;
    for (name, text) in MODULES {
        folder.place(name, text)?;
    }
    let scenarios = folder.place("scenarios.py", SCENARIOS)?;
    let program = folder.path.join("bin/python");
    Ok(Sdks { language: Language::Python, major, program, scenarios })
}

/// llmock, in a venv of its own.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn llmock() -> Result<Standin, ToolchainError> {
    let folder = Folder::hold("llmock")?;
    make(&folder, LLMOCK)?;
    Ok(Standin {
        name: "llmock",
        program: folder.path.join("bin/llmock"),
        arguments: vec!["serve".into()],
        paths: [(Sdk::OpenAi, "/v1"), (Sdk::Anthropic, "/anthropic"), (Sdk::GenAi, "/gemini")],
    })
}

/// ministack, in a venv of its own.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn ministack() -> Result<Ministack, ToolchainError> {
    let folder = Folder::hold("ministack")?;
    make(&folder, MINISTACK)?;
    Ok(Ministack { program: folder.path.join("bin/python"), home: folder.path.clone() })
}

/// SAM's command line and its translator, in a venv of their own.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn sam() -> Result<Sam, ToolchainError> {
    let folder = Folder::hold("sam")?;
    make(&folder, SAM)?;
    let transform = folder.place("transform.py", TRANSFORM)?;
    Ok(Sam { home: folder.path.clone(), transform })
}

/// Schemathesis, a client that is made up from a description, in a venv of its own.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn schemathesis() -> Result<Command, ToolchainError> {
    let folder = Folder::hold("schemathesis")?;
    make(&folder, SCHEMATHESIS)?;
    let mut command = Command::new(folder.path.join("bin/schemathesis"));
    command.env_clear().env("HOME", &folder.path).current_dir(&folder.path);
    Ok(command)
}

/// The package and version of an SDK.
pub(super) fn version(sdk: Sdk, major: Major) -> Option<String> {
    let package = match sdk {
        Sdk::OpenAi => "openai==",
        Sdk::Anthropic => "anthropic==",
        Sdk::GenAi => "google-genai==",
    };
    let line = requirements(major).lines().find(|line| line.starts_with(package))?;
    Some(line.trim_end_matches([' ', '\\']).replace("==", " "))
}

const fn requirements(major: Major) -> &'static str {
    match major {
        Major::Current => CURRENT,
        Major::Previous => PREVIOUS,
    }
}

fn make(folder: &Folder, requirements: &str) -> Result<(), ToolchainError> {
    let program = folder.path.join("bin/python");
    folder.make(&program, requirements, || {
        let python = find()?;
        run("python3 -m venv", Command::new(python).args(["-m", "venv"]).arg(&folder.path))?;
        let requirements = folder.place("requirements.txt", requirements)?;
        run(
            "pip install",
            Command::new(&program)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                // The lock file is whole. Left to look for itself, an older pip takes an extra
                // of a locked package for another package, and the newest of it.
                .args(["--no-deps", "--only-binary", ":all:", "--require-hashes"])
                .arg("--requirement")
                .arg(&requirements),
        )
    })
}

fn find() -> Result<&'static str, ToolchainError> {
    let mut missing = ToolchainError::NoPython;
    for name in ["python3", "python3.14", "python3.13", "python3.12", "python3.11"] {
        let mut probe = Command::new(name);
        probe.args(["-c", PROBE]).stdout(Stdio::null()).stderr(Stdio::null());
        match probe.status().ok().and_then(|status| status.code()) {
            Some(0) => return Ok(name),
            Some(4) => missing = ToolchainError::NoVenv,
            _ => {}
        }
    }
    Err(missing)
}
