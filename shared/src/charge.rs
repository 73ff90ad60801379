//! What a call was charged for, item by item: the lines of a statement, and the sums of an hour.

use std::collections::BTreeMap;

use crate::{
    catalogue::Catalogue,
    money::{Pico, Price},
    store::calls::Record,
    units::UnitClass,
};

/// What an item of a charge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemClass {
    /// Units of a class.
    Units(UnitClass),
    /// The calls themselves: they cost nothing, unless their prices are no longer known.
    Calls,
    /// What calls cost beyond what was held for them, which is not charged: below zero.
    Uncharged,
}

impl ItemClass {
    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Units(class) => class.name(),
            Self::Calls => "calls",
            Self::Uncharged => "uncharged",
        }
    }

    /// The class of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "calls" => Some(Self::Calls),
            "uncharged" => Some(Self::Uncharged),
            name => UnitClass::named(name).map(Self::Units),
        }
    }
}

/// Items of many calls, by what they are for and what one costs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items(BTreeMap<(ItemClass, Option<Price>), ItemSum>);

/// What items of one class and price come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ItemSum {
    /// How many: units, or calls.
    pub quantity: u64,
    /// What they cost.
    pub amount: Pico,
    /// Of how many calls they are.
    pub requests: u64,
}

impl Items {
    /// With more of a class at a price.
    pub fn add(&mut self, class: ItemClass, unit_price: Option<Price>, more: ItemSum) {
        let sum = self.0.entry((class, unit_price)).or_default();
        sum.quantity = sum.quantity.saturating_add(more.quantity);
        sum.amount = sum.amount.and(more.amount);
        sum.requests = sum.requests.saturating_add(more.requests);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (ItemClass, Option<Price>, ItemSum)> {
        self.0.iter().map(|((class, price), sum)| (*class, *price, *sum))
    }

    /// What they cost.
    pub fn cost(&self) -> Pico {
        self.0.values().fold(Pico::ZERO, |sum, item| sum.and(item.amount))
    }
}

/// An item of a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// What it is for.
    pub class: ItemClass,
    /// How many: units, or calls.
    pub quantity: u64,
    /// What one costs; none where it is not known any more, or is no price.
    pub unit_price: Option<Price>,
    /// What they cost.
    pub amount: Pico,
}

/// What `record` was charged for. The items come to its cost, to the unit, and have its units and one
/// call.
///
/// Where these are not the prices any more under which it was admitted, its units have none, and the
/// call has the whole cost.
pub fn items(record: &Record, catalogue: &Catalogue) -> Vec<Item> {
    let priced = catalogue.itemize(&record.model, &record.price_version, &record.units);
    let item = |class, quantity, unit_price, amount| Item { class, quantity, unit_price, amount };
    let Some(priced) = priced else {
        let units = record
            .units
            .iter()
            .map(|(class, quantity)| item(ItemClass::Units(class), quantity, None, Pico::ZERO));
        return units.chain([item(ItemClass::Calls, 1, None, record.cost)]).collect();
    };
    let mut sum = Pico::ZERO;
    let mut items: Vec<_> = priced
        .into_iter()
        .map(|(class, quantity, price)| {
            let amount = price.of(quantity);
            sum = sum.and(amount);
            item(ItemClass::Units(class), quantity, Some(price), amount)
        })
        .collect();
    items.push(item(ItemClass::Calls, 1, None, Pico::ZERO));
    if sum != record.cost {
        items.push(item(ItemClass::Uncharged, 1, None, record.cost.less(sum)));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_name_of_its_own() {
        let units = UnitClass::ALL.into_iter().map(ItemClass::Units);
        for class in units.chain([ItemClass::Calls, ItemClass::Uncharged]) {
            assert_eq!(ItemClass::named(class.name()), Some(class));
        }
    }
}
