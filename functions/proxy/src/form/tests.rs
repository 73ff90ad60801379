//! Tests of forms.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

use super::*;
use crate::splice;

fn headers(content_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
    headers
}

const TYPE: &str = "multipart/form-data; boundary=b0";

fn part(head: &str, value: &str) -> String {
    format!("--b0\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
}

fn form(parts: &[String]) -> String {
    format!("{}--b0--\r\n", parts.concat())
}

/// What reading says, whether the body is plain or still in base 64.
fn read(body: &str) -> Result<(), Fault> {
    let plain = Content::new(body.to_owned().into());
    let encoded = Content::of_base64(STANDARD.encode(body).into()).unwrap();
    let plain = Form::read(&headers(TYPE), &plain).map(|_| ());
    assert_eq!(Form::read(&headers(TYPE), &encoded).map(|_| ()), plain);
    plain
}

#[test]
fn fields_and_files_are_found_wherever_they_stand() {
    let file = "x".repeat(200_000);
    let body = form(&[
        part("name=\"file\"; filename=\"speech.mp3\"\r\nContent-Type: audio/mpeg", &file),
        part("name=\"model\"", "whisper-1"),
        part("name=\"image[]\"; filename*=utf-8''%e2.png", "1"),
        part("name=\"image[]\"; filename=\"a%22b.png\"", "22"),
        part("name=\"empty\"", ""),
    ]);
    for content in [
        Content::new(body.clone().into()),
        Content::of_base64(STANDARD.encode(&body).into()).unwrap(),
    ] {
        let form = Form::read(&headers(TYPE), &content).unwrap();
        assert_eq!(form.field("model"), Ok(Some("whisper-1".to_owned())));
        assert_eq!(form.field("empty"), Ok(Some(String::new())));
        assert_eq!(form.field("none"), Ok(None));
        assert_eq!(form.field("file"), Err(Fault::WrongType("file")));
        assert_eq!(form.field("image[]"), Err(Fault::DuplicateField("image[]")));
        assert_eq!(form.files(Some("file")), (1, 200_000));
        assert_eq!(form.files(Some("image[]")), (2, 3));
        assert_eq!(form.files(None), (3, 200_003));
        assert_eq!(form.length_of("model"), 9);
        assert_eq!(form.content_type(), TYPE);
    }
}

#[test]
fn a_field_is_cut_out_with_its_boundary() {
    let kept = [part("name=\"model\"", "m"), part("name=\"file\"; filename=\"f\"", "1")];
    let user = part("name=\"user\"", "somebody");
    for place in 0..=kept.len() {
        let mut parts = kept.to_vec();
        parts.insert(place, user.clone());
        let body = form(&parts);
        let content = Content::new(body.clone().into());
        let edits = Form::read(&headers(TYPE), &content).unwrap().cut("user").collect();
        assert_eq!(splice::joined(content, edits), form(&kept));
    }
}

#[test]
fn the_boundary_is_the_content_types_and_plain() {
    let content = Content::new(form(&[part("name=\"a\"", "1")]).into());
    for (content_type, read) in [
        ("multipart/form-data; boundary=b0", true),
        ("Multipart/Form-Data;boundary=\"b0\"", true),
        ("multipart/form-data; charset=utf-8; boundary=b0", true),
        ("multipart/form-data; boundary=\"b0;\"", false),
        ("multipart/form-data", false),
        ("multipart/form-data; boundary=b0; boundary=b1", false),
        ("multipart/form-data; boundary=", false),
        ("multipart/form-data; boundary=b 0", false),
        ("multipart/mixed; boundary=b0", false),
        ("application/json", false),
    ] {
        let found = Form::read(&headers(content_type), &content);
        assert_eq!(found.map(|_| ()), read.then_some(()).ok_or(Fault::NotAForm), "{content_type}");
    }
}

#[test]
fn a_boundary_of_any_sdk_is_taken_and_sent_on_in_quotes_where_it_needs_them() {
    // OpenAI's SDK for .NET takes digits, letters, `=` and `_`, and others what RFC 2046 has.
    for (boundary, quoted) in [
        ("0f=_Zq", true),
        ("----WebKitFormBoundary7MA4YWxkTrZu0gW", false),
        ("a/b:c?d(e),'+.-", true),
    ] {
        let body = form(&[part("name=\"a\"", "1")]).replace("--b0", &format!("--{boundary}"));
        let content = Content::new(body.into());
        let content_type = format!("multipart/form-data; boundary=\"{boundary}\"");
        let form = Form::read(&headers(&content_type), &content).unwrap();
        assert_eq!(form.field("a"), Ok(Some("1".to_owned())));
        let plain = format!("multipart/form-data; boundary={boundary}");
        assert_eq!(form.content_type(), if quoted { content_type } else { plain });
    }
}

#[test]
fn what_parsers_could_read_in_two_ways_is_refused() {
    let whole = part("name=\"a\"", "1");
    let once = form(std::slice::from_ref(&whole));
    for body in [
        String::new(),
        "--b0--\r\n".to_owned(),
        format!("preamble\r\n{once}"),
        format!("{once}epilogue"),
        // Cut anywhere.
        whole.clone(),
        once.replace("--b0--\r\n", "--b0"),
        once.replace("\r\n\r\n", "\r\n"),
        // Line ends that are none, and a boundary that begins no line.
        once.replace("\r\n", "\n"),
        form(&[whole.replace("1\r\n", "1\n")]),
        form(&["--b0\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n".to_owned()]),
        form(&[part("name=\"a\"", "1--b0\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n")]),
        whole.replace("--b0", "--b0 ") + "--b0--",
        // Names.
        form(&[part("name=\"a\"; name=\"b\"", "1")]),
        form(&[part("name=\"a\\\"; x=\"b\"", "1")]),
        form(&[part("name*=utf-8''a", "1")]),
        form(&[part("name=\"a\"; filename=\"b\\\"; name=n; x=\\\"c\"", "1")]),
        form(&[part("filename=\"a\"", "1")]),
        form(&[part("name=\"_charset_\"", "utf-16")]),
        form(&[part("name=\"a b\"", "1")]),
        form(&[part("name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"", "1")]),
        form(&[part("name=\"a\"\r\n folded: line", "1")]),
        form(&[part("name=\"a\"\r\nnot a header", "1")]),
        // Encodings.
        form(&[part("name=\"a\"\r\nContent-Transfer-Encoding: base64", "MQ==")]),
        form(&[part("name=\"a\"\r\nContent-Type: text/plain; charset=utf-16", "1")]),
        // Too much of it.
        form(&vec![whole.clone(); 257]),
        form(&[part(&format!("name=\"a\"\r\nX: {}", "x".repeat(5_000)), "1")]),
    ] {
        assert!(
            matches!(read(&body), Err(Fault::MalformedForm { .. })),
            "{:?} is taken",
            body.get(..body.len().min(200))
        );
    }
    assert_eq!(read(&form(&vec![whole; 256])), Ok(()));
}

proptest! {
    #[test]
    fn no_bytes_are_read_past_their_end(body in ".{0,400}", at in 0_usize..400) {
        let whole = form(&[part("name=\"a\"", &body), part("name=\"b\"; filename=\"f\"", "1")]);
        let cut: String = whole.chars().take(at).collect();
        // A form that is cut is never whole.
        if cut.len().saturating_add(2) < whole.len() {
            prop_assert!(read(&cut).is_err());
        }
        if !body.contains("--b0") {
            prop_assert!(read(&whole).is_ok());
        }
    }
}
