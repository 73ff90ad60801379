//! Sequences on markers, entries, records and what is summed of them.

use std::ops::ControlFlow;

use shared::{
    catalogue::Catalogue,
    id::CallId,
    key::IdempotencyTag,
    money::{Markup, Pico},
    period::Period,
    store::{
        alerts::{About, Alert, PutAlerts},
        calls::{
            Basis, OldestRecord, ReadCall, ReadCalls, ReadSpan, Record, RecordCall, Span,
            SweepCalls, Swept, Wanted,
        },
        ledger::{Entry, EntryKind, PostEntry, ReadEntries},
        lines::{Line, Lines, PutLines, ReadLines},
        markers::{MarkCall, Marker},
        rollups::{PutRollups, ReadRollups, Rollup, Rollups},
        tables::Order,
    },
    time::Timestamp,
};
use tests::twin::Stage;

use super::{Sequence, account, at, call, hour, key, later, open, over, record};

pub(crate) const SEQUENCES: &[(&str, Sequence)] = &[
    ("a marker is first, taken, void, expired and replaced", |stage| Box::pin(markers(stage))),
    ("an entry is posted once, or not", |stage| Box::pin(entries(stage))),
    ("records are written, read and swept", |stage| Box::pin(records(stage))),
    ("roll-ups, lines and alerts are written twice", |stage| Box::pin(sums(stage))),
    ("an hour of more than one page", |stage| Box::pin(pages(stage))),
];

async fn markers(stage: &Stage) {
    let (hour, account) = (hour(), account(1));
    let tag = IdempotencyTag::parse(&"a".repeat(64)).unwrap();
    let mark = async |call: &CallId, instead_of: Option<CallId>, now: Timestamp| {
        let until = at(call.hour(), 900);
        let marker = Marker { account: &account, tag: &tag, call, until, instead_of };
        stage.note("mark", stage.store.mark_call(&marker, now).await);
    };
    let void = async |call: &CallId, now: Timestamp| {
        let until = at(call.hour(), 900);
        let marker = Marker { account: &account, tag: &tag, call, until, instead_of: None };
        stage.note("void", stage.store.void_mark(&marker, now).await);
    };
    let calls: Vec<_> = (0..6).map(|number| call(hour, number)).collect();
    void(&calls[0], at(hour, 99)).await;
    mark(&calls[0], None, at(hour, 100)).await;
    mark(&calls[0], None, at(hour, 101)).await;
    mark(&calls[1], None, at(hour, 102)).await;
    void(&calls[1], at(hour, 102)).await;
    void(&calls[0], at(hour, 102)).await;
    void(&calls[0], at(hour, 103)).await;
    // What comes late brings nothing back.
    mark(&calls[0], None, at(hour, 103)).await;
    mark(&calls[2], None, at(hour, 103)).await;
    mark(&calls[3], Some(calls[0].clone()), at(hour, 104)).await;
    mark(&calls[3], Some(calls[2].clone()), at(hour, 105)).await;
    mark(&calls[4], None, at(later(hour, 24), 104)).await;
    mark(&calls[5], None, at(later(hour, 24), 105)).await;
}

async fn entries(stage: &Stage) {
    let account = account(1);
    let post = async |kind: EntryKind, reference: &str, amount: i128, seconds: u64| {
        let entry = Entry::new(&account, kind, reference, Pico::new(amount)).unwrap();
        stage.note(reference, stage.store.post_entry(&entry, at(hour(), seconds)).await);
    };
    post(EntryKind::TopUp, "early", 5, 1).await;
    post(EntryKind::Refund, "early", 5, 1).await;
    open(stage).await;
    let more = |pico| Pico::from_dollars(10).and(Pico::new(pico)).pico();
    post(EntryKind::TopUp, "a", 5, 70).await;
    post(EntryKind::TopUp, "a", 5, 71).await;
    post(EntryKind::TopUp, "a", 6, 72).await;
    post(EntryKind::Refund, "a", more(6), 73).await;
    post(EntryKind::Refund, "a", more(5), 74).await;
    post(EntryKind::Adjustment, "a", -1, 75).await;
    post(EntryKind::Adjustment, "b", Pico::from_dollars(1_000_000_000).pico(), 76).await;
    post(EntryKind::Adjustment, "c", -7, 77).await;
    stage.note("entries", stage.store.read_entries(&account).await);
}

async fn records(stage: &Stage) {
    let (hour, account) = (hour(), account(1));
    let store = &stage.store;
    let calls: Vec<_> = (0..4).map(|number| call(later(hour, number.into()), number)).collect();
    stage.note("oldest", store.oldest_record(&account).await);
    for (input, call) in (1..).zip(&calls) {
        let now = at(call.hour(), 100);
        let record = record(call, key(1), input, now);
        stage.note("record", store.record_call(&record, None, &|| now).await);
        stage.note("again", store.record_call(&record, None, &|| now).await);
    }
    let late = record(&calls[0], key(1), 9, at(hour, 1));
    stage.note("late", store.record_call(&late, None, &|| over(hour)).await);
    for limit in [1, 3, 100] {
        let wanted = Wanted::newest(limit);
        stage.note("read", store.read_calls(&account, &wanted, at(hour, 9_000)).await);
    }
    let week = at(later(hour, 7 * 24), 100);
    stage.note("read", store.read_calls(&account, &Wanted::newest(100), week).await);
    for order in [Order::Rising, Order::Falling] {
        let mut after = None;
        // A page at a time, and the one that has nothing any more.
        for _ in 0..3 {
            let wanted = Wanted { span: Span::ALL, order, after, limit: Some(2) };
            let read = store.read_calls(&account, &wanted, at(hour, 9_000)).await.unwrap();
            after = read.next.clone().or(Some(calls[0].clone()));
            stage.note("page", read);
        }
    }
    stage.note("one", store.read_call(&account, &calls[2], at(hour, 9_000)).await);
    stage.note("none", store.read_call(&account, &call(hour, 9), at(hour, 9_000)).await);
    stage.note("forgotten", store.read_call(&account, &calls[0], week).await);
    for span in [Span::hour(hour), Span::day(hour.day()), Span::day(hour.day().next())] {
        let mut records = Vec::new();
        let read = store.read_span(&account, span, |record| records.push(record.clone())).await;
        stage.note("span", (read, records));
    }
    for moment in [at(later(hour, 7 * 24), 99), week, week, at(later(hour, 8 * 24), 0)] {
        stage.note("sweep", sweep(stage, moment).await);
        stage.note("oldest", store.oldest_record(&account).await);
    }
    stage.note("nothing", sweep(stage, week).await);
}

async fn sums(stage: &Stage) {
    let (hour, account) = (hour(), account(1));
    let catalogue = Catalogue::load(Markup::default()).unwrap();
    let mut records: Vec<_> = (0..5_u32)
        .map(|number| record(&call(hour, number), key(number % 2), number.into(), at(hour, 1)))
        .collect();
    records[1].status = 500;
    records[2].basis = Basis::Estimated;
    records[3].price_version = catalogue.version().to_owned();
    let (mut lines, mut rollups) = (Lines::default(), Rollups::default());
    for record in &records {
        rollups.add(hour, record, &catalogue);
    }
    for rollup in rollups.all() {
        lines.add(rollup, u32::from(rollup.key == key(1)));
    }
    let budget = |key, percent| About::Budget { key, period: Period::Day, percent };
    let alerts = [About::LowBalance, budget(None, 50), budget(Some(key(1)), 100)].map(|about| {
        let (amount, limit) = (Pico::new(-1), Pico::from_dollars(1));
        Alert { account: account.clone(), hour, about, amount, limit }
    });
    for _ in 0..2 {
        stage.note("roll-ups", stage.store.put_rollups(&rollups).await);
        stage.note("lines", stage.store.put_lines(&lines).await);
        stage.note("alerts", stage.store.put_alerts(&alerts, over(hour)).await);
    }
    let days = (hour.day(), hour.day());
    let (mut read_lines, mut read_rollups) = (Vec::new(), Vec::new());
    let add = |line: &Line| {
        read_lines.push(line.clone());
        ControlFlow::Continue(())
    };
    assert!(stage.store.read_lines(&account, days, add).await.unwrap().is_continue());
    let add = |rollup: &Rollup| {
        read_rollups.push(rollup.clone());
        ControlFlow::Continue(())
    };
    let read = stage.store.read_rollups(&account, (hour, hour), at(hour, 2), add).await;
    assert!(read.unwrap().is_continue());
    assert!(lines.all().eq(&read_lines) && rollups.all().eq(&read_rollups));
    let week = at(later(hour, 7 * 24), 0);
    let none = |_: &Rollup| panic!("a roll-up that is seven days old");
    let read = stage.store.read_rollups(&account, (hour, hour), week, none).await;
    assert!(read.unwrap().is_continue());
    stage.note("lines", read_lines);
    stage.note("roll-ups", read_rollups);
    let wanted = Wanted::newest(100);
    let read = stage.store.read_calls(&account, &wanted, at(hour, 2)).await;
    stage.note("no record is a roll-up", read);
}

async fn pages(stage: &Stage) {
    let (hour, account) = (hour(), account(1));
    let now = at(hour, 100);
    for number in 0..24 {
        let mut record = record(&call(hour, number), key(1), number.into(), now);
        record.model = "m".repeat(60_000);
        stage.store.record_call(&record, None, &|| now).await.unwrap();
    }
    let mut calls = Vec::new();
    let add = |record: &Record| calls.push(record.call.as_str().to_owned());
    stage.store.read_span(&account, Span::hour(hour), add).await.unwrap();
    stage.note("read", calls);
    stage.note("sweep", sweep(stage, at(later(hour, 7 * 24), 100)).await);
}

/// Sweeps every page, and says what that came to.
pub(super) async fn sweep(stage: &Stage, now: Timestamp) -> Swept {
    let mut all = Swept::default();
    loop {
        let swept = stage.store.sweep_calls(now, 0, 1, all.next.take()).await.unwrap();
        all.deleted = all.deleted.saturating_add(swept.deleted);
        all.unclosed = all.unclosed.saturating_add(swept.unclosed);
        all.failed = all.failed.saturating_add(swept.failed);
        all.oldest_found = all.oldest_found.max(swept.oldest_found);
        all.oldest_left = all.oldest_left.max(swept.oldest_left);
        all.next = swept.next;
        if all.next.is_none() {
            return all;
        }
    }
}
