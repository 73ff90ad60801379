//! How much of a proof is run: a sample of it wherever somebody waits, the whole of it before a
//! release.
//!
//! `PROOFS=whole` runs the whole, as `.ci/long` does. Without it a proof over seeds runs one of
//! [`TURNS`] parts of them, and a proof over a list the first of each kind and one part of the list
//! beside. `PROOF_TURN` says which part, and `.ci/run` takes it from the commit: so every part is run
//! again and again, and none of them goes stale unseen. What has no parts is smaller.
//!
//! A variable of a proof's own (`MONEY_SCHEDULES=1000000`) comes before both.
//!
//! What a proof has found it [`show`]s, the figure in the first line. `PROOF_FIGURES=FILE` collects
//! those, a line for each.

use std::{
    collections::BTreeSet,
    fs::OpenOptions,
    io::{self, Write as _},
    ops::Range,
};

/// How many parts the whole has.
pub const TURNS: u64 = 10;

/// How much is run if nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// This part of the whole.
    Part(u64),
    /// All of it.
    Whole,
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration but this")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn extent() -> Extent {
    match variable("PROOFS").as_deref() {
        Some("whole") => Extent::Whole,
        Some(other) => panic!("PROOFS={other}: it is \"whole\", or not set"),
        None => Extent::Part(setting("PROOF_TURN").unwrap_or(0_u64) % TURNS),
    }
}

/// A number that is set for a longer run, or to see one again.
///
/// # Panics
/// When it is set to something else than a number.
pub fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    variable(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: no number")))
}

/// How large something is that has no parts: a table, a month.
pub fn size<T: std::str::FromStr>(name: &str, sample: T, whole: T) -> T {
    setting(name).unwrap_or_else(|| if extent() == Extent::Whole { whole } else { sample })
}

/// The seeds to go through, of a `whole` that is so many. A variable of this name is another whole,
/// and all of it is run.
pub fn seeds(name: &str, whole: u64) -> Range<u64> {
    part(setting(name), extent(), whole)
}

fn part(set: Option<u64>, extent: Extent, whole: u64) -> Range<u64> {
    match (set, extent) {
        (Some(count), _) => 0..count,
        (None, Extent::Whole) => 0..whole,
        (None, Extent::Part(turn)) => {
            let length = whole / TURNS;
            turn * length..(turn + 1) * length
        }
    }
}

/// What to go through of a list: the first of each kind, and a part of the others.
pub fn chosen<T, K: Ord>(all: &[T], kind: impl Fn(&T) -> K) -> Vec<&T> {
    choose(all, kind, extent())
}

fn choose<T, K: Ord>(all: &[T], kind: impl Fn(&T) -> K, extent: Extent) -> Vec<&T> {
    let mut kinds = BTreeSet::new();
    let places = all.iter().zip((0..TURNS).cycle());
    let chosen = places.filter(|(it, part)| {
        let first = kinds.insert(kind(it));
        extent == Extent::Whole || first || extent == Extent::Part(*part)
    });
    chosen.map(|(it, _)| it).collect()
}

/// Prints what a person who runs the tests wants to see, past the capture of their output.
///
/// # Panics
/// When the figures are collected and cannot be.
pub fn show(text: &str) {
    // Nobody has to listen.
    drop(writeln!(io::stderr(), "\n{text}"));
    let Some(file) = variable("PROOF_FIGURES") else { return };
    let thread = std::thread::current();
    let test = variable("NEXTEST_TEST_NAME").or_else(|| thread.name().map(str::to_owned));
    let (test, figure) = (test.unwrap_or_default(), text.lines().next().unwrap_or_default());
    let file = OpenOptions::new().create(true).append(true).open(file);
    // In one write, since other processes have figures, too.
    let line = format!("{test}: {figure}\n");
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the figures are written");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let parts = |whole| (0..TURNS).flat_map(move |turn| part(None, Extent::Part(turn), whole));
        assert!(parts(100_000).eq(part(None, Extent::Whole, 100_000)));
        assert_eq!(part(Some(3), Extent::Whole, 100_000), 0..3);
    }

    #[test]
    fn each_kind_is_in_every_part_and_each_item_in_one() {
        let all: Vec<u64> = (0..57).collect();
        let kind = |number: &u64| number % 7;
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        for turn in 0..TURNS {
            let chosen = choose(&all, kind, Extent::Part(turn));
            let kinds: BTreeSet<_> = chosen.iter().map(|number| kind(number)).collect();
            assert_eq!(kinds.len(), 7);
            assert!(chosen.len() < 15);
            seen.extend(chosen.into_iter().copied());
        }
        assert_eq!(seen.len(), all.len());
        assert_eq!(choose(&all, kind, Extent::Whole).len(), all.len());
    }
}
