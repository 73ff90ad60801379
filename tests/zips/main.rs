//! Holds each function's zip to its budget: `cargo run --package tests --bin zips -- FOLDER`, where
//! `sam build` has built the true release, or `target/release`. A function that is
//! named is measured alone.
#![expect(clippy::print_stdout, reason = "it prints a table for whoever asked")]

use std::{fs, io::Write as _, process::ExitCode};

use flate2::{Compression, write::DeflateEncoder};
use tests::binaries::{FUNCTIONS, built_in};

/// The budget of a function's zip, in bytes.
const BUDGET: usize = 3_000_000;

/// The budget of the proxy's, which has the client of the providers.
const PROXY: usize = 4_000_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(folder) = arguments.next() else {
        println!("usage: zips FOLDER [FUNCTION]...");
        return ExitCode::FAILURE;
    };
    let named: Vec<_> = arguments.collect();
    if let Some(unknown) = named.iter().find(|name| !FUNCTIONS.contains(&name.as_str())) {
        println!("{unknown} is none of {}", FUNCTIONS.join(", "));
        return ExitCode::FAILURE;
    }
    let all = FUNCTIONS.iter().copied();
    let functions = all.filter(|name| named.is_empty() || named.iter().any(|it| it == name));
    let mut over = 0_u32;
    for name in functions {
        let budget = if name == "proxy" { PROXY } else { BUDGET };
        match zip(&built_in(folder.as_ref(), name)) {
            Ok(bytes) => {
                over = over.saturating_add(u32::from(bytes > budget));
                let verdict = if bytes > budget { "TOO LARGE" } else { "ok" };
                println!("zip of {name:12} {bytes:>9} of {budget} bytes  {verdict}");
            }
            Err(error) => {
                println!("zip of {name:12} cannot be measured: {error}");
                over = over.saturating_add(1);
            }
        }
    }
    if over == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How large the zip of this file is.
fn zip(path: &std::path::Path) -> std::io::Result<usize> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&fs::read(path)?)?;
    // What a zip has beside the compressed file is some hundred bytes.
    Ok(encoder.finish()?.len().saturating_add(200))
}
