//! Nothing that was said is kept: the real binaries, with a canary wherever somebody writes, through
//! everything that can go wrong; pairs of calls that differ in what was said alone; and leaks that
//! were put in to be found.
#![cfg(test)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::string_slice,
    reason = "it makes up what is said, and has to show where that was found"
)]

mod connections;
mod pairs;
mod paths;
mod planted;
mod seeded;
mod stage;
