//! Correction of an account's address, and that nobody is robbed of an account by it.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use http::Method;
use retention::Event;
use serde_json::{Value, json};
use shared::{code::CodeFor, store::emails::UNDO, time::Timestamp};
use tests::world::World;

use crate::{
    keys::{ask, manage, text},
    registration::{DEMO, ask_code, code_for, invalid, newest, post, put_code, told},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_was_changed_is_forgotten_when_it_can_undo_nothing_any_more() {
    let world = World::new().await;
    let (who, path, email) =
        (world.demo("LAOZHANG_MANAGEMENT_KEY"), "/v1/account/email", "other@example.com");
    ask(&world, &who, Method::POST, path, json!({"email": email})).await;
    let body = json!({"email": email, "code": code_for(&world, email)});
    assert_eq!(ask(&world, &who, Method::PUT, path, body).await.status, 200);
    let profile = AttributeValue::S("profile".to_owned());
    let changed = Timestamp::now();
    for (later, known) in [(UNDO - Duration::from_secs(60), true), (UNDO, false), (UNDO, false)] {
        let now = changed.plus(later);
        let report = world.retention().report(Event::default(), &|| now).await;
        assert_eq!(report.failed, 0);
        let accounts = world.items("Accounts").await;
        let profile = accounts.iter().find(|item| item.get("part") == Some(&profile)).unwrap();
        let names = ["email_before", "email_until"].map(|name| profile.contains_key(name));
        assert_eq!(names, [known; 2], "{later:?}");
        assert_eq!(profile["email"].as_s().unwrap(), email);
    }
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
    let purpose = CodeFor::Correct(world.account());
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
async fn the_operator_changes_an_address_whatever_was_changed_before() {
    let world = World::new().await;
    let who = world.demo("LAOZHANG_MANAGEMENT_KEY");
    let operator = world.demo("LAOZHANG_OPERATOR_TOKEN");
    let of_demo = format!("/operator/accounts/{}", world.account());
    let correct = async |email: &str| {
        let path = "/v1/account/email";
        let asked = ask(&world, &who, Method::POST, path, json!({"email": email})).await;
        assert_eq!(asked.status, 200);
        let body = json!({"email": email, "code": code_for(&world, email)});
        assert_eq!(ask(&world, &who, Method::PUT, path, body).await.status, 200);
    };
    let set = async |email: &str| {
        let body = json!({"purpose": "support", "email": email});
        let set = ask(&world, &operator, Method::PATCH, &of_demo, body).await;
        assert_eq!((set.status, &set.json()["email"]), (200, &json!(email)), "{}", set.text());
    };
    // Back to the one before, which could have undone it itself.
    correct("new@example.com").await;
    set(DEMO).await;
    let sent = world.messages().len();
    ask_code(&world, "new@example.com").await;
    assert_eq!(world.messages().len(), sent, "it is nobody's");
    ask_code(&world, DEMO).await;
    code_for(&world, DEMO);
    // And to another, when the time of the one before is over and nothing is left of it.
    correct("newer@example.com").await;
    let admin = world.admin().await;
    for item in world.items("Accounts").await {
        let key = (item["account"].clone(), item["part"].clone());
        let past = AttributeValue::N("1".to_owned());
        if item.contains_key("until") {
            let delete = admin.delete_item().table_name("Accounts");
            delete.key("account", key.0).key("part", key.1).send().await.unwrap();
        } else if item.contains_key("email_until") {
            let update = admin.update_item().table_name("Accounts").key("account", key.0);
            let update = update.key("part", key.1).update_expression("SET email_until = :past");
            update.expression_attribute_values(":past", past).send().await.unwrap();
        }
    }
    set("newest@example.com").await;
    set(DEMO).await;
}
