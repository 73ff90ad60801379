//! The meter against recordings: the units and the cost are those worked out by hand, however the
//! bytes are split on their way.

use bytes::Bytes;
use proptest::{
    prelude::{Just, ProptestConfig, Strategy, prop},
    test_runner::TestRunner,
};
use proxy::meter::{Meter, Reading, StripUsage, Wire};
use shared::{
    catalogue::Catalogue,
    content::Content,
    money::{Markup, Pico},
    provider::Provider,
    store::{calls::Basis, ledger::Credit as _, ledger::TopUp},
    time::Timestamp,
};
use tests::{
    provider::Script,
    recordings::{self, Recording},
    world::World,
};

fn is_array(recording: &Recording) -> bool {
    recording.streamed && recording.file.ends_with(".json")
}

fn wire(recording: &Recording) -> Wire {
    match (recording.wire.as_str(), recording.provider) {
        ("openai", Provider::Gemini) => Wire::GeminiCompatible,
        ("openai", _) => Wire::OpenAi,
        ("anthropic", _) => Wire::Anthropic,
        _ if is_array(recording) => Wire::GeminiArray,
        _ => Wire::Gemini,
    }
}

/// Meters a stream that comes in these pieces: what passed, and what was read.
fn stream(recording: &Recording, cuts: &[usize], strip: StripUsage) -> (Vec<u8>, Reading) {
    let mut meter = Meter::new(wire(recording), strip);
    let mut passed = Vec::new();
    let mut last = 0;
    for cut in cuts.iter().copied().chain([recording.body.len()]) {
        meter.push(Content::new(recording.body.slice(last..cut)), &mut passed);
        last = cut;
    }
    let (rest, reading) = meter.end();
    passed.push(rest);
    (passed.into_iter().flat_map(Content::into_wire).collect(), reading)
}

fn check(recording: &Recording, reading: &Reading) {
    let file = &recording.file;
    assert_eq!(reading.units, recording.units, "{file}");
    assert_eq!(reading.reported, recording.complete, "{file}");
    if let Some(cost) = recording.cost {
        let catalogue = Catalogue::load(Markup::default()).unwrap();
        let model = catalogue.find(&recording.model).unwrap();
        assert_eq!(model.cost(&reading.units), Ok(cost), "{file}");
    }
}

#[test]
fn every_recording_is_read_as_worked_out_however_it_is_split() {
    for recording in recordings::all() {
        if !recording.streamed {
            let meter = Meter::new(wire(&recording), StripUsage::No);
            check(&recording, &meter.whole(&Content::new(recording.body.clone())));
            continue;
        }
        let length = recording.body.len();
        let cuts = prop::collection::vec(0..length, 0..20).prop_map(|mut cuts| {
            cuts.sort_unstable();
            cuts
        });
        let every_byte: Vec<usize> = (1..length).collect();
        let splits = proptest::prop_oneof![20 => cuts, 1 => Just(every_byte)];
        let config = ProptestConfig { cases: 100, failure_persistence: None, ..Default::default() };
        let tested = TestRunner::new(config).run(&splits, |cuts| {
            let (passed, reading) = stream(&recording, &cuts, StripUsage::No);
            check(&recording, &reading);
            if reading.ending.is_some() {
                assert_eq!(passed, recording.body, "{} passes byte for byte", recording.file);
            }
            Ok(())
        });
        tested.unwrap_or_else(|failed| panic!("{}: {failed}", recording.file));
    }
}

#[test]
fn only_the_usage_chunk_is_taken_out_and_only_where_nobody_asked() {
    let chats = |recording: &Recording| recording.streamed && recording.wire == "openai";
    let mut stripped = 0;
    for recording in recordings::all().into_iter().filter(chats) {
        let (passed, reading) = stream(&recording, &[], StripUsage::Yes);
        check(&recording, &reading);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let (before, after) = (text(&recording.body), text(&passed));
        if before != after {
            stripped += 1;
            let gone: Vec<_> =
                before.split_inclusive("\n\n").filter(|frame| !after.contains(frame)).collect();
            assert_eq!(gone.len(), 1, "{}: {gone:?}", recording.file);
            assert!(gone.iter().all(|frame| frame.contains(r#""choices":[]"#)), "{gone:?}");
        }
    }
    assert!(stripped > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_of_a_recording_is_what_was_worked_out() {
    let world = World::new().await;
    let account = world.account();
    let top_up =
        TopUp { account: &account, reference: "much", amount: Pico::from_dollars(100_000) };
    world.store().credit(&top_up, Timestamp::now()).await.unwrap();
    let recordings = recordings::all();
    for (place, recording) in recordings.iter().enumerate() {
        // Pieces of a length that fits nothing, another one for each recording.
        let length = place % 7 * 13 + 1;
        let kind = if is_array(recording) || !recording.streamed {
            "application/json"
        } else {
            "text/event-stream"
        };
        let mut script = Script::new(200, kind);
        for piece in recording.body.chunks(length) {
            script = script.then(Bytes::copy_from_slice(piece));
        }
        world.provider().answer(script);
        let answer = world.send(request(&world, recording)).await;
        assert_eq!(answer.status, 200, "{}", recording.file);
        let record = world
            .records(place + 1)
            .await
            .into_iter()
            .find(|record| record.call.as_str() == answer.header("x-laozhang-call-id"))
            .unwrap();
        if recording.complete {
            assert_eq!(answer.body, recording.body, "{}", recording.file);
            assert_eq!(record.units, recording.units, "{}", recording.file);
            assert_eq!(Some(record.cost), recording.cost, "{}", recording.file);
            assert_eq!(record.basis, Basis::Reported);
        } else {
            // What broke off or failed says so, and is charged what is known and no less.
            assert_eq!(record.basis, Basis::Estimated, "{}", recording.file);
            let ended = recording.body.ends_with(b"[DONE]\n\n");
            assert_eq!(record.status, if ended { 200 } else { 502 }, "{}", recording.file);
            for (class, quantity) in recording.units.iter() {
                assert!(record.units.get(class) >= quantity, "{} {class:?}", recording.file);
            }
        }
    }
    assert!(!world.logged().contains("loss"), "{}", world.logged());
    let records = world.records(recordings.len()).await;
    let spent: i128 = records.iter().map(|record| record.cost.pico()).sum();
    let wallet = world.settled_wallet(recordings.len()).await;
    assert_eq!(wallet.balance.pico() + spent, Pico::from_dollars(100_010).pico());
}

/// A request that could have had this answer: as long as the prompt the recording reports.
fn request(world: &World, recording: &Recording) -> reqwest::RequestBuilder {
    let model = &recording.model;
    let prompt = "a".repeat(usize::try_from(recording.units.prompt_tokens()).unwrap());
    let stream = recording.streamed;
    match recording.endpoint.as_str() {
        "chat_completions" => world.post(
            "/v1/chat/completions",
            format!(
                r#"{{"model":"{model}","stream":{stream},"stream_options":{{"include_usage":true}},"messages":["{prompt}"]}}"#
            ),
        ),
        "messages" => world.post(
            "/v1/messages",
            format!(
                r#"{{"model":"{model}","max_tokens":64000,"stream":{stream},"messages":[{{"cache_control":{{"ttl":"1h"}},"content":"{prompt}"}}]}}"#
            ),
        ),
        endpoint => {
            let verb = if endpoint == "generate_content" {
                "generateContent"
            } else if is_array(recording) {
                "streamGenerateContent"
            } else {
                "streamGenerateContent?alt=sse"
            };
            world.post(&format!("/v1beta/models/{model}:{verb}"), format!(r#"{{"a":"{prompt}"}}"#))
        }
    }
}
