//! A folder under `target/sdks` that is made once from a lock file, whoever comes first.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    error::{ToolchainError, io_at},
    target,
};

/// The last file written into a folder: the lock file it was made from.
const STAMP: &str = "made-from";

/// A folder. While it is held, other tests wait, in this process and in others.
pub(super) struct Folder {
    pub(super) path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Waits for the folder of this name, which may not be made yet.
    pub(super) fn hold(name: &str) -> Result<Self, ToolchainError> {
        let sdks = target().join("sdks");
        fs::create_dir_all(&sdks).map_err(io_at(&sdks))?;
        let path = sdks.join(format!("{name}.lock"));
        let lock = File::create(&path).map_err(io_at(&path))?;
        lock.lock().map_err(io_at(&path))?;
        Ok(Self { path: sdks.join(name), _lock: lock })
    }

    /// Makes it by these `steps`, unless it was made from this very lock file and has `program`.
    pub(super) fn make(
        &self,
        program: &Path,
        lock: &str,
        steps: impl FnOnce() -> Result<(), ToolchainError>,
    ) -> Result<(), ToolchainError> {
        let stamp = self.path.join(STAMP);
        let made = program.is_file() && fs::read_to_string(&stamp).is_ok_and(|made| made == lock);
        if made {
            return Ok(());
        }
        // Unlike `eprintln!`, this is seen while the test still runs, as what the steps print is.
        writeln!(io::stderr(), "setting up {} (once)", self.path.display())
            .map_err(io_at(&self.path))?;
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_at(&self.path)(error));
            }
            _ => fs::create_dir(&self.path).map_err(io_at(&self.path))?,
        }
        steps()?;
        fs::write(&stamp, lock).map_err(io_at(&stamp))
    }

    /// Puts a file into it, whole: another test may be about to read it.
    pub(super) fn place(&self, name: &str, text: &str) -> Result<PathBuf, ToolchainError> {
        let path = self.path.join(name);
        if !fs::read_to_string(&path).is_ok_and(|placed| placed == text) {
            let new = self.path.join(format!("{name}.new"));
            fs::write(&new, text).map_err(io_at(&new))?;
            fs::rename(&new, &path).map_err(io_at(&path))?;
        }
        Ok(path)
    }
}

/// Runs one step. What it complains of is shown.
pub(super) fn run(step: &'static str, command: &mut Command) -> Result<(), ToolchainError> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(io_at(Path::new(command.get_program())))?;
    if status.success() { Ok(()) } else { Err(ToolchainError::Step(step, status)) }
}

/// Whether a program is there and runs.
pub(super) fn answers(command: &mut Command) -> bool {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
