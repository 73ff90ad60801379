//! Seven days, simulated: the product's own calls, closes, sweeps and answers over thirty days, with a
//! TTL that deletes late or never, and runs of retention that crash wherever they wait, do not come,
//! or find a store that refuses or loses what it is asked.
//!
//! Nothing is in an answer from the second on in which it is seven days old. Nothing is in the table
//! more than two hours longer, also where two runs in a row have failed. After more of them the next
//! good run makes it true again. And what each run says of itself is what was counted beside it.
//! `SWEEP_SEED=N` simulates another month, and `SWEEP_DAYS=N` a longer or shorter one.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "an overflow is a panic, and a failed test")]

mod defects;
mod platform;
mod truth;

use std::time::Instant;

use simulator::proof::setting;

use self::platform::{Figures, Plan, Platform};

fn table(figures: &Figures, days: i64) -> String {
    let Figures { counts, .. } = figures;
    let rows = [
        ("calls", figures.calls),
        ("records, roll-ups and markers written", counts.records + counts.rollups + counts.markers),
        ("of them deleted by the sweep", counts.swept),
        ("by DynamoDB's own expiry, late", counts.expired),
        ("with their accounts", counts.erased),
        ("runs that did all that was due", figures.good),
        ("runs that crashed", figures.crashed),
        ("runs that did not come", figures.missed),
        ("runs that left something", figures.failed),
        ("runs that failed in a row, at most", u64::from(figures.in_a_row)),
        ("runs whose line and report are what was counted", figures.compared),
        ("lines that raise RecordsOverdue", figures.alarms),
        ("answers looked at", figures.answers),
        ("records asked for at 604,799 seconds", figures.last_second),
        ("and at 604,800", figures.first_second),
        ("of those still in the table, and not shown", figures.still_there),
    ];
    let mut table = format!(
        "{days} days of the sweep, {} calls, {} violations\n",
        figures.calls,
        figures.violations.len()
    );
    for (what, count) in rows {
        table.push_str(&format!("{what:50} {count:>8}\n"));
    }
    let minutes = |seconds: i64| format!("{} min {:02} s", seconds / 60, seconds % 60);
    for (what, seconds) in [
        ("longest in the table beyond its end", figures.worst),
        ("the same where three runs in a row had failed", figures.worst_outage),
    ] {
        table.push_str(&format!("{what:50} {:>8}\n", minutes(seconds)));
    }
    table
}

#[test]
fn nothing_is_readable_at_seven_days_and_nothing_is_there_two_hours_later() {
    let (start, days) = (Instant::now(), setting("SWEEP_DAYS").unwrap_or(30));
    let figures = Platform::simulate(Plan::new(setting("SWEEP_SEED").unwrap_or(1), days));
    simulator::show(&format!("{}in {:.0?}", table(&figures, days), start.elapsed()));
    assert!(figures.violations.is_empty(), "{:#?}", figures.violations);
    assert!(figures.first_second > 0 && figures.last_second > 0 && figures.still_there > 0);
    if days >= 30 {
        assert!(figures.in_a_row > 2 && figures.worst_outage > 7_200 && figures.alarms > 0);
        assert!(figures.counts.erased > 0 && figures.counts.expired > 0);
    }
}

#[test]
fn what_no_statement_has_counted_is_left_and_the_report_says_how_much_and_how_old() {
    let plan = Plan {
        busy: &[20, 4],
        fails: [10, 0, 0, 0],
        outages: &[],
        unstated: (1, 9),
        ..Plan::new(2, 11)
    };
    let figures = Platform::simulate(plan);
    simulator::show(&table(&figures, plan.days));
    assert!(figures.violations.is_empty(), "{:#?}", figures.violations);
    assert!(figures.unclosed > 0 && figures.alarms > 0 && figures.failed > 7 * 48);
    // And then it is as it was.
    assert!(figures.good > 48);
}
