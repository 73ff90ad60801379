//! The functions' real binaries, built as they are deployed.

use std::{path::PathBuf, process::Command, sync::OnceLock};

/// Builds every function in the deployed profile and features, once, and says where the binary of
/// this name is.
///
/// `cargo lambda build --release --bin NAME` at the workspace's root, which is what `sam build`
/// runs, selects features in the same way.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).join(name)
}

fn build() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(&root).args(["build", "--release", "--locked"]);
    for name in ["account", "authorizer", "proxy", "retention", "usage"] {
        command.args(["--bin", name]);
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the functions do not build");
    crate::toolchain::target().join("release")
}
