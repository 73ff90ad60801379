//! The functions' real binaries, built as they are deployed.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// Builds every function in the profile `deployed`, once, and says where the binary of this name is.
///
/// That profile behaves as the release does and is built in a third of the time. The true release,
/// which `sam build` makes, is what `.ci/long` has tested by `SAM_BUILD`.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = std::env::var_os(SAM_BUILD) {
        return built_in(folder.as_ref(), name);
    }
    BUILT.get_or_init(build).join(name)
}

/// The variable that names a folder in which `sam build` has built them, to test those.
const SAM_BUILD: &str = "SAM_BUILD";

/// The functions.
pub const FUNCTIONS: [&str; 5] = ["account", "authorizer", "proxy", "retention", "usage"];

/// The binary of this name in a folder where Cargo or SAM has built it.
pub fn built_in(folder: &Path, name: &str) -> PathBuf {
    // As SAM lays them out: a folder for each function, by its name in the template.
    let (first, rest) = name.split_at(1);
    let function = format!("{}{rest}Function", first.to_uppercase());
    let by_sam = folder.join(function).join("bootstrap");
    if by_sam.is_file() { by_sam } else { folder.join(name) }
}

fn build() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = toolchain::cargo();
    command.current_dir(&root).args(["build", "--profile", "deployed", "--locked"]);
    // As `sam build` does with `--bin NAME` at the workspace's root, whose features are the same.
    for name in FUNCTIONS {
        command.args(["--bin", name]);
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the functions do not build");
    toolchain::target().join("deployed")
}
