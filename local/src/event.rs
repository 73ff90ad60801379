//! The events API Gateway would send: the REST proxy event, and the authorizer's.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, request::Parts};
use serde_json::{Map, Value, json};
use shared::{content::Content, time::Timestamp};

use crate::template::{Authorizer, Route};

/// The stage that the template deploys.
const STAGE: &str = "v0";

/// The one operator on one machine, as IAM would name them.
const OPERATOR: &str = "arn:aws:iam::000000000000:user/operator";

/// The event for the authorizer. It has no body.
pub fn authorizer(route: &Route, parts: &Parts) -> Value {
    let method = parts.method.as_str();
    let path = parts.uri.path();
    let mut event = common(route, parts);
    event.insert("type".into(), json!("REQUEST"));
    let arn = format!("arn:aws:execute-api:local:000000000000:local/{STAGE}/{method}{path}");
    event.insert("methodArn".into(), Value::String(arn));
    event.insert("requestContext".into(), Value::Object(context(route, parts)));
    Value::Object(event)
}

/// The event for a function, with what the authorizer has found. Bodies of the `binary` media
/// types are in base 64.
pub fn proxy(
    route: &Route,
    parts: &Parts,
    body: Content,
    authorizer: Option<Value>,
    binary: &[String],
) -> String {
    let mut context = context(route, parts);
    if let Some(authorizer) = authorizer {
        context.insert("authorizer".into(), authorizer);
    }
    let mut event = common(route, parts);
    event.insert("requestContext".into(), Value::Object(context));
    let kind = parts.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    let binary = binary.iter().any(|known| known.eq_ignore_ascii_case(kind));
    let (body, encoded) = text(body.into_wire(), binary);
    event.insert("body".into(), body);
    event.insert("isBase64Encoded".into(), json!(encoded));
    Value::Object(event).to_string()
}

/// API Gateway passes text as it is, and what is binary in base 64. What it would do to bytes that
/// are no text is not written down, so that here they come whole.
fn text(body: Bytes, binary: bool) -> (Value, bool) {
    if body.is_empty() {
        return (Value::Null, false);
    }
    if binary {
        return (Value::String(STANDARD.encode(body)), true);
    }
    match String::from_utf8(body.into()) {
        Ok(text) => (Value::String(text), false),
        Err(error) => (Value::String(STANDARD.encode(error.into_bytes())), true),
    }
}

fn common(route: &Route, parts: &Parts) -> Map<String, Value> {
    let (headers, multi_value_headers) = headers(&parts.headers);
    let query = parts.uri.query().unwrap_or_default();
    let (query, multi_value_query) = pairs(form(query));
    let event = json!({
        "resource": route.path,
        "path": parts.uri.path(),
        "httpMethod": parts.method.as_str(),
        "headers": headers,
        "multiValueHeaders": multi_value_headers,
        "queryStringParameters": query,
        "multiValueQueryStringParameters": multi_value_query,
        "pathParameters": null,
        "stageVariables": null,
    });
    members(event)
}

fn context(route: &Route, parts: &Parts) -> Map<String, Value> {
    let context = json!({
        "accountId": "000000000000",
        "apiId": "local",
        "domainName": "localhost",
        "httpMethod": parts.method.as_str(),
        "identity": identity(route),
        "path": format!("/{STAGE}{}", parts.uri.path()),
        "protocol": "HTTP/1.1",
        "requestId": "00000000-0000-0000-0000-000000000000",
        "requestTimeEpoch": Timestamp::now().millis(),
        "resourceId": "local",
        "resourcePath": route.path,
        "stage": STAGE,
    });
    members(context)
}

/// Who asks, as far as API Gateway says it: whoever IAM has let in has a name.
fn identity(route: &Route) -> Value {
    match route.authorizer {
        Authorizer::Iam => json!({"sourceIp": "127.0.0.1", "userArn": OPERATOR}),
        Authorizer::Key | Authorizer::None => json!({"sourceIp": "127.0.0.1"}),
    }
}

fn members(object: Value) -> Map<String, Value> {
    if let Value::Object(members) = object { members } else { Map::new() }
}

/// The headers, once with the last value of each and once with all.
fn headers(headers: &HeaderMap) -> (Value, Value) {
    // A host that is none would not come through API Gateway.
    let is_host = |value: &str| value.parse::<http::uri::Authority>().is_ok();
    let text = headers.iter().filter_map(|(name, value)| {
        let value = value.to_str().ok()?;
        let fits = name != http::header::HOST || is_host(value);
        fits.then(|| (name.as_str().to_owned(), value.to_owned()))
    });
    pairs(text)
}

fn pairs(pairs: impl Iterator<Item = (String, String)>) -> (Value, Value) {
    let mut last = Map::new();
    let mut all = Map::new();
    for (name, value) in pairs {
        last.insert(name.clone(), Value::String(value.clone()));
        let values = all.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            values.push(Value::String(value));
        }
    }
    let or_null = |map: Map<_, _>| if map.is_empty() { Value::Null } else { Value::Object(map) };
    (or_null(last), or_null(all))
}

/// The pairs of a query, decoded.
fn form(query: &str) -> impl Iterator<Item = (String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned()
}
