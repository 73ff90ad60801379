//! What neither we nor anyone should send, sent as it is to both: who takes what.
//!
//! What an emulator takes would not be found by a test on it, so the stricter of the two is what the
//! tests run on, and what neither refuses is looked for in the expressions themselves.

use std::fmt::Write;

use serde_json::{Value, json};
use tests::{show, twin::Twin};

/// An update that is sent.
struct Case {
    name: &'static str,
    update: &'static str,
    more: Value,
    /// What becomes of it in the embedded one.
    embedded: &'static str,
    /// What becomes of it in the other.
    other: &'static str,
    /// What `DynamoDB`'s documentation says of it.
    documented: Documented,
}

/// What `DynamoDB`'s documentation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Documented {
    /// It is taken.
    Taken,
    /// It is refused.
    Refused,
    /// Nothing.
    Nothing,
}

const ACCEPTED: &str = "accepted";
const INVALID: &str = "ValidationException";

fn cases() -> Vec<Case> {
    let one = json!({":one": {"N": "1"}});
    let values = |values: Value| json!({"ExpressionAttributeValues": values});
    let case = |name, update, more, embedded, other| {
        let documented = match name {
            "a well-formed one" => Documented::Taken,
            "the old item without a condition" | "a condition between values" => {
                Documented::Nothing
            }
            _ => Documented::Refused,
        };
        Case { name, update, more, embedded, other, documented }
    };
    let ours = || values(one.clone());
    vec![
        case("a well-formed one", "SET n = :one", ours(), ACCEPTED, ACCEPTED),
        case("three operands in SET", "SET n = n + :one - :one", ours(), INVALID, ACCEPTED),
        case("ADD on a nested path", "ADD m.x :one", ours(), ACCEPTED, ACCEPTED),
        case(
            "an unused name",
            "SET n = :one",
            json!({"ExpressionAttributeValues": one, "ExpressionAttributeNames": {"#z": "z"}}),
            INVALID,
            INVALID,
        ),
        case(
            "an unused value",
            "SET n = :one",
            values(json!({":one": {"N": "1"}, ":z": {"N": "1"}})),
            INVALID,
            INVALID,
        ),
        case("an undefined name", "SET #n = :one", ours(), INVALID, INVALID),
        case("an undefined value", "SET n = :two", json!({}), INVALID, INVALID),
        case("a path twice", "SET n = :one ADD n :one", ours(), INVALID, ACCEPTED),
        case("a path within another", "SET m.x = :one REMOVE m", ours(), INVALID, ACCEPTED),
        case("arithmetic on what is missing", "SET n = q + :one", ours(), INVALID, INVALID),
        case("an empty map of values", "REMOVE q", values(json!({})), INVALID, INVALID),
        case(
            "an empty map of names",
            "REMOVE q",
            json!({"ExpressionAttributeNames": {}}),
            INVALID,
            INVALID,
        ),
        case(
            "the old item without a condition",
            "REMOVE q",
            json!({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
            ACCEPTED,
            ACCEPTED,
        ),
        case("a clause twice", "SET n = :one SET q = :one", ours(), INVALID, ACCEPTED),
        case("an empty update", "", json!({}), INVALID, INVALID),
        case(
            "a change of the key",
            "SET hash_ = :one, #k = :one",
            with_key(&one),
            INVALID,
            INVALID,
        ),
        case("a reserved word", "SET hash = :one", ours(), INVALID, INVALID),
        case("ADD of a text", "ADD q :one", values(json!({":one": {"S": "x"}})), INVALID, INVALID),
        case(
            "a number of 39 digits",
            "SET n = :one",
            values(json!({":one": {"N": "1".repeat(39)}})),
            INVALID,
            INVALID,
        ),
        case(
            "a number that is none",
            "SET n = :one",
            values(json!({":one": {"N": "x"}})),
            INVALID,
            INVALID,
        ),
        case("an empty set", "SET n = :one", values(json!({":one": {"SS": []}})), INVALID, INVALID),
        case(
            "a condition between values",
            "SET n = :one",
            json!({"ExpressionAttributeValues": one, "ConditionExpression": ":one = :one"}),
            ACCEPTED,
            ACCEPTED,
        ),
        case(
            "parentheses twice",
            "SET n = :one",
            json!({"ExpressionAttributeValues": one, "ConditionExpression": "((n = :one))"}),
            INVALID,
            INVALID,
        ),
    ]
}

fn with_key(values: &Value) -> Value {
    json!({"ExpressionAttributeValues": values, "ExpressionAttributeNames": {"#k": "hash"}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_takes_what_is_malformed() {
    let ministack = tokio::task::spawn_blocking(toolchain::ministack).await.unwrap();
    let other = Twin::ministack(&ministack.unwrap_or_else(|error| panic!("{error}"))).await;
    let embedded = Twin::embedded().await;
    let (mut table, mut wrong) = (String::new(), Vec::new());
    for case in cases() {
        let mut row = format!("{:34}", case.name);
        for (twin, expected) in [(&embedded, case.embedded), (&other, case.other)] {
            let stage = twin.stage().await;
            let key = json!({"hash": {"S": "a"}});
            let item = json!({"hash": {"S": "a"}, "n": {"N": "1"}, "m": {"M": {"x": {"N": "1"}}}});
            let put = json!({"TableName": stage.keys(), "Item": item});
            assert_eq!(twin.raw("PutItem", &put).await, ACCEPTED);
            let mut request = json!({"TableName": stage.keys(), "Key": key});
            request["UpdateExpression"] = case.update.into();
            for (name, value) in case.more.as_object().unwrap() {
                request[name] = value.clone();
            }
            let became = twin.raw("UpdateItem", &request).await;
            if became != expected {
                wrong.push(format!("{}: {}: {became}", case.name, twin.name));
            }
            write!(row, " {became:22}").unwrap();
        }
        writeln!(table, "{row} {:?}", case.documented).unwrap();
        // The embedded one is the stricter: it refuses what the other refuses.
        assert!(case.embedded == INVALID || case.other == ACCEPTED, "{}", case.name);
        let lax = case.documented == Documented::Refused && case.embedded == ACCEPTED;
        assert_eq!(lax, case.name == "ADD on a nested path", "{}", case.name);
    }
    show(&format!(
        "{:34} {:22} {:22} documented\n{table}",
        "an update with", embedded.name, other.name
    ));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
