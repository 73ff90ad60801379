//! The platform in one process keeps what the one in the cloud keeps.

use std::{fs, path::Path, time::Duration};

use account::Registration;
use local::{
    Options, Platform,
    credit::{CreditError, Order, credit},
    template::TEMPLATE,
};
use shared::{
    config::ChannelsConfig,
    endpoint::EndpointType,
    id::{AccountId, CallId, KeyId},
    log::Log,
    money::{Markup, Pico},
    store::{
        calls::{Basis, RECORD_LIFE, ReadCalls, Record, RecordCall, Wanted},
        wallet::ReadWallet,
    },
    time::Timestamp,
    units::Units,
};
use tests::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_seven_days_to_the_second_a_record_is_in_no_answer_and_the_sweep_deletes_it() {
    let world = World::new().await;
    let now = Timestamp::now();
    let write = async |age: Duration| {
        let age = i64::try_from(age.as_secs()).unwrap();
        let record = Record {
            account: world.account(),
            call: CallId::new(now).unwrap(),
            time: Timestamp::from_seconds(now.seconds() - age),
            model: "gpt-5-mini".to_owned(),
            units: Units::default(),
            endpoint: EndpointType::Messages,
            status: 200,
            key: KeyId::random().unwrap(),
            cost: Pico::ZERO,
            price_version: "x".to_owned(),
            basis: Basis::Reported,
        };
        world.store().record_call(&record, None, &|| now).await.unwrap();
        record
    };
    let second = Duration::from_secs(1);
    let young = write(RECORD_LIFE.checked_sub(second).unwrap()).await;
    write(RECORD_LIFE).await;
    write(RECORD_LIFE.checked_add(second).unwrap()).await;
    let found =
        world.store().read_calls(&world.account(), &Wanted::newest(10), now).await.unwrap().records;
    assert_eq!(found, [young]);

    assert_eq!(world.items("Calls").await.len(), 3);
    let report = world.retention().run(retention::Event::default()).await.unwrap();
    assert!(report.deleted_records >= 2);
    assert!(world.items("Calls").await.len() <= 1);
    assert!(world.store().read_wallet(&world.account()).await.unwrap().is_some());
}

/// A platform with a data directory, on a free port.
async fn platform(data: &Path) -> Platform {
    let options = Options {
        port: 0,
        data: Some(data.to_owned()),
        template: TEMPLATE,
        channels: ChannelsConfig::from_env(),
        markup: Markup::default(),
        log: Log::to(std::io::sink()),
        silence: proxy::Silence::USUAL,
        registration: Registration::Closed,
        answer_after: Duration::ZERO,
        operator: shared::config::OperatorConfig::default(),
    };
    Platform::start(options).await.unwrap()
}

fn order(amount: &str, kind: &str, reference: Option<&str>) -> Order {
    let reference = reference.map(str::to_owned);
    Order { account: None, amount: amount.to_owned(), kind: kind.to_owned(), reference }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_credits_an_account_of_the_platform_that_runs() {
    let data = toolchain::target().join("tmp").join(AccountId::random().unwrap().as_str());
    let nowhere = credit(&data, &order("10", "top_up", None)).await;
    assert_eq!(nowhere.unwrap_err(), CreditError::NoData);

    let running = platform(&data).await;
    let account = running.demo().variables()["LAOZHANG_ACCOUNT_ID"].to_owned();
    let invoice = order("2.50", "top_up", Some("invoice-1"));
    let entered = credit(&data, &invoice).await.unwrap().to_string();
    let expected = format!(
        "Entered 2.50 USD for {account} (top_up, reference invoice-1).\nIts balance is 12.50 USD."
    );
    assert_eq!(entered, expected);
    assert_eq!(credit(&data, &invoice).await.unwrap().to_string(), expected);
    let lower = credit(&data, &order("-0.125", "adjustment", None)).await.unwrap().to_string();
    assert!(lower.starts_with(&format!("Entered -0.125 USD for {account} (adjustment, refer")));
    assert!(lower.ends_with("Its balance is 12.375 USD."), "{lower}");
    // Every reference that is made up is another.
    credit(&data, &order("1", "refund", None)).await.unwrap();
    let lower = credit(&data, &order("1", "refund", None)).await.unwrap().to_string();
    assert!(lower.ends_with("Its balance is 10.375 USD."), "{lower}");

    let nobody = Some(AccountId::random().unwrap());
    for (order, word) in [
        (order("3", "top_up", Some("invoice-1")), "reference"),
        (order("11", "refund", None), "balance"),
        (order("much", "top_up", None), "amount_usd"),
        (Order { account: nobody, ..order("1", "top_up", None) }, "account"),
    ] {
        match credit(&data, &order).await {
            Err(CreditError::Refused(message)) => assert!(message.contains(word), "{message}"),
            other => panic!("{other:?}"),
        }
    }

    // Another platform has another operator, and is left alone.
    let world = World::new().await;
    let file = data.join("demo.env");
    let ours = fs::read_to_string(&file).unwrap();
    let theirs = ours.replace(&format!("http://{}", running.address()), &world.url());
    fs::write(&file, theirs).unwrap();
    let stranger = credit(&data, &invoice).await;
    assert_eq!(stranger.unwrap_err(), CreditError::NotOurs);
    fs::write(&file, ours).unwrap();
    running.stop().await;
    assert_eq!(credit(&data, &invoice).await.unwrap_err(), CreditError::NotRunning);
    fs::remove_dir_all(&data).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demo_account_that_was_closed_is_followed_by_another_at_the_next_start() {
    let data = toolchain::target().join("tmp").join(AccountId::random().unwrap().as_str());
    let value = |running: &Platform, name: &str| running.demo().variables()[name].to_owned();
    let running = platform(&data).await;
    let account = value(&running, "LAOZHANG_ACCOUNT_ID");
    let tls = shared::tls::provider_tls(None).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    let client = client.build().unwrap();
    let url = format!("http://{}/operator/accounts/{account}/closing", running.address());
    let close = client.post(url).bearer_auth(value(&running, "LAOZHANG_OPERATOR_TOKEN"));
    let closed = close.body(r#"{"purpose": "support"}"#).send().await.unwrap();
    assert_eq!(closed.status(), 200);
    running.stop().await;

    let running = platform(&data).await;
    assert_ne!(value(&running, "LAOZHANG_ACCOUNT_ID"), account);
    let url = format!("http://{}/v1/account", running.address());
    let shown = client.get(url).bearer_auth(value(&running, "LAOZHANG_MANAGEMENT_KEY"));
    assert_eq!(shown.send().await.unwrap().status(), 200);
    running.stop().await;
    fs::remove_dir_all(&data).unwrap();
}
