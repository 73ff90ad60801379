//! The policy: its versions, the notices of a major one, and that nobody is bound by what they have
//! not agreed to.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::{
    code::CodeFor,
    policy::{self, LONGEST_TEXT},
    time::Timestamp,
};
use tests::world::{Answer, OPERATOR, World};

use crate::{
    keys::{ask, call, fine, manage, text},
    registration::{self, put_code},
};

const DAY: i64 = 24 * 3_600;

async fn publish(world: &World, body: Value) -> Answer {
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    ask(world, &operator, Method::POST, "/operator/policy", body).await
}

async fn review(world: &World) -> Value {
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    ask(world, &operator, Method::GET, "/operator/policy", Value::Null).await.json()
}

async fn open(world: &World, path: &str) -> Value {
    let answer = world.send(world.get(path)).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=60"));
    answer.json()
}

async fn numbers(world: &World) -> Vec<String> {
    let listed = open(world, "/v1/policy/versions").await;
    let data = listed["data"].as_array().unwrap();
    assert!(data.iter().all(|version| version["text"].is_null()));
    data.iter().map(|version| text(&version["version"])).collect()
}

/// Runs retention now, and says how many notices it has sent.
async fn notify(world: &World) -> u64 {
    let now = Timestamp::now();
    let report = world.retention().report(retention::Event::default(), &|| now).await;
    assert_eq!((report.failed, report.untold), (0, 0));
    report.notices
}

/// Lets the grace of the newest version be over, and the proxy know it.
async fn end_grace(world: &World) {
    let past = Timestamp::now().minus(Duration::from_secs(1)).seconds().to_string();
    let update = world.admin().await.update_item().table_name("Accounts");
    let update = update
        .key("account", AttributeValue::S("policy#current".to_owned()))
        .key("part", AttributeValue::S("current".to_owned()))
        .update_expression("SET #in_force_at = :past")
        .expression_attribute_names("#in_force_at", "in_force_at")
        .expression_attribute_values(":past", AttributeValue::N(past));
    update.send().await.unwrap();
    world.proxy().read_policy().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn policy_versions_are_published_and_major_changes_are_notified() {
    let world = World::new().await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    // There is one from the start.
    let shipped = open(&world, "/v1/policy").await;
    assert_eq!((&shipped["version"], numbers(&world).await), (&json!("1.0"), vec!["1.0".into()]));
    assert_eq!(shipped["sha256"], policy::sha256(shipped["text"].as_str().unwrap()));
    assert!(shipped["in_force_at"].as_i64().unwrap() <= Timestamp::now().seconds());

    // A minor one holds at once and asks nobody again.
    let minor = publish(&world, json!({"kind": "minor", "text": "Better words."})).await.json();
    assert_eq!((&minor["version"], &minor["in_force_at"]), (&json!("1.1"), &minor["published_at"]));
    assert_eq!(notify(&world).await, 0);
    world.proxy().read_policy().await;
    let key = world.demo("LAOZHANG_API_KEY");
    assert_eq!(call(&world, &key, "gpt-5-mini").await, fine());
    let consents = "/v1/account/consents";
    let listed = manage(&world, Method::GET, consents, Value::Null).await;
    let untouched = |it: &Value| it["valid"] == true && it["valid_until"].is_null();
    assert!(listed["data"].as_array().unwrap().iter().all(untouched));

    // A major one has a grace, in which there is no other, and is published once.
    let body = json!({"kind": "major", "text": "Other promises.", "grace_days": 16});
    let major = publish(&world, body.clone()).await.json();
    let from = major["published_at"].as_i64().unwrap() + 16 * DAY;
    assert_eq!((&major["version"], &major["in_force_at"]), (&json!("2.0"), &json!(from)));
    assert_eq!(publish(&world, body).await.json(), major);
    let early = publish(&world, json!({"kind": "major", "text": "Still others."})).await;
    assert_eq!((early.status, &early.json()["error"]["code"]), (409, &json!("policy_in_grace")));
    assert_eq!(numbers(&world).await, ["2.0", "1.1", "1.0"]);
    let newest = open(&world, "/v1/policy").await;
    assert_eq!(
        (&newest["version"], &newest["text"], &newest["sha256"]),
        (&json!("2.0"), &json!("Other promises."), &major["sha256"])
    );
    for (number, says) in [("1.1", &json!("Better words.")), ("1.0", &shipped["text"])] {
        assert_eq!(&open(&world, &format!("/v1/policy/versions/{number}")).await["text"], says);
    }
    assert_eq!(review(&world).await["notices"], Value::Null);

    // Every account that is older is told once, by e-mail; and one that comes later is not.
    let opening = json!({"consents": ["openai"]});
    let opened = ask(&world, &operator, Method::POST, "/operator/accounts", opening).await.json();
    assert_eq!(opened["policy_version"], 2);
    let sent = world.messages().len();
    assert_eq!([notify(&world).await, notify(&world).await], [1, 0]);
    let messages = world.messages();
    assert_eq!(messages.len(), sent + 1);
    let notice = registration::newest(&world);
    for says in [
        "To: <demo@example.com>",
        world.account().as_str(),
        "GET /v1/policy",
        "PUT /v1/account/consents/openai",
        "{\"policy_version\": 2}",
        &Timestamp::from_seconds(from).to_string(),
        OPERATOR,
        "operator@example.com",
    ] {
        assert!(notice.replace("\r\n", " ").replace("=3D", "=").contains(says), "{says}: {notice}");
    }
    assert!(!notice.contains("://"), "{notice}");
    let notices = review(&world).await["notices"].clone();
    assert_eq!((&notices["policy_version"], &notices["told"]), (&json!(2), &json!(1)));
    assert_eq!(notices["left"], 0);

    // Within the grace calls go on, and what was agreed to says until when.
    world.proxy().read_policy().await;
    assert_eq!(call(&world, &key, "gpt-5-mini").await, fine());
    let agree = async |provider: &str, version: u32| {
        let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
        let path = format!("{consents}/{provider}");
        ask(&world, &who, Method::PUT, &path, json!({"policy_version": version})).await
    };
    let listed = manage(&world, Method::GET, consents, Value::Null).await;
    assert_eq!(listed["policy_version"], 2);
    let ends = |it: &Value| it["valid"] == true && it["valid_until"] == from;
    assert!(listed["data"].as_array().unwrap().iter().all(ends), "{listed}");
    let old = agree("openai", 1).await;
    assert_eq!((old.status, &old.json()["error"]["code"]), (409, &json!("other_policy")));
    let agreed = agree("openai", 2).await.json();
    assert_eq!((&agreed["valid"], &agreed["valid_until"]), (&json!(true), &Value::Null));

    // After it only to whom the owner has agreed under it; the others are refused in their words.
    end_grace(&world).await;
    assert_eq!(call(&world, &key, "gpt-5-mini").await, fine());
    world.provider().forget();
    for (path, body) in [
        ("/v1/messages", r#"{"model": "claude-haiku-4-5", "max_tokens": 9, "messages": []}"#),
        ("/v1beta/models/gemini-2.5-flash:generateContent", r#"{"contents": []}"#),
    ] {
        let answer = world.send(world.post(path, body)).await;
        assert_eq!(answer.status, 403);
        let error = &answer.json()["error"];
        assert!(error["message"].as_str().unwrap().contains("PUT /v1/account/consents/"));
        let anthropic = error["type"] == "permission_error";
        assert!(anthropic || error["status"] == "PERMISSION_DENIED", "{error}");
    }
    assert!(world.provider().received().is_empty(), "a byte has left");
    let listed = manage(&world, Method::GET, consents, Value::Null).await;
    let valid: Vec<_> = listed["data"].as_array().unwrap().iter().map(|it| &it["valid"]).collect();
    assert_eq!(valid, [true, false, false]);
    assert_eq!(agree("anthropic", 2).await.status, 200);
    assert_eq!(call(&world, &key, "claude-haiku-4-5").await, fine());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gets_an_address_later_is_told_and_whoever_has_none_is_counted() {
    let world = World::new().await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let opening = json!({"consents": ["openai"]});
    let opened = ask(&world, &operator, Method::POST, "/operator/accounts", opening).await.json();
    publish(&world, json!({"kind": "major", "text": "Other promises."})).await;
    assert_eq!(notify(&world).await, 1);
    let counts = async || {
        let notices = review(&world).await["notices"].clone();
        ["told", "left", "without_address"].map(|name| notices[name].as_u64().unwrap())
    };
    assert_eq!(counts().await, [1, 0, 1]);
    let path = format!("/operator/accounts/{}", text(&opened["id"]));
    let body = json!({"purpose": "support", "email": "ada@example.com"});
    assert_eq!(ask(&world, &operator, Method::PATCH, &path, body).await.status, 200);
    assert_eq!(notify(&world).await, 1);
    assert!(registration::newest(&world).contains("To: <ada@example.com>"));
    assert_eq!(counts().await, [2, 0, 0]);
    // Where SES does not answer they are left, and tried again once their claim is old.
    let later = Timestamp::now().plus(Duration::from_secs(31 * 60));
    end_grace(&world).await;
    publish(&world, json!({"kind": "major", "text": "And others.", "grace_days": 90})).await;
    let failing = world.retention_without_mail().await;
    let now = Timestamp::now();
    let report = failing.report(retention::Event::default(), &|| now).await;
    assert_eq!((report.notices, report.untold, report.failed), (0, 2, 0));
    assert_eq!(counts().await, [0, 2, 0]);
    assert_eq!(notify(&world).await, 0);
    let report = world.retention().report(retention::Event::default(), &|| later).await;
    assert_eq!((report.notices, report.untold), (2, 0));
    assert_eq!(counts().await, [2, 0, 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_publish_at_once_each_has_a_number_and_one_has_the_major_one() {
    let world = World::new().await;
    let all = async |bodies: Vec<Value>| {
        let answers = join_all(bodies.into_iter().map(|body| publish(&world, body))).await;
        let told = |answer: &Answer| {
            let body = answer.json();
            let told = if answer.status == 200 { &body["version"] } else { &body["error"]["code"] };
            text(told)
        };
        let mut told: Vec<_> = answers.iter().map(told).collect();
        told.sort();
        told
    };
    let body = |kind: &str, text: &str| json!({"kind": kind, "text": text});
    let minor = all(vec![body("minor", "a"), body("minor", "b")]).await;
    assert_eq!(minor, ["1.1", "1.2"]);
    let same = all(vec![body("minor", "c"), body("minor", "c"), body("minor", "c")]).await;
    assert_eq!(same, ["1.3"; 3]);
    let major = all(vec![body("major", "d"), body("major", "e")]).await;
    assert_eq!(major, ["2.0", "policy_in_grace"]);
    // What is added to a major version within its grace comes with it.
    let more = publish(&world, body("minor", "f")).await.json();
    let newest = &review(&world).await["versions"][1];
    assert_eq!((&more["version"], &newest["version"]), (&json!("2.1"), &json!("2.0")));
    assert_eq!(more["in_force_at"], newest["in_force_at"]);
    assert_eq!(numbers(&world).await, ["2.1", "2.0", "1.3", "1.2", "1.1", "1.0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_has_a_text_a_kind_and_a_grace_that_fit() {
    let world = World::new().await;
    let long = "é".repeat(LONGEST_TEXT / 2);
    for (body, code, param) in [
        (json!({}), "missing_field", json!("kind")),
        (json!({"kind": "minor"}), "missing_field", json!("text")),
        (json!({"kind": "patch", "text": "a"}), "invalid_value", json!("kind")),
        (json!({"kind": "minor", "text": 1}), "invalid_value", json!("text")),
        (json!({"kind": "minor", "text": " \n"}), "invalid_value", json!("text")),
        (json!({"kind": "minor", "text": format!("{long}.")}), "invalid_value", json!("text")),
        (
            json!({"kind": "minor", "text": "a", "grace_days": 30}),
            "field_not_accepted",
            json!("grace_days"),
        ),
        (
            json!({"kind": "major", "text": "a", "grace_days": 15}),
            "invalid_value",
            json!("grace_days"),
        ),
        (
            json!({"kind": "major", "text": "a", "grace_days": 91}),
            "invalid_value",
            json!("grace_days"),
        ),
        (
            json!({"kind": "major", "text": "a", "grace_days": "30"}),
            "invalid_value",
            json!("grace_days"),
        ),
        (json!({"kind": "major", "text": "a", "version": "9.0"}), "unknown_field", Value::Null),
    ] {
        let answer = publish(&world, body).await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"], &error["param"]), (400, &json!(code), &param));
    }
    assert_eq!(numbers(&world).await, ["1.0"]);
    let longest = publish(&world, json!({"kind": "minor", "text": long})).await.json();
    assert_eq!(longest["sha256"], policy::sha256(&long));
    assert_eq!(open(&world, "/v1/policy").await["text"], long);
    for unknown in ["9.0", "1", "01.0", "1.0.0", "newest"] {
        let answer = world.send(world.get(&format!("/v1/policy/versions/{unknown}"))).await;
        let code = &answer.json()["error"]["code"];
        assert_eq!((answer.status, code), (404, &json!("unknown_policy_version")), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_registers_agrees_to_the_newest_major_version_also_within_its_grace() {
    let world = World::with_registration("*").await;
    publish(&world, json!({"kind": "major", "text": "Other promises."})).await;
    let email = "ada@customer.example";
    let code = put_code(&world, email, CodeFor::Register).await;
    let register = async |version: u32| {
        let mut body = registration::registration(email, &code);
        body["policy_version"] = json!(version);
        registration::post(&world, "/v1/account", body).await
    };
    for other in [1, 3] {
        let refused = register(other).await;
        assert_eq!(registration::told(&refused), (409, "other_policy".to_owned()));
        let says = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(says.contains("version 2") && says.contains("GET /v1/policy"), "{says}");
    }
    let opened = register(2).await;
    assert_eq!((opened.status, &opened.json()["policy_version"]), (200, &json!(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_contact_is_shown_wherever_a_person_may_need_it() {
    let world = World::new().await;
    let contact = "operator@example.com";
    let operator = json!({"name": OPERATOR, "contact": contact});
    let policy = open(&world, "/v1/policy").await;
    assert_eq!(policy["operator"], operator);
    let shown = policy["text"].as_str().unwrap();
    assert!(shown.contains(&format!("{OPERATOR}, {contact}")) && !shown.contains("{operator}"));
    let providers = world.send(world.get("/v1/providers")).await.json();
    assert_eq!(providers["operator"], operator);
    // In every message.
    registration::ask_code(&world, registration::DEMO).await;
    let message = registration::newest(&world);
    assert!(message.contains(&format!("Questions? Write to {OPERATOR}, {contact}.")), "{message}");
    assert!(message.contains(&format!("Reply-To: <{contact}>")));
    // And every refusal with which only the operator can help says where that is.
    let mut refusals = 0;
    for fault in crate::faults::all() {
        let says = fault.to_string();
        if says.contains("perator") {
            assert!(says.contains("whom GET /v1/policy names"), "{says}");
            refusals += 1;
        }
    }
    assert_eq!(refusals, 7);
}
