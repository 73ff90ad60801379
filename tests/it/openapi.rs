//! The description of the API: it is served, it names every route and every error, and a client that
//! is made up from it gets no answer that it does not describe.

use std::{collections::BTreeSet, process::Command};

use http::Method;
use local::template::{TEMPLATE, Template};
use serde_json::{Value, json};
use tests::{proof, provider::Script, world::World};
use toolchain::schemathesis;

const DESCRIPTION: &str = include_str!("../../openapi/openapi.json");

fn description() -> Value {
    serde_json::from_str(DESCRIPTION).unwrap()
}

/// Every operation: its method and its path.
pub(crate) fn operations() -> BTreeSet<(String, String)> {
    let description = description();
    let paths = description["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys().filter(|name| *name != "parameters");
        methods.map(|method| (method.to_uppercase(), path.clone()))
    });
    operations.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_description_is_served_to_everyone() {
    let world = World::new().await;
    let answer = world.send(world.get("/openapi.json")).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.body, DESCRIPTION.as_bytes());
}

#[test]
fn every_route_is_described_and_nothing_else_is() {
    let template = Template::parse(TEMPLATE).unwrap();
    let mut described = BTreeSet::new();
    for (method, path) in operations() {
        let route = template.route(&method, &path.replace(['{', '}'], ""));
        let route = route.unwrap_or_else(|| panic!("there is no route for {method} {path}"));
        if !route.path.ends_with("+}") {
            assert_eq!((&route.method, &route.path), (&method, &path));
        }
        described.insert(route.to_string());
    }
    let routes: BTreeSet<_> = template.routes.iter().map(ToString::to_string).collect();
    assert_eq!(described, routes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_described_of_the_providers_is_served_and_what_the_readme_lists_is_described() {
    let world = World::new().await;
    for (method, path) in operations() {
        let named = ["{key}", "{provider}", "{receipt}"].iter().any(|name| path.contains(name));
        if path.starts_with("/operator/") || named {
            continue;
        }
        world.provider().forget();
        world.provider().answer(Script::json(200, "{}"));
        let path = path.replace("{model}", "gemini-2.5-flash").replace("{version}", "1.0");
        let request = world.request(method.parse::<Method>().unwrap(), &path);
        let request = request.bearer_auth(world.demo("LAOZHANG_API_KEY")).body("{}");
        let answer = world.send_to_provider(request).await;
        assert_ne!(answer.status, 404, "{method} {path} is not served: {}", answer.text());
    }
    let listed =
        include_str!("../../README.md").lines().filter(|line| line.starts_with("| `POST /v1"));
    for path in listed.flat_map(|line| line.split('`')).filter(|text| text.contains("/v1/")) {
        let path = path.trim_start_matches("POST ").split(' ').next().unwrap();
        let path = path.replace("KEY", "{key}").replace("MODEL:VERB", "{model}:generateContent");
        let described = operations().contains(&("POST".to_owned(), path.clone()));
        assert!(described, "{path} is not described");
    }
}

#[test]
fn every_error_is_described() {
    let description = description();
    let described = description["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap();
    let described: BTreeSet<_> = described.iter().map(|code| code.as_str().unwrap()).collect();
    let mut codes: BTreeSet<_> =
        crate::faults::all().iter().map(shared::fault::Fault::code).collect();
    let template = Template::parse(TEMPLATE).unwrap();
    let bodies: Vec<Value> = template
        .gateway_responses
        .values()
        .map(|response| serde_json::from_str(&response.body).unwrap())
        .collect();
    codes.extend(bodies.iter().map(|body| body["error"]["code"].as_str().unwrap()));
    assert_eq!(described, codes);
}

/// Runs the client on the operations whose path fits, and shows what it has tried.
fn made_up(world: &World, key: &str, paths: &str, checks: &[&str]) {
    let examples = proof::size("OPENAPI_EXAMPLES", 3_u32, 10).to_string();
    let mut command: Command = schemathesis().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");
    command.args([
        "run",
        file,
        "--url",
        &world.url(),
        "--header",
        &format!("Authorization: Bearer {key}"),
    ]);
    command.args(["--checks", &checks.join(","), "--include-path-regex", paths]);
    // The same in every run, since a test that fails now and then tells nobody anything.
    command.args(["--seed", "1", "--max-examples", &examples, "--generation-deterministic"]);
    command.args(["--continue-on-failure", "--no-color", "--warnings", "off"]);
    let output = command.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8(output.stderr).unwrap());
    let tried = printed.lines().find(|line| line.contains("generated")).unwrap_or_default();
    tests::show(&format!("{paths:28} {}", tried.trim()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_is_made_up_gets_no_failure_and_no_answer_that_is_not_described() {
    const CONFORMS: [&str; 5] = [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ];
    let strict = [&CONFORMS[..], &["negative_data_rejection", "ignored_auth"]].concat();
    let world = World::with_standins().await;
    let body = json!({"label": "all", "scopes": ["inference", "usage:read", "account:manage"]});
    let request = world.request(Method::POST, "/v1/account/keys");
    let request = request.bearer_auth(world.demo("LAOZHANG_MANAGEMENT_KEY")).body(body.to_string());
    let key = world.send(request).await.json()["key"].as_str().unwrap().to_owned();
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let world = tokio::task::spawn_blocking(move || {
        made_up(
            &world,
            &key,
            "^/v1/(account|privacy|usage|organization|dashboard)|^/dashboard|^/api|openapi",
            &strict,
        );
        // Without a signature an operator's route is none, which is a 404.
        let operators: Vec<_> = strict.into_iter().filter(|it| *it != "ignored_auth").collect();
        made_up(&world, &operator, "^/operator", &operators);
        // A provider's own body is the provider's to judge.
        made_up(
            &world,
            &key,
            "^/v1/(?!account|privacy|usage|organization|dashboard)|^/v1beta",
            &CONFORMS,
        );
        world
    });
    drop(world.await.unwrap());
}
