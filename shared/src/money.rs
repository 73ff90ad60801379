//! Money: whole pico-dollars, and prices in pico-dollars per unit. Nothing here rounds.

use std::fmt;

const PICO_PER_DOLLAR: i128 = 1_000_000_000_000;

/// An amount in pico-dollars, 10⁻¹² USD. Shown as US dollars with all twelve decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pico(i128);

impl Pico {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// From pico-dollars.
    pub const fn new(pico: i128) -> Self {
        Self(pico)
    }

    /// From whole US dollars.
    pub const fn from_dollars(dollars: u32) -> Self {
        // A u32 of dollars is below 2^72 pico-dollars.
        #[expect(clippy::as_conversions, reason = "widening; From is not const")]
        let dollars = dollars as i128;
        Self(dollars.saturating_mul(PICO_PER_DOLLAR))
    }

    /// Reads US dollars as people write them: digits, and up to twelve decimals.
    pub fn parse_dollars(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 12 {
            return None;
        }
        let whole: i128 = whole.parse().ok()?;
        let decimals: i128 = format!("{decimals:0<12}").parse().ok()?;
        whole.checked_mul(PICO_PER_DOLLAR)?.checked_add(decimals).map(Self)
    }

    /// The amount in pico-dollars.
    pub const fn pico(self) -> i128 {
        self.0
    }

    /// A quarter of it, the part of a pico-dollar left out.
    #[must_use]
    pub const fn quarter(self) -> Self {
        Self(self.0.div_euclid(4))
    }

    /// What is left of it without `other`. Amounts are far from the bounds of an `i128`.
    #[must_use]
    pub const fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The two together. Amounts are far from the bounds of an `i128`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The same amount the other way.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self(self.0.saturating_neg())
    }

    /// The sum, or none beyond what an `i128` holds.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or none beyond what an `i128` holds.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

impl fmt::Display for Pico {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let pico = self.0.unsigned_abs();
        let unit = PICO_PER_DOLLAR.unsigned_abs();
        write!(f, "{sign}{}.{:012}", pico.div_euclid(unit), pico.rem_euclid(unit))
    }
}

/// A price in pico-dollars per unit, which for tokens is micro-dollars per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(u64);

impl Price {
    /// From pico-dollars per unit.
    pub const fn new(pico: u64) -> Self {
        Self(pico)
    }

    /// The price in pico-dollars per unit.
    pub const fn pico(self) -> u64 {
        self.0
    }

    /// What `quantity` units cost. Exact: a product of two `u64` fits an `i128`.
    pub fn of(self, quantity: u64) -> Pico {
        Pico(i128::from(self.0).saturating_mul(i128::from(quantity)))
    }

    /// How many units `amount` pays for, the last whole one.
    pub fn affords(self, amount: Pico) -> u64 {
        let units = amount.0.max(0).checked_div(i128::from(self.0));
        units.map_or(u64::MAX, |units| u64::try_from(units).unwrap_or(u64::MAX))
    }

    /// The price an operator asks who adds `markup`. Where that is not a whole pico-dollar the
    /// price, not any cost, is the next one up.
    pub fn marked_up(self, markup: Markup) -> Self {
        let factor = u128::from(markup.0).saturating_add(10_000);
        let price = u128::from(self.0).saturating_mul(factor).div_ceil(10_000);
        Self(u64::try_from(price).unwrap_or(u64::MAX))
    }
}

/// What an operator adds to a provider's price, in basis points: 500 is five per cent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Markup(u32);

impl Markup {
    /// From basis points.
    pub const fn basis_points(points: u32) -> Self {
        Self(points)
    }
}

impl fmt::Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}bp", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_with_every_digit() {
        assert_eq!(Pico::new(1).to_string(), "0.000000000001");
        assert_eq!(Pico::from_dollars(10).to_string(), "10.000000000000");
        assert_eq!(Pico::new(-1_500_000_000_000).to_string(), "-1.500000000000");
    }

    #[test]
    fn dollars_are_read_exactly_or_not_at_all() {
        assert_eq!(Pico::parse_dollars("10"), Some(Pico::from_dollars(10)));
        assert_eq!(Pico::parse_dollars("0.000000000001"), Some(Pico::new(1)));
        assert_eq!(Pico::parse_dollars("1.5"), Some(Pico::new(1_500_000_000_000)));
        for wrong in ["", ".", "1.", ".5", "-1", "1e3", "1.0000000000001", "1,5"] {
            assert_eq!(Pico::parse_dollars(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_markup_changes_the_price_and_never_a_cost() {
        let price = Price::new(250_000).marked_up(Markup::basis_points(500));
        assert_eq!(price, Price::new(262_500));
        assert_eq!(price.of(3), Pico::new(787_500));
        assert_eq!(Price::new(3).marked_up(Markup::basis_points(1)), Price::new(4));
        assert_eq!(Price::new(3).marked_up(Markup::default()), Price::new(3));
    }
}
