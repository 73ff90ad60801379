//! Each condition of a write and each rule, removed in turn: the checks have to notice.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::{
    Table::{self, Accounts, Keys, Ledger},
    tables::{Change, Write},
};
use simulator::Mutation;

use super::{
    bank::Defect,
    ending, faults, in_parallel, rush,
    schedule::{Outcome, Plan},
};

/// How many schedules there are to notice a defect in.
const SCHEDULES: u64 = 6_000;

/// What is removed.
#[derive(Clone, Copy)]
enum Removed {
    Condition(Mutation),
    Rule(Defect),
}

const fn condition(table: Table, write_contains: &'static str, clause: &'static str) -> Removed {
    Removed::Condition(Mutation::DropClause { table, write_contains, clause })
}

/// Has a conditional write of this table go through, whatever is there.
const fn blindly(change: fn(&mut Write) -> bool) -> Removed {
    Removed::Condition(Mutation::Custom(change))
}

fn unconditional(write: &mut Write) -> bool {
    let had = write.condition.take().is_some();
    if had {
        write.terms.names.clear();
        write.terms.values.clear();
    }
    had
}

/// What each is called, and how it is removed.
fn all() -> Vec<(&'static str, Removed)> {
    // A hold of a wallet asks for consent, and no other write does.
    let wallet = "#consent";
    let hold = "#last = :call";
    let settle = "ADD #balance :plus";
    let close = "#closed = :hour";
    vec![
        ("hold: the hour is open", condition(Accounts, wallet, "#closed < :hour")),
        ("hold: the balance covers it", condition(Accounts, wallet, "#balance >= :plus")),
        ("hold: the account is active", condition(Accounts, wallet, "#state = :active")),
        ("hold: consent is given", condition(Accounts, wallet, "#consent >= :policy")),
        (
            "hold: the key was read after the mark",
            condition(Accounts, wallet, "#auth_after < :key"),
        ),
        ("hold: the mark has not moved since", condition(Accounts, wallet, "#auth_after = :key")),
        ("hold: it was not placed before", condition(Accounts, wallet, "#last <> :call")),
        ("hold: the month's limit covers it", condition(Accounts, wallet, "#left_month >= :plus")),
        ("hold: the minute has a call left", condition(Accounts, wallet, "#left_requests >= :one")),
        ("hold: the minute has not turned yet", condition(Accounts, wallet, "#minute < :minute")),
        (
            "close: a minute that is counted is not forgotten",
            condition(Accounts, close, "attribute_not_exists(#limit_requests)"),
        ),
        (
            "hold: the minute begins under the limit there is",
            condition(Accounts, wallet, "#limit_requests = :limit_requests"),
        ),
        ("hold: the month is not open yet", condition(Accounts, wallet, "(#left_month)")),
        ("settle: the hour is open", condition(Accounts, settle, "#closed < :hour")),
        ("close: what is out is what was read", condition(Accounts, close, "#out = :out")),
        (
            "statement: nothing was closed since",
            condition(Accounts, "#unstated", "#closed = :closed"),
        ),
        (
            "limits: they are those that were read",
            condition(Accounts, "#limit_month", "#limit_month)"),
        ),
        (
            "limits: they are those that were read, again",
            condition(Accounts, "#limit_month", ":old_month"),
        ),
        (
            "limits: the month is as open as it was",
            condition(Accounts, "#limit_month", "_exists(#left_month)"),
        ),
        ("key: the hour is open", condition(Keys, hold, "#closed < :hour")),
        ("key: the budget covers it", condition(Keys, hold, "#left_total >= :plus")),
        ("key: the day covers it", condition(Keys, hold, "#left_day >= :plus")),
        ("key: it was not placed before", condition(Keys, hold, "#last <> :call")),
        ("key: the minute has a call left", condition(Keys, hold, "#left_requests >= :one")),
        ("key: the minute has tokens left", condition(Keys, hold, "#left_tokens >= :tokens")),
        ("key: the slot is free", condition(Keys, hold, "#slot")),
        ("key: the hour is open for a settle", condition(Keys, "#out :minus", "#closed < :hour")),
        ("key: the close is of what was read", condition(Keys, close, "#out = :out")),
        ("entry: it was not entered before", condition(Ledger, "#entry", "#entry")),
        ("entry: the balance covers a debit", condition(Accounts, ":amount", "#balance >= :least")),
        ("entry: there is such a wallet", condition(Accounts, ":amount", "attribute_exists")),
        (
            "ending: an account that is closed stays so",
            condition(Accounts, "SET #state = :state", "#state <> :closing"),
        ),
        (
            "ending: the balance is what was read",
            condition(Accounts, "#balance = :balance", "#balance = :balance"),
        ),
        ("ending: a key is deleted once", condition(Keys, "(#hash)", "attribute_exists(#hash)")),
        (
            "ending: a line is written once",
            blindly(|write| {
                let Change::Put(item) = &write.change else { return false };
                let is_line = item.get("kind") == Some(&AttributeValue::S("line".to_owned()));
                is_line && unconditional(write)
            }),
        ),
        (
            "named: there is no other",
            blindly(|write| {
                let Change::Update { update, .. } = &write.change else { return false };
                let marks = update.contains("#until");
                if marks {
                    write.condition = None;
                    write.terms.values.retain(|(name, _)| !matches!(*name, ":now" | ":instead"));
                }
                marks
            }),
        ),
        (
            "no item is made by a change",
            blindly(|write| {
                let Change::Update { update, .. } = &write.change else { return false };
                update.starts_with("SET #state = :state") && unconditional_but(write, ":state")
            }),
        ),
        (
            "a settle of unknown outcome is not sent again",
            Removed::Condition(Mutation::RepeatUnknown),
        ),
        ("a close reads strongly", Removed::Condition(Mutation::Eventual)),
        ("nothing is written for an hour long past", Removed::Rule(Defect::StoppedClock)),
        ("an hour is closed when nothing can come any more", Removed::Rule(Defect::EarlyClose)),
        ("hours are closed oldest first", Removed::Rule(Defect::NewestFirst)),
        ("nobody is charged more than was held", Removed::Rule(Defect::ChargeBeyondHold)),
        ("a revocation moves the mark", Removed::Rule(Defect::NoMark)),
        ("a revocation moves the mark last", Removed::Rule(Defect::MarkFirst)),
        ("a call that is named is noted", Removed::Rule(Defect::NoMarker)),
        (
            "a call in flight is not void",
            blindly(|write| {
                let mut values = write.terms.values.iter_mut();
                let until = values.find(|(name, _)| *name == ":until");
                let marks = write.table == Table::Calls;
                if let Some((_, value)) = until.filter(|_| marks) {
                    *value = AttributeValue::N("0".to_owned());
                    return true;
                }
                false
            }),
        ),
    ]
}

/// Takes the condition away, and every value that is not `kept`.
fn unconditional_but(write: &mut Write, kept: &str) -> bool {
    let values = write.terms.values.clone();
    let had = unconditional(write);
    write.terms.values = values.into_iter().filter(|(name, _)| *name == kept).collect();
    had
}

/// The first schedule in which the checks notice, what they notice, and whether anything was
/// changed at all. What is about revocation is looked for in races.
fn notice(name: &str, removed: Removed) -> (Option<(u64, String)>, bool) {
    let mut mutated = false;
    for seed in 0..SCHEDULES {
        let (mutation, defect) = match removed {
            Removed::Condition(mutation) => (Some(mutation), None),
            Removed::Rule(defect) => (None, Some(defect)),
        };
        let violations = if name.contains("mark") {
            mutated = true;
            rush::race(seed, defect, mutation).0
        } else if name.contains("statement") {
            mutated = true;
            rush::state(seed, mutation).0
        } else if name.contains("ending") {
            mutated = true;
            ending::end(seed, mutation).0
        } else if name.contains("forgotten") || name.contains("limit there is") {
            mutated = true;
            rush::relimit(seed, mutation).0
        } else {
            let plan = Plan::new(seed, faults(seed)).with(mutation, defect);
            let Outcome { violations, mutated: changed, .. } = plan.run();
            mutated |= changed;
            violations
        };
        if let Some(first) = violations.into_iter().next() {
            return (Some((seed, first)), mutated);
        }
    }
    (None, mutated)
}

#[test]
fn each_condition_and_each_rule_that_is_removed_is_noticed() {
    let all = all();
    let mut table = String::new();
    let mut unnoticed = Vec::new();
    in_parallel(
        u64::try_from(all.len()).unwrap(),
        |at| {
            let (name, removed) = all[usize::try_from(at).unwrap()];
            (name, notice(name, removed))
        },
        |(name, (noticed, mutated))| match noticed {
            Some((seed, first)) => {
                table.push_str(&format!("{name:50} schedule {seed:4}: {first}\n"));
            }
            None if mutated => unnoticed.push(name.to_owned()),
            None => unnoticed.push(format!("{name} (nothing was changed)")),
        },
    );
    simulator::show(&format!(
        "{} removed, {} noticed\n{table}",
        all.len(),
        all.len() - unnoticed.len()
    ));
    assert!(unnoticed.is_empty(), "nobody noticed: {unnoticed:#?}");
}
