//! Tests of the stand-in: OpenAI's transcripts.

use serde_json::json;

use super::super::tests::{CANARY, assert_refused, send};
use super::*;

const PATH: &str = "/v1/audio/transcriptions";
const TRANSLATIONS: &str = "/v1/audio/translations";

fn transcribe(model: &str, more: &[(&str, &str)]) -> Answer {
    send(PATH, &[&[("model", model), ("file@", "RIFF")], more].concat())
}

#[test]
fn tokens_add_up_and_whisper_counts_seconds() {
    let answer = transcribe("gpt-4o-mini-transcribe", &[("prompt", "Names")]).value();
    assert_eq!(answer["text"], SPEAKER.text());
    assert_eq!(
        answer["usage"],
        json!({"type": "tokens", "total_tokens": 40, "input_tokens": 19,
            "input_token_details": {"text_tokens": 9, "audio_tokens": 10}, "output_tokens": 21})
    );
    let answer = transcribe("whisper-1", &[]).value();
    assert_eq!(answer["usage"], json!({"type": "duration", "seconds": 1}));

    let long = "a".repeat(16_001);
    let answer = send(PATH, &[("model", "whisper-1"), ("file@", &long)]).value();
    assert_eq!(answer["usage"]["seconds"], 2);
}

#[test]
fn every_format_says_the_same() {
    let said = SPEAKER.text();
    let whisper = |format| transcribe("whisper-1", &[("response_format", format)]);
    assert_eq!(whisper("text").text(), format!("{said}\n"));
    assert_eq!(whisper("srt").text(), format!("1\n00:00:00,000 --> 00:00:01,000\n{said}\n\n\n"));
    assert_eq!(
        whisper("vtt").text(),
        format!("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\n{said}\n\n")
    );
    let verbose = whisper("verbose_json").value();
    assert_eq!(verbose["task"], "transcribe");
    assert_eq!(verbose["segments"][0]["text"], said);
    assert_eq!(verbose["usage"]["seconds"], 1);
    assert!(verbose["duration"].is_f64() && verbose.get("words").is_none());
    let diarized = [("response_format", "diarized_json")];
    let diarized = transcribe("gpt-4o-transcribe-diarize", &diarized).value();
    assert_eq!(diarized["segments"][0]["type"], "transcript.text.segment");
    assert_eq!(diarized["segments"][0]["text"], said);
}

#[test]
fn words_are_told_when_they_are_asked_for() {
    let more = [("response_format", "verbose_json"), ("timestamp_granularities[]", "word")];
    let words = transcribe("whisper-1", &more).value()["words"].clone();
    let words = words.as_array().unwrap();
    assert_eq!(words.len(), 21);
    assert_eq!(words[1]["word"], "is");
    assert_eq!(words[1]["start"], words[0]["end"]);
    assert_eq!(words[20]["end"], json!(1.0));
}

#[test]
fn the_deltas_join_to_the_text_and_whisper_does_not_stream() {
    let events = transcribe("gpt-4o-transcribe", &[("stream", "true")]).events();
    let said: String = events.iter().filter_map(|event| event["delta"].as_str()).collect();
    let last = events.last().unwrap();
    assert_eq!(said, SPEAKER.text());
    assert_eq!(last["type"], "transcript.text.done");
    assert_eq!(last["text"], said);
    assert_eq!(last["usage"]["output_tokens"], 21);
    assert_eq!(events.len(), 22);

    let told_apart = transcribe("gpt-4o-transcribe-diarize", &[("stream", "true")]).events();
    assert_eq!(told_apart[21]["type"], "transcript.text.segment");
    assert!(transcribe("whisper-1", &[("stream", "true")]).value()["text"].is_string());
}

#[test]
fn a_translation_says_nothing_of_what_it_used() {
    let translated = send(TRANSLATIONS, &[("model", "whisper-1"), ("file@", "RIFF")]).value();
    assert_eq!(translated, json!({"text": SPEAKER.text()}));
    let more = [("model", "whisper-1"), ("file@", "RIFF"), ("response_format", "verbose_json")];
    let translated = send(TRANSLATIONS, &more).value();
    assert_eq!(translated["task"], "translate");
    assert!(translated.get("usage").is_none());
}

#[test]
fn refusals_name_what_is_wrong() {
    assert_refused(&send(PATH, &[("model", CANARY)]), Some("file"));
    assert_refused(&send(TRANSLATIONS, &[("file@", CANARY)]), None);
    for format in ["srt", "diarized_json", CANARY] {
        let answer = transcribe("gpt-4o-transcribe", &[("response_format", format)]);
        assert_refused(&answer, Some("response_format"));
    }
}
