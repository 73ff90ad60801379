//! What the platform does, with real bytes.
#![cfg(test)]

mod admission;
mod bad_input;
mod calls;
mod closes;
mod deployed;
mod endpoints;
mod faults;
mod holds;
mod ledger;
mod limits;
mod local;
mod metering;
mod privacy;
mod replays;
mod sdks;
mod template;
mod tls;
mod twins;
mod units;
