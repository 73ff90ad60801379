//! Sets up everything that the tests run and others have written, all at once: `cargo run --bin prepare`
//! before the tests, or beside what builds them. What is there already is left alone.

use std::{
    fmt::Display,
    io::{self, Write as _},
    process::ExitCode,
    thread,
    time::Instant,
};

use toolchain::{Major, ToolchainError};

/// Sets one of them up.
type Make = fn() -> Result<(), ToolchainError>;

/// What there is to set up. One folder is set up by one thread, so Node stands here once.
const ALL: [(&str, Make); 7] = [
    ("the SDKs for Python", || toolchain::python(Major::Current).map(drop)),
    ("the SDKs for Python, one major version before", || {
        toolchain::python(Major::Previous).map(drop)
    }),
    ("Node, the SDKs for it and aimock", || toolchain::node(Major::Current).map(drop)),
    ("llmock", || toolchain::llmock().map(drop)),
    ("ministack", || toolchain::ministack().map(drop)),
    ("SAM", || toolchain::sam().map(drop)),
    ("Schemathesis", || toolchain::schemathesis().map(drop)),
];

fn main() -> ExitCode {
    let start = Instant::now();
    let made = thread::scope(|scope| {
        let threads = ALL.map(|(name, make)| {
            scope.spawn(move || match make() {
                Ok(()) => {
                    say(format_args!("{name}: ready, {:.0?}", start.elapsed()));
                    true
                }
                Err(error) => {
                    say(format_args!("{name}: {error}"));
                    false
                }
            })
        });
        threads.map(|thread| thread.join().unwrap_or(false))
    });
    if made.into_iter().all(|made| made) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: impl Display) {
    // Whoever closed stderr does not want to know.
    drop(writeln!(io::stderr(), "{line}"));
}
