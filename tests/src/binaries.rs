//! The functions' real binaries, built as they are deployed.

use std::{path::PathBuf, process::Command, sync::OnceLock};

/// Builds every function in the deployed profile and features, once, and says where the binary of
/// this name is.
///
/// `cargo lambda build --release --bin NAME` at the workspace's root, which is what `sam build`
/// runs, selects features in the same way.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(folder) = std::env::var_os(SAM_BUILD) {
        // As SAM lays them out: a folder for each function, by its name in the template.
        let (first, rest) = name.split_at(1);
        let function = format!("{}{rest}Function", first.to_uppercase());
        return PathBuf::from(folder).join(function).join("bootstrap");
    }
    BUILT.get_or_init(build).join(name)
}

/// The variable that names a folder in which `sam build` has built them, to test those.
const SAM_BUILD: &str = "SAM_BUILD";

/// The functions.
pub const FUNCTIONS: [&str; 5] = ["account", "authorizer", "proxy", "retention", "usage"];

fn build() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&root).args(["build", "--release", "--locked"]);
    for name in FUNCTIONS {
        command.args(["--bin", name]);
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the functions do not build");
    crate::toolchain::target().join("release")
}
