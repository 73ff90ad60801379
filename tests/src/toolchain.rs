//! The SDKs the tests call a gateway with, each language's with an interpreter of their own.
//!
//! Both are made once, under `target/sdks`, from the lock files in `tests/sdks`. Nothing is
//! installed outside `target`, and nothing but the lock files says what.
//!
//! Everything here blocks: async tests go through `spawn_blocking`.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

const REQUIREMENTS: &str = include_str!("../sdks/python/requirements.txt");
const PYTHON_SCENARIOS: &str = include_str!("../sdks/python/scenarios.py");
const PACKAGE: &str = include_str!("../sdks/node/package.json");
const PACKAGE_LOCK: &str = include_str!("../sdks/node/package-lock.json");
const NODE_SCENARIOS: &str = include_str!("../sdks/node/scenarios.mjs");

/// The last file written into a directory: the lock file it was made from.
const STAMP: &str = "made-from";

/// Exits with what is missing: 3 the version (google-genai sets it), 4 a part of the library.
const PYTHON_PROBE: &str = "
import sys
if sys.version_info < (3, 11): sys.exit(3)
try: import ensurepip, venv
except ImportError: sys.exit(4)
";

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
    fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::GenAi => "genai",
        }
    }
}

/// One language's interpreter with the three SDKs.
#[derive(Clone, Debug)]
pub struct Sdks {
    /// The interpreter.
    pub program: PathBuf,
    /// A copy of the language's scenario script, where the interpreter finds the SDKs from.
    pub scenarios: PathBuf,
}

impl Sdks {
    /// The command that runs one scenario and prints one line of JSON.
    ///
    /// The caller adds the `LAOZHANG_*` variables, which the head of the script lists. There is
    /// nothing else in its environment, so no proxy, key or profile of the person who runs the
    /// tests reaches the SDK.
    #[must_use]
    pub fn scenario(&self, sdk: Sdk, scenario: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(&self.scenarios).args([sdk.name(), scenario]).env_clear();
        if let Some(directory) = self.scenarios.parent() {
            command.env("HOME", directory);
        }
        command
    }
}

/// Python with the SDKs of `tests/sdks/python`.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn python() -> Result<Sdks, ToolchainError> {
    let directory = sdks().join("python");
    let program = directory.join("bin/python");
    let _lock = lock("python.lock")?;
    if !is_made(&directory, &program, REQUIREMENTS) {
        let python = find_python()?;
        announce("Python", &directory)?;
        clear(&directory)?;
        run("python3 -m venv", Command::new(python).args(["-m", "venv"]).arg(&directory))?;
        let requirements = directory.join("requirements.txt");
        write(&requirements, REQUIREMENTS)?;
        run(
            "pip install",
            Command::new(&program)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--only-binary", ":all:", "--require-hashes", "--requirement"])
                .arg(&requirements),
        )?;
        write(&directory.join(STAMP), REQUIREMENTS)?;
    }
    let scenarios = place(&directory.join("scenarios.py"), PYTHON_SCENARIOS)?;
    Ok(Sdks { program, scenarios })
}

/// Node 22 with the SDKs of `tests/sdks/node`.
///
/// Node is one of the locked packages: for each platform there is one that holds the binary, so
/// that no install script has to run.
///
/// # Errors
///
/// [`ToolchainError`] when it is not there yet and cannot be made.
pub fn node() -> Result<Sdks, ToolchainError> {
    let directory = sdks().join("node");
    let program = directory.join("node_modules/.bin/node");
    let _lock = lock("node.lock")?;
    if !is_made(&directory, &program, PACKAGE_LOCK) {
        if !answers(Command::new("npm").arg("--version")) {
            return Err(ToolchainError::NoNpm);
        }
        announce("Node", &directory)?;
        clear(&directory)?;
        write(&directory.join("package.json"), PACKAGE)?;
        write(&directory.join("package-lock.json"), PACKAGE_LOCK)?;
        run(
            "npm ci",
            Command::new("npm")
                .args(["ci", "--include=optional", "--ignore-scripts", "--no-audit", "--no-fund"])
                // The Node that runs npm may be too old for the SDKs, of which npm warns; the
                // Node it installs is not.
                .arg("--loglevel=error")
                .current_dir(&directory),
        )?;
        if !answers(Command::new(&program).arg("--version")) {
            return Err(ToolchainError::NoNode);
        }
        write(&directory.join(STAMP), PACKAGE_LOCK)?;
    }
    // Imports are resolved from where the script is.
    let scenarios = place(&directory.join("scenarios.mjs"), NODE_SCENARIOS)?;
    Ok(Sdks { program, scenarios })
}

/// Why there is no toolchain. What it shows says what to install.
#[derive(Debug)]
pub enum ToolchainError {
    /// No Python that runs, or only ones too old.
    NoPython,
    /// Python without the part that makes venvs.
    NoVenv,
    /// No npm that runs.
    NoNpm,
    /// The packages are there, but none of them brings a Node that runs here.
    NoNode,
    /// A step failed; what it printed is on stderr.
    Step(&'static str, ExitStatus),
    /// A file or a program could not be used.
    Io(PathBuf, io::Error),
}

impl fmt::Display for ToolchainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPython => f.write_str(
                "no Python was found that the SDK tests can use: \
                 install python3, version 3.11 or later, with venv",
            ),
            Self::NoVenv => f.write_str(
                "python3 was found, but it cannot make venvs (no ensurepip): \
                 install python3-venv, or a Python that is not split into packages",
            ),
            Self::NoNpm => f.write_str(
                "npm was not found: the SDK tests need npm 7 or later, \
                 which comes with Node.js, to install a Node and the SDKs under target",
            ),
            Self::NoNode => f.write_str(
                "the Node that npm installed does not run here: there is one \
                 for Linux with glibc and for macOS, on x64 and arm64",
            ),
            Self::Step(step, status) => write!(
                f,
                "setting up the SDKs: `{step}` failed ({status}); what it printed is above. \
                 The first run downloads some 100 MB from the package registries",
            ),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl std::error::Error for ToolchainError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(_, error) => Some(error),
            Self::NoPython | Self::NoVenv | Self::NoNpm | Self::NoNode | Self::Step(..) => None,
        }
    }
}

/// Cargo's target directory. Cargo reads a relative `CARGO_TARGET_DIR` from where it was called:
/// the workspace, we assume.
pub fn target() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = tests.parent().unwrap_or(tests);
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    workspace.join(target)
}

fn sdks() -> PathBuf {
    target().join("sdks")
}

/// Held until dropped; other tests wait, in this process and in others.
fn lock(name: &str) -> Result<File, ToolchainError> {
    let directory = sdks();
    fs::create_dir_all(&directory).map_err(io_at(&directory))?;
    let path = directory.join(name);
    let file = File::create(&path).map_err(io_at(&path))?;
    file.lock().map_err(io_at(&path))?;
    Ok(file)
}

fn is_made(directory: &Path, program: &Path, from: &str) -> bool {
    program.is_file() && fs::read_to_string(directory.join(STAMP)).is_ok_and(|made| made == from)
}

fn find_python() -> Result<&'static str, ToolchainError> {
    let mut missing = ToolchainError::NoPython;
    for name in ["python3", "python3.14", "python3.13", "python3.12", "python3.11"] {
        let mut probe = Command::new(name);
        probe.args(["-c", PYTHON_PROBE]).stdout(Stdio::null()).stderr(Stdio::null());
        match probe.status().ok().and_then(|status| status.code()) {
            Some(0) => return Ok(name),
            Some(4) => missing = ToolchainError::NoVenv,
            _ => {}
        }
    }
    Err(missing)
}

fn answers(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Unlike `eprintln!`, this is seen while the test still runs, as what the steps print is.
fn announce(language: &str, directory: &Path) -> Result<(), ToolchainError> {
    let place = directory.display();
    writeln!(io::stderr(), "setting up the SDKs for {language} in {place} (once)")
        .map_err(io_at(directory))
}

fn clear(directory: &Path) -> Result<(), ToolchainError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_at(directory)(error)),
        _ => fs::create_dir(directory).map_err(io_at(directory)),
    }
}

fn run(step: &'static str, command: &mut Command) -> Result<(), ToolchainError> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(io_at(Path::new(command.get_program())))?;
    if status.success() { Ok(()) } else { Err(ToolchainError::Step(step, status)) }
}

/// Replaces the file whole, if it has to: another test may be about to read it.
fn place(path: &Path, text: &str) -> Result<PathBuf, ToolchainError> {
    if !fs::read_to_string(path).is_ok_and(|placed| placed == text) {
        let new = path.with_extension("new");
        write(&new, text)?;
        fs::rename(&new, path).map_err(io_at(path))?;
    }
    Ok(path.to_owned())
}

fn write(path: &Path, text: &str) -> Result<(), ToolchainError> {
    fs::write(path, text).map_err(io_at(path))
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ToolchainError {
    let path = path.to_owned();
    move |error| ToolchainError::Io(path, error)
}
