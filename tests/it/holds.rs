//! How much is held for a call against what it costs, over the recordings.

use std::{collections::BTreeMap, fmt::Write};

use shared::{catalogue::Catalogue, money::Markup};
use tests::{
    asked::{self, Asked, Limit},
    recordings::{self, Recording},
};

/// What is held for the request, in pico-dollars.
fn hold(catalogue: &Catalogue, asked: &Asked) -> i128 {
    proxy::most_it_can_cost(catalogue, asked.event().request())
        .unwrap_or_else(|fault| panic!("{}: {fault:?}", asked.path))
        .pico()
}

/// The holds and costs of the recordings, by endpoint.
type Pairs = BTreeMap<String, Vec<(i128, i128)>>;

fn pairs(bytes_per_token: u64, limit: Limit) -> Pairs {
    let catalogue = Catalogue::load(Markup::default()).unwrap();
    let mut pairs = Pairs::new();
    for recording in recordings::all().iter().filter(|it| asked::is_carried(it)) {
        let Recording { cost: Some(cost), .. } = recording else { continue };
        let asked = Asked::for_answer(recording, bytes_per_token, limit);
        let hold = hold(&catalogue, &asked);
        assert!(hold >= cost.pico(), "{}: {hold} is held and {cost} spent", recording.file);
        pairs.entry(recording.endpoint.clone()).or_default().push((hold, cost.pico()));
    }
    pairs
}

/// The hold over the cost at a place between the least, 0, and the greatest, 100, in hundredths.
#[expect(clippy::arithmetic_side_effects, reason = "small numbers, and a panic fails the test")]
fn quantile(pairs: &[(i128, i128)], place: usize) -> Option<i128> {
    let paid = pairs.iter().filter(|(_, cost)| *cost > 0);
    let mut ratios: Vec<_> = paid.map(|(hold, cost)| hold * 100 / cost).collect();
    ratios.sort_unstable();
    let last = ratios.len().checked_sub(1)?;
    ratios.get((last * place).div_ceil(100)).copied()
}

#[test]
fn a_hold_covers_the_cost_of_every_recording_and_is_reported_against_it() {
    // A token that is one byte long is the shortest there is; one of English has about four.
    pairs(1, Limit::Open);
    pairs(1, Limit::Close);
    let (open, close) = (pairs(4, Limit::Open), pairs(4, Limit::Close));
    let mut table =
        String::from("hold / cost           limit set: p50     p99   model's: p50      p99\n");
    for (endpoint, pairs) in &close {
        let show = |pairs: &[_], place| match quantile(pairs, place) {
            Some(ratio) => format!("{}.{:02}", ratio / 100, ratio % 100),
            None => "free".to_owned(),
        };
        let (p50, p99) = (show(pairs, 50), show(pairs, 99));
        let (open50, open99) = (show(&open[endpoint], 50), show(&open[endpoint], 99));
        writeln!(table, "{endpoint:28} {p50:>8} {p99:>7} {open50:>14} {open99:>8}").unwrap();
    }
    tests::show(&table);
}
