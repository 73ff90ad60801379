//! The codec of items: typed attributes in and out, and errors that carry a name and no value.

use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;

use super::tables::Item;
use crate::{
    charge::{ItemClass, ItemSum, Items},
    money::{Pico, Price},
    time::Timestamp,
    units::{UnitClass, Units},
};

/// An attribute is missing or is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored attribute `{0}` is missing or malformed")]
pub struct Corrupt(pub &'static str);

/// Builds an item.
#[derive(Default)]
pub(super) struct Writer(Item);

impl From<Item> for Writer {
    fn from(item: Item) -> Self {
        Self(item)
    }
}

impl Writer {
    pub(super) fn text(mut self, name: &str, value: impl ToString) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::S(value.to_string()));
        self
    }

    pub(super) fn number(mut self, name: &str, value: impl ToString) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::N(value.to_string()));
        self
    }

    pub(super) fn money(self, name: &str, value: Pico) -> Self {
        self.number(name, value.pico())
    }

    pub(super) fn texts(mut self, name: &str, values: impl Iterator<Item = String>) -> Self {
        self.0.insert(name.to_owned(), AttributeValue::Ss(values.collect()));
        self
    }

    pub(super) fn units(mut self, name: &str, units: &Units) -> Self {
        let map = units
            .iter()
            .map(|(class, quantity)| {
                (class.name().to_owned(), AttributeValue::N(quantity.to_string()))
            })
            .collect();
        self.0.insert(name.to_owned(), AttributeValue::M(map));
        self
    }

    pub(super) fn items(mut self, name: &str, items: &Items) -> Self {
        let number = |name: &str, number: &dyn ToString| {
            (name.to_owned(), AttributeValue::N(number.to_string()))
        };
        let map = items.iter().map(|(class, price, sum)| {
            let price = price.map(|price| price.pico().to_string()).unwrap_or_default();
            let sum = [
                number("quantity", &sum.quantity),
                number("amount", &sum.amount.pico()),
                number("requests", &sum.requests),
            ];
            (format!("{}#{price}", class.name()), AttributeValue::M(sum.into()))
        });
        self.0.insert(name.to_owned(), AttributeValue::M(map.collect()));
        self
    }

    pub(super) fn item(self) -> Item {
        self.0
    }
}

/// Reads an item.
pub(super) struct Reader<'a>(pub(super) &'a Item);

impl<'a> Reader<'a> {
    pub(super) fn text(&self, name: &'static str) -> Result<&'a str, Corrupt> {
        let text = self.0.get(name).and_then(|value| value.as_s().ok());
        text.map(String::as_str).ok_or(Corrupt(name))
    }

    pub(super) fn optional_text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
    }

    /// A number whose name is made, such as that of an hour.
    pub(super) fn optional_named(&self, name: &str) -> Result<Option<i128>, Corrupt> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let number = value.as_n().ok().and_then(|text| text.parse().ok());
        number.map(Some).ok_or(Corrupt("a number by period"))
    }

    pub(super) fn parsed<T: FromStr>(&self, name: &'static str) -> Result<T, Corrupt> {
        self.text(name)?.parse().map_err(|_| Corrupt(name))
    }

    pub(super) fn number<T: FromStr>(&self, name: &'static str) -> Result<T, Corrupt> {
        let number = self.0.get(name).and_then(|value| value.as_n().ok()).ok_or(Corrupt(name))?;
        number.parse().map_err(|_| Corrupt(name))
    }

    pub(super) fn optional_number<T: FromStr>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Corrupt> {
        if self.0.contains_key(name) { self.number(name).map(Some) } else { Ok(None) }
    }

    pub(super) fn money(&self, name: &'static str) -> Result<Pico, Corrupt> {
        self.number(name).map(Pico::new)
    }

    pub(super) fn seconds(&self, name: &'static str) -> Result<Timestamp, Corrupt> {
        self.number(name).map(Timestamp::from_seconds)
    }

    pub(super) fn texts(&self, name: &'static str) -> Result<&'a [String], Corrupt> {
        let texts = self.0.get(name).and_then(|value| value.as_ss().ok());
        texts.map(Vec::as_slice).ok_or(Corrupt(name))
    }

    pub(super) fn units(&self, name: &'static str) -> Result<Units, Corrupt> {
        let map = self.0.get(name).and_then(|value| value.as_m().ok()).ok_or(Corrupt(name))?;
        map.iter().try_fold(Units::default(), |units, (class, quantity)| {
            let class = UnitClass::named(class).ok_or(Corrupt(name))?;
            let quantity = quantity.as_n().ok().and_then(|text| text.parse().ok());
            Ok(units.with(class, quantity.ok_or(Corrupt(name))?))
        })
    }

    pub(super) fn items(&self, name: &'static str) -> Result<Items, Corrupt> {
        let map = self.0.get(name).and_then(|value| value.as_m().ok()).ok_or(Corrupt(name))?;
        let mut items = Items::default();
        for (of, sum) in map {
            let (class, price) = of.split_once('#').ok_or(Corrupt(name))?;
            let class = ItemClass::named(class).ok_or(Corrupt(name))?;
            let price = (!price.is_empty()).then(|| price.parse().map(Price::new)).transpose();
            let price = price.map_err(|_| Corrupt(name))?;
            let sum = Reader(sum.as_m().map_err(|_| Corrupt(name))?);
            let sum = ItemSum {
                quantity: sum.number("quantity")?,
                amount: sum.money("amount")?,
                requests: sum.number("requests")?,
            };
            items.add(class, price, sum);
        }
        Ok(items)
    }
}
