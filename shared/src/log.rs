//! The log: one JSON line per fault of the platform or of a provider and per run of retention, and
//! nothing per call.
//!
//! What a call did is in its record, for seven days. A line here holds only names from our own
//! tables and the call's id, which says its hour; PRIVACY.md lists every field, and a test
//! compares. Nothing subscribes to `tracing`, so no library can write beside it.

use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use serde::Serialize;

use crate::{fault::Fault, id::CallId};

/// What can be logged.
#[derive(Debug, Serialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum LogLine<'a> {
    /// A call failed, and not by its caller's fault.
    Fault {
        /// The call.
        call: &'a str,
        /// The fault's code.
        code: &'static str,
    },
    /// A provider answered with an error status.
    ProviderStatus {
        /// The call.
        call: &'a str,
        /// The provider.
        provider: &'static str,
        /// Its HTTP status.
        status: u16,
    },
    /// A call cost more than its hold. The operator bears the difference.
    Loss {
        /// The call.
        call: &'a str,
        /// The difference in pico-dollars.
        pico: String,
    },
    /// A call's record or its settle could not be written. The close of the hour heals a settle.
    Unsettled {
        /// The call.
        call: &'a str,
        /// Which write.
        write: &'static str,
    },
    /// What a run of retention did.
    Retention {
        /// Hours closed in wallets.
        closed_hours: u64,
        /// What was held and not spent, and went back, in pico-dollars.
        returned_pico: &'a str,
        /// Records deleted.
        deleted_records: u64,
        /// Records that are seven days old and whose hour is not closed.
        unclosed_records: u64,
        /// Accounts whose owner was to be told something and could not be.
        untold_accounts: u64,
        /// How often something was left to the next run.
        failed: u64,
        /// How old the oldest record was that the sweep found, in seconds, if one was seven days
        /// old.
        #[serde(skip_serializing_if = "Option::is_none")]
        oldest_found: Option<u64>,
        /// The same of those that it left.
        #[serde(skip_serializing_if = "Option::is_none")]
        oldest_left: Option<u64>,
    },
    /// The records of an hour come to more than was out of it. The account is frozen.
    Short {
        /// The account.
        account: &'a str,
        /// The hour.
        hour: &'a str,
        /// The difference in pico-dollars, which the operator bears unless it is debited.
        pico: &'a str,
    },
    /// An account has ended with a balance, which its owner is owed.
    RefundDue {
        /// The account.
        account: &'a str,
        /// What was left, in pico-dollars.
        pico: &'a str,
    },
    /// A code that an address without an account has asked for was not sent: too many have asked.
    Strangers,
    /// A function did not start.
    Init {
        /// The environment variable or the step.
        at: &'static str,
    },
    /// A secret was to be read again, and what was read before still holds.
    Secret {
        /// What is wrong with it.
        at: &'static str,
    },
    /// A panic was caught.
    Panic {
        /// The source file of ours or of a library.
        file: &'a str,
        /// The line in it.
        at: u32,
    },
}

/// The only way to the log.
#[derive(Clone)]
pub struct Log(Arc<Mutex<dyn Write + Send>>);

impl Log {
    /// The process's standard output, which is the log in Lambda.
    pub fn stdout() -> Self {
        Self::to(std::io::stdout())
    }

    /// Another place, for `local` and for tests.
    pub fn to(place: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(place)))
    }

    /// Writes one line. A log that cannot be written is no reason to fail a call.
    pub fn write(&self, line: &LogLine<'_>) {
        let Ok(mut text) = serde_json::to_vec(line) else { return };
        text.push(b'\n');
        let mut place = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let written = place.write_all(&text).and_then(|()| place.flush());
        drop(written);
    }

    /// Writes a fault, unless its caller can mend it.
    pub fn fault(&self, fault: &Fault, call: &CallId) {
        if fault.blame() != crate::fault::Blame::Caller {
            self.write(&LogLine::Fault { call: call.as_str(), code: fault.code() });
        }
    }
}
