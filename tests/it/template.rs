//! `template.yaml` and the code agree.

use local::template::{Authorizer, TEMPLATE, Template};
use tests::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_the_template_does_not_have_is_a_404() {
    let path = "/v1beta/models/no-such-model:generateContent";
    let with = World::new().await;
    let answer = with.send(with.post(path, "{}")).await;
    assert_eq!(answer.json()["error"]["details"][0]["reason"], "MODEL_NOT_FOUND");

    // The event with the route in it, up to what comes behind it.
    let (before, rest) = TEMPLATE.split_once("        CallsBeta:\n").unwrap();
    let (deleted, after) = rest.split_once("  UsageFunction:\n").unwrap();
    assert!(deleted.contains("Path: /v1beta/{path+}"));
    let without = World::with_template(&format!("{before}  UsageFunction:\n{after}")).await;
    let answer = without.send(without.post(path, "{}")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json()["error"]["code"], "unknown_endpoint");
    let answer = without.send(without.post("/v1/messages", r#"{"model":"none"}"#)).await;
    assert_eq!(answer.json()["error"]["type"], "not_found_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_before_any_function_is_answered_as_the_template_says() {
    let world = World::new().await;
    let unknown = world.send(world.get("/no/such/path")).await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, "application/json"));
    let large = vec![b' '; 10 * 1_024 * 1_024 + 1];
    let answer = world.send(world.post("/v1/chat/completions", large)).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.json()["error"]["type"], "request_too_large");
}

#[test]
fn the_gateways_own_answers_read_well_in_every_sdk() {
    let template = Template::parse(TEMPLATE).unwrap();
    for (kind, response) in &template.gateway_responses {
        let body: serde_json::Value = serde_json::from_str(&response.body).unwrap();
        assert_eq!(body["type"], "error", "{kind}");
        let error = body["error"].as_object().unwrap();
        for field in ["type", "message", "code", "status"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{kind}.{field}");
        }
        assert!(error["param"].is_null(), "{kind}");
        assert!((400..=599).contains(&response.status), "{kind}");
        assert!(!response.body.contains('$'), "{kind} substitutes nothing of the request");
    }
}

#[test]
fn a_key_decides_but_for_operators_routes_the_description_and_whoever_has_none() {
    let template = Template::parse(TEMPLATE).unwrap();
    for route in &template.routes {
        let right = match route.path.as_str() {
            "/openapi.json" | "/v1/providers" | "/v1/account/codes" | "/v1/account/recovery" => {
                Authorizer::None
            }
            "/v1/receipts/{receipt}" => Authorizer::None,
            path if path.starts_with("/v1/policy") => Authorizer::None,
            "/v1/account" if route.method == "POST" => Authorizer::None,
            path if path.starts_with("/operator/") => Authorizer::Iam,
            _ => Authorizer::Key,
        };
        assert_eq!(route.authorizer, right, "{route}");
    }
}
