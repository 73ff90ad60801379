//! Style that can be checked is a test.

#![cfg(test)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use local::template::TEMPLATE;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files of the repository with this ending, by their path below its root.
fn files(ending: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                // What tools leave behind is no part of the repository.
                let ours = !name.starts_with('.') || name == ".ci";
                if ours && !matches!(name, "target" | "node_modules") {
                    walk(&path, found);
                }
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    let ours = found.into_iter().filter(|path| path.to_str().unwrap().ends_with(ending));
    ours.map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        (path, text)
    })
    .collect()
}

#[test]
fn every_module_says_what_it_is_for() {
    for (path, text) in files(".rs") {
        assert!(text.starts_with("//! "), "{path} does not begin with what it is for");
    }
}

#[test]
fn every_main_is_a_table_of_contents() {
    for (path, text) in files("/main.rs") {
        if path.starts_with("functions/") {
            assert!(text.lines().count() <= 30, "{path} is longer than 30 lines");
        }
    }
}

#[test]
fn functions_and_template_agree() {
    let written: Vec<_> = fs::read_dir(root().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for name in &written {
        assert!(TEMPLATE.contains(&format!("        Binary: {name}\n")), "{name} is not deployed");
    }
    assert_eq!(TEMPLATE.matches("        Binary: ").count(), written.len());
}

#[test]
fn no_snapshot_waits_to_be_reviewed() {
    assert!(files(".snap.new").is_empty());
}

#[test]
fn every_event_is_used_by_a_test() {
    let tests: String = files(".rs")
        .into_iter()
        .filter(|(path, _)| path.starts_with("tests/it/"))
        .map(|(_, text)| text)
        .collect();
    for (path, text) in files(".json") {
        let Some(name) = path.strip_prefix("events/") else { continue };
        let (function, case) = name.trim_end_matches(".json").split_once('.').unwrap();
        let whole = tests.contains(&format!("\"{function}.{case}\""));
        let listed = tests.contains(&format!("\"{function}.{{name}}\""))
            && tests.contains(&format!("(\"{case}\", "));
        assert!(whole || listed, "{path} is used by no test");
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{path}");
    }
}

/// The files that may look at content, or give it to a socket. Whoever adds one says here why.
const MAY_INSPECT: [&str; 5] = [
    // What an operator sends is no content of anybody's.
    "functions/account/src/lib.rs",
    "functions/proxy/src/carry.rs",
    "functions/proxy/src/head.rs",
    "functions/proxy/src/meter.rs",
    // Whether an error is about the operator's credential.
    "functions/proxy/src/upstream.rs",
];
const MAY_HAND_ON: [&str; 2] = ["functions/proxy/src/splice.rs", "functions/proxy/src/upstream.rs"];
const MAY_LOOK_INTO: [&str; 4] = [
    "functions/proxy/src/carry.rs",
    "functions/proxy/src/form.rs",
    "functions/proxy/src/splice.rs",
    "shared/src/content.rs",
];
const MAY_SEND: [&str; 5] = [
    "functions/proxy/src/meter.rs",
    "local/src/event.rs",
    "shared/src/content.rs",
    // In a test of its own.
    "shared/src/event.rs",
    "shared/src/reply.rs",
];

#[test]
fn content_is_touched_in_the_listed_files_alone() {
    for (path, text) in files(".rs") {
        if path.starts_with("tests/") {
            continue;
        }
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for (call, may) in [
            (".inspect()", &MAY_INSPECT[..]),
            (".window(", &MAY_LOOK_INTO[..]),
            ("into_wire", &MAY_SEND[..]),
            (".again()", &MAY_HAND_ON[..]),
        ] {
            let touches = code.contains(call);
            // Whoever no longer touches content is struck off.
            assert_eq!(touches, may.contains(&path.as_str()), "{path} and {call}");
        }
    }
}

#[test]
fn nothing_prints_but_the_log_and_the_greeting() {
    let banned = [
        "println!",
        "eprintln!",
        "print!(",
        "dbg!(",
        "#[instrument",
        "io::stdout",
        "io::stderr",
        // Nobody hears events; but whoever came to hear them would read content.
        "trace!(",
        "debug!(",
        "info!(",
        "warn!(",
        " error!(",
        "::error!(",
        "event!(",
    ];
    for (path, text) in files(".rs") {
        let may =
            path.starts_with("tests/") || path == "local/src/main.rs" || path.contains("/tests/");
        let code: String =
            text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for word in banned {
            let log = path == "shared/src/log.rs" && word == "io::stdout";
            assert!(may || log || !code.contains(word), "{path} has {word}");
        }
    }
}

#[test]
fn links_in_the_documents_resolve() {
    for (path, text) in files(".md") {
        let folder = root().join(&path).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(folder.join(file).exists(), "{path} links to {link}");
        }
    }
}

/// The hosts that this repository may name.
const HOSTS: [&str; 6] = [
    "api.anthropic.com",
    "api.openai.com",
    "example.com",
    "generativelanguage.googleapis.com",
    "127.0.0.1",
    "{",
];

#[test]
fn no_file_names_a_machine_or_a_host_that_the_product_does_not_know() {
    let here = root().canonicalize().unwrap();
    let here = here.to_str().unwrap();
    for ending in [".rs", ".md", ".toml", ".yaml", ".json", ".py", ".mjs", ".txt", "run"] {
        for (path, text) in files(ending) {
            assert!(!text.contains(here), "{path} names the folder it is in");
            // Lock files and what providers and others' tools have written name what they like.
            let theirs = ["tests/recordings/", "tests/replays/"];
            if theirs.iter().any(|it| path.starts_with(it)) || path.ends_with("package-lock.json") {
                continue;
            }
            for host in text.split(concat!("https", "://")).skip(1) {
                let known = HOSTS.iter().any(|known| host.starts_with(known));
                let host: String = host.chars().take(40).collect();
                assert!(known || host.starts_with('$'), "{path} names {host}");
            }
        }
    }
}

/// Every crate that others have written, with the features that it has in a build of this.
fn features(of: &[&str]) -> BTreeSet<String> {
    let mut cargo = toolchain::cargo();
    cargo.current_dir(root()).args(["tree", "--locked", "--prefix", "none", "--format", "{p} {f}"]);
    // What cargo-hakari was told to look at.
    cargo.args(["--edges", "normal,build,dev", "--target", "x86_64-unknown-linux-gnu"]).args(of);
    let told = cargo.output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8(told.stderr).unwrap());
    let lines = String::from_utf8(told.stdout).unwrap();
    let theirs = lines.lines().filter(|line| !line.contains(" (/"));
    theirs.map(|line| line.trim_end_matches(" (*)").trim().to_owned()).collect()
}

#[test]
fn no_crate_is_built_twice_whichever_package_is_asked_for() {
    let all = features(&["--workspace"]);
    let functions = ["account", "authorizer", "proxy", "retention", "usage"];
    for package in functions.into_iter().chain(["local", "mail", "shared", "simulator", "tests"]) {
        let others: Vec<_> = features(&["--package", package]).difference(&all).cloned().collect();
        assert_eq!(others, Vec::<String>::new(), "{package}: run `cargo hakari generate`");
    }
}
