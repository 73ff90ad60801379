//! Recovery of a lost management key, and that there is always one.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{join, join_all};
use http::Method;
use serde_json::{Value, json};
use shared::{code::CodeFor, store::accounts::ReadProfile, time::Timestamp};
use tests::world::{Answer, World};

use crate::{
    keys::{ask, call, fine, manage, text},
    registration::{DEMO, ask_code, code_for, invalid, newest, post, put_code, registration, told},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_good_for_its_address_and_its_purpose_for_two_hours_alone() {
    let world = World::with_registration("*").await;
    ask_code(&world, DEMO).await;
    let code = code_for(&world, DEMO);
    let recovery = |code: &str| json!({"email": DEMO, "code": code});
    let manages = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let other = json!({"email": "other@example.com", "code": code});
    assert_eq!(told(&post(&world, "/v1/account/recovery", other).await), invalid());
    let register = post(&world, "/v1/account", registration(DEMO, &code)).await;
    assert_eq!(told(&register), invalid());
    let correct = ask(&world, &manages, Method::PUT, "/v1/account/email", recovery(&code)).await;
    assert_eq!(told(&correct), invalid());

    let is_code = |item: &std::collections::HashMap<String, AttributeValue>| {
        item.get("part") == Some(&AttributeValue::S("code".to_owned()))
    };
    let mut items = world.items("Accounts").await;
    items.retain(is_code);
    let [item] = items.as_slice() else { panic!("one code") };
    let expires = item["expires_at"].as_n().unwrap().parse::<i64>().unwrap();
    assert!((7_190..=7_200).contains(&(expires - Timestamp::now().seconds())));
    // What is stored says neither what the code is nor whose.
    let names: BTreeSet<_> = item.keys().map(String::as_str).collect();
    assert_eq!(names, ["account", "expires_at", "managed_from", "part"].into());
    let past = Timestamp::now().seconds().to_string();
    let admin = world.admin().await;
    let update = admin.update_item().table_name("Accounts");
    let update = update.key("account", item["account"].clone()).key("part", item["part"].clone());
    let update = update.update_expression("SET expires_at = :past");
    update.expression_attribute_values(":past", AttributeValue::N(past)).send().await.unwrap();
    let late = post(&world, "/v1/account/recovery", recovery(&code)).await;
    assert_eq!(told(&late), invalid());
    assert_eq!(ask(&world, &manages, Method::GET, "/v1/account", Value::Null).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_management_key_is_recovered_and_every_one_before_it_ends() {
    let world = World::new().await;
    let lost = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let both = json!({"label": "both", "scopes": ["account:manage", "inference"]});
    let both = manage(&world, Method::POST, "/v1/account/keys", both).await;
    let all = json!({"label": "ci"});
    let ci = text(&manage(&world, Method::POST, "/v1/account/keys", all).await["key"]);
    ask_code(&world, DEMO).await;
    let earlier = code_for(&world, DEMO);
    ask_code(&world, &DEMO.to_uppercase()).await;
    // To the address as it is known, and not as whoever asks has written it.
    let code = code_for(&world, DEMO);
    let body = json!({"email": "Demo@Example.com", "code": code});
    let recovered = post(&world, "/v1/account/recovery", body.clone()).await;
    assert_eq!(recovered.status, 200, "{}", recovered.text());
    let recovered = recovered.json();
    assert_eq!(
        (&recovered["scopes"], &recovered["account"], &recovered["ordinal"]),
        (&json!(["account:manage"]), &json!(world.account().as_str()), &json!(6))
    );
    let revoked: BTreeSet<_> = recovered["revoked"].as_array().unwrap().iter().map(text).collect();
    assert!(revoked.len() == 2 && revoked.contains(&text(&both["id"])));
    for secret in [&lost, &text(&both["key"])] {
        let answer = ask(&world, secret, Method::GET, "/v1/account", Value::Null).await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(call(&world, &text(&both["key"]), "gpt-5-mini").await.0, 401);
    // Keys that manage nothing go on, and the owner is told.
    assert_eq!(call(&world, &ci, "gpt-5-mini").await, fine());
    let told_owner = newest(&world);
    assert!(told_owner.contains("Subject: Your account was recovered"), "{told_owner}");
    assert_eq!(told(&post(&world, "/v1/account/recovery", body).await), invalid());
    // Whoever has read the mailbox before has nothing that is still good.
    let stolen = json!({"email": DEMO, "code": earlier});
    assert_eq!(told(&post(&world, "/v1/account/recovery", stolen).await), invalid());
    let newest = text(&recovered["key"]);
    let keys = ask(&world, &newest, Method::GET, "/v1/account/keys", Value::Null).await.json();
    assert_eq!(keys["data"].as_array().unwrap().len(), 6);
    let made = ask(&world, &newest, Method::POST, "/v1/account/keys", json!({"label": "new"}));
    assert_eq!(made.await.status, 200);
}

/// The keys of the demo account that may manage it, as the tables have it.
async fn managers(world: &World) -> usize {
    // In this order: what manages the account now is at least the number that was read before.
    let profile = world.store().read_profile(&world.account()).await.unwrap().unwrap();
    let now = Timestamp::now();
    let account = AttributeValue::S(world.account().to_string());
    let number = |item: &std::collections::HashMap<String, AttributeValue>, name: &str| {
        item.get(name).map(|value| value.as_n().unwrap().parse::<i64>().unwrap())
    };
    let live = |item: &&std::collections::HashMap<String, AttributeValue>| {
        let manages = item.get("scopes").is_some_and(|scopes| {
            scopes.as_ss().unwrap().iter().any(|scope| scope == "account:manage")
        });
        item.get("account") == Some(&account)
            && manages
            && !item.contains_key("revoked_at")
            && number(item, "expires_at").is_none_or(|at| at > now.seconds())
            && number(item, "ordinal") >= Some(profile.managed_from.into())
    };
    world.items("Keys").await.iter().filter(live).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_many_recover_create_revoke_and_end_keys_somebody_can_always_manage_the_account() {
    const MANAGER: &str = r#"{"label": "m", "scopes": ["account:manage"]}"#;
    let world = World::new().await;
    let manager = || serde_json::from_str::<Value>(MANAGER).unwrap();
    let mut secrets = vec![world.demo("LAOZHANG_MANAGEMENT_KEY")];
    let soon = Timestamp::now().seconds() + 1;
    for round in 0..4 {
        let newest = secrets.last().unwrap().clone();
        let mut others = Vec::new();
        for _ in 0..2 {
            let made = ask(&world, &newest, Method::POST, "/v1/account/keys", manager()).await;
            others.push(made.json());
        }
        // Each ends the other, and the one that made them; and makes and rotates keys meanwhile.
        let listed = ask(&world, &newest, Method::GET, "/v1/account/keys", Value::Null).await;
        let listed = listed.json();
        let manages =
            |key: &&Value| key["revoked_at"].is_null() && key["scopes"][0] == "account:manage";
        let live = listed["data"].as_array().unwrap().iter().filter(manages);
        let ids: Vec<_> = live.map(|key| text(&key["id"])).collect();
        let mut asked = Vec::new();
        for other in &others {
            let who = text(&other["key"]);
            for id in &ids {
                let path = format!("/v1/account/keys/{id}");
                asked.push((who.clone(), Method::DELETE, path.clone(), Value::Null));
                let rotate = (format!("{path}/rotate"), json!({"overlap_seconds": 0}));
                asked.push((who.clone(), Method::POST, rotate.0, rotate.1));
                asked.push((who.clone(), Method::PATCH, path, json!({"expires_at": soon + 3_600})));
            }
            let keys = "/v1/account/keys".to_owned();
            asked.push((who.clone(), Method::POST, keys, manager()));
        }
        let asked = asked
            .iter()
            .map(|(who, method, path, body)| ask(&world, who, method.clone(), path, body.clone()));
        let mut codes = Vec::new();
        for _ in 0..if round == 0 { 0 } else { 3 } {
            codes.push(put_code(&world, DEMO, CodeFor::Recover).await);
        }
        let recoveries = codes
            .iter()
            .map(|code| post(&world, "/v1/account/recovery", json!({"email": DEMO, "code": code})));
        let done = AtomicBool::new(false);
        let watch = async {
            let mut looked = 0;
            while !done.load(Ordering::SeqCst) {
                assert!(managers(&world).await > 0, "nobody can manage the account");
                looked += 1;
            }
            looked
        };
        let changes = async {
            let both = join(join_all(asked), join_all(recoveries)).await;
            done.store(true, Ordering::SeqCst);
            both
        };
        let (looked, (answers, recovered)) = join(watch, changes).await;
        assert!(looked > 0);
        for answer in &answers {
            let fair = [200, 401, 404, 409, 429].contains(&answer.status);
            assert!(fair, "{} {}", answer.status, answer.text());
        }
        // One recovery leaves no code good that was there before it.
        for answer in recovered.iter().filter(|answer| answer.status != 200) {
            assert_eq!(told(answer), invalid());
        }
        let given = |answer: &Answer| answer.json()["key"].as_str().map(str::to_owned);
        let mut keys: Vec<_> = recovered.iter().filter_map(given).collect();
        assert_eq!(keys.len(), usize::from(!recovered.is_empty()), "one of them was first");
        let given_then: Vec<_> = answers.iter().filter_map(given).collect();
        let Some(last) = keys.pop() else {
            // Without a recovery one of those who were there is left.
            let mut left = Vec::new();
            let made = others.iter().map(|it| text(&it["key"])).chain(given_then);
            for secret in secrets.iter().cloned().chain(made) {
                let answer = ask(&world, &secret, Method::GET, "/v1/account", Value::Null).await;
                if answer.status == 200 {
                    left.push(secret);
                }
            }
            secrets.push(left.pop().expect("one that manages the account"));
            continue;
        };
        // None that was there before works, and the newest does.
        let before = others.iter().map(|it| text(&it["key"])).chain(given_then);
        for secret in secrets.iter().cloned().chain(before) {
            let answer = ask(&world, &secret, Method::GET, "/v1/account", Value::Null).await;
            assert_eq!(answer.status, 401);
        }
        let answer = ask(&world, &last, Method::GET, "/v1/account", Value::Null).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        secrets.push(last);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_ends_ends_none_that_manages_the_account_and_does_not() {
    let world = World::new().await;
    let end = Timestamp::now().seconds() + 3_600;
    let scopes = json!(["account:manage"]);
    let make = async |body: Value| manage(&world, Method::POST, "/v1/account/keys", body).await;
    let ending = make(json!({"label": "a", "scopes": scopes, "expires_at": end})).await;
    let other = make(json!({"label": "b", "scopes": scopes, "expires_at": end})).await;
    let endless = make(json!({"label": "c", "scopes": scopes})).await;
    let ci = make(json!({"label": "ci"})).await;
    let who = text(&ending["key"]);
    let path = |key: &Value| format!("/v1/account/keys/{}", text(&key["id"]));
    let refused = (409, "ending_key".to_owned());
    for (method, path, body) in [
        (Method::DELETE, path(&endless), Value::Null),
        (Method::PATCH, path(&endless), json!({"expires_at": end})),
        (Method::POST, path(&endless) + "/rotate", json!({"overlap_seconds": 0})),
    ] {
        assert_eq!(told(&ask(&world, &who, method, &path, body).await), refused);
    }
    // Whatever else there is may be ended, and a label is nobody's end.
    for (method, key, body) in [
        (Method::PATCH, &endless, json!({"label": "d"})),
        (Method::PATCH, &other, json!({"expires_at": end - 60})),
        (Method::DELETE, &other, Value::Null),
        (Method::DELETE, &ci, Value::Null),
    ] {
        assert_eq!(ask(&world, &who, method, &path(key), body).await.status, 200);
    }
    // One without an end ends any but itself.
    let who = text(&endless["key"]);
    let ended = ask(&world, &who, Method::DELETE, &path(&ending), Value::Null).await;
    assert_eq!(ended.status, 200);
    let own = ask(&world, &who, Method::DELETE, &path(&endless), Value::Null).await;
    assert_eq!(told(&own), (409, "own_key".to_owned()));
}
