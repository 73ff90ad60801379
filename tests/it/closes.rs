//! The close of the hour: what it returns, writes and tells, and that it can be done twice.

use std::{sync::Arc, time::Duration};

use futures_util::future::join;
use retention::Event;
use shared::{
    endpoint::EndpointType,
    id::{CallId, KeyId},
    limits::Limits,
    money::{Pico, Price},
    provider::Provider,
    store::{
        Store,
        calls::{Basis, Record, RecordCall, SweepCalls},
        keys::{HoldKey, KeyHold, KeysOf},
        wallet::{ChangeWallet, Hold, HoldError, KeyRead, MoveMoney, State},
    },
    time::{Hour, Timestamp},
    units::{UnitClass, Units},
};
use tests::world::{LimitedKey, World};

const HELD: Pico = Pico::new(5_000_000);

/// An hour that is over.
fn an_hour() -> Hour {
    Timestamp::now().hour().previous().previous()
}

fn within(hour: Hour) -> Timestamp {
    hour.start().plus(Duration::from_secs(60))
}

/// When an hour is closed.
fn after(hour: Hour) -> Timestamp {
    hour.end().plus(Duration::from_secs(25 * 60))
}

/// Holds for a call in `hour`, and writes a record of what it cost if it cost anything.
async fn call(world: &World, hour: Hour, key: &KeyId, input: Option<u64>) -> CallId {
    let now = within(hour);
    let account = world.account();
    let call = CallId::new(now).unwrap();
    let hold = Hold {
        account: &account,
        call: &call,
        amount: HELD,
        provider: Provider::OpenAi,
        policy: 1,
        key: KeyRead::At(now),
    };
    world.store().hold(&hold, &|| now).await.unwrap();
    if let Some(input) = input {
        let units = Units::default().with(UnitClass::Input, input);
        let record = Record {
            account: account.clone(),
            call: call.clone(),
            time: now,
            model: "gpt-5-mini".to_owned(),
            cost: Price::new(250_000).of(input),
            units,
            endpoint: EndpointType::ChatCompletions,
            status: 200,
            key: key.clone(),
            price_version: world.price_version(),
            basis: Basis::Reported,
        };
        world.store().record_call(&record, None, &|| now).await.unwrap();
    }
    call
}

/// Sets the wallet's watermark back, so that hours that are over take calls.
async fn open(world: &World, hour: Hour) {
    let before = hour.previous().to_string();
    world.set_wallet("closed", aws_sdk_dynamodb::types::AttributeValue::N(before)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_close_returns_what_no_record_says_was_spent_and_writes_what_was() {
    let world = World::new().await;
    let hour = an_hour();
    open(&world, hour).await;
    let key = world.limited_key(&Limits::default()).await.key;
    // A settle that was lost, a crash before the record, and a second call of the same kind.
    call(&world, hour, &key, Some(3)).await;
    call(&world, hour, &key, None).await;
    call(&world, hour, &key, Some(5)).await;
    let cost = Pico::new(8 * 250_000);
    assert_eq!(world.wallet().await.out, [(hour, Pico::new(3 * 5_000_000))]);

    // Not a second too soon.
    let early = after(hour).plus(Duration::ZERO).millis() - 1;
    let report =
        world.retention().report(Event::default(), &|| Timestamp::from_millis(early)).await;
    assert_eq!(report.closed_hours, 0);

    let report = world.retention().report(Event::default(), &|| after(hour)).await;
    assert_eq!((report.closed_hours, report.failed), (1, 0));
    assert_eq!(report.returned_pico, (15_000_000 - cost.pico()).to_string());
    let wallet = world.wallet().await;
    assert_eq!(wallet.balance, Pico::from_dollars(10).less(cost));
    assert_eq!((wallet.out.len(), wallet.closed, wallet.state), (0, hour, State::Active));
    let rollups = rollups(&world).await;
    assert_eq!(rollups.len(), 1);
    assert_eq!(rollups[0]["requests"].as_n().unwrap(), "2");
    assert_eq!(rollups[0]["cost"].as_n().unwrap(), &cost.pico().to_string());

    // Again, late and beside itself: nothing changes.
    let items = world.items("Calls").await.len();
    let (one, two) = (world.retention(), world.retention());
    let later = || after(hour).plus(Duration::from_secs(90));
    let (one, two) =
        tokio::join!(one.report(Event::default(), &later), two.report(Event::default(), &later));
    for again in [one, two] {
        assert_eq!((again.closed_hours, again.failed), (0, 0));
    }
    assert_eq!(world.wallet().await, wallet);
    assert_eq!(world.items("Calls").await.len(), items);

    // And the hour takes no more.
    let now = within(hour);
    let (account, late) = (world.account(), CallId::new(now).unwrap());
    let hold = Hold {
        account: &account,
        call: &late,
        amount: HELD,
        provider: Provider::OpenAi,
        policy: 1,
        key: KeyRead::At(now),
    };
    assert_eq!(world.store().hold(&hold, &|| now).await, Err(HoldError::HourClosed));
}

async fn rollups(
    world: &World,
) -> Vec<std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>> {
    let mut items = world.items("Calls").await;
    items.retain(|item| item["call"].as_s().unwrap().starts_with("hour_"));
    items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_close_oldest_first_and_beside_each_other() {
    let world = World::new().await;
    let newest = an_hour();
    let oldest = newest.previous().previous();
    open(&world, oldest).await;
    let key = world.limited_key(&Limits::default()).await.key;
    for hour in [oldest, oldest, newest] {
        call(&world, hour, &key, Some(2)).await;
    }
    let clock = || after(newest);
    let closers: Vec<_> = (0..4).map(|_| world.retention()).collect();
    let reports = closers.iter().map(|closer| closer.report(Event::default(), &clock));
    let reports = futures_util::future::join_all(reports).await;
    assert_eq!(reports.iter().map(|report| report.closed_hours).sum::<u64>(), 2);
    assert!(reports.iter().all(|report| report.failed == 0));
    let wallet = world.wallet().await;
    assert_eq!((wallet.closed, wallet.out.len()), (newest, 0));
    assert_eq!(wallet.balance, Pico::from_dollars(10).less(Pico::new(3 * 2 * 250_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_days_last_hour_its_statement_is_written_and_comes_to_what_was_charged() {
    let world = World::new().await;
    let day = an_hour().day();
    let (first, last) = (day.first(), day.first().end().hour());
    open(&world, first).await;
    let (a, b) = (
        world.limited_key(&Limits::default()).await.key,
        world.limited_key(&Limits::default()).await.key,
    );
    call(&world, first, &a, Some(3)).await;
    call(&world, last, &a, Some(4)).await;
    call(&world, last, &b, Some(1)).await;
    // The hours are closed, the day is not over.
    let report = world.retention().report(Event::default(), &|| after(last)).await;
    assert_eq!((report.closed_hours, report.lines), (2, 0));
    let over = || after(day.last());
    let report = world.retention().report(Event::default(), &over).await;
    assert_eq!((report.lines, report.failed), (4, 0));
    let report = world.retention().report(Event::default(), &over).await;
    assert_eq!(report.lines, 0);
    let mut lines = world.items("Ledger").await;
    lines.retain(|item| item["kind"].as_s().unwrap() == "line");
    lines.sort_by_key(|item| item["entry"].as_s().unwrap().clone());
    let number =
        |line: usize, name: &str| lines[line][name].as_n().unwrap().parse::<i128>().unwrap();
    assert_eq!(lines.len(), 4);
    for (line, quantity, requests) in [(0, 2, 2), (1, 7, 2), (2, 1, 1), (3, 1, 1)] {
        assert_eq!(lines[line]["day"].as_s().unwrap(), &day.to_string());
        assert_eq!((number(line, "quantity"), number(line, "requests")), (quantity, requests));
        // Of each key the calls come first, and have no price.
        if line % 2 == 0 {
            assert_eq!(lines[line]["class"].as_s().unwrap(), "calls");
            assert!(!lines[line].contains_key("unit_price"));
            assert_eq!(number(line, "amount"), 0);
        } else {
            assert_eq!(lines[line]["class"].as_s().unwrap(), "input");
            assert_eq!(number(line, "unit_price"), 250_000);
            assert_eq!(number(line, "amount"), quantity * 250_000);
        }
    }
    // The three demo keys come first.
    assert_eq!((number(0, "key_ordinal"), number(3, "key_ordinal")), (4, 5));
    // What was used on that day says so, and nothing else does.
    let keys = world.store().keys_of(&world.account()).await.unwrap();
    assert_eq!(keys.len(), 5);
    for key in keys {
        let used = [&a, &b].contains(&&key.key).then_some(day);
        assert_eq!(key.used, used);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wallet_whose_records_come_to_more_than_was_out_is_frozen_and_keeps_its_balance() {
    let world = World::new().await;
    let hour = an_hour();
    open(&world, hour).await;
    let key = world.limited_key(&Limits::default()).await.key;
    call(&world, hour, &key, Some(21)).await;
    let report = world.retention().report(Event::default(), &|| after(hour)).await;
    let short = 21 * 250_000 - HELD.pico();
    assert_eq!((report.closed_hours, report.short_pico), (1, short.to_string()));
    let wallet = world.wallet().await;
    assert_eq!(wallet.balance, Pico::from_dollars(10).less(HELD));
    assert_eq!((wallet.state, wallet.out.len()), (State::Frozen, 0));
    assert!(
        world.logged().contains(&format!("\"line\":\"short\",\"account\":\"{}\"", world.account()))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keys_hour_closes_with_its_wallets_and_without() {
    let world = World::new().await;
    let hour = an_hour();
    open(&world, hour).await;
    let limits = Limits { total: Some(Pico::new(20_000_000)), ..Limits::default() };
    let key = world.limited_key(&limits).await;
    world.set_key(&key, "closed", &hour.previous().to_string()).await;
    let hold_key = async |call: &CallId| {
        let now = within(hour);
        let hold =
            KeyHold { hash: &key.hash, call, amount: HELD, tokens: 1, limits: &limits, until: now };
        world.store().hold_key(&hold, &|| now).await.unwrap();
    };
    let call = call(&world, hour, &key.key, Some(12)).await;
    hold_key(&call).await;
    let report = world.retention().report(Event::default(), &|| after(hour)).await;
    assert_eq!((report.closed_hours, report.closed_key_hours), (1, 1));
    assert_eq!(left(&world, &key).await, 20_000_000 - 12 * 250_000);

    // A crash between the key's hold and the wallet's.
    let next = an_hour().end().hour();
    let now = within(next);
    let lost = CallId::new(now).unwrap();
    let amount = Pico::new(17_000_000);
    let hold =
        KeyHold { hash: &key.hash, call: &lost, amount, tokens: 1, limits: &limits, until: now };
    world.store().hold_key(&hold, &|| now).await.unwrap();
    assert_eq!(left(&world, &key).await, 0);
    let report = world.retention().report(Event::default(), &|| after(next)).await;
    assert_eq!((report.closed_hours, report.closed_key_hours), (0, 1));
    assert_eq!(left(&world, &key).await, 17_000_000);
}

async fn left(world: &World, key: &LimitedKey) -> i128 {
    let items = world.items("Keys").await;
    let item = items.iter().find(|item| item["hash"].as_s().unwrap() == key.hash.as_str());
    item.unwrap()["left_total"].as_n().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mark_of_a_budget_and_a_balance_is_told_once() {
    let world = World::new().await;
    let newest = an_hour();
    let oldest = newest.previous();
    open(&world, oldest).await;
    let key = world.limited_key(&Limits::default()).await.key;
    let limits = Limits { month: Some(Pico::new(5_000_000)), ..Limits::default() };
    let account = world.account();
    world.store().set_account_limits(&account, &limits, within(oldest)).await.unwrap();
    world.store().set_alert_below(&account, Pico::from_dollars(10)).await.unwrap();
    call(&world, oldest, &key, Some(11)).await;
    world.retention().report(Event::default(), &|| after(oldest)).await;
    let alerts = async || {
        let mut items = world.items("Accounts").await;
        items.retain(|item| item["part"].as_s().unwrap().starts_with("alert#"));
        let mut parts: Vec<_> = items.iter().map(|it| it["part"].as_s().unwrap().clone()).collect();
        parts.sort_unstable();
        parts
    };
    let told =
        [format!("alert#{oldest}#budget#account#month#50"), format!("alert#{oldest}#low_balance")];
    assert_eq!(alerts().await, told);
    // Its owner is told both in one message, once.
    let messages = world.messages();
    let [message] = messages.as_slice() else { panic!("{} messages", messages.len()) };
    let message = message.replace("=\r\n", "");
    assert!(message.contains("To: <demo@example.com>"), "{message}");
    let end = oldest.end();
    for line in [
        format!("The balance was 9.99999725 USD at {end}, below 10.00 USD."),
        format!(
            "account for the month, 0.000005 USD, 50 per cent were spent at {end}: 0.00000275 USD"
        ),
    ] {
        assert!(message.contains(&line), "{line}: {message}");
    }
    let report = world.retention().report(Event::default(), &|| after(newest)).await;
    assert_eq!((report.closed_hours, report.alerts, report.told), (0, 0, 0));
    assert_eq!(alerts().await, told);
    assert_eq!(world.messages().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_that_could_not_be_sent_is_sent_by_a_later_run_once_and_not_after_a_day() {
    let world = World::new().await;
    let hour = an_hour();
    open(&world, hour).await;
    let key = world.limited_key(&Limits::default()).await.key;
    let account = world.account();
    world.store().set_alert_below(&account, Pico::from_dollars(10)).await.unwrap();
    call(&world, hour, &key, Some(11)).await;
    let report = |app: Arc<retention::App<Store>>, seconds: u64| async move {
        let now = after(hour).plus(Duration::from_secs(seconds));
        let report = app.report(Event::default(), &|| now).await;
        (report.told, report.untold, report.failed)
    };
    assert_eq!(report(world.retention_without_mail().await, 0).await, (0, 1, 0));
    // Not at once, since the message may have gone out.
    assert_eq!(report(world.retention(), 60).await, (0, 0, 0));
    assert_eq!(world.messages().len(), 0);
    // Two runs at once tell it once.
    let runs = join(report(world.retention(), 3_600), report(world.retention(), 3_600)).await;
    assert_eq!((runs.0.0 + runs.1.0, world.messages().len()), (1, 1));
    assert_eq!(report(world.retention(), 7_200).await, (0, 0, 0));

    let world = World::new().await;
    open(&world, hour).await;
    let key = world.limited_key(&Limits::default()).await.key;
    let account = world.account();
    world.store().set_alert_below(&account, Pico::from_dollars(10)).await.unwrap();
    call(&world, hour, &key, Some(11)).await;
    assert_eq!(report(world.retention_without_mail().await, 0).await, (0, 1, 0));
    assert_eq!(report(world.retention(), 86_401).await, (0, 0, 0));
    assert_eq!(world.messages().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_statement_has_counted_is_left_by_the_sweep_and_counted_however_late() {
    let world = World::new().await;
    let hour = an_hour();
    open(&world, hour).await;
    let key = world.limited_key(&Limits::default()).await.key;
    call(&world, hour, &key, Some(3)).await;
    world.retention().report(Event::default(), &|| after(hour)).await;
    assert_eq!(rollups(&world).await.len(), 1);
    // Eight days without a run: record and roll-up have expired, and the day is on no statement.
    let late = after(hour).plus(Duration::from_secs(8 * 24 * 3_600));
    let swept = world.store().sweep_calls(late, 0, 1, None).await.unwrap();
    assert_eq!((swept.deleted, swept.unclosed), (0, 2));
    let report = world.retention().report(Event::default(), &|| late).await;
    assert_eq!((report.lines, report.deleted_records, report.unclosed_records), (2, 2, 0));
    assert!(world.items("Calls").await.is_empty());
    let lines = world.items("Ledger").await;
    let amounts = lines.iter().filter(|item| item["kind"].as_s().unwrap() == "line");
    let amounts = amounts.map(|line| line["amount"].as_n().unwrap().parse::<i128>().unwrap());
    assert_eq!(amounts.sum::<i128>(), 3 * 250_000);
}
