//! The periods for which money can be limited.

/// How long a limit of money counts before it begins anew. Days and months are UTC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// For good: it never begins anew.
    Total,
    /// A day, from 00:00.
    Day,
    /// A calendar month, from its first day at 00:00.
    Month,
}

impl Period {
    /// Every period.
    pub const ALL: [Self; 3] = [Self::Total, Self::Day, Self::Month];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Total => "total",
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|period| period.name() == name)
    }
}
