//! The sum law: records, roll-ups, statement lines, every report and the balance agree, to the unit.
//!
//! Thousands of calls are made over simulated days, of every class, tier and kind, by the product's own
//! code on the simulated store; retention runs every hour. Now and then every report is asked, in every
//! grouping and every width of its buckets, page by page, and compared with what the calls themselves
//! say, added up here in another way. `SUMS_CALLS=N` makes so many calls in place of the usual number.

#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "an overflow is a panic, and a failed test")]

mod ledger;
mod truth;

use std::{collections::BTreeSet, time::Duration};

use shared::{fault::Fault, time::Timestamp};
use simulator::proof;
use usage::Bounds;

use self::{
    ledger::Ledger,
    truth::{Shape, Truth},
};

/// Every set of these.
fn subsets<'a>(of: &[&'a str]) -> Vec<Vec<&'a str>> {
    let pick = |mask: usize| {
        let picked = of.iter().enumerate().filter(move |(at, _)| mask & (1 << at) != 0);
        picked.map(|(_, name)| *name).collect()
    };
    (0..1 << of.len()).map(pick).collect()
}

#[test]
fn every_sum_of_use_agrees_with_the_calls_to_the_unit() {
    agree(7, &Shape::USAGE);
}

#[test]
fn every_sum_of_costs_agrees_with_the_calls_and_the_balance_to_the_unit() {
    agree(8, &Shape::OTHERS);
}

fn agree(seed: u64, shapes: &[Shape]) {
    let mut ledger = Ledger::open(seed);
    let (count, mut asked) = (proof::size("SUMS_CALLS", 2_000, 10_000), 0);
    // Twelve days, whatever the number of calls.
    let apart = 12 * 86_400 * 1_000 / u64::try_from(count).unwrap();
    for number in 1..=count {
        let pause = ledger.below(2 * apart);
        ledger.pass(Duration::from_millis(pause));
        ledger.call();
        // Once in every way there is, and often in one.
        if number == count {
            asked += every_report(&mut ledger, shapes, usize::MAX);
        } else if number % (count / 6).max(1) == 0 {
            asked += every_report(&mut ledger, shapes, 1);
        }
    }
    ledger.pass(Duration::from_secs(26 * 3_600));
    asked += every_report(&mut ledger, shapes, 1);
    simulator::show(&format!(
        "{count} calls over {} days, {} of them forgotten, of {} classes, {} price versions and {} \
         models: {asked} pages of {shapes:?} agree",
        ledger.days(),
        ledger.forgotten(),
        ledger.classes(),
        ledger.price_versions(),
        ledger.models(),
    ));
    assert!(ledger.forgotten() > count / 5 && ledger.classes() > 15);
    assert!(ledger.price_versions() > 4);
}

/// The times that are asked for.
#[derive(Clone, Copy)]
enum Span {
    /// From the first call on.
    All,
    /// The last seven days, to the second.
    Week,
    /// A little more than a day.
    Recent,
    /// Ends that cut days of which everything is forgotten, or some.
    Old,
    /// Anything that cuts hours and days: within seven days that is exact.
    Cut,
}

impl Span {
    fn of(self, ledger: &mut Ledger) -> (Timestamp, Option<Timestamp>) {
        let (now, week) = (ledger.now(), 7 * 86_400);
        let ago = |seconds| now.minus(Duration::from_secs(seconds));
        match self {
            Self::All => (ledger.first(), None),
            Self::Week => (ago(week), None),
            Self::Recent => (ago(25 * 3_600 + 7), None),
            Self::Old => {
                let (from, to) = (week + ledger.below(4 * 86_400), ledger.below(9 * 86_400));
                let from = ago(from.max(to + 1)).max(Timestamp::from_seconds(0));
                (from, Some(ago(to.min(week + 80_000))))
            }
            Self::Cut => {
                let (one, other) = (ledger.below(week), ledger.below(week));
                (ago(one.max(other) + 1), Some(ago(one.min(other))))
            }
        }
    }
}

/// Asks for everything, in so many groupings at most, and returns how many pages that took.
fn every_report(ledger: &mut Ledger, shapes: &[Shape], most: usize) -> usize {
    let asked = [
        ("1d", Some(31), Span::All),
        ("1d", Some(2), Span::Cut),
        ("1d", Some(9), Span::Old),
        ("1h", Some(168), Span::Week),
        ("1h", None, Span::Cut),
        ("1m", Some(1_440), Span::Recent),
    ];
    let mut pages = 0;
    for shape in shapes {
        for (width, limit, span) in asked {
            let cut = matches!(span, Span::Cut);
            if shape.days_alone() && width != "1d" || cut && most == usize::MAX {
                continue;
            }
            let mut groupings = subsets(shape.dimensions());
            while groupings.len() > most {
                let end = u64::try_from(groupings.len()).unwrap();
                groupings.swap_remove(usize::try_from(ledger.below(end)).unwrap());
            }
            for grouping in groupings {
                let truth = Truth { shape: *shape, width, grouping: &grouping };
                let span = span.of(ledger);
                pages += ledger.agrees(&truth, span, limit);
            }
        }
    }
    ledger.balance_agrees();
    ledger.records_agree();
    pages
}

#[test]
fn at_seven_days_to_the_second_a_record_is_in_no_answer() {
    for closed in [false, true] {
        let mut ledger = Ledger::open(9);
        ledger.call();
        // The list of records may miss the last second.
        ledger.pass(Duration::from_secs(if closed { 3 * 3_600 } else { 5 }));
        for (life, told) in [(7 * 86_400 - 1, 1), (7 * 86_400, 0), (7 * 86_400 + 1, 0)] {
            let now = Timestamp::from_seconds(ledger.first().seconds() + life);
            assert_eq!(ledger.told_at(now), [told; 3], "{life} seconds");
            // DynamoDB still holds it.
            assert_eq!(ledger.stored(), 1);
        }
    }
}

#[test]
fn an_answer_that_would_read_too_much_ends_sooner_and_says_where_to_go_on() {
    let mut ledger = Ledger::open(10);
    // Three days, and an hour that is not closed with more calls than are read for an answer, several
    // of them in a second.
    for pause in [7_800, 2].map(Duration::from_secs) {
        for number in 0..100 {
            ledger.call();
            ledger.pass(if number % 3 == 0 { pause } else { Duration::from_millis(100) });
        }
    }
    let span = (ledger.first(), None);
    let bounds = Bounds { pages_of_minutes: 4, pages: 6, items: 160, sums: 20 };
    for (page, bounds) in [
        (2, Bounds { items: usize::MAX, sums: usize::MAX, ..bounds }),
        (1_500, Bounds { sums: usize::MAX, ..bounds }),
        (1_500, Bounds { items: usize::MAX, ..bounds }),
    ] {
        let mut pages = [0; 2];
        for shape in Shape::USAGE.into_iter().chain(Shape::OTHERS) {
            let grouping = &shape.dimensions()[..1];
            let widths = if shape.days_alone() { ["1d"].as_slice() } else { &["1d", "1h", "1m"] };
            let most = |width: &str| if width == "1d" { 31 } else { 168 };
            for width in widths {
                let truth = Truth { shape, width, grouping };
                for (bounds, pages) in [Bounds::USUAL, bounds].into_iter().zip(&mut pages) {
                    ledger.set_bounds(page, bounds);
                    *pages += ledger.agrees(&truth, span, Some(most(width)));
                }
            }
        }
        assert!(pages[1] > pages[0], "{bounds:?}: {pages:?} pages");
    }
}

#[test]
fn a_bucket_of_more_than_is_read_for_an_answer_is_refused() {
    let mut ledger = Ledger::open(11);
    for _ in 0..50 {
        ledger.call();
        ledger.pass(Duration::from_secs(60));
    }
    ledger.pass(Duration::from_secs(3 * 86_400));
    let query = [("start_time", ledger.first().seconds().to_string()), ("limit", "31".to_owned())];
    let query = query.map(|(name, value)| (name.to_owned(), value));
    for bounds in [Bounds { items: 5, ..Bounds::USUAL }, Bounds { sums: 0, ..Bounds::USUAL }] {
        ledger.set_bounds(1_500, bounds);
        let refused = ledger.refusal("/v1/organization/usage/completions", &query);
        assert_eq!(refused, Some(Fault::QueryTooLarge));
    }
    ledger.set_bounds(1_500, Bounds::USUAL);
    assert_eq!(ledger.refusal("/v1/organization/usage/completions", &query), None);
}

#[test]
fn subsets_are_all_there_are() {
    let all = subsets(&["a", "b", "c"]);
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 8);
}
