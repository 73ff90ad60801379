//! What a report has to say, added up from the calls.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use shared::{
    catalogue::{Catalogue, Mode},
    store::calls::Record,
    time::Timestamp,
    units::UnitClass as Class,
};

/// A report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Completions,
    Embeddings,
    Moderations,
    Images,
    Speeches,
    Transcriptions,
    Costs,
    Messages,
    CostReport,
}

impl Shape {
    pub(super) const USAGE: [Self; 6] = [
        Self::Completions,
        Self::Embeddings,
        Self::Moderations,
        Self::Images,
        Self::Speeches,
        Self::Transcriptions,
    ];
    pub(super) const OTHERS: [Self; 3] = [Self::Costs, Self::Messages, Self::CostReport];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Completions => "/v1/organization/usage/completions",
            Self::Embeddings => "/v1/organization/usage/embeddings",
            Self::Moderations => "/v1/organization/usage/moderations",
            Self::Images => "/v1/organization/usage/images",
            Self::Speeches => "/v1/organization/usage/audio_speeches",
            Self::Transcriptions => "/v1/organization/usage/audio_transcriptions",
            Self::Costs => "/v1/organization/costs",
            Self::Messages => "/v1/organizations/usage_report/messages",
            Self::CostReport => "/v1/organizations/cost_report",
        }
    }

    pub(super) fn is_anthropic(self) -> bool {
        matches!(self, Self::Messages | Self::CostReport)
    }

    pub(super) fn days_alone(self) -> bool {
        matches!(self, Self::Costs | Self::CostReport)
    }

    /// By what it can be grouped.
    pub(super) fn dimensions(self) -> &'static [&'static str] {
        match self {
            Self::Completions => &["project_id", "api_key_id", "model", "batch", "service_tier"],
            Self::Costs => &["project_id", "api_key_id", "line_item"],
            Self::Messages => {
                &["workspace_id", "api_key_id", "model", "service_tier", "inference_geo", "speed"]
            }
            Self::CostReport => &["workspace_id", "description"],
            Self::Embeddings
            | Self::Moderations
            | Self::Images
            | Self::Speeches
            | Self::Transcriptions => &["project_id", "api_key_id", "model"],
        }
    }

    fn has(self, mode: Mode) -> bool {
        match self {
            Self::Completions | Self::Messages => {
                matches!(mode, Mode::Chat | Mode::Responses | Mode::Completion)
            }
            Self::Embeddings => mode == Mode::Embedding,
            Self::Moderations => mode == Mode::Moderation,
            Self::Images => mode == Mode::Image,
            Self::Speeches => mode == Mode::Speech,
            Self::Transcriptions => mode == Mode::Transcription,
            Self::Costs | Self::CostReport => true,
        }
    }
}

/// A moment as reports have it.
fn seconds(moment: Timestamp) -> Timestamp {
    Timestamp::from_seconds(moment.seconds())
}

/// What is asked.
pub(super) struct Truth<'a> {
    pub(super) shape: Shape,
    pub(super) width: &'a str,
    pub(super) grouping: &'a [&'a str],
}

/// What a record counts, under its class where that is asked for.
type Counts = (Option<String>, Vec<(&'static str, i128)>);

/// Counts by name, of each group by the values of its dimensions.
pub(super) type Groups = BTreeMap<String, BTreeMap<&'static str, i128>>;

/// The prompt's classes that are neither read from a cache nor written to one.
const FRESH: [Class; 5] =
    [Class::Input, Class::ToolPrompt, Class::AudioInput, Class::ImageInput, Class::VideoInput];
const CACHED: [Class; 3] = [Class::CacheRead, Class::CacheReadAudio, Class::CacheReadImage];
const WRITTEN: [Class; 4] =
    [Class::CacheWrite5m, Class::CacheWrite30m, Class::CacheWrite1h, Class::CacheWrite12h];
const ANSWERED: [Class; 4] =
    [Class::Output, Class::Reasoning, Class::AudioOutput, Class::ImageOutput];

impl Truth<'_> {
    /// How wide its buckets are.
    pub(super) fn width(&self) -> Duration {
        Duration::from_secs(match self.width {
            "1d" => 86_400,
            "1h" => 3_600,
            "1m" => 60,
            other => panic!("{other}"),
        })
    }

    /// The beginning of the bucket that a moment is in.
    pub(super) fn floor(&self, moment: Timestamp) -> Timestamp {
        let width = i64::try_from(self.width().as_secs()).unwrap();
        Timestamp::from_seconds(moment.seconds().div_euclid(width) * width)
    }

    /// From where to where its buckets go, of what is asked for at `now`.
    pub(super) fn covers(
        &self,
        from: Timestamp,
        to: Option<Timestamp>,
        now: Timestamp,
    ) -> (Timestamp, Timestamp) {
        let (from, to) = (seconds(from), to.map(seconds));
        let up = |moment| {
            let floor = self.floor(moment);
            if floor == moment { floor } else { floor.plus(self.width()) }
        };
        let newest = self.floor(now).plus(self.width());
        // The first second that is not seven days ago.
        let kept = seconds(now).minus(Duration::from_secs(7 * 86_400 - 1));
        if self.shape.is_anthropic() {
            let from = if self.width == "1d" { from } else { from.max(up(kept)) };
            return (self.floor(from), to.map_or(newest, |to| self.floor(to).min(newest)));
        }
        let to = to.map_or(newest, |to| to.min(newest));
        match self.width {
            // Of days that are forgotten the whole is told.
            "1d" if from < kept => {
                (self.floor(from), if self.floor(to) < kept { up(to) } else { to })
            }
            "1d" => (from, to),
            _ => (from.max(kept), to),
        }
    }

    /// What these calls come to.
    pub(super) fn groups<'r>(
        &self,
        records: impl Iterator<Item = &'r Record>,
        catalogue: &Catalogue,
        tag: impl Fn(&Record) -> Option<&'static str>,
    ) -> Groups {
        let mut groups = Groups::new();
        for record in records {
            let model = catalogue.find(&record.model).unwrap();
            if !self.shape.has(model.mode) {
                continue;
            }
            for (class, counts) in self.counts(record, catalogue) {
                let value = |name: &&str| self.value(name, record, class.as_deref(), tag(record));
                let group = json!(self.grouping.iter().map(value).collect::<Vec<_>>());
                let sums = groups.entry(group.to_string()).or_default();
                for (name, count) in counts {
                    *sums.entry(name).or_default() += count;
                }
            }
        }
        groups
    }

    fn value(&self, name: &str, record: &Record, class: Option<&str>, tag: Option<&str>) -> Value {
        let tier = record.price_version.split_once('/').map_or("standard", |(_, tier)| tier);
        match (name, self.shape.is_anthropic()) {
            ("project_id" | "workspace_id", _) => json!(tag),
            ("api_key_id", _) => json!(record.key.as_str()),
            ("model", _) => json!(record.model),
            ("batch", _) => json!(false),
            ("service_tier", false) => json!(if tier == "standard" { "default" } else { tier }),
            ("service_tier", true) => {
                json!(match tier {
                    "flex" => "flex",
                    "priority" | "ultrafast" => "priority",
                    _ => "standard",
                })
            }
            ("inference_geo", _) => json!(if tier.ends_with("us") { "us" } else { "global" }),
            ("speed", _) => json!(if tier.starts_with("fast") { "fast" } else { "standard" }),
            ("line_item", _) => json!(format!("{}, {}", record.model, class.unwrap())),
            ("description", _) => {
                let tier = if tier == "standard" { String::new() } else { format!(", {tier}") };
                json!(format!("{}, {}{tier}", record.model, class.unwrap()))
            }
            _ => panic!("{name}"),
        }
    }

    fn counts(&self, record: &Record, catalogue: &Catalogue) -> Vec<Counts> {
        let of = |classes: &[Class]| -> i128 {
            classes.iter().map(|class| i128::from(record.units.get(*class))).sum()
        };
        let input = of(&FRESH) + of(&CACHED) + of(&WRITTEN);
        let pieces = |name, class| {
            let counts = vec![
                ("num_model_requests", 1),
                (name, of(&[class])),
                ("input_tokens", input),
                ("output_tokens", of(&ANSWERED)),
            ];
            vec![(None, counts)]
        };
        match self.shape {
            Shape::Costs | Shape::CostReport => {
                let by_class =
                    self.grouping.iter().any(|name| ["line_item", "description"].contains(name));
                let cost = record.cost.pico();
                if !by_class {
                    return vec![(None, vec![("amount", cost)])];
                }
                // Anthropic's has no quantities.
                let amounts = |amount, quantity: u64| {
                    let quantity = ("quantity", i128::from(quantity));
                    let both = [("amount", amount), quantity];
                    let shown = if self.shape == Shape::Costs { 2 } else { 1 };
                    both[..shown].to_vec()
                };
                let items = catalogue.itemize(&record.model, &record.price_version, &record.units);
                let Some(items) = items else {
                    let mut counts: Vec<_> = record
                        .units
                        .iter()
                        .map(|(class, quantity)| {
                            (Some(class.name().to_owned()), amounts(0, quantity))
                        })
                        .collect();
                    if cost != 0 {
                        counts.push((Some("calls".to_owned()), vec![("amount", cost)]));
                    }
                    return counts;
                };
                let mut left = cost;
                let mut counts: Vec<_> = items
                    .into_iter()
                    .map(|(class, quantity, price)| {
                        let amount = i128::from(price.pico()) * i128::from(quantity);
                        left -= amount;
                        (Some(class.name().to_owned()), amounts(amount, quantity))
                    })
                    .collect();
                if left != 0 {
                    counts.push((Some("uncharged".to_owned()), vec![("amount", left)]));
                }
                counts
            }
            Shape::Messages => vec![(
                None,
                vec![
                    ("uncached_input_tokens", of(&FRESH)),
                    ("cache_read_input_tokens", of(&CACHED)),
                    ("cache_creation", of(&WRITTEN)),
                    ("output_tokens", of(&ANSWERED)),
                    ("web_search_requests", of(&[Class::Searches])),
                ],
            )],
            Shape::Completions => vec![(
                None,
                vec![
                    ("num_model_requests", 1),
                    ("input_tokens", input),
                    ("input_cached_tokens", of(&CACHED)),
                    ("input_cache_write_tokens", of(&WRITTEN)),
                    ("input_uncached_tokens", of(&FRESH)),
                    ("input_audio_tokens", of(&[Class::AudioInput])),
                    ("input_image_tokens", of(&[Class::ImageInput])),
                    ("output_tokens", of(&ANSWERED)),
                    ("output_audio_tokens", of(&[Class::AudioOutput])),
                    ("output_image_tokens", of(&[Class::ImageOutput])),
                ],
            )],
            Shape::Embeddings | Shape::Moderations => {
                vec![(None, vec![("num_model_requests", 1), ("input_tokens", input)])]
            }
            Shape::Images => pieces("images", Class::Images),
            Shape::Speeches => pieces("characters", Class::Characters),
            Shape::Transcriptions => pieces("seconds", Class::Seconds),
        }
    }

    /// What an answer says of a bucket.
    pub(super) fn told(&self, results: &[Told]) -> Groups {
        let mut groups = Groups::new();
        for Told { fields, amount } in results {
            let value = |name: &&str| fields[*name].clone();
            let group = json!(self.grouping.iter().map(value).collect::<Vec<_>>());
            let sums = groups.entry(group.to_string()).or_default();
            assert!(sums.is_empty(), "two rows are of one group");
            let mut add = |name: &'static str, count: Option<i128>| {
                if let Some(count) = count {
                    *sums.entry(name).or_default() += count;
                }
            };
            add("amount", *amount);
            for name in [
                "quantity",
                "num_model_requests",
                "input_tokens",
                "input_cached_tokens",
                "input_cache_write_tokens",
                "input_uncached_tokens",
                "input_audio_tokens",
                "input_image_tokens",
                "output_tokens",
                "output_audio_tokens",
                "output_image_tokens",
                "images",
                "characters",
                "seconds",
                "uncached_input_tokens",
                "cache_read_input_tokens",
            ] {
                add(name, fields[name].as_u64().map(i128::from));
            }
            if let Some(writes) = fields["cache_creation"].as_object() {
                let sum = writes.values().map(|tokens| i128::from(tokens.as_u64().unwrap())).sum();
                add("cache_creation", Some(sum));
            }
            let searches = fields["server_tool_use"]["web_search_requests"].as_u64();
            add("web_search_requests", searches.map(i128::from));
        }
        groups
    }
}

/// A result as it is told: its fields, and its amount in pico-dollars, of which no digit is lost.
pub(super) struct Told {
    pub(super) fields: Value,
    pub(super) amount: Option<i128>,
}
