//! The core that every function shares: what a key, a call, a hold and a price are.
//!
//! From the rim inwards: [`lambda`] runs a function, [`event`] is what it is asked, [`config`] reads
//! its environment, [`reply`] and [`fault`] are what it answers in the caller's [`dialect`],
//! [`caller`] is who asked, or [`asker`] of the operator's, and [`tls`] how anybody is reached.
//! [`content`] carries what people wrote and shows it to nobody. [`key`], [`code`], [`email`],
//! [`id`], [`time`], [`money`], [`policy`], [`law`], [`limits`], [`period`], [`rate`], [`units`],
//! [`charge`], [`tier`], [`provider`], [`endpoint`] and [`catalogue`] are
//! values; [`store`] is the only way to a table, [`secrets`] to a secret and [`log`] to a log, and
//! [`aws`] is what the first two have in common with the crate `mail`, the way to a mailbox.

pub mod asker;
pub mod aws;
pub mod caller;
pub mod catalogue;
pub mod charge;
pub mod code;
pub mod config;
pub mod content;
pub mod dialect;
pub mod email;
pub mod endpoint;
pub mod event;
pub mod fault;
pub mod id;
pub mod key;
pub mod lambda;
pub mod law;
pub mod limits;
pub mod log;
pub mod money;
pub mod period;
pub mod policy;
pub mod provider;
pub mod rate;
pub mod reply;
pub mod secrets;
pub mod store;
pub mod tier;
pub mod time;
pub mod tls;
pub mod units;
