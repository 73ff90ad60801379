//! Sequences on the close of hours, and the whole of retention.

use std::num::NonZeroU64;

use shared::{
    catalogue::Catalogue,
    id::CallId,
    limits::Limits,
    log::Log,
    money::{Markup, Pico},
    store::{
        calls::RecordCall,
        keys::{CloseKeys, HoldKey, ListKeys, ReadKeyAccount},
        reports::ReadReports,
        wallet::{ChangeWallet, CloseWallet, ListWallets, ReadWallet, Wallet, WalletClose},
    },
    time::Hour,
};
use tests::twin::Stage;

use super::{
    Sequence, account, asks, asks_key, at, call, hash, hold, hour, key, later, make_key, open,
    over, record, rest::sweep, settle,
};

pub(crate) const SEQUENCES: &[(&str, Sequence)] = &[
    ("a wallet's hour is closed, twice, late and short", |stage| Box::pin(wallets(stage))),
    ("a close takes the books of earlier days away", |stage| Box::pin(earlier(stage))),
    ("the statement's mark moves and goes", |stage| Box::pin(stated(stage))),
    ("a key's hour is closed, twice and late", |stage| Box::pin(keys(stage))),
    ("retention closes, states, tells and sweeps", |stage| Box::pin(retention(stage))),
];

async fn wallet(stage: &Stage) -> Wallet {
    stage.store.read_wallet(&account(1)).await.unwrap().unwrap()
}

async fn close(stage: &Stage, wallet: &Wallet, hour: Hour, out: i128, spent: i128) {
    let close = WalletClose { wallet, hour, out: Pico::new(out), spent: Pico::new(spent) };
    stage.note("close", stage.store.close_hour(&close).await);
}

async fn wallets(stage: &Stage) {
    open(stage).await;
    let (hour, somebody) = (hour(), account(1));
    let next = later(hour, 1);
    let before = wallet(stage).await;
    for (hour, number) in [(hour, 1), (hour, 2), (next, 3), (later(hour, 2), 4)] {
        hold(stage, &asks(&somebody, &call(hour, number)), at(hour, 100)).await;
    }
    let stale = wallet(stage).await;
    stage.note("due", (stale.due(over(hour)), stale.unstated(over(hour))));
    settle(stage, &somebody, &call(hour, 1), 1_000_000, at(hour, 101)).await;
    // As it was before the settle, or before any call, or not the oldest.
    close(stage, &stale, hour, 10_000_000, 5_000_000).await;
    close(stage, &before, hour, 10_000_000, 5_000_000).await;
    close(stage, &wallet(stage).await, next, 5_000_000, 0).await;
    let read = wallet(stage).await;
    close(stage, &read, hour, 9_000_000, 4_000_000).await;
    close(stage, &read, hour, 9_000_000, 4_000_000).await;
    hold(stage, &asks(&somebody, &call(hour, 5)), at(hour, 102)).await;
    settle(stage, &somebody, &call(hour, 2), 1, at(hour, 102)).await;
    // All of it was spent, and then more than was out.
    close(stage, &wallet(stage).await, next, 5_000_000, 5_000_000).await;
    close(stage, &wallet(stage).await, later(hour, 2), 5_000_000, 5_000_001).await;
    stage.note("read", wallet(stage).await);
}

async fn earlier(stage: &Stage) {
    open(stage).await;
    let (hour, somebody) = (hour(), account(1));
    let limits = Limits {
        month: Some(Pico::new(90_000_000)),
        requests: NonZeroU64::new(9),
        ..Limits::default()
    };
    stage.note("limits", stage.store.set_account_limits(&somebody, &limits, at(hour, 90)).await);
    let (day, month) = (later(hour, 24), later(hour, 24 * 31));
    for (hour, number) in [(hour, 1), (day, 2), (month, 3)] {
        hold(stage, &asks(&somebody, &call(hour, number)), at(hour, 100)).await;
        stage.note("read", wallet(stage).await);
    }
    for hour in [hour, day, month] {
        close(stage, &wallet(stage).await, hour, 5_000_000, 1_000_000).await;
    }
    stage.note("read", wallet(stage).await);
}

async fn stated(stage: &Stage) {
    open(stage).await;
    let (hour, somebody) = (hour(), account(1));
    let unstated = wallet(stage).await;
    stage.note("nothing", stage.store.mark_stated(&unstated, None).await);
    let day = later(hour, 24);
    for (hour, number) in [(hour, 1), (day, 2)] {
        hold(stage, &asks(&somebody, &call(hour, number)), at(hour, 100)).await;
    }
    close(stage, &wallet(stage).await, hour, 5_000_000, 0).await;
    let stale = wallet(stage).await;
    stage.note("unstated", stale.unstated(over(hour.day().last())));
    close(stage, &stale, day, 5_000_000, 0).await;
    stage.note("stale", stage.store.mark_stated(&stale, None).await);
    let read = wallet(stage).await;
    stage.note("next", stage.store.mark_stated(&read, Some(hour.day().next())).await);
    stage.note("again", stage.store.mark_stated(&read, Some(hour.day().next())).await);
    stage.note("gone", stage.store.mark_stated(&wallet(stage).await, None).await);
}

async fn keys(stage: &Stage) {
    open(stage).await;
    let hour = hour();
    let limits = Limits {
        total: Some(Pico::new(90_000_000)),
        day: Some(Pico::new(80_000_000)),
        month: Some(Pico::new(85_000_000)),
        ..Limits::default()
    };
    make_key(stage, 1, &limits, &[]).await;
    make_key(stage, 2, &Limits::default(), &[]).await;
    let hash = hash(1);
    let (day, month) = (later(hour, 24), later(hour, 24 * 31));
    let held = async |call: &CallId| {
        let now = at(call.hour(), 100);
        let held = stage.store.hold_key(&asks_key(&hash, call, &limits), &|| now).await;
        stage.note("hold", &held);
        held.unwrap()
    };
    let first = call(hour, 1);
    let taken = held(&first).await;
    let stale = stage.store.read_key_account(&hash).await.unwrap().unwrap();
    let now = at(hour, 101);
    let spent = (Pico::new(2_000_000), 0);
    let settled = stage.store.settle_key(&hash, &first, &taken, spent, &|| now).await;
    stage.note("settle", settled);
    stage.note("stale", stage.store.close_key_hour(&stale, Pico::ZERO).await);
    held(&call(day, 2)).await;
    held(&call(month, 3)).await;
    for spent in [2_000_000, 6_000_000, 1_000_000, 0] {
        let read = stage.store.read_key_account(&hash).await.unwrap().unwrap();
        stage.note("due", read.due(over(month)));
        stage.note("close", stage.store.close_key_hour(&read, Pico::new(spent)).await);
        stage.note("again", stage.store.close_key_hour(&read, Pico::new(spent)).await);
    }
    let page = stage.store.list_keys(0, 1, None).await.unwrap();
    stage.note_sorted("listed", page.items);
}

async fn retention(stage: &Stage) {
    open(stage).await;
    let (hour, somebody) = (hour(), account(1));
    let limits = Limits { total: Some(Pico::new(12_000_000)), ..Limits::default() };
    make_key(stage, 1, &limits, &[]).await;
    make_key(stage, 2, &Limits::default(), &[]).await;
    stage.note("alert", stage.store.set_alert_below(&somebody, Pico::from_dollars(10)).await);
    let catalogue = Catalogue::load(Markup::default());
    let app =
        retention::App::new(stage.store.clone(), catalogue.unwrap(), Log::to(std::io::sink()));
    let report = async |what: &str, now| {
        stage.note(what, app.report(retention::Event::default(), &|| now).await);
    };
    for (hour, number, input) in [(hour, 1, 11), (hour, 2, 12), (later(hour, 1), 3, 13)] {
        let (call, now) = (call(hour, number), at(hour, 100));
        hold(stage, &asks(&somebody, &call), now).await;
        if number == 1 {
            let held = stage.store.hold_key(&asks_key(&hash(1), &call, &limits), &|| now).await;
            stage.note("key", held);
        }
        let record = record(&call, key(number), input, now);
        stage.note("record", stage.store.record_call(&record, None, &|| now).await);
    }
    let lost = call(later(hour, 3), 4);
    let now = at(later(hour, 3), 100);
    let held = stage.store.hold_key(&asks_key(&hash(1), &lost, &limits), &|| now).await;
    stage.note("a key alone", held);
    report("too soon", at(hour, 3_600)).await;
    report("first", over(hour)).await;
    report("again", over(hour)).await;
    report("all hours", over(later(hour, 4))).await;
    report("the day", over(hour.day().last())).await;
    report("again", over(hour.day().last())).await;
    hold(stage, &asks(&somebody, &call(later(hour, 30), 5)), at(later(hour, 30), 1)).await;
    let old = record(&call(later(hour, 30), 5), key(1), 1, at(hour, 1));
    let early = at(later(hour, 30), 2);
    stage.note("record", stage.store.record_call(&old, None, &|| early).await);
    let week = at(later(hour, 7 * 24), 1);
    stage.note("an hour open", sweep(stage, week).await);
    report("a week", at(later(hour, 8 * 24), 0)).await;
    for since in [at(hour, 0), over(later(hour, 4)), at(later(hour, 9 * 24), 0)] {
        stage.note("reports", stage.store.read_reports(since).await);
    }
    let page = stage.store.list_wallets(at(hour, 0), 0, 1, None).await.unwrap();
    stage.note_sorted("listed", page.items);
}
