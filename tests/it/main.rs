//! What the platform does, with real bytes.
#![cfg(test)]

mod admission;
mod calls;
mod deployed;
mod faults;
mod local;
mod metering;
mod privacy;
mod sdks;
mod template;
mod tls;
