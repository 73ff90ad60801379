//! Codes by e-mail and registration with one, and that nobody learns or keeps what is not theirs.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use shared::{
    code::{Code, CodeFor},
    email::EmailAddress,
    store::codes::{Codes, SealedCode},
    time::Timestamp,
};
use tests::world::{Answer, World};

use crate::keys::{ask, call, text};

pub(crate) const DEMO: &str = "demo@example.com";

pub(crate) async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.send(world.request(Method::POST, path).body(body.to_string())).await
}

pub(crate) async fn ask_code(world: &World, email: &str) -> Answer {
    post(world, "/v1/account/codes", json!({"email": email})).await
}

/// The newest message, with its long lines put together again.
pub(crate) fn newest(world: &World) -> String {
    world.messages().pop().unwrap().replace("=\r\n", "")
}

/// The code in the newest message, which is to this address.
pub(crate) fn code_for(world: &World, email: &str) -> String {
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

pub(crate) fn told(answer: &Answer) -> (u16, String) {
    let code = answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned();
    (answer.status, code)
}

pub(crate) fn invalid() -> (u16, String) {
    (400, "invalid_code".to_owned())
}

/// A code that is known to the platform, and was sent to nobody.
pub(crate) async fn put_code(world: &World, email: &str, purpose: CodeFor) -> String {
    let (code, email) = (Code::random().unwrap(), EmailAddress::parse(email).unwrap());
    let hash = world.pepper().code_hashes(&code, &purpose, &email).next().unwrap();
    let profile = world.profile().await;
    let managed_from = (purpose == CodeFor::Recover).then_some(profile.managed_from);
    let found = SealedCode { hash, managed_from };
    world.store().put_code(&found, Timestamp::now()).await.unwrap();
    code.reveal().to_owned()
}

pub(crate) fn registration(email: &str, code: &str) -> Value {
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
    let late = put_code(&world, email, CodeFor::Register).await;
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
        codes.push(put_code(&world, email, CodeFor::Register).await);
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
async fn nobody_is_flooded_and_whoever_is_told_to_wait_has_a_code_that_is_good() {
    let world = World::with_registration("*").await;
    for email in [DEMO, "nobody@example.com"] {
        for _ in 0..3 {
            assert_eq!(ask_code(&world, email).await.status, 200);
        }
        let sent = world.messages().len();
        let code = code_for(&world, email);
        for other in [email.to_owned(), email.to_uppercase()] {
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
    // Of all addresses of a mailbox that have a tag as many come as of one, and who asks for them is
    // told nothing.
    let world = World::with_registration("*").await;
    for number in 0..6 {
        let tagged = DEMO.replace('@', &format!("+{number}@"));
        assert_eq!(ask_code(&world, &tagged).await.status, 200);
    }
    assert_eq!(world.messages().len(), 3);
    assert!(world.logged().contains("strangers"));
    // They are none of those that whoever has the account may ask for.
    assert_eq!(ask_code(&world, DEMO).await.status, 200);
    assert_eq!(world.messages().len(), 4);
    code_for(&world, DEMO);
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
    // And what it is refused counts for nobody else.
    for _ in 0..4 {
        let body = json!({"email": "third@example.com"});
        let asked = ask(&world, &other, Method::POST, "/v1/account/email", body).await;
        assert_eq!(told(&asked), (429, "too_many_codes".to_owned()));
    }
    // Nor can an account be used to write to many.
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let mut statuses = Vec::new();
    for name in ["third", "somebody", "another", "more", "else"] {
        let body = json!({"email": format!("{name}@example.com")});
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
    // Who has an account is written to all the same,
    ask_code(&world, DEMO).await;
    code_for(&world, DEMO);
    // and counts as one of them: what is left for a stranger does not tell who else was asked for.
    let world = World::with_registration("*").await;
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    for number in 0..30 {
        let email = format!("known-{number}@example.com");
        let opening = json!({"consents": [], "email": email});
        let opened = ask(&world, &operator, Method::POST, "/operator/accounts", opening).await;
        assert_eq!(opened.status, 200);
        for _ in 0..2 {
            assert_eq!(ask_code(&world, &email).await.status, 200);
        }
    }
    assert_eq!(world.messages().len(), 60);
    for number in 0..20 {
        let stranger = format!("stranger-{number}@example.com");
        assert_eq!(ask_code(&world, &stranger).await.status, 200);
    }
    // But for one in a minute, and this takes less than five.
    let sent = world.messages().len();
    assert!((60..65).contains(&sent), "{sent}");
    assert!(world.logged().contains("strangers"));
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
