//! The records of the last seven days, the newest first, as JSON or as CSV.

use std::collections::BTreeSet;

use http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};
use shared::{
    endpoint::EndpointType,
    event::Request,
    fault::Fault,
    id::CallId,
    reply::{self, Reply},
    store::{
        calls::{Record, Span, Wanted},
        tables::Order,
        wallet::Wallet,
    },
    time::Timestamp,
    units::UnitClass,
};

use crate::{
    App, UsageStore,
    asked::{Asked, Keys},
    query::{BAD_CURSOR, PAGE, Query},
};

const PARAMETERS: &str = "start_time, end_time, api_key_ids, tags, models, endpoints, statuses, \
                          format, limit, page";

/// How many records an answer has, if nobody says, and at most.
const LIMITS: (usize, usize) = (100, 10_000);

/// How many pages of the table are read for an answer. Where few records are what is asked for, it
/// has fewer than it may, and says where to go on.
const MOST_PAGES: usize = 10;

/// Where an answer in CSV says where to go on.
const NEXT_PAGE: HeaderName = HeaderName::from_static("x-laozhang-next-page");

#[derive(Clone, Copy)]
enum Format {
    Json,
    Csv,
}

/// Which records are asked for.
struct Filter {
    asked: Asked,
    endpoints: Vec<EndpointType>,
    statuses: Vec<Statuses>,
    span: Span,
}

/// A status, or a class of them such as `4xx`.
enum Statuses {
    One(u16),
    Class(u16),
}

impl Statuses {
    fn read(text: &str) -> Option<Self> {
        if !text.starts_with(|first: char| first.is_ascii_digit() && first != '0') {
            return None;
        }
        if let Some(class) = text.strip_suffix("xx") {
            return class.parse().ok().filter(|class| (1..=5).contains(class)).map(Self::Class);
        }
        text.parse().ok().filter(|status| (100..=599).contains(status)).map(Self::One)
    }

    fn have(&self, status: u16) -> bool {
        match self {
            Self::One(one) => *one == status,
            Self::Class(class) => status.div_euclid(100) == *class,
        }
    }
}

impl Filter {
    fn has(&self, record: &Record, keys: &Keys) -> bool {
        let Self { asked, endpoints, statuses, .. } = self;
        asked.has(Some(&record.key), keys.tag(&record.key), &record.model)
            && (endpoints.is_empty() || endpoints.contains(&record.endpoint))
            && (statuses.is_empty() || statuses.iter().any(|status| status.have(record.status)))
    }
}

impl<S: UsageStore> App<S> {
    /// Answers a page of records.
    pub(crate) async fn calls(
        &self,
        wallet: &Wallet,
        request: &Request,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let query = Query::read(request, PARAMETERS)?;
        let limit = query.limit(LIMITS.0, LIMITS.1, "must be 1 to 10000")?;
        let formats = [("json", Format::Json), ("csv", Format::Csv)];
        let format = query.word("format", &formats, "must be json or csv")?;
        let format = format.unwrap_or_else(|| accepted(request));
        let mut asked = Asked {
            models: query.all("models").iter().map(|name| self.model(name)).collect(),
            tags: query.all("tags").iter().cloned().collect::<BTreeSet<_>>(),
            ..Asked::default()
        };
        let given = query.all("api_key_ids");
        let endpoint = |name: &String| {
            let why = "must be endpoint types as records have them";
            EndpointType::named(name).ok_or(Fault::BadParameter { name: "endpoints", why })
        };
        let status = |text: &String| {
            let why = "must be statuses such as 429 or classes such as 4xx";
            Statuses::read(text).ok_or(Fault::BadParameter { name: "statuses", why })
        };
        let from = query.seconds("start_time")?.unwrap_or(Span::ALL.from);
        let to = query.seconds("end_time")?.unwrap_or(Span::ALL.to);
        if to <= from {
            let (name, why) = ("end_time", "must be later than start_time");
            return Err(Fault::BadParameter { name, why });
        }
        let after = query.one("page")?.map(|page| cursor(page, Span { from, to })).transpose()?;
        let endpoints = query.all("endpoints").iter().map(endpoint).collect::<Result<_, _>>()?;
        let statuses = query.all("statuses").iter().map(status).collect::<Result<_, _>>()?;
        let keys = self.all_keys(wallet, &mut asked, given).await?;
        let filter = Filter { asked, endpoints, statuses, span: Span { from, to } };
        let (records, next) = self.find(wallet, &filter, &keys, after, limit, now).await?;
        let next = next.map(|call| format!("{PAGE}{call}"));
        match format {
            Format::Json => {
                let data: Vec<_> = records.iter().map(|record| shown(record, &keys)).collect();
                let more = next.is_some();
                let list =
                    json!({"object": "list", "data": data, "has_more": more, "next_page": next});
                Ok(reply::json(http::StatusCode::OK, list.to_string()))
            }
            Format::Csv => csv(&records, &keys, next.as_deref()),
        }
    }

    /// So many records, and the last of them if there may be more.
    async fn find(
        &self,
        wallet: &Wallet,
        filter: &Filter,
        keys: &Keys,
        after: Option<CallId>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Record>, Option<CallId>), Fault> {
        // One more says whether there are more.
        let looked_at = limit.saturating_add(1);
        let mut wanted = Wanted {
            span: filter.span,
            order: Order::Falling,
            after,
            limit: i32::try_from(looked_at).ok(),
        };
        let mut records = Vec::new();
        for _ in 0..MOST_PAGES {
            let read = self.store.read_calls(&wallet.account, &wanted, now).await;
            let read = read.map_err(|_| Fault::StoreUnavailable)?;
            records.extend(read.records.into_iter().filter(|record| filter.has(record, keys)));
            if records.len() > limit {
                records.truncate(limit);
                let last = records.last().map(|record| record.call.clone());
                return Ok((records, last));
            }
            wanted.after = read.next;
            if wanted.after.is_none() {
                return Ok((records, None));
            }
            // What is asked for is rarer than what there is.
            wanted.limit = None;
        }
        Ok((records, wanted.after))
    }
}

fn cursor(page: &str, span: Span) -> Result<CallId, Fault> {
    let call: Option<CallId> = page.strip_prefix(PAGE).and_then(|call| call.parse().ok());
    let fine = |call: &CallId| {
        let bounds = [span.from, span.to].map(CallId::first_at);
        let [from, to] = bounds.each_ref().map(String::as_str);
        (from..to).contains(&call.as_str())
    };
    call.filter(fine).ok_or(BAD_CURSOR)
}

/// What a client takes that says so in its headers alone.
fn accepted(request: &Request) -> Format {
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let csv = accept.is_some_and(|accept| accept.trim_start().starts_with("text/csv"));
    if csv { Format::Csv } else { Format::Json }
}

/// A record as it is shown: every field there is, and when it will be gone.
fn shown(record: &Record, keys: &Keys) -> Value {
    let units: Map<_, _> = record
        .units
        .iter()
        .map(|(class, quantity)| (class.name().to_owned(), quantity.into()))
        .collect();
    json!({
        "object": "call",
        "id": record.call.as_str(),
        "time": record.time.seconds(),
        "model": record.model,
        "units": units,
        "endpoint": record.endpoint.name(),
        "status": record.status,
        "key_id": record.key.as_str(),
        "tag": keys.tag(&record.key),
        "cost_usd": record.cost.to_string(),
        "price_version": record.price_version,
        "basis": record.basis.name(),
        "expires_at": record.expires_at().seconds(),
    })
}

/// The same as lines of values, under a first line of names that is always the same.
fn csv(records: &[Record], keys: &Keys, next: Option<&str>) -> Result<Reply, Fault> {
    let units = UnitClass::ALL.map(UnitClass::name);
    let names = ["id", "time", "model", "endpoint", "status", "key_id", "tag"].into_iter();
    let names = names.chain(units);
    let names = names.chain(["cost_usd", "price_version", "basis", "expires_at"]);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(names).map_err(|_| Fault::Internal)?;
    for record in records {
        let mut row = vec![
            record.call.to_string(),
            record.time.to_string(),
            record.model.clone(),
            record.endpoint.name().to_owned(),
            record.status.to_string(),
            record.key.to_string(),
            keys.tag(&record.key).map(inert).unwrap_or_default(),
        ];
        row.extend(UnitClass::ALL.map(|class| record.units.get(class).to_string()));
        row.extend([
            record.cost.to_string(),
            record.price_version.clone(),
            record.basis.name().to_owned(),
            record.expires_at().to_string(),
        ]);
        writer.write_record(&row).map_err(|_| Fault::Internal)?;
    }
    let body = writer.into_inner().map_err(|_| Fault::Internal)?;
    let mut reply = reply::json(http::StatusCode::OK, body);
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(next).ok()) {
        headers.insert(NEXT_PAGE, next);
    }
    Ok(reply)
}

/// A tag that no program of sheets takes for a formula.
fn inert(tag: &str) -> String {
    let formula = tag.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if formula { format!("'{tag}") } else { tag.to_owned() }
}
