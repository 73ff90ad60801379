//! The platform in one process keeps what the one in the cloud keeps.

use std::time::Duration;

use shared::{
    endpoint::EndpointType,
    id::{CallId, KeyId},
    money::Pico,
    store::{
        calls::{Basis, RECORD_LIFE, ReadCalls, Record, RecordCall},
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
        world.store().record_call(&record, &|| now).await.unwrap();
        record
    };
    let second = Duration::from_secs(1);
    let young = write(RECORD_LIFE.checked_sub(second).unwrap()).await;
    write(RECORD_LIFE).await;
    write(RECORD_LIFE.checked_add(second).unwrap()).await;
    let found = world.store().read_calls(&world.account(), 10, now).await.unwrap();
    assert_eq!(found, [young]);

    assert_eq!(world.items("Calls").await.len(), 3);
    let retention = std::sync::Arc::new(retention::App::new(world.store().clone()));
    let report = retention.run(retention::Event {}).await.unwrap();
    assert!(report.deleted_records >= 2);
    assert!(world.items("Calls").await.len() <= 1);
    assert!(world.store().read_wallet(&world.account()).await.unwrap().is_some());
}
