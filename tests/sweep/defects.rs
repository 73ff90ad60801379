//! Defects of the sweep and of what is read, made on purpose, which the simulation has to notice.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::{
    Table,
    tables::{Change, Query, Write},
};
use simulator::{Mutation, proof};

use super::platform::{Figures, Plan, Platform};

/// How many days it takes at most to notice one.
const DAYS: i64 = 12;

/// A defect, and what it is.
type Defect = (&'static str, fn(Plan) -> Plan);

const fn with(plan: Plan, mutation: Mutation) -> Plan {
    Plan { mutation: Some(mutation), ..plan }
}

/// Whether a query is for what begins so, and leaves out what has ended.
fn shows(query: &Query, kind: &str) -> bool {
    let from = query.terms.values.iter().find(|(name, _)| *name == ":from");
    let from = from.and_then(|(_, value)| value.as_s().ok());
    let of_kind = from.is_some_and(|from| from.starts_with(kind));
    query.table == Table::Calls && of_kind && query.filter.is_some()
}

/// Shows what has ended, too.
fn show_all(query: &mut Query, kind: &str) -> bool {
    let changed = shows(query, kind);
    if changed {
        query.filter = None;
        query.terms.values.retain(|(name, _)| *name != ":now");
    }
    changed
}

/// Has the store refuse to delete what begins so, as if somebody had been faster.
fn keep(write: &mut Write, kind: &str) -> bool {
    let Change::Delete { key } = &write.change else { return false };
    let of_kind = key.get("call").is_some_and(|call| call.as_s().unwrap().starts_with(kind));
    let sweeps = write.terms.values.iter().any(|(name, _)| *name == ":now");
    if of_kind && sweeps {
        write.condition = Some("#expires_at > :now".to_owned());
    }
    of_kind && sweeps
}

/// The item of a put, if it is a run's report.
fn report(write: &mut Write) -> Option<&mut shared::store::tables::Item> {
    let Change::Put(item) = &mut write.change else { return None };
    let of_run = item.get("account").is_some_and(|it| it.as_s().unwrap() == "platform#retention");
    of_run.then_some(item)
}

const ALL: [Defect; 13] = [
    ("a record is shown in the second in which it ends", |plan| {
        with(
            plan,
            Mutation::Query(|query| {
                let changed = shows(query, "call_") || shows(query, "");
                if changed {
                    query.filter = Some("#expires_at >= :now");
                }
                changed
            }),
        )
    }),
    ("records are shown for as long as they are there", |plan| {
        with(plan, Mutation::Query(|query| show_all(query, "call_")))
    }),
    ("roll-ups are shown for as long as they are there", |plan| {
        with(plan, Mutation::Query(|query| show_all(query, "hour_")))
    }),
    ("a record ends a day later than it is said", |plan| {
        with(
            plan,
            Mutation::Custom(|write| {
                let Change::Put(item) = &mut write.change else { return false };
                let record = write.table == Table::Calls && item.contains_key("basis");
                let Some(AttributeValue::N(ends)) = item.get_mut("expires_at").filter(|_| record)
                else {
                    return false;
                };
                *ends = (ends.parse::<i64>().unwrap() + 86_400).to_string();
                true
            }),
        )
    }),
    ("the sweep leaves what ends in its very second", |plan| {
        with(
            plan,
            Mutation::Scan(|scan| {
                let changed = scan.table == Table::Calls;
                if changed {
                    scan.filter = "#expires_at < :now";
                }
                changed
            }),
        )
    }),
    ("roll-ups are not deleted", |plan| with(plan, Mutation::Custom(|write| keep(write, "hour_")))),
    ("markers are not deleted", |plan| with(plan, Mutation::Custom(|write| keep(write, "mark_")))),
    ("the sweep ends with its first page", |plan| {
        with(
            plan,
            Mutation::Found(|table, page| table == Table::Calls && page.next.take().is_some()),
        )
    }),
    ("the sweep passes over the last of a page", |plan| {
        with(
            plan,
            Mutation::Found(|table, page| table == Table::Calls && page.items.pop().is_some()),
        )
    }),
    ("the sweep goes through half of the table", |plan| {
        with(
            plan,
            Mutation::Scan(|scan| {
                let changed = scan.table == Table::Calls;
                if changed {
                    scan.segments = 2;
                }
                changed
            }),
        )
    }),
    ("a report says that nothing was deleted", |plan| {
        with(
            plan,
            Mutation::Custom(|write| {
                let Some(item) = report(write) else { return false };
                let none = AttributeValue::N("0".to_owned());
                item.insert("deleted_records".to_owned(), none.clone()) != Some(none)
            }),
        )
    }),
    ("a report does not say how old the oldest was", |plan| {
        with(
            plan,
            Mutation::Custom(|write| {
                report(write).is_some_and(|item| item.remove("oldest_found").is_some())
            }),
        )
    }),
    ("retention runs once an hour", |plan| Plan { minutes: &[25], spare: 1, bursts: 2, ..plan }),
];

/// Whether a defect is of the sweep, of what is read, or of what a run says of itself.
fn kind(name: &str) -> &'static str {
    if name.contains("report") {
        "report"
    } else if name.contains("shown") {
        "read"
    } else {
        "sweep"
    }
}

#[test]
fn each_defect_is_noticed() {
    let (mut table, mut unnoticed) = (String::new(), Vec::new());
    let plan = || Plan { busy: &[20, 8, 2], bursts: 4, ..Plan::new(3, DAYS) };
    // Without a defect there is nothing to notice.
    assert_eq!(Platform::simulate(plan()).violations, Vec::<String>::new());
    let chosen = proof::chosen(&ALL, |(name, _)| kind(name));
    for (name, defect) in &chosen {
        let Figures { violations, mutated, .. } = Platform::simulate(defect(plan()));
        match violations.first() {
            Some(first) => table.push_str(&format!("{name:50} {first}\n")),
            None => {
                unnoticed.push(format!("{name}, {}", if mutated { "made" } else { "not made" }))
            }
        }
    }
    let noticed = chosen.len() - unnoticed.len();
    simulator::show(&format!(
        "{} defects of {}, {noticed} noticed\n{table}",
        chosen.len(),
        ALL.len()
    ));
    assert!(unnoticed.is_empty(), "nobody noticed: {unnoticed:#?}");
}
