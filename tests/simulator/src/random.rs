//! Randomness from a seed: the same seed, the same numbers, on every machine.

/// A generator of numbers, splitmix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed. Seeds next to each other have nothing in common.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 that is below `end`, or 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        // The numbers wanted here are so small that the remainder favours none by anything.
        if end == 0 { 0 } else { self.next() % end }
    }

    /// A moment or a span from `first` to `last`.
    pub fn between(&mut self, first: i64, last: i64) -> i64 {
        let width = u64::try_from(last.saturating_sub(first)).unwrap_or(0);
        first + i64::try_from(self.below(width.saturating_add(1))).expect("below an i64")
    }

    /// Whether something happens that does so `parts` times in a million.
    pub const fn chance(&mut self, parts: u32) -> bool {
        #[expect(clippy::as_conversions, reason = "widening; From is not const")]
        let parts = parts as u64;
        // Without a rate nothing is drawn, so that a fault that is off changes no schedule.
        parts > 0 && self.below(1_000_000) < parts
    }
}
