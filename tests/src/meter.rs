//! A meter in front of a DynamoDB: it passes every request on, asks beside it what it takes, and
//! sums the capacity units of the answers by operation and place.
//!
//! The answer to a write whose condition does not hold tells no units. DynamoDB takes for it what a
//! write of the item as it stands would, and at least one: that is counted here, from the item that
//! such an answer shows. A cancelled transaction is counted as two units for each of its writes.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// The header that names an operation.
const TARGET: &str = "x-amz-target";

/// What the name of every operation begins with there.
const VERSION: &str = "DynamoDB_20120810.";

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct What {
    /// The operation.
    pub operation: String,
    /// The table, or a table and its index.
    pub place: String,
    /// Whether its condition did not hold.
    pub refused: bool,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// How many requests.
    pub requests: u64,
    /// Half units, since an eventually consistent read takes half a one.
    pub halves: u64,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured(pub BTreeMap<What, Taken>);

impl Measured {
    /// Write units of tables, indexes apart.
    pub fn writes(&self) -> u64 {
        self.sum(|what| what.writes() && !what.of_index())
    }

    /// Write units of indexes.
    pub fn index_writes(&self) -> u64 {
        self.sum(|what| what.writes() && what.of_index())
    }

    /// Write units of this operation on this place.
    pub fn of(&self, operation: &str, place: &str) -> u64 {
        self.sum(|what| what.operation == operation && what.place == place)
    }

    /// Write units of writes whose condition did not hold.
    pub fn refused(&self) -> u64 {
        self.sum(|what| what.refused)
    }

    /// Half units of reads.
    pub fn reads(&self) -> u64 {
        let reads = self.0.iter().filter(|(what, _)| !what.writes());
        reads.map(|(_, taken)| taken.halves).sum()
    }

    fn sum(&self, counts: impl Fn(&What) -> bool) -> u64 {
        let counted = self.0.iter().filter(|(what, _)| counts(what));
        counted.map(|(_, taken)| taken.halves / 2).sum()
    }
}

impl What {
    /// Whether it is a write.
    pub fn writes(&self) -> bool {
        ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]
            .contains(&self.operation.as_str())
    }

    fn of_index(&self) -> bool {
        self.place.contains(' ')
    }
}

/// The meter.
pub struct Meter {
    address: SocketAddr,
    measured: Arc<Mutex<Measured>>,
    accepting: JoinHandle<()>,
}

impl Meter {
    /// Starts one in front of the DynamoDB at `url`.
    pub async fn to(url: &str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let measured = Arc::default();
        let tls = shared::tls::provider_tls(None).expect("TLS");
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        let client = client.build().expect("a client");
        let passing = Passing { url: url.to_owned(), client, measured: Arc::clone(&measured) };
        let accepting = tokio::spawn(accept(listener, passing));
        Self { address, measured, accepting }
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was measured since it was asked last.
    pub fn measured(&self) -> Measured {
        std::mem::take(&mut self.measured.lock().expect("not poisoned"))
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[derive(Clone)]
struct Passing {
    url: String,
    client: reqwest::Client,
    measured: Arc<Mutex<Measured>>,
}

async fn accept(listener: TcpListener, passing: Passing) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let passing = passing.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let passing = passing.clone();
                async move { Ok::<_, Infallible>(passing.pass(request).await) }
            });
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

impl Passing {
    async fn pass(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.expect("a whole request").to_bytes();
        let target = parts.headers.get(TARGET).and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.strip_prefix(VERSION)).unwrap_or("");
        let mut asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let body = if is_metered(operation) {
            asked["ReturnConsumedCapacity"] = "INDEXES".into();
            Bytes::from(asked.to_string())
        } else {
            body
        };
        let mut passed = self.client.request(parts.method, format!("{}{}", self.url, parts.uri));
        for (name, value) in &parts.headers {
            // The signature is of other bytes now, and the embedded DynamoDB looks at none.
            if name != http::header::CONTENT_LENGTH && name != http::header::HOST {
                passed = passed.header(name, value);
            }
        }
        let answer = passed.body(body).send().await.expect("an answer");
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.expect("a whole answer");
        let told: Value = serde_json::from_slice(&body).unwrap_or_default();
        if is_metered(operation) {
            self.count(operation, status, &asked, &told);
        }
        let mut response = Response::builder().status(status);
        for (name, value) in &headers {
            let ours = name == http::header::CONTENT_LENGTH
                || name == http::header::TRANSFER_ENCODING
                || name == http::header::CONNECTION;
            if !ours {
                response = response.header(name, value);
            }
        }
        response.body(Full::new(body)).expect("a response")
    }

    fn count(&self, operation: &str, status: StatusCode, asked: &Value, told: &Value) {
        let mut measured = self.measured.lock().expect("not poisoned");
        let mut add = |place: &str, refused: bool, requests: u64, halves: u64| {
            let (operation, place) = (operation.to_owned(), place.to_owned());
            let taken = measured.0.entry(What { operation, place, refused }).or_default();
            taken.requests += requests;
            taken.halves += halves;
        };
        let kind = told["__type"].as_str().unwrap_or("");
        if kind.ends_with("ConditionalCheckFailedException") {
            let size = told.get("Item").map_or(0, |item| {
                let item = item.as_object().into_iter().flatten();
                item.map(|(name, value)| name.len() + size_of_json(value)).sum::<usize>()
            });
            add(asked["TableName"].as_str().unwrap_or(""), true, 1, 2 * units(size));
            return;
        }
        if kind.ends_with("TransactionCanceledException") {
            for write in asked["TransactItems"].as_array().into_iter().flatten() {
                let write = write.as_object().and_then(|write| write.values().next());
                let table = write.and_then(|write| write["TableName"].as_str());
                add(table.unwrap_or(""), true, 1, 4);
            }
            return;
        }
        assert!(status.is_success(), "{operation}: {told}");
        let capacity = &told["ConsumedCapacity"];
        assert!(!capacity.is_null(), "{operation} does not say what it took");
        // Of a transaction there is one for each table.
        let each = capacity.as_array().map_or(std::slice::from_ref(capacity), Vec::as_slice);
        for capacity in each {
            let table = capacity["TableName"].as_str().unwrap_or("");
            add(table, false, 1, halves(&capacity["Table"]["CapacityUnits"]));
            let indexes = capacity["GlobalSecondaryIndexes"].as_object().into_iter().flatten();
            for (index, capacity) in indexes {
                let place = format!("{table} {index}");
                add(&place, false, 1, halves(&capacity["CapacityUnits"]));
            }
        }
    }
}

fn is_metered(operation: &str) -> bool {
    let metered =
        ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "GetItem", "Query", "Scan"];
    metered.contains(&operation)
}

/// Twice a number of units, which is whole.
fn halves(units: &Value) -> u64 {
    let text = units.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let whole: u64 = whole.parse().expect("units");
    whole * 2 + u64::from(part.starts_with('5'))
}

/// The write units that an item of this size takes.
pub fn units(size: usize) -> u64 {
    u64::try_from(size.div_ceil(1_024).max(1)).expect("a size")
}

/// The size of an item as DynamoDB counts it: names and values, and no name or digit is spared.
pub fn size_of<'a>(item: impl IntoIterator<Item = (&'a String, &'a AttributeValue)>) -> usize {
    item.into_iter().map(|(name, value)| name.len() + size_of_value(value)).sum()
}

fn size_of_value(value: &AttributeValue) -> usize {
    // Three for a set or a map, and one for each of what is in it.
    let text = value.as_s().map(String::len);
    let number = || value.as_n().map(|number| size_of_number(number));
    let texts = || value.as_ss().map(|all| 3 + all.iter().map(|one| one.len() + 1).sum::<usize>());
    let map = || value.as_m().map(|map| 3 + map.len() + size_of(map));
    text.or_else(|_| number()).or_else(|_| texts()).or_else(|_| map()).expect("a value of ours")
}

/// One for every two digits, one more, and one for a sign.
fn size_of_number(number: &str) -> usize {
    let digits = number.trim_start_matches('-');
    digits.len().div_ceil(2) + 1 + (number.len() - digits.len())
}

/// The same of a value in DynamoDB's JSON.
fn size_of_json(value: &Value) -> usize {
    let Some((kind, value)) = value.as_object().and_then(|value| value.iter().next()) else {
        return 0;
    };
    match (kind.as_str(), value) {
        ("N", Value::String(number)) => size_of_number(number),
        (_, Value::String(text)) => text.len(),
        (_, Value::Array(texts)) => {
            3 + texts.iter().map(|text| text.as_str().map_or(0, str::len) + 1).sum::<usize>()
        }
        (_, Value::Object(map)) => {
            let map = map.iter();
            3 + map.map(|(name, value)| name.len() + size_of_json(value) + 1).sum::<usize>()
        }
        _ => 1,
    }
}
