//! What the platform does, with real bytes.
#![cfg(test)]

mod accounts;
mod admission;
mod bad_input;
mod bill;
mod calls;
mod clauses;
mod closes;
mod correction;
mod deploy;
mod deployed;
mod endpoints;
mod faults;
mod holds;
mod inventory;
mod keys;
mod ledger;
mod limits;
mod local;
mod mail;
mod metering;
mod openapi;
mod owasp;
mod policy;
mod privacy;
mod reads;
mod recovery;
mod registration;
mod replays;
mod rights;
mod sdks;
mod template;
mod tls;
mod twins;
mod units;
mod usage;
