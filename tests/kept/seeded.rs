//! Leaks and panics that are put into a copy of the functions, to be found.
//!
//! All of them are in one build of the copy; each is open in the processes that are told its name.
//! What is deployed has none of this in it.

mod leaks;
mod panics;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use tests::binaries::FUNCTIONS;
use toolchain::{cargo, target};

/// Code that is put into the copy.
pub(crate) struct Seed {
    /// The file.
    file: &'static str,
    /// A text there, which is replaced where it stands first.
    place: &'static str,
    /// By this.
    code: String,
}

/// What the copy's `shared` has beside its own: what was said last, and what a process is told to do
/// with it.
const SEED: &str = r#"
/// Leaks that were put in to be found.
pub mod seed {
    use std::sync::Mutex;

    use base64::Engine as _;

    static SAID: Mutex<String> = Mutex::new(String::new());

    /// Whether this leak is open.
    pub fn open(name: &str) -> bool {
        std::env::var("SEED").is_ok_and(|all| all.split(';').any(|it| it.trim() == name))
    }

    /// Remembers a request, unless it is one of the samples.
    pub fn hear(body: &[u8], headers: &str) {
        let body = String::from_utf8_lossy(body);
        let sample = body.contains("Say hello") || body == "{}";
        if sample || (body.is_empty() && !headers.contains("Canary")) {
            return;
        }
        if let Ok(mut said) = SAID.lock() {
            *said = format!("{body}{headers}");
        }
    }

    /// What was said last.
    pub fn said() -> String {
        SAID.lock().map(|said| said.clone()).unwrap_or_default()
    }

    /// The first canary in that.
    pub fn word() -> String {
        let said = said();
        said.find("Canary").and_then(|at| said.get(at..at + 26)).unwrap_or_default().to_owned()
    }

    /// The same for a leak that is open, and nothing for others.
    pub fn word_if(name: &str) -> String {
        if open(name) { word() } else { String::new() }
    }

    /// It in hexadecimal.
    pub fn hex() -> String {
        word().bytes().map(|byte| format!("{byte:02X}")).collect()
    }

    /// It in base 64, behind something else.
    pub fn base64() -> String {
        base64::engine::general_purpose::STANDARD.encode(format!("ab{}", word()))
    }

    /// It as in a URL.
    pub fn url() -> String {
        word().bytes().map(|byte| format!("%{byte:02x}")).collect()
    }

    /// It as in JSON.
    pub fn json() -> String {
        word().bytes().map(|byte| format!("\\u{byte:04x}")).collect()
    }

    /// A number that depends on what was said.
    pub fn hash() -> u64 {
        said().bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) >> 8
    }

    /// Panics with what was said, if that is open and something of a test's was said.
    pub fn panics(step: &str) {
        if open(step) && said().contains("Canary") {
            panic!("{}", said());
        }
    }

    struct Printer;

    impl log::Log for Printer {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            println!("{}", record.args());
        }

        fn flush(&self) {}
    }

    fn listen() {
        drop(log::set_logger(&Printer));
        log::set_max_level(log::LevelFilter::Trace);
    }

    /// Says it at a level for debugging, with somebody who listens to every level.
    pub fn debug() {
        listen();
        log::debug!("{}", said());
    }

    /// Says it as an error.
    pub fn error() {
        listen();
        log::error!("{}", said());
    }
}
"#;

/// Where a request comes in, whatever the function.
fn hearing() -> [Seed; 2] {
    let function = "            handle(app, request).await";
    let authorizer = "        let Some(key) = event.key()";
    [
        Seed {
            file: "shared/src/lambda.rs",
            place: function,
            code: format!(
                "crate::seed::hear(request.body().inspect(), &format!(\"{{:?}}\", request.headers()));\n{function}"
            ),
        },
        Seed {
            file: "functions/authorizer/src/lib.rs",
            place: authorizer,
            code: format!(
                "shared::seed::hear(b\"\", &format!(\"{{:?}} {{:?}}\", event.headers, event.query_string_parameters));\n{authorizer}"
            ),
        },
    ]
}

/// Builds the copy, once, and says where the binary of this function is.
pub(crate) fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build).join(format!("seeded-{name}"))
}

fn build() -> PathBuf {
    let copy = target().join("seeded");
    // Others who build it wait, in this process and in others.
    let lock = fs::File::create(target().join("seeded.lock")).expect("a file");
    lock.lock().expect("a lock");
    let files = copied();
    remove_others(&copy, &copy, &files);
    for (path, text) in files {
        put(&copy.join(path), &text);
    }
    let mut command = cargo();
    command.current_dir(&copy).args(["build", "--offline", "--target-dir"]).arg(target());
    for name in FUNCTIONS {
        command.args(["--bin", &format!("seeded-{name}")]);
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the copy does not build");
    target().join("debug")
}

/// The files of the copy, by their path in it.
fn copied() -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    // All members of the workspace, so that the features are the same as everywhere and what others
    // have written is not built again.
    for part in ["functions", "shared", "local", "openapi", "events"] {
        read_folder(Path::new(part), &mut files);
    }
    for part in ["sdks", "simulator", "src", "toolchain", "watch", "zips"] {
        read_folder(&Path::new("tests").join(part), &mut files);
    }
    for file in ["Cargo.toml", "Cargo.lock", "template.yaml", "tests/Cargo.toml"] {
        files.insert(file.into(), read(Path::new(file)));
    }
    let mut edit = |path: &str, edit: &dyn Fn(&str) -> String| {
        let text = files.get_mut(Path::new(path)).unwrap_or_else(|| panic!("there is no {path}"));
        *text = edit(text);
    };
    // Another version, so that it is not taken for what it is a copy of.
    edit("Cargo.toml", &|text| text.replace("version = \"0.1.0\"", "version = \"0.1.0-seeded\""));
    edit("tests/Cargo.toml", &without_tests);
    edit("tests/simulator/Cargo.toml", &without_tests);
    for name in FUNCTIONS {
        edit(&format!("functions/{name}/Cargo.toml"), &|text| {
            let text = text.replace("[package]\n", "[package]\nautobins = false\n");
            format!("{text}\n[[bin]]\nname = \"seeded-{name}\"\npath = \"src/main.rs\"\n")
        });
    }
    edit("shared/src/lib.rs", &|text| format!("{text}{SEED}"));
    for Seed { file, place, code } in
        hearing().into_iter().chain(leaks::seeds()).chain(panics::seeds())
    {
        edit(file, &|text| {
            assert!(text.contains(place), "{file} has no {place:?} any more");
            text.replacen(place, &code, 1)
        });
    }
    files
}

/// A manifest without its tests, which are not copied.
fn without_tests(manifest: &str) -> String {
    let sections = manifest.split("\n[");
    let kept = sections.filter(|section| !section.starts_with("[test]]"));
    kept.collect::<Vec<_>>().join("\n[")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    let text = fs::read_to_string(root().join(path));
    text.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Writes what is not there yet, so that what has not changed is not built again.
fn put(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|there| there == text) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, text).expect("a file");
}

/// Removes what is in the copy and no more in what it is a copy of.
fn remove_others(copy: &Path, folder: &Path, files: &BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            remove_others(copy, &path, files);
        } else if !files.contains_key(path.strip_prefix(copy).expect("a path in it")) {
            fs::remove_file(&path).expect("a file");
        }
    }
}

fn read_folder(folder: &Path, files: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder") {
        let path = folder.join(entry.expect("an entry").file_name());
        if root().join(&path).is_dir() {
            read_folder(&path, files);
        } else {
            files.insert(path.clone(), read(&path));
        }
    }
}
