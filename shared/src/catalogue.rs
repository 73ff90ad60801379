//! The catalogue: which models are offered, whose they are and what they cost.
//!
//! The one readable file is `catalogue/prices.json`. A name that is not in it is not offered, and
//! a dated snapshot stands there only if it costs what its model costs.

use std::{collections::HashMap, sync::Arc};

use serde::Deserialize;

use crate::{
    money::{Markup, Pico, Price},
    provider::Provider,
    tier::Tier,
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
    /// The most tokens that one image in the prompt takes, where it takes images.
    pub image_tokens: Option<u64>,
    /// Whether all searches of a call cost the price of one.
    pub searches_once: bool,
    aliases: Vec<String>,
    rows: Vec<Row>,
}

/// What a model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Conversation.
    Chat,
    /// Conversation through `OpenAI`'s responses alone.
    Responses,
    /// Completion of a text, `OpenAI`'s oldest endpoint.
    Completion,
    /// Embeddings.
    Embedding,
    /// Making and editing images.
    Image,
    /// Speech to text.
    Transcription,
    /// Text to speech.
    Speech,
    /// Judging whether content is allowed. It costs nothing.
    Moderation,
}

/// Prices of a tier that hold for prompts longer than `above` tokens. They then price the whole
/// call.
struct Row {
    tier: Tier,
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
    image_tokens: Option<u64>,
    #[serde(default)]
    searches_once: bool,
    #[serde(default)]
    aliases: Vec<String>,
    rates: Vec<RowEntry>,
    #[serde(default)]
    tiers: HashMap<String, Vec<RowEntry>>,
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

    /// The same for what was served as `tier`, whose prices are others.
    pub fn version_of(&self, tier: Tier) -> String {
        if tier == Tier::Standard {
            return self.version.clone();
        }
        format!("{}/{tier}", self.version)
    }

    /// The model that a caller names by its id, an alias or a dated snapshot.
    pub fn find(&self, name: &str) -> Option<&Arc<Model>> {
        self.models.iter().find(|model| model.spelled(name).is_some())
    }

    /// What each class of `units` was priced at, of a call to `model` under `version`. Nothing
    /// where these are not the prices of that version.
    pub fn itemize(
        &self,
        model: &str,
        version: &str,
        units: &Units,
    ) -> Option<Vec<(UnitClass, u64, Price)>> {
        let tier = match version.strip_prefix(&self.version)? {
            "" => Tier::Standard,
            tier => Tier::named(tier.strip_prefix('/')?)?,
        };
        let model = self.models.iter().find(|it| it.id == model)?;
        let row = model.row(tier, units.prompt_tokens())?;
        units.iter().map(|(class, quantity)| Some((class, quantity, row.price(class)?))).collect()
    }

    /// All models, in the file's order.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.iter().map(AsRef::as_ref)
    }
}

impl ModelEntry {
    fn model(self, markup: Markup) -> Result<Model, BadCatalogue> {
        let mut rows = rows(Tier::Standard, self.rates, markup)?;
        for (name, rates) in self.tiers {
            let tier = Tier::named(&name).ok_or(BadCatalogue)?;
            rows.extend(self::rows(tier, rates, markup)?);
        }
        Ok(Model {
            id: self.model,
            provider: self.provider,
            mode: self.mode,
            max_input: self.max_input,
            max_output: self.max_output,
            image_tokens: self.image_tokens,
            searches_once: self.searches_once,
            aliases: self.aliases,
            rows,
        })
    }
}

fn rows(tier: Tier, rates: Vec<RowEntry>, markup: Markup) -> Result<Vec<Row>, BadCatalogue> {
    let row = |entry: RowEntry| {
        let prices = entry.prices.into_iter().map(|(name, pico)| {
            let class = UnitClass::named(&name).ok_or(BadCatalogue)?;
            Ok((class, Price::new(pico).marked_up(markup)))
        });
        Ok(Row { tier, above: entry.above, prices: prices.collect::<Result<_, _>>()? })
    };
    rates.into_iter().map(row).collect()
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

    /// Whether prices of `tier` are listed.
    pub fn lists(&self, tier: Tier) -> bool {
        self.rows.iter().any(|row| row.tier == tier)
    }

    /// Whether `class` has a price of its own, which is to be counted apart then.
    pub fn prices(&self, class: UnitClass) -> bool {
        self.rows.iter().any(|row| row.prices.iter().any(|(priced, _)| *priced == class))
    }

    /// `units` as they are billed.
    #[must_use]
    pub fn billed(&self, units: Units) -> Units {
        let searches = units.get(UnitClass::Searches);
        if self.searches_once { units.with(UnitClass::Searches, searches.min(1)) } else { units }
    }

    /// What `units` cost, served as `tier`. Exact.
    ///
    /// # Errors
    /// When a class that was used has no price, nor the class it falls back to.
    pub fn cost(&self, units: &Units, tier: Tier) -> Result<Pico, Unpriced> {
        let row = self.row(tier, units.prompt_tokens()).ok_or(Unpriced)?;
        units.iter().try_fold(Pico::ZERO, |sum, (class, quantity)| {
            let price = row.price(class).ok_or(Unpriced)?;
            sum.checked_add(price.of(quantity)).ok_or(Unpriced)
        })
    }

    /// The highest price of any of `classes`, for any prompt of up to `prompt` tokens, whether it
    /// is served as `tier` or, as a provider may do at any time, as the standard one.
    ///
    /// # Errors
    /// When one of them has no price, nor the class it falls back to; or `tier` has none.
    pub fn ceiling(
        &self,
        classes: &[UnitClass],
        prompt: u64,
        tier: Tier,
    ) -> Result<Price, Unpriced> {
        if !self.lists(tier) {
            return Err(Unpriced);
        }
        let rows = self.rows.iter().filter(|row| {
            (row.tier == tier || row.tier == Tier::Standard)
                && (row.above == 0 || prompt > row.above)
        });
        let mut highest = None;
        for row in rows {
            for class in classes {
                highest = highest.max(Some(row.price(*class).ok_or(Unpriced)?));
            }
        }
        highest.ok_or(Unpriced)
    }

    /// The row that prices a call with a prompt of this length. Where a tier lists none for long
    /// prompts the provider serves them as standard.
    fn row(&self, tier: Tier, prompt: u64) -> Option<&Row> {
        let of = |tier| {
            let rows = self.rows.iter().filter(move |row| row.tier == tier);
            rows.filter(|row| row.above == 0 || prompt > row.above).max_by_key(|row| row.above)
        };
        let standard = of(Tier::Standard);
        match (of(tier), standard) {
            (Some(own), Some(standard)) if own.above >= standard.above => Some(own),
            (_, standard) => standard,
        }
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
    fn every_tier_has_a_base_row_first_and_thresholds_that_the_standard_one_has() {
        for model in catalogue().models() {
            let above = |tier| {
                let rows = model.rows.iter().filter(move |row| row.tier == tier);
                rows.map(|row| row.above).collect::<Vec<_>>()
            };
            let standard = above(Tier::Standard);
            for tier in Tier::ALL.into_iter().filter(|tier| model.lists(*tier)) {
                let own = above(tier);
                assert_eq!(own.first(), Some(&0), "{}", model.id);
                assert!(own.is_sorted() && standard.starts_with(&own), "{} {tier}", model.id);
            }
            assert!(model.rows.iter().all(|row| !row.prices.is_empty()), "{}", model.id);
        }
    }

    #[test]
    fn every_model_can_bound_what_it_is_for() {
        use UnitClass::{CacheRead, Characters, Images, Input, Output, Reasoning, Seconds};
        let catalogue = catalogue();
        for model in catalogue.models() {
            let priced = |class| model.ceiling(&[class], u64::MAX, Tier::Standard).is_ok();
            let bounded = model.max_input.is_some() && model.max_output.is_some();
            assert!(
                match model.mode {
                    Mode::Chat | Mode::Responses =>
                        bounded && [Input, CacheRead, Output, Reasoning].into_iter().all(priced),
                    Mode::Completion => bounded && priced(Input) && priced(Output),
                    Mode::Embedding => model.max_input.is_some() && priced(Input),
                    Mode::Image => priced(Images) || priced(UnitClass::ImageOutput),
                    Mode::Speech => priced(Characters) || priced(UnitClass::AudioOutput),
                    Mode::Transcription => priced(Seconds) || bounded && priced(Input),
                    Mode::Moderation => priced(Input),
                },
                "{}",
                model.id
            );
        }
    }

    #[test]
    fn a_tier_is_priced_as_it_was_served_and_one_without_a_price_is_refused() {
        let catalogue = catalogue();
        let cost = |name, tier, prompt| {
            let units = Units::default().with(UnitClass::Input, prompt);
            catalogue.find(name).unwrap().cost(&units, tier)
        };
        let one = Ok(Pico::new(250_000));
        assert_eq!(cost("gpt-5-mini", Tier::Standard, 1), one);
        assert_eq!(cost("gpt-5-mini", Tier::Flex, 1), Ok(Pico::new(125_000)));
        assert_eq!(cost("gpt-5-mini", Tier::Priority, 1), Ok(Pico::new(450_000)));
        // A tier that was never offered is the operator's own contract.
        assert_eq!(cost("gpt-5-mini", Tier::Us, 1), one);
        // No long prompts are listed as priority: they are served as standard.
        let long = cost("gpt-5.5", Tier::Priority, 300_000);
        assert_eq!(long, cost("gpt-5.5", Tier::Standard, 300_000));
        let model = catalogue.find("gpt-5.5").unwrap();
        let ceiling = |tier, prompt| model.ceiling(&[UnitClass::Input], prompt, tier);
        assert_eq!(ceiling(Tier::Priority, 300_000), Ok(Price::new(12_500_000)));
        assert_eq!(ceiling(Tier::Flex, 1), Ok(Price::new(5_000_000)));
        assert_eq!(ceiling(Tier::Us, 1), Err(Unpriced));
        let claude = catalogue.find("claude-opus-5").unwrap();
        let units = Units::default().with(UnitClass::CacheRead, 1);
        assert_eq!(claude.cost(&units, Tier::FastUs), Ok(Pico::new(1_100_000)));
    }

    #[test]
    fn whisper_is_priced_once_and_moderation_costs_nothing() {
        let catalogue = catalogue();
        let second = Units::default().with(UnitClass::Seconds, 1);
        let whisper = catalogue.find("whisper-1").unwrap();
        assert_eq!(whisper.cost(&second, Tier::Standard), Ok(Pico::new(100_000_000)));
        let moderation = catalogue.find("omni-moderation-latest").unwrap();
        let units = Units::default().with(UnitClass::Input, 1_000).with(UnitClass::Output, 9);
        assert_eq!(moderation.cost(&units, Tier::Standard), Ok(Pico::ZERO));
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
            model.cost(&units, Tier::Standard).unwrap()
        };
        assert_eq!(call(272_000), Pico::new(272_000 * 2_000_000 + 10_000_000));
        assert_eq!(call(272_001), Pico::new(272_001 * 4_000_000 + 15_000_000));
    }

    #[test]
    fn a_markup_is_part_of_the_price_and_of_its_version() {
        let catalogue = Catalogue::load(Markup::basis_points(1_000)).unwrap();
        assert!(catalogue.version().ends_with("+1000bp"));
        let units = Units::default().with(UnitClass::Input, 10);
        let cost = catalogue.find("gpt-5-mini").unwrap().cost(&units, Tier::Standard).unwrap();
        assert_eq!(cost, Pico::new(10 * 275_000));
    }
}
