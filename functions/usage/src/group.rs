//! A sum, and what is the same of everything in it.

use std::collections::BTreeMap;

use shared::{charge::ItemClass, id::KeyId, money::Pico, tier::Tier, units::UnitClass};

/// What is the same of everything in a sum. A dimension that is not asked for is none, and so is one
/// that is not known.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Group {
    pub(crate) tag: Option<String>,
    pub(crate) key: Option<KeyId>,
    pub(crate) model: Option<String>,
    pub(crate) tier: Option<Tier>,
    pub(crate) class: Option<ItemClass>,
}

impl Group {
    /// The class of units that it is of, if it is of one.
    pub(crate) fn units(&self) -> Option<UnitClass> {
        match self.class {
            Some(ItemClass::Units(class)) => Some(class),
            Some(ItemClass::Calls | ItemClass::Uncharged) | None => None,
        }
    }

    /// Whether it is on a bill: that there were calls is not, unless their prices are not known any
    /// more and they have an amount.
    pub(crate) fn is_billed(&self, sum: &Sum) -> bool {
        self.class != Some(ItemClass::Calls) || sum.cost() != Pico::ZERO
    }
}

/// How much of each class, and what it was charged.
#[derive(Clone, Default)]
pub(crate) struct Sum(BTreeMap<ItemClass, (u64, Pico)>);

impl Sum {
    /// Adds what one class came to.
    pub(crate) fn add(&mut self, (class, quantity, amount): &Entry) {
        let (sum, cost) = self.0.entry(*class).or_default();
        *sum = sum.saturating_add(*quantity);
        *cost = cost.and(*amount);
    }

    /// Adds another.
    pub(crate) fn merge(&mut self, other: &Self) {
        let entries = other.0.iter();
        entries.for_each(|(class, (quantity, amount))| self.add(&(*class, *quantity, *amount)));
    }

    /// How many units of a class.
    pub(crate) fn units(&self, class: UnitClass) -> u64 {
        self.0.get(&ItemClass::Units(class)).map_or(0, |(quantity, _)| *quantity)
    }

    /// How many units of all these classes.
    pub(crate) fn of(&self, classes: &[UnitClass]) -> u64 {
        classes.iter().fold(0, |sum, class| sum.saturating_add(self.units(*class)))
    }

    /// Tokens of the prompt, read from a cache.
    pub(crate) fn cached(&self) -> u64 {
        self.of(&[UnitClass::CacheRead, UnitClass::CacheReadAudio, UnitClass::CacheReadImage])
    }

    /// Tokens of the prompt, written to a cache.
    pub(crate) fn cache_writes(&self) -> u64 {
        self.of(&[
            UnitClass::CacheWrite5m,
            UnitClass::CacheWrite30m,
            UnitClass::CacheWrite1h,
            UnitClass::CacheWrite12h,
        ])
    }

    /// Tokens of the prompt, cached or not.
    pub(crate) fn input(&self) -> u64 {
        self.all(UnitClass::is_prompt)
    }

    /// Tokens of the prompt that no cache has to do with.
    pub(crate) fn uncached(&self) -> u64 {
        self.input().saturating_sub(self.cached()).saturating_sub(self.cache_writes())
    }

    /// Tokens of the answer.
    pub(crate) fn output(&self) -> u64 {
        self.all(|class| class.is_token() && !class.is_prompt())
    }

    fn all(&self, of: impl Fn(UnitClass) -> bool) -> u64 {
        let classes = UnitClass::ALL.into_iter().filter(|class| of(*class));
        classes.fold(0, |sum, class| sum.saturating_add(self.units(class)))
    }

    /// How many calls.
    pub(crate) fn calls(&self) -> u64 {
        self.0.get(&ItemClass::Calls).map_or(0, |(quantity, _)| *quantity)
    }

    /// What it was charged.
    pub(crate) fn cost(&self) -> Pico {
        self.0.values().fold(Pico::ZERO, |sum, (_, amount)| sum.and(*amount))
    }
}

/// A class, how much of it, and what that was charged.
pub(crate) type Entry = (ItemClass, u64, Pico);

/// What an item is called on a bill.
pub(crate) fn line_item(model: &str, class: ItemClass) -> String {
    format!("{model}, {}", class.name())
}
