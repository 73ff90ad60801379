//! `DynamoDB` three times: the embedded one, one that others have written, and the simulated one.
//!
//! Each has fresh tables for every sequence of writes, and a store that notes what became of each.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use local::{
    database::{self, Embedded},
    template::{TEMPLATE, Template},
};
use serde_json::Value;
use shared::{
    config::{AwsConfig, StoreConfig},
    store::{
        Store, StoreError, Table,
        tables::{Aws, Change, Get, Item, Outcome, Page, Query, Scan, Tables, Write},
    },
};

use simulator::{Environment, Simulation};
use toolchain::Ministack;

use crate::process::Process;

/// One of them.
pub struct Twin {
    /// What it is called.
    pub name: &'static str,
    /// Where it is reached and how, unless it is simulated.
    reached: Option<(String, reqwest::Client)>,
    stages: AtomicU32,
    _embedded: Option<Embedded>,
    _process: Option<Process>,
}

/// What the tables of a stage are called, beside their stage's number.
pub const TABLES: [&str; 4] = ["Accounts", "Keys", "Calls", "Ledger"];

impl Twin {
    /// The embedded one.
    pub async fn embedded() -> Self {
        let template = Template::parse(TEMPLATE).expect("a template");
        let embedded = Embedded::open(None, &template).await.expect("a database");
        let url = embedded.config().aws.endpoint.clone().expect("an address");
        let tls = shared::tls::provider_tls(None).expect("TLS");
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let client = client.build().expect("a client");
        let stages = AtomicU32::new(0);
        let (name, reached) = ("embedded", Some((url, client)));
        Self { name, reached, stages, _embedded: Some(embedded), _process: None }
    }

    /// The simulated one.
    pub fn simulated() -> Self {
        let (name, stages) = ("simulated", AtomicU32::new(0));
        Self { name, reached: None, stages, _embedded: None, _process: None }
    }

    /// The other one.
    pub async fn ministack(ministack: &Ministack) -> Self {
        let process = Process::start("ministack", |port| ministack.command(port)).await;
        let reached = Some((process.url().to_owned(), process.client().clone()));
        let (name, stages) = ("ministack", AtomicU32::new(0));
        Self { name, reached, stages, _embedded: None, _process: Some(process) }
    }

    /// Fresh tables, made from the template.
    pub async fn stage(&self) -> Stage {
        let trace = Trace::default();
        let tables = match &self.reached {
            Some((url, _)) => self.fresh_tables(url.clone()).await,
            None => {
                let simulation = Simulation::new(1);
                simulation.set_staleness(Duration::ZERO);
                let environment = simulation.environment(0);
                Fresh::Simulated(Arc::new(simulation), environment)
            }
        };
        let store = Store::over(Noting { tables: tables.clone(), trace: trace.clone() });
        Stage { store, trace, tables }
    }

    async fn fresh_tables(&self, url: String) -> Fresh {
        let stage = self.stages.fetch_add(1, Ordering::Relaxed);
        let name = |table: &str| format!("{table}.{stage}");
        let config = StoreConfig {
            aws: AwsConfig::loopback(url),
            accounts: name("Accounts"),
            keys: name("Keys"),
            calls: name("Calls"),
            ledger: name("Ledger"),
            payment_years: shared::store::PAYMENT_YEARS,
        };
        let mut template = Template::parse(TEMPLATE).expect("a template");
        for table in &mut template.tables {
            table.name = name(&table.name);
        }
        let client = database::client(&config).await.expect("a client");
        database::create_tables(&client, &template).await.expect("tables");
        let aws = Aws::connect(config).expect("a store");
        Fresh::Sent(Box::new(Sent { aws, client, names: TABLES.map(name) }))
    }

    /// Sends a request as it is, and says what became of it: `accepted`, or the kind of the error.
    pub async fn raw(&self, operation: &str, body: &Value) -> String {
        let (url, client) = self.reached.as_ref().expect("one that is reached");
        let request = client.post(url).body(body.to_string());
        let request = request
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("x-amz-date", "20260101T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature=0",
            );
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        if status.is_success() {
            return "accepted".to_owned();
        }
        let told: Value =
            serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default();
        let kind = told["__type"].as_str().unwrap_or("no error of DynamoDB's");
        kind.rsplit('#').next().unwrap_or(kind).to_owned()
    }
}

/// Fresh tables and what was done to them.
pub struct Stage {
    /// The store, as every function has it.
    pub store: Store<Noting>,
    trace: Trace,
    tables: Fresh,
}

/// Tables that are reached over HTTP, with a client for what no function may, by their names.
#[derive(Clone)]
struct Sent {
    aws: Aws,
    client: Client,
    names: [String; 4],
}

/// Fresh tables.
#[derive(Clone)]
enum Fresh {
    /// Those that are reached over HTTP.
    Sent(Box<Sent>),
    /// Those of a simulation, which is asked one thing after the other.
    Simulated(Arc<Simulation>, Environment),
}

impl Stage {
    /// Notes a result.
    pub fn note(&self, what: &str, result: impl std::fmt::Debug) {
        self.trace.line(format!("{what}: {result:?}"));
    }

    /// Notes a result that has no order of its own.
    pub fn note_sorted<T: std::fmt::Debug>(&self, what: &str, results: Vec<T>) {
        let mut results: Vec<_> = results.into_iter().map(|one| format!("{one:?}")).collect();
        results.sort_unstable();
        self.note(what, results);
    }

    /// Sets an attribute as no function may.
    pub async fn set(&self, key: &[(&str, &str)], attribute: &str, value: AttributeValue) {
        let (client, names) = match &self.tables {
            Fresh::Sent(sent) => (&sent.client, &sent.names),
            Fresh::Simulated(simulation, _) => {
                let table = if key.len() == 1 { Table::Keys } else { Table::Accounts };
                let place: Vec<_> = key.iter().map(|(_, text)| *text).collect();
                let mut item = simulation.item(table, &place).expect("an item");
                item.insert(attribute.to_owned(), value);
                return simulation.set_item(table, item);
            }
        };
        let table = if key.len() == 1 { &names[1] } else { &names[0] };
        let mut set = client.update_item().table_name(table);
        for (name, text) in key {
            set = set.key(*name, AttributeValue::S((*text).to_owned()));
        }
        let set = set
            .update_expression("SET #attribute = :value")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value);
        set.send().await.expect("set");
    }

    /// The name of the table of keys.
    pub fn keys(&self) -> &str {
        match &self.tables {
            Fresh::Sent(sent) => &sent.names[1],
            Fresh::Simulated(..) => TABLES[1],
        }
    }

    /// Everything in a table, by its place among [`TABLES`].
    pub async fn items(&self, place: usize) -> Vec<Item> {
        let (client, names) = match &self.tables {
            Fresh::Sent(sent) => (&sent.client, &sent.names),
            Fresh::Simulated(simulation, _) => {
                let tables = [Table::Accounts, Table::Keys, Table::Calls, Table::Ledger];
                return simulation.items(tables[place]);
            }
        };
        let scan = client.scan().table_name(&names[place]);
        let pages = scan.into_paginator().items().send();
        pages.collect::<Result<_, _>>().await.expect("a scan")
    }

    /// What was noted, and all that is in the tables.
    pub async fn end(self) -> Vec<String> {
        for (place, shown) in TABLES.into_iter().enumerate() {
            let mut items: Vec<_> = self.items(place).await.iter().map(canonical).collect();
            items.sort_unstable();
            for item in items {
                self.trace.line(format!("in {shown}: {item}"));
            }
        }
        std::mem::take(&mut self.trace.0.lock().expect("not poisoned"))
    }
}

#[derive(Clone, Default)]
struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    fn line(&self, line: String) {
        self.0.lock().expect("not poisoned").push(line);
    }
}

impl Tables for Fresh {
    async fn write(&self, write: Write) -> Outcome {
        match self {
            Self::Sent(sent) => sent.aws.write(write).await,
            Self::Simulated(simulation, env) => {
                let task = env.clone();
                simulation.complete(env, async move { task.write(write).await })
            }
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Outcome {
        match self {
            Self::Sent(sent) => sent.aws.transact(writes).await,
            Self::Simulated(simulation, env) => {
                let task = env.clone();
                simulation.complete(env, async move { task.transact(writes).await })
            }
        }
    }

    async fn get(&self, get: Get) -> Result<Option<Item>, StoreError> {
        match self {
            Self::Sent(sent) => sent.aws.get(get).await,
            Self::Simulated(simulation, env) => {
                let task = env.clone();
                simulation.complete(env, async move { task.get(get).await })
            }
        }
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        match self {
            Self::Sent(sent) => sent.aws.query(query).await,
            Self::Simulated(simulation, env) => {
                let task = env.clone();
                simulation.complete(env, async move { task.query(query).await })
            }
        }
    }

    async fn scan(&self, scan: Scan) -> Result<Page, StoreError> {
        match self {
            Self::Sent(sent) => sent.aws.scan(scan).await,
            Self::Simulated(simulation, env) => {
                let task = env.clone();
                simulation.complete(env, async move { task.scan(scan).await })
            }
        }
    }

    async fn pause(&self, duration: Duration) {
        match self {
            Self::Sent(sent) => sent.aws.pause(duration).await,
            Self::Simulated(..) => {}
        }
    }
}

/// Tables, each of whose writes is noted with what became of it.
#[derive(Clone)]
pub struct Noting {
    tables: Fresh,
    trace: Trace,
}

impl Tables for Noting {
    async fn write(&self, write: Write) -> Outcome {
        let line = shown(&write);
        let outcome = self.tables.write(write).await;
        self.trace.line(format!("  {line} -> {}", became(&outcome)));
        outcome
    }

    async fn transact(&self, writes: Vec<Write>) -> Outcome {
        let lines: Vec<_> = writes.iter().map(shown).collect();
        let outcome = self.tables.transact(writes).await;
        self.trace.line(format!("  all of {} -> {}", lines.join(" and "), became(&outcome)));
        outcome
    }

    async fn get(&self, get: Get) -> Result<Option<Item>, StoreError> {
        self.tables.get(get).await
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        self.tables.query(query).await
    }

    async fn scan(&self, scan: Scan) -> Result<Page, StoreError> {
        self.tables.scan(scan).await
    }

    async fn pause(&self, duration: Duration) {
        self.tables.pause(duration).await;
    }
}

fn shown(write: &Write) -> String {
    let table: Table = write.table;
    let condition = write.condition.as_deref().unwrap_or("nothing");
    match &write.change {
        Change::Put(_) => format!("put into {table:?} if {condition}"),
        Change::Update { update, .. } => format!("{update} in {table:?} if {condition}"),
        Change::Delete { .. } => format!("delete from {table:?} if {condition}"),
    }
}

fn became(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Refused(Some(item)) => format!("Refused by {}", canonical(item)),
        Outcome::Refused(None) => "Refused by nothing".to_owned(),
        Outcome::Done | Outcome::NothingWritten | Outcome::Unknown => format!("{outcome:?}"),
    }
}

/// An item as text that does not depend on any order.
pub fn canonical(item: &Item) -> String {
    let mut attributes: Vec<_> =
        item.iter().map(|(name, value)| format!("{name}={}", canonical_value(value))).collect();
    attributes.sort_unstable();
    attributes.join(" ")
}

fn canonical_value(value: &AttributeValue) -> String {
    if let Ok(number) = value.as_n() {
        return number.clone();
    }
    if let Ok(texts) = value.as_ss() {
        let mut texts = texts.clone();
        texts.sort_unstable();
        return format!("{texts:?}");
    }
    if let Ok(map) = value.as_m() {
        return format!("{{{}}}", canonical(map));
    }
    format!("{value:?}")
}
