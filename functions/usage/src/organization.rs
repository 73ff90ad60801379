//! `OpenAI`'s organization reports: usage and costs, as its admin clients read them.
//!
//! Source: `OpenAI`'s API reference, "Usage". A project is a key's tag. What is not kept (users, the
//! size and source of images, where the API was called from) is null, and nothing is grouped or
//! narrowed by it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};
use shared::{
    event::Request, fault::Fault, money::Pico, store::wallet::Wallet, tier::Tier, time::Timestamp,
    units::UnitClass,
};

use crate::{
    App, UsageStore,
    asked::{Asked, Dimension, Kind},
    buckets::{Range, Times, Widths},
    collector::Sums,
    group::{self, Group, Sum},
    query::Query,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Usage(Kind),
    Costs,
}

impl Report {
    /// The report behind `/v1/organization`.
    pub(crate) fn named(path: &[&str]) -> Option<Self> {
        Some(match path {
            ["usage", "completions"] => Self::Usage(Kind::Completions),
            ["usage", "embeddings"] => Self::Usage(Kind::Embeddings),
            ["usage", "moderations"] => Self::Usage(Kind::Moderations),
            ["usage", "images"] => Self::Usage(Kind::Images),
            ["usage", "audio_speeches"] => Self::Usage(Kind::Speeches),
            ["usage", "audio_transcriptions"] => Self::Usage(Kind::Transcriptions),
            ["costs"] => Self::Costs,
            _ => return None,
        })
    }

    /// The parameters it has, those that nothing is kept for included.
    const fn parameters(self) -> &'static str {
        match self {
            Self::Usage(Kind::Completions) => {
                "start_time, end_time, bucket_width, project_ids, user_ids, api_key_ids, models, \
                 batch, group_by, limit, page"
            }
            Self::Usage(Kind::Images) => {
                "start_time, end_time, bucket_width, project_ids, user_ids, api_key_ids, models, \
                 sources, sizes, group_by, limit, page"
            }
            Self::Usage(_) => {
                "start_time, end_time, bucket_width, project_ids, user_ids, api_key_ids, models, \
                 group_by, limit, page"
            }
            Self::Costs => {
                "start_time, end_time, bucket_width, project_ids, api_key_ids, line_items, group_by, \
                 limit, page"
            }
        }
    }

    /// By what its results can be grouped, and what is told of anything else.
    const fn groups(self) -> (&'static [(&'static str, Option<Dimension>)], &'static str) {
        const PROJECT: (&str, Option<Dimension>) = ("project_id", Some(Dimension::Tag));
        const KEY: (&str, Option<Dimension>) = ("api_key_id", Some(Dimension::Key));
        const MODEL: (&str, Option<Dimension>) = ("model", Some(Dimension::Model));
        match self {
            Self::Usage(Kind::Completions) => (
                // No call is of a batch.
                &[PROJECT, KEY, MODEL, ("batch", None), ("service_tier", Some(Dimension::Tier))],
                "can be project_id, api_key_id, model, batch and service_tier here; nothing is kept \
                 of user_id and api_source",
            ),
            Self::Usage(Kind::Images) => (
                &[PROJECT, KEY, MODEL],
                "can be project_id, api_key_id and model here; nothing is kept of user_id, size, \
                 source and api_source",
            ),
            Self::Usage(_) => (
                &[PROJECT, KEY, MODEL],
                "can be project_id, api_key_id and model here; nothing is kept of user_id",
            ),
            Self::Costs => (
                &[PROJECT, KEY, ("line_item", Some(Dimension::Class))],
                "can be project_id, line_item and api_key_id here; nothing is kept of user_id and \
                 api_source",
            ),
        }
    }
}

/// How `OpenAI`'s clients ask for a time.
const TIMES: Times = Times {
    start: ("start_time", "is required: seconds since 1970-01-01T00:00:00Z, from which on"),
    end: ("end_time", "must be later than start_time"),
    moment: Query::seconds,
    whole: false,
};

#[derive(Serialize)]
struct Page<T> {
    object: &'static str,
    data: Vec<Bucket<T>>,
    has_more: bool,
    next_page: Option<String>,
}

#[derive(Serialize)]
struct Bucket<T> {
    object: &'static str,
    start_time: i64,
    end_time: i64,
    results: Vec<T>,
}

#[derive(Serialize)]
struct Cost {
    object: &'static str,
    amount: Amount,
    line_item: Option<String>,
    project_id: Option<String>,
    api_key_id: Option<String>,
    user_id: Option<String>,
    api_source: Option<String>,
    quantity: Option<u64>,
    quantity_unit: Option<&'static str>,
}

#[derive(Serialize)]
struct Amount {
    /// US dollars, a number with all twelve decimals.
    value: Box<RawValue>,
    currency: &'static str,
}

impl<S: UsageStore> App<S> {
    /// Answers a report.
    pub(crate) async fn organization(
        &self,
        report: Report,
        wallet: &Wallet,
        request: &Request,
        now: Timestamp,
    ) -> Result<String, Fault> {
        let query = Query::read(request, report.parameters())?;
        let widths = match report {
            Report::Usage(_) => Widths::USAGE,
            Report::Costs => Widths::costs(|_| (7, 180, "must be 1 to 180 here")),
        };
        let buckets = Range::read(&query, &TIMES, &widths, now)?.buckets(&query, now)?;
        let mut asked = Asked::default();
        let (known, why) = report.groups();
        let mut grouped = Vec::new();
        for name in query.all("group_by") {
            let group = known.iter().find(|(known, _)| known == name);
            let (name, dimension) = group.ok_or(Fault::BadParameter { name: "group_by", why })?;
            grouped.push(*name);
            asked.by.extend(*dimension);
        }
        if asked.by.contains(&Dimension::Class) {
            asked.by.insert(Dimension::Model);
        }
        query.without(&["user_ids", "sources", "sizes"])?;
        if let Report::Usage(kind) = report {
            asked.kind = Some(kind);
        }
        let batch =
            query.word("batch", &[("true", true), ("false", false)], "must be true or false")?;
        if batch == Some(true) {
            asked.tiers = Some(Vec::new());
        }
        asked.models = query.all("models").iter().map(|name| self.model(name)).collect();
        asked.items = query.all("line_items").iter().cloned().collect();
        asked.tags = query.all("project_ids").iter().cloned().collect();
        let keys = self.keys(wallet, &mut asked, query.all("api_key_ids")).await?;
        let sums = self.sum(wallet, &keys, &asked, buckets, now).await?;
        match report {
            Report::Usage(kind) => page(sums, |group, sum| {
                Ok(Some(usage(kind, group, sum, grouped.contains(&"batch"))))
            }),
            Report::Costs => page(sums, cost),
        }
    }
}

/// A page, of which each sum makes a result, or none.
fn page<T: Serialize>(
    sums: Sums,
    result: impl Fn(&Group, &Sum) -> Result<Option<T>, Fault>,
) -> Result<String, Fault> {
    let bucket = |((from, to), groups): (&(Timestamp, Timestamp), &BTreeMap<Group, Sum>)| {
        let results = groups.iter().filter_map(|(group, sum)| result(group, sum).transpose());
        Ok(Bucket {
            object: "bucket",
            start_time: from.seconds(),
            end_time: to.seconds(),
            results: results.collect::<Result<_, _>>()?,
        })
    };
    let data = sums.buckets.bounds.iter().zip(&sums.groups).map(bucket);
    let data = data.collect::<Result<_, Fault>>()?;
    let next_page = sums.buckets.next_page();
    let page = Page { object: "page", data, has_more: next_page.is_some(), next_page };
    serde_json::to_string(&page).map_err(|_| Fault::Internal)
}

/// A result of usage.
fn usage(kind: Kind, group: &Group, sum: &Sum, by_batch: bool) -> Value {
    use UnitClass::{
        AudioInput, AudioOutput, CacheRead, CacheReadAudio, CacheReadImage, CacheWrite12h,
        CacheWrite30m, Characters, ImageInput, ImageOutput, Images, Output, Reasoning, Seconds,
    };
    let (input, uncached, output) = (sum.input(), sum.uncached(), sum.output());
    let (name, counts) = match kind {
        Kind::Completions => (
            "completions",
            vec![
                ("input_tokens", input),
                ("output_tokens", output),
                ("input_cached_tokens", sum.cached()),
                ("input_cache_write_tokens", sum.cache_writes()),
                ("input_cache_write_30m_tokens", sum.units(CacheWrite30m)),
                ("input_cache_write_12h_tokens", sum.units(CacheWrite12h)),
                ("input_uncached_tokens", uncached),
                // Media without a price of their own are counted as text.
                ("input_text_tokens", uncached.saturating_sub(sum.of(&[AudioInput, ImageInput]))),
                ("input_cached_text_tokens", sum.units(CacheRead)),
                ("input_audio_tokens", sum.units(AudioInput)),
                ("input_cached_audio_tokens", sum.units(CacheReadAudio)),
                ("input_image_tokens", sum.units(ImageInput)),
                ("input_cached_image_tokens", sum.units(CacheReadImage)),
                ("output_text_tokens", sum.of(&[Output, Reasoning])),
                ("output_audio_tokens", sum.units(AudioOutput)),
                ("output_image_tokens", sum.units(ImageOutput)),
            ],
        ),
        Kind::Embeddings => ("embeddings", vec![("input_tokens", input)]),
        Kind::Moderations => ("moderations", vec![("input_tokens", input)]),
        // Whichever of the two a model is billed by.
        Kind::Images => (
            "images",
            vec![("images", sum.units(Images)), ("input_tokens", input), ("output_tokens", output)],
        ),
        Kind::Speeches => (
            "audio_speeches",
            vec![
                ("characters", sum.units(Characters)),
                ("input_tokens", input),
                ("output_tokens", output),
            ],
        ),
        Kind::Transcriptions => (
            "audio_transcriptions",
            vec![
                ("seconds", sum.units(Seconds)),
                ("input_tokens", input),
                ("output_tokens", output),
            ],
        ),
    };
    let mut result = Map::new();
    result.insert("object".to_owned(), format!("organization.usage.{name}.result").into());
    result.extend(counts.into_iter().map(|(name, count)| (name.to_owned(), count.into())));
    result.insert("num_model_requests".to_owned(), sum.calls().into());
    result.insert("project_id".to_owned(), json!(group.tag));
    result.insert("user_id".to_owned(), Value::Null);
    result.insert("api_key_id".to_owned(), json!(group.key.as_ref().map(|key| key.as_str())));
    result.insert("model".to_owned(), json!(group.model));
    match kind {
        Kind::Completions => {
            result.insert("batch".to_owned(), json!(by_batch.then_some(false)));
            result.insert("service_tier".to_owned(), json!(group.tier.map(service_tier)));
            result.insert("api_source".to_owned(), Value::Null);
        }
        Kind::Images => {
            result.insert("source".to_owned(), Value::Null);
            result.insert("size".to_owned(), Value::Null);
            result.insert("api_source".to_owned(), Value::Null);
        }
        Kind::Embeddings | Kind::Moderations | Kind::Speeches | Kind::Transcriptions => {}
    }
    Value::Object(result)
}

/// A tier as `OpenAI` calls it.
fn service_tier(tier: Tier) -> &'static str {
    if tier == Tier::Standard { "default" } else { tier.name() }
}

/// A result of costs, if it has any.
fn cost(group: &Group, sum: &Sum) -> Result<Option<Cost>, Fault> {
    if !group.is_billed(sum) {
        return Ok(None);
    }
    let units = group.units();
    let line_item = group.model.as_ref().zip(group.class);
    Ok(Some(Cost {
        object: "organization.costs.result",
        amount: Amount { value: dollars(sum.cost())?, currency: "usd" },
        line_item: line_item.map(|(model, class)| group::line_item(model, class)),
        project_id: group.tag.clone(),
        api_key_id: group.key.as_ref().map(ToString::to_string),
        user_id: None,
        api_source: None,
        quantity: units.map(|class| sum.units(class)),
        quantity_unit: units.map(unit),
    }))
}

/// In what a class is counted, as `OpenAI` calls it where it has a name for it.
fn unit(class: UnitClass) -> &'static str {
    match class {
        UnitClass::Searches => "searches",
        UnitClass::Characters => "characters",
        UnitClass::Seconds => "duration_seconds",
        UnitClass::Images => "images",
        UnitClass::Input
        | UnitClass::CacheRead
        | UnitClass::CacheWrite5m
        | UnitClass::CacheWrite30m
        | UnitClass::CacheWrite1h
        | UnitClass::CacheWrite12h
        | UnitClass::ToolPrompt
        | UnitClass::AudioInput
        | UnitClass::CacheReadAudio
        | UnitClass::ImageInput
        | UnitClass::CacheReadImage
        | UnitClass::VideoInput
        | UnitClass::Output
        | UnitClass::Reasoning
        | UnitClass::AudioOutput
        | UnitClass::ImageOutput => "tokens",
    }
}

/// An amount as a number of US dollars, of which no digit is lost before it is read.
pub(crate) fn dollars(amount: Pico) -> Result<Box<RawValue>, Fault> {
    RawValue::from_string(amount.to_string()).map_err(|_| Fault::Internal)
}
