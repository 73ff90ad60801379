//! Anthropic's usage and cost reports, as its admin clients read them.
//!
//! Source: Anthropic's API reference, "Usage and Cost". They have every model of the account. A
//! workspace is a key's tag. What is not kept (accounts of people, service accounts, the length of a
//! context) is null, and nothing is grouped or narrowed by it. Amounts are in cents.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared::{
    event::Request,
    fault::Fault,
    money::Pico,
    store::wallet::Wallet,
    tier::{Place, Speed, Tier},
    time::Timestamp,
    units::UnitClass,
};

use crate::{
    App, UsageStore,
    asked::{Asked, Dimension, Kind},
    buckets::{Range, Times, Width, Widths},
    group::{self, Group, Sum},
    query::Query,
};

/// How Anthropic's clients ask for a time: in whole buckets, and of those that are not over for the
/// newest alone.
const TIMES: Times = Times {
    start: ("starting_at", "is required: a moment of the form 2026-11-27T00:00:00Z, from which on"),
    end: ("ending_at", "must be in a later bucket than starting_at"),
    moment: Query::moment,
    whole: true,
};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    Usage,
    Costs,
}

impl Report {
    /// The report behind `/v1/organizations`.
    pub(crate) fn named(path: &[&str]) -> Option<Self> {
        match path {
            ["usage_report", "messages"] => Some(Self::Usage),
            ["cost_report"] => Some(Self::Costs),
            _ => None,
        }
    }

    /// The parameters it has, those that nothing is kept for included. Some clients send `beta`, which
    /// changes nothing.
    const fn parameters(self) -> &'static str {
        match self {
            Self::Usage => {
                "starting_at, ending_at, bucket_width, account_ids, api_key_ids, \
                 service_account_ids, workspace_ids, models, context_window, service_tiers, \
                 inference_geos, speeds, group_by, limit, page, beta"
            }
            Self::Costs => "starting_at, ending_at, bucket_width, group_by, limit, page, beta",
        }
    }
}

/// By which of a call's properties sums are kept apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Key,
    Workspace,
    Model,
    ServiceTier,
    Geo,
    Speed,
    Description,
}

impl By {
    const USAGE: [(&'static str, Self); 6] = [
        ("api_key_id", Self::Key),
        ("workspace_id", Self::Workspace),
        ("model", Self::Model),
        ("service_tier", Self::ServiceTier),
        ("inference_geo", Self::Geo),
        ("speed", Self::Speed),
    ];
    const COSTS: [(&'static str, Self); 2] =
        [("workspace_id", Self::Workspace), ("description", Self::Description)];

    const fn dimensions(self) -> &'static [Dimension] {
        match self {
            Self::Key => &[Dimension::Key],
            Self::Workspace => &[Dimension::Tag],
            Self::Model => &[Dimension::Model],
            Self::ServiceTier | Self::Geo | Self::Speed => &[Dimension::Tier],
            Self::Description => &[Dimension::Model, Dimension::Tier, Dimension::Class],
        }
    }
}

impl<S: UsageStore> App<S> {
    /// Answers a report.
    pub(crate) async fn anthropic(
        &self,
        report: Report,
        wallet: &Wallet,
        request: &Request,
        now: Timestamp,
    ) -> Result<String, Fault> {
        let query = Query::read(request, report.parameters())?;
        let widths = match report {
            Report::Usage => Widths::USAGE,
            Report::Costs => Widths::costs(Width::limits),
        };
        let buckets = Range::read(&query, &TIMES, &widths, now)?.buckets(&query, now)?;
        let by = grouping(&query, report)?;
        let mut asked = Asked::default();
        asked.by.extend(by.iter().flat_map(|by| by.dimensions()));
        query.without(&["account_ids", "service_account_ids", "context_window"])?;
        if report == Report::Usage {
            asked.kind = Some(Kind::Completions);
        }
        asked.tiers = tiers(&query)?;
        asked.models = query.all("models").iter().map(|name| self.model(name)).collect();
        asked.tags = query.all("workspace_ids").iter().cloned().collect();
        let keys = self.keys(wallet, &mut asked, query.all("api_key_ids")).await?;
        let sums = self.sum(wallet, &keys, &asked, buckets, now).await?;
        let bucket = |((from, to), groups): (&(Timestamp, Timestamp), &BTreeMap<Group, Sum>)| {
            let results: Vec<_> = match report {
                Report::Usage => {
                    rows(groups, &by).iter().map(|(shown, sum)| usage(shown, sum)).collect()
                }
                Report::Costs => {
                    groups.iter().filter_map(|(group, sum)| cost(group, sum)).collect()
                }
            };
            json!({"starting_at": from.to_string(), "ending_at": to.to_string(), "results": results})
        };
        let data: Vec<_> = sums.buckets.bounds.iter().zip(&sums.groups).map(bucket).collect();
        let next = sums.buckets.next_page();
        let page = json!({"data": data, "has_more": next.is_some(), "next_page": next});
        Ok(page.to_string())
    }
}

fn grouping(query: &Query, report: Report) -> Result<Vec<By>, Fault> {
    let (known, why) = match report {
        Report::Usage => (
            By::USAGE.as_slice(),
            "can be api_key_id, workspace_id, model, service_tier, inference_geo and speed here; \
             nothing is kept of context_window, account_id and service_account_id",
        ),
        Report::Costs => (By::COSTS.as_slice(), "can be workspace_id and description here"),
    };
    let by = |name: &String| {
        let by = known.iter().find(|(known, _)| known == name);
        by.map(|(_, by)| *by).ok_or(Fault::BadParameter { name: "group_by", why })
    };
    query.all("group_by").iter().map(by).collect()
}

/// The words that calls can be narrowed by, and what is told of others.
const WORDS: [(&str, &[&str], &str); 3] = [
    (
        "service_tiers",
        &["standard", "priority", "priority_on_demand", "flex", "flex_discount", "batch"],
        "must be standard, priority, priority_on_demand, flex, flex_discount or batch",
    ),
    ("inference_geos", &["global", "us", "not_available"], "must be global, us or not_available"),
    ("speeds", &["standard", "fast"], "must be standard or fast"),
];

/// The tiers that a query is narrowed to, if it is.
fn tiers(query: &Query) -> Result<Option<Vec<Tier>>, Fault> {
    let mut narrowed = false;
    for (name, words, why) in WORDS {
        for given in query.all(name) {
            narrowed = true;
            if !words.contains(&given.as_str()) {
                return Err(Fault::BadParameter { name, why });
            }
        }
    }
    if !narrowed {
        return Ok(None);
    }
    let among = |name: &str, of: &str| {
        let given = query.all(name);
        given.is_empty() || given.iter().any(|given| given == of)
    };
    let fits = |tier: &Tier| {
        among("service_tiers", service_tier(*tier))
            && among("inference_geos", geo(*tier))
            && among("speeds", speed(*tier))
    };
    Ok(Some(Tier::ALL.into_iter().filter(fits).collect()))
}

/// What Anthropic calls a service tier: a fast or a placed one has another name for that, and one that
/// it has no name for goes by the nearest, since its clients know no other.
const fn service_tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Standard | Tier::Fast | Tier::Us | Tier::FastUs => "standard",
        Tier::Flex => "flex",
        Tier::Priority | Tier::Ultrafast => "priority",
    }
}

const fn geo(tier: Tier) -> &'static str {
    match tier.place() {
        Place::Anywhere => "global",
        Place::Us => "us",
    }
}

const fn speed(tier: Tier) -> &'static str {
    match tier.speed() {
        Speed::Standard => "standard",
        Speed::Fast => "fast",
    }
}

/// What is shown of a group: only what was asked for. A tier has three properties, so that groups may
/// be shown as one.
type Shown = [Option<String>; 6];

fn rows(groups: &BTreeMap<Group, Sum>, by: &[By]) -> BTreeMap<Shown, Sum> {
    let mut rows: BTreeMap<Shown, Sum> = BTreeMap::new();
    for (group, sum) in groups {
        let tier = |name: fn(Tier) -> &'static str| group.tier.map(|tier| name(tier).to_owned());
        let shown = By::USAGE.map(|(_, this)| match this {
            _ if !by.contains(&this) => None,
            By::Key => group.key.as_ref().map(ToString::to_string),
            By::Workspace => group.tag.clone(),
            By::Model => group.model.clone(),
            By::ServiceTier => tier(service_tier),
            By::Geo => tier(geo),
            By::Speed => tier(speed),
            By::Description => None,
        });
        rows.entry(shown).or_default().merge(sum);
    }
    rows
}

/// A result of usage.
fn usage([key, workspace, model, service_tier, geo, speed]: &Shown, sum: &Sum) -> Value {
    use UnitClass::{CacheWrite1h, CacheWrite5m, CacheWrite12h, CacheWrite30m};
    json!({
        "uncached_input_tokens": sum.uncached(),
        "cache_creation": {
            "ephemeral_1h_input_tokens": sum.units(CacheWrite1h),
            "ephemeral_5m_input_tokens": sum.units(CacheWrite5m),
            "ephemeral_30m_input_tokens": sum.units(CacheWrite30m),
            "ephemeral_12h_input_tokens": sum.units(CacheWrite12h),
        },
        "cache_read_input_tokens": sum.cached(),
        "output_tokens": sum.output(),
        "server_tool_use": {"web_search_requests": sum.units(UnitClass::Searches)},
        "api_key_id": key,
        "workspace_id": workspace,
        "model": model,
        "service_tier": service_tier,
        "context_window": null,
        "inference_geo": geo,
        "speed": speed,
        "account_id": null,
        "service_account_id": null,
    })
}

/// A result of costs, if it has any.
fn cost(group: &Group, sum: &Sum) -> Option<Value> {
    if !group.is_billed(sum) {
        return None;
    }
    let class = group.units();
    let cost_type = class.and_then(|class| {
        let searches = class == UnitClass::Searches;
        if searches { Some("web_search") } else { class.is_token().then_some("tokens") }
    });
    let described = group.model.as_ref().zip(group.class);
    Some(json!({
        "amount": cents(sum.cost()),
        "currency": "USD",
        "cost_type": cost_type,
        "token_type": class.and_then(token_type),
        "description": described.map(|(model, class)| {
            // What is of another tier is another row, and has to look like one.
            let tier = group.tier.filter(|tier| *tier != Tier::Standard);
            let tier = tier.map(|tier| format!(", {tier}")).unwrap_or_default();
            format!("{}{tier}", group::line_item(model, class))
        }),
        "model": group.model,
        "workspace_id": group.tag,
        "service_tier": group.tier.map(service_tier),
        "inference_geo": group.tier.map(geo),
        "context_window": null,
    }))
}

/// What Anthropic calls a class of tokens. Caches of lives that it does not have are told by the
/// description alone.
const fn token_type(class: UnitClass) -> Option<&'static str> {
    match class {
        UnitClass::Input
        | UnitClass::ToolPrompt
        | UnitClass::AudioInput
        | UnitClass::ImageInput
        | UnitClass::VideoInput => Some("uncached_input_tokens"),
        UnitClass::CacheRead | UnitClass::CacheReadAudio | UnitClass::CacheReadImage => {
            Some("cache_read_input_tokens")
        }
        UnitClass::CacheWrite5m => Some("cache_creation.ephemeral_5m_input_tokens"),
        UnitClass::CacheWrite1h => Some("cache_creation.ephemeral_1h_input_tokens"),
        UnitClass::Output
        | UnitClass::Reasoning
        | UnitClass::AudioOutput
        | UnitClass::ImageOutput => Some("output_tokens"),
        UnitClass::CacheWrite30m
        | UnitClass::CacheWrite12h
        | UnitClass::Searches
        | UnitClass::Characters
        | UnitClass::Seconds
        | UnitClass::Images => None,
    }
}

/// An amount in cents, with every digit.
fn cents(amount: Pico) -> String {
    const PER_CENT: u128 = 10_000_000_000;
    let sign = if amount < Pico::ZERO { "-" } else { "" };
    let pico = amount.pico().unsigned_abs();
    format!("{sign}{}.{:010}", pico.div_euclid(PER_CENT), pico.rem_euclid(PER_CENT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cents_have_every_digit() {
        assert_eq!(cents(Pico::new(1)), "0.0000000001");
        assert_eq!(cents(Pico::from_dollars(3)), "300.0000000000");
        assert_eq!(cents(Pico::new(-15_000_000_000)), "-1.5000000000");
    }
}
