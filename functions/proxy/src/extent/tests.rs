//! Tests of how much a body gives to read.

use super::*;

fn of(text: &str) -> Extent {
    Extent::of(text.as_bytes(), Target::Chat).unwrap()
}

#[test]
fn the_input_of_a_response_is_the_prompt_and_that_of_a_tool_is_data() {
    let text = r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},{"type":"function_call_output","output":[{"type":"input_image","image_url":"data:image/png;base64,AAAA"}]},{"type":"tool","input":{"type":"input_image","image_url":"data:image/png;base64,AAAA"}}]}"#;
    assert_eq!(Extent::of(text.as_bytes(), Target::Responses).unwrap().images, 2);
    assert_eq!(of(text), Extent::default());
}

#[test]
fn what_could_be_read_in_two_ways_is_not_guessed_at() {
    for text in [
        r#"[{"type":"document","source":{"type":"text"},"source":{"type":"url"}}]"#,
        r#"[{"type":"image","type":"document","source":{"type":"url"}}]"#,
    ] {
        assert!(of(text).ambiguous, "{text}");
    }
    for text in [
        r#"[{"type":"file","file":{"type":"text","file_data":"data:application/pdf"}}]"#,
        r#"[{"type":"image_url","image_url":{"url":"data:application/pdf;base64,AAAA"}}]"#,
        r#"[{"type":"input_image","image_url":"data:video/mp4;base64,AAAA"}]"#,
    ] {
        assert!(of(text).unbounded, "{text}");
    }
    for text in [
        r#"{"tools":[{"input_examples":[{"type":"image","source":"much text, in truth"}]}]}"#,
        r#"[{"action":{"env":{"type":"image","source":"much text, in truth"}}}]"#,
        r#"{"responseJsonSchema":{"type":"image","source":"much text, in truth"}}"#,
        // How a spoken answer is asked for is no earlier one.
        r#"{"audio":{"voice":"alloy","format":"wav"}}"#,
    ] {
        assert_eq!(of(text), Extent::default(), "{text}");
    }
    let within = r#"[{"type":"document","source":{"type":"content","content":[{"type":"text","cache_control":{"ttl":"1h"}}]}}]"#;
    assert!(of(within).cache_1h);
}

#[test]
fn what_is_stored_at_the_provider_is_seen() {
    for (text, field) in [
        (r#"[{"type":"input_image","file_id":"file-1"}]"#, "file_id"),
        (r#"[{"type":"file","file":{"file_id":"file-1"}}]"#, "file_id"),
        (r#"[{"type":"image","source":{"type":"file","file_id":"file-1"}}]"#, "file_id"),
        (r#"[{"type":"item_reference","id":"msg_1"}]"#, "item_reference"),
    ] {
        assert_eq!(of(text).stored, Some(field), "{text}");
    }
    for text in [r#"[{"file_id":null}]"#, r#"[{"arguments":{"file_id":"mine"}}]"#] {
        assert_eq!(of(text).stored, None, "{text}");
    }
}

#[test]
fn text_is_text_also_where_it_looks_like_media() {
    for text in [
        r#"{"messages":[{"role":"user","content":"{\"type\":\"file\"} image_url \\"}]}"#,
        r#"{"tools":[{"properties":{"file":{"type":"string"},"source":{"type":"object"}}}]}"#,
        r#"{"type":"image"}"#,
        r#"[{"type":"tool_use","input":{"type":"image","source":"much text, in truth"}}]"#,
        r#"[{"functionCall":{"args":[{"inlineData":{"mimeType":"image/png","data":"A"}}]}}]"#,
        r#"[{"type":"tool_use","input":{"type":"file","path":"a","mimeType":"text/plain"}}]"#,
        r#"[{"type":"document","source":{"type":"text","data":"text"}}]"#,
        r#"[{"mimeType":"application/pdf","name":"of a file in text"}]"#,
    ] {
        assert_eq!(of(text), Extent::default(), "{text}");
    }
}

#[test]
fn images_are_counted_in_every_dialect() {
    for text in [
        r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]"#,
        r#"[{"image_url":{"url":"https://example.com/a.png"},"t\u0079pe":"image_url"}]"#,
        r#"[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"A"}}]"#,
        r#"[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]"#,
        r#"[{"inline_data":{"data":"AAAA","mime_type":"image/png"}}]"#,
    ] {
        let extent = of(text);
        assert_eq!((extent.images, extent.unbounded), (1, false), "{text}");
        assert!(extent.image_bytes > 4 && extent.image_bytes < text.len(), "{text}");
    }
}

#[test]
fn sound_is_counted_by_its_bytes() {
    for text in [
        r#"[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]"#,
        r#"[{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}}]"#,
    ] {
        let extent = of(text);
        assert_eq!((extent.sounds, extent.unbounded), (1, false), "{text}");
        assert!(extent.sound_bytes > 4 && extent.sound_bytes < text.len(), "{text}");
    }
}

#[test]
fn an_image_within_an_image_is_one_and_its_bytes_are_counted_once() {
    let text = r#"{"type":"image","source":{"type":"image","source":"AAAA"}}"#;
    let extent = of(text);
    assert_eq!(extent.images, 1);
    assert!(extent.image_bytes < text.len());
}

#[test]
fn what_the_body_cannot_tell_is_unbounded() {
    for text in [
        r#"[{"type":"file","file":{"file_id":"file-1"}}]"#,
        r#"[{"type":"document","source":{"type":"url","url":"https://example.com"}}]"#,
        r#"[{"inlineData":{"mimeType":"application/pdf","data":"AAAA"}}]"#,
        r#"[{"fileData":{"fileUri":"https://example.com"}}]"#,
        r#"[{"role":"assistant","audio":{"id":"audio_1"}}]"#,
        r#"[{"type":"video_url","video_url":{"url":"https://example.com"}}]"#,
    ] {
        assert!(of(text).unbounded, "{text}");
    }
}

#[test]
fn cache_writes_are_seen() {
    assert!(of(r#"[{"cache_control":{"type":"ephemeral"}}]"#).cache_5m);
    assert!(of(r#"[{"cache_control":{"type":"ephemeral","ttl":"1h"}}]"#).cache_1h);
}

#[test]
fn nesting_ends_somewhere() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(Extent::of(deep(DEEPEST).as_bytes(), Target::Chat).is_ok());
    let deeper = deep(DEEPEST.saturating_add(1));
    assert_eq!(Extent::of(deeper.as_bytes(), Target::Chat), Err(Fault::TooDeep));
}
