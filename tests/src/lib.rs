//! What the tests stand on: a [`world`] with the whole platform, a scripted [`provider`] and a
//! [`canary`]; the real binaries under a
//! [`runtime_api`], with their [`secrets`]; the [`recordings`] of providers, with what could have
//! been [`asked`] for them; the [`player`]s of the providers' own SDKs, which call
//! through a [`relay`], also with a [`standin`] that others have written; a [`meter`] of what the
//! tables take, a [`twin`] of them, and the page of the [`bill`]. A [`process`] is a server of
//! others. A [`deployment`] is all functions with a [`tap`] on each of their lines.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "only tests use this crate, and what fails here has to fail the test"
)]

pub mod asked;
pub mod bill;
pub mod binaries;
pub mod canary;
pub mod deployment;
pub mod meter;
pub mod player;
pub mod process;
pub mod provider;
pub mod recordings;
pub mod relay;
pub mod runtime_api;
pub mod secrets;
pub mod standin;
pub mod tap;
pub mod twin;
pub mod world;

pub use simulator::{proof, show};
