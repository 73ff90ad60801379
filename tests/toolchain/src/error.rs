//! Why there is no toolchain.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

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
                 The first run downloads some 150 MB from the package registries",
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

/// Says of an error where it happened.
pub(super) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> ToolchainError {
    let path = path.to_owned();
    move |error| ToolchainError::Io(path, error)
}
