//! What the tests stand on: a [`world`] with the whole platform, a scripted [`provider`] and a
//! [`canary`]; the real binaries under a [`runtime_api`]; the [`recordings`] of providers; and the
//! providers' own SDKs in a [`toolchain`].
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "only tests use this crate, and what fails here has to fail the test"
)]

pub mod binaries;
pub mod canary;
pub mod provider;
pub mod recordings;
pub mod runtime_api;
pub mod toolchain;
pub mod world;
