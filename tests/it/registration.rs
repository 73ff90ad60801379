//! Codes by e-mail: who registers, recovers an account or corrects its address, and that nobody
//! learns or keeps what is not theirs.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::{join, join_all};
use http::Method;
use serde_json::{Value, json};
use shared::{
    code::{Code, Purpose},
    email::EmailAddress,
    store::{
        accounts::ReadProfile,
        codes::{Codes, FoundCode},
    },
    time::Timestamp,
};
use tests::world::{Answer, World};

use crate::keys::{ask, call, fine, manage, text};

const DEMO: &str = "demo@example.com";

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.send(world.request(Method::POST, path).body(body.to_string())).await
}

async fn ask_code(world: &World, email: &str) -> Answer {
    post(world, "/v1/account/codes", json!({"email": email})).await
}

/// The newest message, with its long lines put together again.
fn newest(world: &World) -> String {
    world.messages().pop().unwrap().replace("=\r\n", "")
}

/// The code in the newest message, which is to this address.
fn code_for(world: &World, email: &str) -> String {
    let message = newest(world);
    let header = |name: &str| {
        let mut lines = message.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
    };
    assert_eq!(header("To"), format!("<{email}>"));
    assert_eq!(header("Auto-Submitted"), "auto-generated");
    assert_eq!(header("Reply-To"), "<operator@example.com>");
    assert!(!message.contains("://") && !message.contains("sk-lz-"), "{message}");
    let code = message.split("Your code: ").nth(1).unwrap();
    code.split_whitespace().next().unwrap().to_owned()
}

fn told(answer: &Answer) -> (u16, String) {
    let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code)
}

fn invalid() -> (u16, String) {
    (400, "invalid_code".to_owned())
}

/// A code that is known to the platform, and was sent to nobody.
async fn put_code(world: &World, email: &str, purpose: Purpose) -> String {
    let (code, email) = (Code::random().unwrap(), EmailAddress::parse(email).unwrap());
    let hash = world.pepper().code_hashes(&code, &purpose, &email).next().unwrap();
    let profile = world.profile().await;
    let managed_from = (purpose == Purpose::Recover).then_some(profile.managed_from);
    let found = FoundCode { hash, managed_from };
    world.store().put_code(&found, Timestamp::now()).await.unwrap();
    code.reveal().to_owned()
}

fn registration(email: &str, code: &str) -> Value {
    json!({"email": email, "code": code, "policy_version": 1, "consents": ["openai"]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_code_opens_an_account_with_the_consents_they_give() {
    let world = World::with_registration("customer.example").await;
    let email = "Ada@Customer.example";
    let asked = ask_code(&world, email).await;
    assert_eq!(
        (asked.status, asked.json()),
        (
            200,
            json!({
                "object": "code_request", "expires_in_seconds": 7_200,
                "registration_domains": ["customer.example"],
            })
        )
    );
    let code = code_for(&world, email);
    // What is wrong uses no code up.
    for (change, refused) in [
        (json!({"policy_version": 2}), (409, "other_policy")),
        (json!({"policy_version": null}), (400, "invalid_value")),
        (json!({"consents": ["somebody"]}), (400, "invalid_value")),
        (json!({"email": "ada"}), (400, "invalid_value")),
        (json!({"email": "ada@elsewhere.example"}), (403, "registration_closed")),
        (json!({"email": "eva@customer.example"}), (400, "invalid_code")),
        (json!({"code": "short"}), (400, "invalid_code")),
        (json!({"more": 1}), (400, "unknown_field")),
    ] {
        let mut body = registration(email, &code);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let answer = post(&world, "/v1/account", body).await;
        assert_eq!(told(&answer), (refused.0, refused.1.to_owned()), "{change}");
    }
    // However the address is capitalised, and with what pasting adds.
    let body = registration("ada@customer.example", &format!(" {code}\n"));
    let opened = post(&world, "/v1/account", body.clone()).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    assert_eq!(opened.header("cache-control"), "no-store");
    let opened = opened.json();
    assert_eq!((&opened["consents"], &opened["policy_version"]), (&json!(["openai"]), &json!(1)));
    let key = |scope: &str| {
        let keys = opened["keys"].as_array().unwrap();
        text(&keys.iter().find(|key| key["scopes"] == json!([scope])).unwrap()["key"])
    };
    let manages = key("account:manage");
    let shown = ask(&world, &manages, Method::GET, "/v1/account", Value::Null).await.json();
    assert_eq!(
        shown,
        json!({
            "object": "account", "id": opened["id"], "email": "ada@customer.example",
            "created_at": opened["created_at"], "state": "active",
            "balance_usd": "0.000000000000", "outstanding_usd": "0.000000000000", "limits": {},
            "alert_below_usd": null, "consents": {"openai": 1},
        })
    );
    assert_eq!(call(&world, &key("inference"), "gpt-5-mini").await.1, "insufficient_quota");
    assert_eq!(call(&world, &key("inference"), "claude-haiku-4-5").await.1, "consent_required");
    // The code is used up, and the address has its one account: another code recovers it.
    assert_eq!(told(&post(&world, "/v1/account", body).await), invalid());
    let late = put_code(&world, email, Purpose::Register).await;
    assert_eq!(told(&post(&world, "/v1/account", registration(email, &late)).await), invalid());
    ask_code(&world, email).await;
    let code = code_for(&world, "ada@customer.example");
    assert!(newest(&world).contains(opened["id"].as_str().unwrap()));
    assert_eq!(told(&post(&world, "/v1/account", registration(email, &code)).await), invalid());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_register_with_codes_for_one_address_at_once_open_one_account() {
    let world = World::with_registration("*").await;
    let email = "ada@customer.example";
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(put_code(&world, email, Purpose::Register).await);
    }
    let all = codes.iter().chain(&codes);
    let all = all.map(|code| post(&world, "/v1/account", registration(email, code)));
    let answers = join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        // A transaction that another is in the way of can be sent again.
        assert!([400, 503].contains(&answer.status), "{}", answer.text());
    }
    let profile = AttributeValue::S("profile".to_owned());
    let accounts = world.items("Accounts").await;
    let accounts = accounts.iter().filter(|item| item.get("part") == Some(&profile));
    assert_eq!(accounts.count(), 2, "the demo account and this one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_whether_an_address_has_an_account_and_one_that_has_none_is_not_kept() {
    let world = World::new().await;
    // The canary is searched for when the world ends, in the tables and in the log.
    let nobody = format!("{}@example.com", world.canary());
    let (known, unknown) = (ask_code(&world, DEMO).await, ask_code(&world, &nobody).await);
    assert_eq!((known.status, unknown.status), (200, 200));
    assert_eq!(known.body, unknown.body);
    let headers = |answer: &Answer| {
        // The date says when, and that is not the same.
        let mut headers = answer.headers.clone();
        headers.remove("date");
        headers
    };
    assert_eq!(headers(&known), headers(&unknown));
    assert_eq!(world.messages().len(), 1, "closed means that strangers are not written to");
    code_for(&world, DEMO);
    let code = Code::random().unwrap();
    let mut told = BTreeSet::new();
    for email in [DEMO, &nobody] {
        let body = json!({"email": email, "code": code.reveal()});
        told.insert(post(&world, "/v1/account/recovery", body).await.text());
        let answer = post(&world, "/v1/account", registration(email, code.reveal())).await;
        told.insert(answer.text());
    }
    assert_eq!(told.len(), 2, "the same of both: {told:?}");
    // Where it is open, somebody who has an account and somebody who has none are told the same.
    let open = World::with_registration("*").await;
    let nobody = format!("{}@example.com", open.canary());
    let (known, unknown) = (ask_code(&open, DEMO).await, ask_code(&open, &nobody).await);
    assert_eq!((known.status, &known.body), (200, &unknown.body));
    assert_eq!(headers(&known), headers(&unknown));
    code_for(&open, &nobody);
    let mut told = BTreeSet::new();
    for email in [DEMO, &nobody] {
        told.insert(post(&open, "/v1/account", registration(email, code.reveal())).await.text());
    }
    assert_eq!(told.len(), 1, "{told:?}");
}

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
async fn nobody_is_flooded_and_whoever_is_told_to_wait_has_a_code_that_is_good() {
    let world = World::with_registration("*").await;
    for email in [DEMO, "nobody@example.com"] {
        for _ in 0..3 {
            assert_eq!(ask_code(&world, email).await.status, 200);
        }
        let sent = world.messages().len();
        let code = code_for(&world, email);
        let tagged = email.replace('@', "+tag@");
        for other in [email.to_owned(), email.to_uppercase(), tagged] {
            let answer = ask_code(&world, &other).await;
            assert_eq!(told(&answer), (429, "too_many_codes".to_owned()));
            let wait: u64 = answer.header("retry-after").parse().unwrap();
            assert!((3_500..=3_600).contains(&wait), "{wait}");
        }
        assert_eq!(world.messages().len(), sent);
        let body = json!({"email": email, "code": code});
        let done = match email {
            DEMO => post(&world, "/v1/account/recovery", body).await,
            _ => post(&world, "/v1/account", registration(email, &code)).await,
        };
        assert_eq!(done.status, 200, "{}", done.text());
    }
    // What another account asks of an address is none of the codes that its owner may ask for.
    let world = World::new().await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let opening = json!({"consents": [], "email": "other@example.com"});
    let other = ask(&world, &operator, Method::POST, "/operator/accounts", opening).await.json();
    let other = text(&other["keys"][2]["key"]);
    for _ in 0..3 {
        let body = json!({"email": DEMO});
        let asked = ask(&world, &other, Method::POST, "/v1/account/email", body).await;
        assert_eq!(asked.status, 200);
    }
    let body = json!({"email": DEMO});
    let asked = ask(&world, &other, Method::POST, "/v1/account/email", body).await;
    assert_eq!(told(&asked), (429, "too_many_codes".to_owned()));
    assert_eq!(ask_code(&world, DEMO).await.status, 200);
    code_for(&world, DEMO);
    // Nor can an account be used to write to many.
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let mut statuses = Vec::new();
    for number in 0..5 {
        let body = json!({"email": format!("somebody-{number}@example.com")});
        statuses.push(ask(&world, &who, Method::POST, "/v1/account/email", body).await.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_are_written_to_within_a_pace_for_all_of_them() {
    let world = World::with_registration("*").await;
    let ask_many = |range: std::ops::Range<usize>| {
        let world = &world;
        let all = range.map(|number| async move {
            ask_code(world, &format!("stranger-{number}@example.com")).await.status
        });
        join_all(all)
    };
    for begin in (0..64).step_by(8) {
        assert_eq!(ask_many(begin..begin + 8).await, [200; 8]);
    }
    let sent = world.messages().len();
    assert!((60..=61).contains(&sent), "{sent}");
    // They are told the same, and the operator's log is told that nothing went out.
    assert_eq!(ask_many(200..208).await, [200; 8]);
    assert!(world.messages().len() <= sent + 1);
    assert!(world.logged().contains("strangers") && !world.logged().contains("mail_unavailable"));
    // Who has an account is none of them.
    ask_code(&world, DEMO).await;
    code_for(&world, DEMO);
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
            codes.push(put_code(&world, DEMO, Purpose::Recover).await);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_stolen_a_key_cannot_carry_the_account_off_by_its_address() {
    let world = World::new().await;
    let thief = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let (path, theirs) = ("/v1/account/email", "thief@example.com");
    let asks = |method: Method, body: Value| ask(&world, &thief, method, path, body);
    asks(Method::POST, json!({"email": theirs})).await;
    let code = code_for(&world, theirs);
    let moved = asks(Method::PUT, json!({"email": theirs, "code": code})).await;
    assert_eq!(moved.status, 200);
    assert!(newest(&world).contains("For seven days this address can undo it"));
    // Not further, nor by a code that was there before.
    let further = asks(Method::POST, json!({"email": "further@example.com"})).await;
    assert_eq!(told(&further), (409, "email_just_changed".to_owned()));
    // Both mailboxes have a code. The one before wins, and what was sent to the other is nothing.
    ask_code(&world, theirs).await;
    let of_thief = code_for(&world, theirs);
    ask_code(&world, DEMO).await;
    let code = code_for(&world, DEMO);
    let body = json!({"email": DEMO, "code": code});
    let recovered = post(&world, "/v1/account/recovery", body).await;
    assert_eq!(recovered.status, 200, "{}", recovered.text());
    let body = json!({"email": theirs, "code": of_thief});
    assert_eq!(told(&post(&world, "/v1/account/recovery", body).await), invalid());
    let sent = world.messages().len();
    ask_code(&world, theirs).await;
    assert_eq!(world.messages().len(), sent, "it is nobody's address");
    let who = text(&recovered.json()["key"]);
    let shown = ask(&world, &who, Method::GET, "/v1/account", Value::Null).await.json();
    assert_eq!(shown["email"], DEMO);
    assert_eq!(ask(&world, &thief, Method::GET, "/v1/account", Value::Null).await.status, 401);
    // A frozen account is carried nowhere.
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let of_demo = format!("/operator/accounts/{}", world.account());
    let frozen = ask(
        &world,
        &operator,
        Method::PATCH,
        &of_demo,
        json!({"purpose": "support", "state": "frozen"}),
    )
    .await;
    assert_eq!(frozen.status, 200);
    let body = json!({"email": theirs});
    let refused = ask(&world, &who, Method::POST, path, body).await;
    assert_eq!(told(&refused), (403, "account_frozen".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_corrected_once_the_new_one_is_verified() {
    let world = World::new().await;
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let (path, new) = ("/v1/account/email", "new@example.com");
    let change = |method: Method, body: Value| ask(&world, &who, method, path, body);
    assert_eq!(change(Method::POST, json!({"email": new})).await.status, 200);
    let code = code_for(&world, new);
    // Until then it is as it was.
    let shown = manage(&world, Method::GET, "/v1/account", Value::Null).await;
    assert_eq!(shown["email"], DEMO);
    let wrong = change(Method::PUT, json!({"email": "other@example.com", "code": code})).await;
    assert_eq!(told(&wrong), invalid());
    let body = json!({"email": new, "code": code});
    let shown = change(Method::PUT, body.clone()).await;
    assert_eq!((shown.status, &shown.json()["email"]), (200, &json!(new)));
    let moved = newest(&world);
    assert!(moved.contains("To: <demo@example.com>") && !moved.contains(new), "{moved}");
    assert_eq!(change(Method::PUT, body).await.status, 409);
    // The new one recovers the account; of the old one there is a hash for seven days.
    ask_code(&world, new).await;
    code_for(&world, new);
    let again = change(Method::POST, json!({"email": "third@example.com"})).await;
    assert_eq!(told(&again), (409, "email_just_changed".to_owned()));
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let of_demo = format!("/operator/accounts/{}", world.account());
    let set = async |email: &str| {
        let body = json!({"purpose": "support", "email": email});
        ask(&world, &operator, Method::PATCH, &of_demo, body).await
    };
    // The operator changes it for good, and the one before is told.
    assert_eq!(set("fourth@example.com").await.json()["email"], "fourth@example.com");
    assert!(newest(&world).contains("To: <new@example.com>"));
    let sent = world.messages().len();
    for nobodys in [DEMO, new] {
        ask_code(&world, nobodys).await;
    }
    assert_eq!(world.messages().len(), sent);

    // An address is of one account alone: who has it is told, and not who asks.
    let opening = json!({"consents": [], "email": "taken@example.com"});
    let opened = ask(&world, &operator, Method::POST, "/operator/accounts", opening.clone()).await;
    assert_eq!((opened.status, &opened.json()["email"]), (200, &json!("taken@example.com")));
    let again = ask(&world, &operator, Method::POST, "/operator/accounts", opening).await;
    assert_eq!(told(&again), (409, "email_taken".to_owned()));
    let asked = change(Method::POST, json!({"email": "Taken@example.com"})).await;
    assert_eq!((asked.status, &asked.json()["object"]), (200, &json!("code_request")));
    let message = newest(&world);
    assert!(message.contains("To: <Taken@example.com>") && !message.contains("Your code"));
    let purpose = Purpose::Correct(world.account());
    let forged = put_code(&world, "taken@example.com", purpose).await;
    let body = json!({"email": "taken@example.com", "code": forged});
    assert_eq!(told(&change(Method::PUT, body).await), invalid());

    assert_eq!(told(&set("taken@example.com").await), (409, "email_taken".to_owned()));
    assert_eq!(told(&set("nothing").await), (400, "invalid_value".to_owned()));
    assert_eq!(set(DEMO).await.json()["email"], DEMO);
    assert_eq!(set("DEMO@example.com").await.json()["email"], "DEMO@example.com");
    ask_code(&world, DEMO).await;
    code_for(&world, "DEMO@example.com");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_accounts_are_for_some_domains_no_address_of_another_gets_in() {
    let world = World::with_registration("customer.example, other.example").await;
    let sent = || world.messages().len();
    for (email, expected) in
        [("a@customer.example", 1), ("a@sub.customer.example", 1), ("b@OTHER.example", 2)]
    {
        assert_eq!(ask_code(&world, email).await.status, 200);
        assert_eq!(sent(), expected, "{email}");
    }
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let correct = |email: &str| {
        let body = json!({"email": email});
        ask(&world, &who, Method::POST, "/v1/account/email", body)
    };
    let refused = correct("a@example.com").await;
    assert_eq!(told(&refused), (403, "registration_closed".to_owned()));
    assert_eq!(correct("c@other.example").await.status, 200);
    assert_eq!(sent(), 3);
}
