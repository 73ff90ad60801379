//! The catalogue: which models are offered, whose they are and what they cost.
//!
//! The one readable file is `catalogue/prices.json`. A name that is not in it is not offered, and
//! a dated snapshot stands there only if it costs what its model costs.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;

use crate::{
    money::{Markup, Pico, Price},
    provider::Provider,
    units::{UnitClass, Units},
};

const PRICES: &str = include_str!("catalogue/prices.json");

/// The models, with the prices that customers pay.
pub struct Catalogue {
    version: String,
    models: Vec<Arc<Model>>,
}

/// One model.
pub struct Model {
    /// The name that is recorded: the catalogue's own, never the caller's string.
    pub id: String,
    /// Who runs it.
    pub provider: Provider,
    /// What it is for.
    pub mode: Mode,
    /// The longest prompt in tokens, where the provider states one.
    pub max_input: Option<u64>,
    /// The longest answer in tokens, where the provider states one.
    pub max_output: Option<u64>,
    aliases: Vec<String>,
    rows: Vec<Row>,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Conversation and completion.
    Chat,
    /// Embeddings.
    Embedding,
    /// Making and editing images.
    Image,
    /// Speech to text.
    Transcription,
    /// Text to speech.
    Speech,
}

/// Prices that hold for prompts longer than `above` tokens. They then price the whole call.
struct Row {
    above: u64,
    prices: Vec<(UnitClass, Price)>,
}

#[derive(Deserialize)]
struct File {
    version: String,
    models: Vec<ModelEntry>,
}

#[derive(Deserialize)]
struct ModelEntry {
    model: String,
    provider: Provider,
    mode: Mode,
    max_input: Option<u64>,
    max_output: Option<u64>,
    #[serde(default)]
    aliases: Vec<String>,
    rates: Vec<RowEntry>,
}

#[derive(Deserialize)]
struct RowEntry {
    above: u64,
    #[serde(flatten)]
    prices: HashMap<String, u64>,
}

/// The catalogue file is not one. A test holds the file that is compiled in to its form.
#[derive(Debug, thiserror::Error)]
#[error("the catalogue compiled into this program cannot be read")]
pub struct BadCatalogue;

/// No listed price covers what was used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no listed price")]
pub struct Unpriced;

impl Catalogue {
    /// Reads the catalogue that is compiled in, at an operator's markup.
    ///
    /// # Errors
    /// When the file is malformed or names an unknown class of units.
    pub fn load(markup: Markup) -> Result<Self, BadCatalogue> {
        let file: File = serde_json::from_str(PRICES).map_err(|_| BadCatalogue)?;
        let models = file.models.into_iter().map(|entry| entry.model(markup).map(Arc::new));
        let version = if markup == Markup::default() {
            file.version
        } else {
            format!("{}+{markup}", file.version)
        };
        Ok(Self { version, models: models.collect::<Result<_, _>>()? })
    }

    /// The price version that is in force: the file's date, and the markup if there is one.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The model that a caller names by its id, an alias or a dated snapshot.
    pub fn find(&self, name: &str) -> Option<&Arc<Model>> {
        self.models.iter().find(|model| model.spelled(name).is_some())
    }

    /// All models, in the file's order.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().map(AsRef::as_ref)
    }
}

impl ModelEntry {
    fn model(self, markup: Markup) -> Result<Model, BadCatalogue> {
        let row = |entry: RowEntry| {
            let prices = entry.prices.into_iter().map(|(name, pico)| {
                let class = UnitClass::named(&name).ok_or(BadCatalogue)?;
                Ok((class, Price::new(pico).marked_up(markup)))
            });
            Ok(Row { above: entry.above, prices: prices.collect::<Result<_, _>>()? })
        };
        Ok(Model {
            id: self.model,
            provider: self.provider,
            mode: self.mode,
            max_input: self.max_input,
            max_output: self.max_output,
            aliases: self.aliases,
            rows: self.rates.into_iter().map(row).collect::<Result<_, _>>()?,
        })
    }
}

impl Model {
    /// The catalogue's own spelling of `name`, if this model answers to it. It is what goes into
    /// a provider's URL.
    pub fn spelled(&self, name: &str) -> Option<&str> {
        std::iter::once(&self.id)
            .chain(&self.aliases)
            .map(String::as_str)
            .find(|spelling| *spelling == name)
    }

    /// What `units` cost. Exact.
    ///
    /// # Errors
    /// When a class that was used has no price, nor the class it falls back to.
    pub fn cost(&self, units: &Units) -> Result<Pico, Unpriced> {
        let prompt = units.prompt_tokens();
        let row = self.rows.iter().rev().find(|row| row.above == 0 || prompt > row.above);
        let row = row.ok_or(Unpriced)?;
        units.iter().try_fold(Pico::ZERO, |sum, (class, quantity)| {
            let price = row.price(class).ok_or(Unpriced)?;
            sum.checked_add(price.of(quantity)).ok_or(Unpriced)
        })
    }

    /// The highest price of any of `classes`, for any prompt of up to `prompt` tokens.
    ///
    /// # Errors
    /// When one of them has no price, nor the class it falls back to.
    pub fn ceiling(&self, classes: &[UnitClass], prompt: u64) -> Result<Price, Unpriced> {
        let rows = self.rows.iter().filter(|row| row.above == 0 || prompt > row.above);
        let mut highest = None;
        for row in rows {
            for class in classes {
                highest = highest.max(Some(row.price(*class).ok_or(Unpriced)?));
            }
        }
        highest.ok_or(Unpriced)
    }
}

impl Row {
    fn price(&self, class: UnitClass) -> Option<Price> {
        let own = self.prices.iter().find_map(|(other, price)| (*other == class).then_some(*price));
        own.or_else(|| self.price(class.parent()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue() -> Catalogue {
        Catalogue::load(Markup::default()).unwrap()
    }

    #[test]
    fn every_model_has_a_base_row_first_and_rising_thresholds() {
        for model in catalogue().models() {
            let above: Vec<_> = model.rows.iter().map(|row| row.above).collect();
            assert_eq!(above.first(), Some(&0), "{}", model.id);
            assert!(above.is_sorted(), "{}", model.id);
            assert!(model.rows.iter().all(|row| !row.prices.is_empty()), "{}", model.id);
        }
    }

    #[test]
    fn every_chat_model_can_bound_its_prompt_and_its_answer() {
        let catalogue = catalogue();
        for model in catalogue.models().filter(|model| model.mode == Mode::Chat) {
            assert!(model.max_input.is_some() && model.max_output.is_some(), "{}", model.id);
            for class in [UnitClass::Input, UnitClass::CacheRead, UnitClass::Reasoning] {
                assert!(model.ceiling(&[class], u64::MAX).is_ok(), "{}", model.id);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let catalogue = catalogue();
        let mut seen = std::collections::HashSet::new();
        for model in catalogue.models() {
            for name in std::iter::once(&model.id).chain(&model.aliases) {
                assert!(seen.insert(name.clone()), "{name} appears twice");
            }
        }
    }

    #[test]
    fn a_dated_snapshot_is_its_model_and_a_dearer_one_is_not_offered() {
        let catalogue = catalogue();
        assert_eq!(catalogue.find("gpt-4o-2024-11-20").unwrap().id, "gpt-4o");
        assert_eq!(catalogue.find("claude-haiku-4-5-20251001").unwrap().id, "claude-haiku-4-5");
        // This snapshot costs twice its model, and has no row of its own.
        assert!(catalogue.find("gpt-4o-2024-05-13").is_none());
        assert!(catalogue.find("GPT-4o").is_none());
    }

    #[test]
    fn a_long_prompt_reprices_the_whole_call() {
        let catalogue = catalogue();
        let model = catalogue.find("gpt-6-sol").unwrap();
        let call = |prompt| {
            let units = Units::default().with(UnitClass::Input, prompt).with(UnitClass::Output, 1);
            model.cost(&units).unwrap()
        };
        assert_eq!(call(272_000), Pico::new(272_000 * 2_000_000 + 10_000_000));
        assert_eq!(call(272_001), Pico::new(272_001 * 4_000_000 + 15_000_000));
    }

    #[test]
    fn a_markup_is_part_of_the_price_and_of_its_version() {
        let catalogue = Catalogue::load(Markup::basis_points(1_000)).unwrap();
        assert!(catalogue.version().ends_with("+1000bp"));
        let units = Units::default().with(UnitClass::Input, 10);
        let cost = catalogue.find("gpt-5-mini").unwrap().cost(&units).unwrap();
        assert_eq!(cost, Pico::new(10 * 275_000));
    }
}
