//! What can go wrong with an operation, and how often.

use super::random::Random;

/// How often what goes wrong, in parts per million of the messages. Nothing does by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The message is lost on its way: it is never applied, and the caller waits in vain.
    pub lost_before: u32,
    /// The answer is lost: the message is applied, and the caller waits in vain.
    pub lost_after: u32,
    /// The caller waits in vain, and the message arrives later, up to the end of its signature.
    pub late: u32,
    /// The store says that it is asked too much, and does nothing.
    pub throttled: u32,
    /// The store says that a transaction is in the way of a write, and does nothing.
    pub conflict: u32,
    /// A message that may be sent again is, without need: a copy arrives up to the end of its
    /// signature. A write that is sent once has no copy, since nothing between the caller and the
    /// store repeats what it cannot read.
    pub duplicated: u32,
    /// A task ends where it waits. This is per wait and not per message. What it has sent in this
    /// moment is lost or not, as it happens.
    pub crash: u32,
}

impl Faults {
    /// Everything goes wrong this often.
    pub const fn all(parts: u32) -> Self {
        Self {
            lost_before: parts,
            lost_after: parts,
            late: parts,
            throttled: parts,
            conflict: parts,
            duplicated: parts,
            crash: parts,
        }
    }

    /// What becomes of a message.
    pub(super) fn fate(&self, random: &mut Random, kind: Kind) -> Fate {
        if random.chance(self.lost_before) {
            Fate::LostBefore
        } else if random.chance(self.lost_after) {
            Fate::LostAfter
        } else if random.chance(self.late) {
            Fate::Late
        } else if random.chance(self.throttled)
            || kind != Kind::Read && random.chance(self.conflict)
        {
            Fate::NothingDone
        } else if kind != Kind::WriteOnce && random.chance(self.duplicated) {
            Fate::Duplicated
        } else {
            Fate::Well
        }
    }
}

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    WriteOnce,
    WriteAgain,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Well,
    LostBefore,
    LostAfter,
    Late,
    NothingDone,
    Duplicated,
}

/// Where a task ends, as against what it has just sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Before what it has just sent has left it: it never arrives.
    BeforeDelivery,
    /// After: it arrives, or whatever else was to become of it.
    AfterDelivery,
}
