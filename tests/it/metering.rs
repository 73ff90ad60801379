//! The meter against recordings: the units and the cost are those worked out by hand, however the
//! bytes are split on their way.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::{
    prelude::{Just, ProptestConfig, Strategy, prop},
    test_runner::TestRunner,
};
use proxy::meter::{Ending, Meant, Meter, Reading, StripUsage, Wire};
use shared::{
    catalogue::Catalogue,
    content::Content,
    money::{Markup, Pico},
    provider::Provider,
    store::calls::Basis,
    tier::Tier,
    units::{UnitClass, Units},
};
use tests::{
    asked::{self, Asked, Limit},
    provider::Script,
    recordings::{self, Recording},
    world::World,
};

fn is_array(recording: &Recording) -> bool {
    recording.streamed && recording.file.ends_with(".json")
}

fn wire(recording: &Recording) -> Wire {
    match (recording.endpoint.as_str(), recording.provider) {
        ("chat_completions", Provider::Gemini) => Wire::GeminiChat,
        ("chat_completions" | "completions", _) => Wire::Chat,
        ("responses" | "compact", _) => Wire::Responses,
        ("embeddings", _) => Wire::Embeddings,
        ("image_generations" | "image_edits", _) => Wire::Images,
        ("audio_speech", _) => Wire::Speech,
        ("audio_transcriptions" | "audio_translations", _) => Wire::Transcript,
        ("moderations" | "input_tokens" | "count_tokens" | "gemini_count_tokens", _) => Wire::Free,
        ("messages", _) => Wire::Messages,
        ("embed_content" | "batch_embed_contents", _) => Wire::GeminiEmbeddings,
        ("generate_content" | "stream_generate_content", _) if is_array(recording) => {
            Wire::GeminiArray
        }
        ("generate_content" | "stream_generate_content", _) => Wire::Gemini,
        (other, _) => panic!("{}: no such endpoint as {other}", recording.file),
    }
}

/// Whether it is one document of JSON.
fn is_json(recording: &Recording) -> bool {
    recording.file.ends_with(".json")
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

static CATALOGUE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::load(Markup::default()).unwrap());

fn check(recording: &Recording, reading: &Reading) {
    let file = &recording.file;
    assert_eq!(reading.units, recording.units, "{file}");
    assert_eq!(reading.reported, recording.complete, "{file}");
    assert_eq!(reading.heard, recording.heard, "{file}");
    if let Some(cost) = recording.cost {
        let model = CATALOGUE.find(&recording.model).unwrap();
        assert_eq!(model.cost(&reading.units, recording.tier), Ok(cost), "{file}");
        assert_eq!(reading.served.tier(Tier::Standard), recording.tier, "{file}");
    }
}

#[test]
fn every_recording_is_read_as_worked_out_however_it_is_split() {
    for recording in recordings::all() {
        if !recording.streamed {
            let meter = Meter::new(wire(&recording), StripUsage::No);
            let body = Content::new(recording.body.clone());
            let reading = if is_json(&recording) {
                meter.whole(&body, Meant::Answer)
            } else {
                meter.opaque(body.len(), Some(Ending::Proper))
            };
            check(&recording, &reading);
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
            // An error that names the operator's account is the one thing that does not pass.
            if reading.withheld {
                assert!(recording.body.starts_with(&passed), "{}", recording.file);
            } else if reading.ending.is_some() {
                assert!(passed == recording.body, "{} passes byte for byte", recording.file);
            }
            Ok(())
        });
        tested.unwrap_or_else(|failed| panic!("{}: {failed}", recording.file));
    }
}

/// What a stream of these events is read as.
fn read(wire: Wire, events: &[&str]) -> Reading {
    let mut meter = Meter::new(wire, StripUsage::No);
    for event in events {
        let event = format!("data: {event}\n\n");
        meter.push(Content::new(event.into()), &mut Vec::new());
    }
    meter.end().1
}

#[test]
fn what_ends_with_an_error_is_not_whole_for_saying_so() {
    let reading = read(Wire::Chat, &[r#"{"error":{"message":"overloaded"}}"#, "[DONE]"]);
    assert_eq!((reading.ending, reading.parts), (Some(Ending::Error), 0));
}

#[test]
fn a_stream_of_several_answers_ends_when_all_have_ended() {
    let part = |index: u8, finish: &str| {
        format!(
            r#"{{"candidates":[{{"index":{index},"content":{{"parts":[{{"text":"a"}}]}}{finish}}}]}}"#
        )
    };
    let (end, usage) = (r#","finishReason":"STOP""#, r#"{"usageMetadata":{"promptTokenCount":9}}"#);
    let (one, another, rest) = (part(0, end), part(1, ""), part(1, end));
    let ending = |events: &[&str]| read(Wire::Gemini, events).ending;
    assert_eq!(ending(&[&one]), Some(Ending::Proper));
    assert_eq!(ending(&[&one, usage]), Some(Ending::Proper));
    assert_eq!(ending(&[&one, &another]), None);
    assert_eq!(ending(&[&one, &another, &rest]), Some(Ending::Proper));
}

#[test]
fn only_the_usage_chunk_is_taken_out_and_only_where_nobody_asked() {
    let chats = |recording: &Recording| {
        recording.streamed && matches!(wire(recording), Wire::Chat | Wire::GeminiChat)
    };
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
    world.credit(100_000).await;
    let recordings: Vec<_> = recordings::all().into_iter().filter(asked::is_carried).collect();
    for (place, recording) in recordings.iter().enumerate() {
        // Pieces of a length that fits nothing, another one for each recording.
        let length = (place % 7 * 13 + 1).max(recording.body.len() / 500);
        let mut script = Script::new(200, content_type(recording));
        for piece in recording.body.chunks(length) {
            script = script.then(Bytes::copy_from_slice(piece));
        }
        world.provider().answer(script);
        let asked = Asked::for_answer(recording, 1, Limit::Open);
        let request = world.post(&asked.path, asked.body);
        let answer = world.send(request.header("content-type", asked.content_type)).await;
        let file = &recording.file;
        assert_eq!(answer.status, 200, "{file}: {:?}", answer.body);
        let call = answer.header("x-laozhang-call-id").to_owned();
        let record = world.record_of(&call).await;
        let model = CATALOGUE.find(&recording.model).unwrap();
        let is_heard = recording.heard > 0 && model.prices(UnitClass::Seconds);
        if is_heard && !recording.complete {
            // By the second, and not by the length of the file.
            let units = Units::default().with(UnitClass::Seconds, recording.heard);
            let cost = model.cost(&units, Tier::Standard);
            assert_eq!((record.units, Ok(record.cost)), (units, cost), "{file}");
            assert_eq!(record.basis, Basis::Reported, "{file}");
        } else if recording.complete {
            assert!(answer.body == recording.body, "{file} passes byte for byte");
            assert_eq!(record.units, recording.units, "{file}");
            assert_eq!(Some(record.cost), recording.cost, "{file}");
            assert_eq!(record.basis, Basis::Reported, "{file}");
            let tier = record.price_version.split_once('/').map_or("standard", |(_, tier)| tier);
            assert_eq!(tier, recording.tier.name(), "{file}");
        } else {
            // What broke off or failed says so, and is charged what is known and no less.
            assert_eq!(record.basis, Basis::Estimated, "{file}");
            let ended = !recording.streamed || recording.body.ends_with(b"[DONE]\n\n");
            assert_eq!(record.status, if ended { 200 } else { 502 }, "{file}");
            for (class, quantity) in recording.units.iter() {
                assert!(record.units.get(class) >= quantity, "{file} {class:?}");
            }
        }
    }
    assert!(!world.logged().contains("loss"), "{}", world.logged());
    let records = world.all_records().await;
    assert_eq!(records.len(), recordings.len());
    let spent: i128 = records.iter().map(|record| record.cost.pico()).sum();
    let wallet = world.settled_wallet(recordings.len()).await;
    assert_eq!(wallet.balance.pico() + spent, Pico::from_dollars(100_010).pico());
}

fn content_type(recording: &Recording) -> &'static str {
    match recording.file.rsplit('.').next() {
        Some("sse") => "text/event-stream",
        Some("mp3") => "audio/mpeg",
        Some("json") => "application/json",
        _ => "text/plain; charset=utf-8",
    }
}
