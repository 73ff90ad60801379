//! The front door: what it speaks, and that it keeps nothing of what passes.

use serde_json::json;

use super::{Findings, Stack, list};

pub(super) fn front_door(stack: &Stack, found: &mut Findings) {
    let doors = stack.of("AWS::ApiGateway::RestApi").chain(stack.of("AWS::ApiGateway::DomainName"));
    let doors: Vec<_> = doors.collect();
    for (name, door) in &doors {
        found.equal(&door["EndpointConfiguration"]["Types"], json!(["REGIONAL"]), *name);
        let policy = json!("SecurityPolicy_TLS13_1_3_2025_09");
        found.equal(&door["SecurityPolicy"], policy, format!("{name}.SecurityPolicy"));
        found.equal(&door["EndpointAccessMode"], json!("STRICT"), format!("{name}.Mode"));
    }
    found.unless(doors.len() == 2, "a front door, and one with a name of its own");
    for (name, api) in stack.of("AWS::ApiGateway::RestApi") {
        let endpoint = &api["Body"]["servers"][0]["x-amazon-apigateway-endpoint-configuration"];
        let off = json!({"Fn::If": ["HasDomain", true, false]});
        found.equal(&endpoint["disableExecuteApiEndpoint"], off, format!("{name} has two doors"));
        let binary = json!(["multipart~1form-data"]);
        found.equal(&api["BinaryMediaTypes"], binary, format!("{name}.BinaryMediaTypes"));
        let binary = json!(["multipart/form-data"]);
        let types = &api["Body"]["x-amazon-apigateway-binary-media-types"];
        found.equal(types, binary, format!("{name}'s binary media types"));
        found.unless(api["MinimumCompressionSize"].is_null(), "MinimumCompressionSize");
    }
}

/// What needs no key: the description, and what somebody asks for who has none.
const OPEN: [(&str, &str); 9] = [
    ("get", "/openapi.json"),
    ("get", "/v1/providers"),
    ("get", "/v1/receipts/{receipt}"),
    ("post", "/v1/account"),
    ("post", "/v1/account/codes"),
    ("post", "/v1/account/recovery"),
    ("get", "/v1/policy"),
    ("get", "/v1/policy/versions"),
    ("get", "/v1/policy/versions/{version}"),
];

/// What of that reads no table.
const FIXED: [&str; 2] = ["/openapi.json", "/v1/providers"];

pub(super) fn stage(stack: &Stack, found: &mut Findings) {
    for (name, deployment) in stack.of("AWS::ApiGateway::Deployment") {
        for absent in ["StageDescription", "DeploymentCanarySettings"] {
            found.unless(deployment[absent].is_null(), format!("{name}.{absent}"));
        }
    }
    for (name, stage) in stack.of("AWS::ApiGateway::Stage") {
        found.equal(&stage["TracingEnabled"], json!(false), format!("{name}.TracingEnabled"));
        found.equal(&stage["CacheClusterEnabled"], json!(false), format!("{name}.Cache"));
        for absent in ["AccessLogSetting", "CanarySetting", "Variables", "ClientCertificateId"] {
            found.unless(stage[absent].is_null(), format!("{name}.{absent}"));
        }
        let settings: Vec<_> = list(&stage["MethodSettings"]).collect();
        let (rate, burst) = (json!({"Ref": "RequestsPerSecond"}), json!({"Ref": "RequestBurst"}));
        let all = ("*", "/*".to_owned(), rate, burst);
        // What anybody may ask without a key; what may make a message more seldom.
        let open = OPEN.iter().filter(|(_, path)| !FIXED.contains(path));
        let open = open.map(|(method, path)| {
            let (rate, burst) = if path.ends_with("/codes") { (10, 20) } else { (100, 200) };
            let method = if *method == "get" { "GET" } else { "POST" };
            (method, format!("/{}", path.replace('/', "~1")), json!(rate), json!(burst))
        });
        let right: Vec<_> = [all].into_iter().chain(open).collect();
        found.unless(settings.len() == right.len(), format!("{name}'s settings"));
        for (setting, (method, path, rate, burst)) in settings.into_iter().zip(right) {
            for (what, right) in [
                ("HttpMethod", json!(method)),
                ("ResourcePath", json!(path)),
                ("DataTraceEnabled", json!(false)),
                ("LoggingLevel", json!("OFF")),
                ("MetricsEnabled", json!(false)),
                ("CachingEnabled", json!(false)),
                ("ThrottlingRateLimit", rate),
                ("ThrottlingBurstLimit", burst),
            ] {
                found.equal(&setting[what], right, format!("{name}.{what} of {path}"));
            }
        }
    }
}

pub(super) fn integrations(stack: &Stack, found: &mut Findings) {
    for (path, method, it) in stack.methods() {
        let place = format!("{method} {path}");
        let integration = &it["x-amazon-apigateway-integration"];
        found.equal(&integration["type"], json!("aws_proxy"), &place);
        found.equal(&integration["responseTransferMode"], json!("STREAM"), &place);
        let uri = integration["uri"]["Fn::Sub"].as_str().unwrap_or_default();
        found.unless(uri.ends_with("/response-streaming-invocations"), &place);
        for absent in ["requestParameters", "requestTemplates", "cacheKeyParameters", "credentials"]
        {
            found.unless(integration[absent].is_null(), format!("{place} {absent}"));
        }
        // Beyond half a minute it is API Gateway that has to wait, too.
        let right = match (uri.contains("${ProxyFunction.Arn}"), path) {
            (true, _) => json!(900_000),
            (false, "/v1/account/copy") => json!(300_000),
            (false, _) => json!(null),
        };
        found.equal(&integration["timeoutInMillis"], right, &place);
    }
    found.unless(stack.methods().count() > 0, "no method");
    found.equal(&stack.properties("ProxyFunction")["Timeout"], json!(900), "ProxyFunction.Timeout");
}

pub(super) fn authorizers(stack: &Stack, found: &mut Findings) {
    for (path, method, it) in stack.methods() {
        let right = match path {
            path if OPEN.contains(&(method, path)) => json!([{"NONE": []}]),
            path if path.starts_with("/operator/") => json!([{"AWS_IAM": []}]),
            _ => json!([{"Key": []}]),
        };
        found.equal(&it["security"], right, format!("{method} {path}"));
    }
    for (_, api) in stack.of("AWS::ApiGateway::RestApi") {
        let schemes = &api["Body"]["components"]["securitySchemes"];
        let count = schemes.as_object().map_or(0, |it| it.len());
        found.unless(count == 2, "an authorizer by key, and IAM");
        found.equal(
            &schemes["AWS_IAM"]["x-amazon-apigateway-authtype"],
            json!("awsSigv4"),
            "AWS_IAM",
        );
        let key = &schemes["Key"]["x-amazon-apigateway-authorizer"];
        found.equal(&key["type"], json!("request"), "Key.type");
        found.equal(&key["authorizerResultTtlInSeconds"], json!(0), "Key keeps its answers");
        found.unless(key["identitySource"].is_null(), "Key.identitySource");
    }
}

pub(super) fn gateway_answers(stack: &Stack, found: &mut Findings) {
    for (_, api) in stack.of("AWS::ApiGateway::RestApi") {
        let answers = api["Body"]["x-amazon-apigateway-gateway-responses"].as_object();
        for (kind, answer) in answers.into_iter().flatten() {
            let templates = answer["responseTemplates"].as_object();
            for (content_type, body) in templates.into_iter().flatten() {
                found.equal(&json!(content_type), json!("application/json"), kind);
                let quotes = body.as_str().is_none_or(|body| body.contains('$'));
                found.unless(!quotes, format!("{kind} repeats"));
            }
            let headers = answer["responseParameters"].as_object();
            for (header, value) in headers.into_iter().flatten() {
                let value = value.as_str().unwrap_or_default();
                let literal = value.starts_with('\'') && value.ends_with('\'');
                found.unless(literal || value == "context.requestId", format!("{kind} {header}"));
            }
        }
        let unknown = answers.map(|it| &it["MISSING_AUTHENTICATION_TOKEN"]["statusCode"]);
        found.unless(unknown == Some(&json!("404")), "an unknown route is no 404");
    }
}
