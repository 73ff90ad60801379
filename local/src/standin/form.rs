//! A form, as files are sent in. It is read as tolerantly as it may be, and nothing of it is kept.

use memchr::memmem;

use super::call::Call;

/// A form, part by part.
pub(super) struct Form<'a> {
    parts: Vec<Part<'a>>,
}

struct Part<'a> {
    name: &'a str,
    content: &'a [u8],
}

impl<'a> Form<'a> {
    /// The form that a call sends, if it is one and whole.
    pub(super) fn read(call: &'a Call) -> Option<Self> {
        let media = call.header("content-type")?;
        let (kind, parameters) = media.split_once(';')?;
        if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameter(parameters, "boundary")?;
        let first = format!("--{boundary}");
        let next = format!("\r\n--{boundary}");

        let (_, mut rest) = split(&call.body, &first)?;
        let mut parts = Vec::new();
        while !rest.starts_with(b"--") {
            let (part, after) = split(rest, &next)?;
            let (head, content) = split(part, "\r\n\r\n")?;
            // What has no name answers nothing that is asked here.
            parts.extend(name(head).map(|name| Part { name, content }));
            rest = after;
        }
        Some(Self { parts })
    }

    /// The first field of this name, as text.
    pub(super) fn text(&self, name: &'static str) -> Option<&'a str> {
        self.all(name).find_map(|content| std::str::from_utf8(content).ok())
    }

    /// What every field of this name holds, or of the same as a list.
    pub(super) fn all(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let named =
            move |part: &&Part<'_>| part.name.strip_suffix("[]").unwrap_or(part.name) == name;
        self.parts.iter().filter(named).map(|part| part.content)
    }
}

/// What stands before and behind the first `mark`.
fn split<'a>(bytes: &'a [u8], mark: &str) -> Option<(&'a [u8], &'a [u8])> {
    let (before, from) = bytes.split_at_checked(memmem::find(bytes, mark.as_bytes())?)?;
    Some((before, from.get(mark.len()..)?))
}

/// The name that a part's head gives it.
fn name(head: &[u8]) -> Option<&str> {
    std::str::from_utf8(head).ok()?.lines().find_map(|line| {
        let (header, value) = line.split_once(':')?;
        let disposes = header.trim().eq_ignore_ascii_case("content-disposition");
        disposes.then(|| parameter(value, "name")).flatten()
    })
}

/// A parameter of a header, without the quotes it may stand in.
fn parameter<'a>(parameters: &'a str, wanted: &str) -> Option<&'a str> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(media: &str, body: &'static str) -> Call {
        Call::post("/", &[("content-type", media)], body)
    }

    #[test]
    fn fields_and_files_are_found_by_name() {
        let call = call(
            "Multipart/Form-Data; charset=utf-8; boundary=\"b\"",
            "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nm\r\n\
             --b\r\nContent-Type: image/png\r\nContent-Disposition: form-data; filename=\"name\"; \
             name=\"image[]\"\r\n\r\none\r\n\r\n--\r\n\
             --b\r\nContent-Disposition: form-data; name=image\r\n\r\n\r\n--b--\r\n",
        );
        let form = Form::read(&call).unwrap();
        assert_eq!(form.text("model"), Some("m"));
        assert_eq!(form.text("prompt"), None);
        let images: Vec<_> = form.all("image").collect();
        assert_eq!(images, [&b"one\r\n\r\n--"[..], b""]);
    }

    #[test]
    fn what_is_no_form_or_breaks_off_is_none() {
        let whole = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b--";
        let media = "multipart/form-data; boundary=b";
        assert!(Form::read(&call(media, whole)).is_some());
        assert!(Form::read(&call("application/json", "{}")).is_none());
        assert!(Form::read(&call("multipart/form-data", whole)).is_none());
        assert!(Form::read(&call("multipart/form-data; boundary=c", whole)).is_none());
        assert!(Form::read(&call(media, "--b\r\nContent-Disposition: form-data; na")).is_none());
        assert!(Form::read(&call(media, "--b")).is_none());
    }
}
