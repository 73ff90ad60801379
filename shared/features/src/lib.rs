//! Nothing but features: every package but `toolchain` depends on this one, so that what others have
//! written is built with the same features whichever package is asked for, and no crate is built twice.
//!
//! `cargo hakari generate` writes its manifest, and `tests/tidy.rs` says when that has to be done.
