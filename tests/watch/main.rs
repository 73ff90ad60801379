//! Watches a program from outside: which connections it opens and which files it changes, as the
//! kernel sees it. `watch NOTES PROGRAM` runs the program and writes a line for each into NOTES.
//!
//! The program is traced, so that nothing it does before it is watched, in a thread or by a system
//! call of its own, is missed.

#![expect(
    clippy::expect_used,
    reason = "only tests use this, and what fails here has to fail them"
)]

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    linux::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    // Other systems show this in other ways, which nobody has written yet.
    std::process::ExitCode::FAILURE
}
