//! A body in `multipart/form-data`: where its parts stand and what their heads say. The parts
//! themselves are not read, but for the few short fields a call is metered by.
//!
//! A form that two parsers might read in two ways is refused: it could be metered as one thing and
//! served as another. No error quotes it.
//!
//! Sources: RFC 7578 and RFC 2046, section 5.1.

use std::ops::Range;

use bytes::Bytes;
use http::{HeaderMap, header};
use shared::{content::Content, fault::Fault};

use crate::splice::Edit;

/// The longest head of a part, and the longest field that is read.
const LONGEST_HEAD: usize = 4_096;

/// More parts than any endpoint takes.
const MOST_PARTS: usize = 256;

/// The longest boundary there may be.
const LONGEST_BOUNDARY: usize = 70;

/// A form.
pub(crate) struct Form<'a> {
    content: &'a Content,
    boundary: String,
    parts: Vec<Part>,
}

/// One part of a form.
struct Part {
    /// The name of the field.
    name: String,
    /// Whether it has a file name, and so is a file.
    file: bool,
    /// From the first hyphen of its boundary to the first of the next.
    at: Range<usize>,
    /// What it holds.
    value: Range<usize>,
}

impl<'a> Form<'a> {
    /// Finds the parts of a form, if the body is said to be one.
    ///
    /// # Errors
    /// [`Fault::NotAForm`] by its content type, else [`Fault::MalformedForm`] with the place.
    pub(crate) fn read(headers: &HeaderMap, content: &'a Content) -> Result<Self, Fault> {
        let boundary = boundary(headers).ok_or(Fault::NotAForm)?;
        let delimiter = format!("--{boundary}");
        let delimiter = delimiter.as_bytes();
        let mut form = Self { content, boundary, parts: Vec::new() };
        if !form.window(0).starts_with(delimiter) {
            return Err(flaw(0, "it does not begin with its boundary"));
        }
        let mut at = 0;
        let mut after = delimiter.len();
        loop {
            let line = form.window(after);
            if line.starts_with(b"--") {
                // What follows the last boundary is of no meaning, and stands in no SDK's form.
                let end = after.saturating_add(2);
                let rest = form.window(end);
                return match (rest.is_empty() || &*rest == b"\r\n", form.parts.is_empty()) {
                    (false, _) => Err(flaw(end, "something follows the last boundary")),
                    (true, true) => Err(flaw(end, "it has no part")),
                    (true, false) => Ok(form),
                };
            }
            if !line.starts_with(b"\r\n") {
                return Err(flaw(after, "a boundary is followed by neither a line nor its end"));
            }
            if form.parts.len() >= MOST_PARTS {
                return Err(flaw(after, "it has more than 256 parts"));
            }
            let (name, file, value) = form.head(after.saturating_add(2))?;
            let next = form.find(delimiter, value);
            let next =
                next.ok_or_else(|| flaw(content.len(), "it ends before its last boundary"))?;
            // Without a line end of its own before it, not every parser would see a boundary.
            let end = next.checked_sub(2).filter(|end| *end >= value);
            let end = end.filter(|end| &*form.bytes(*end..next) == b"\r\n");
            let end = end.ok_or_else(|| flaw(next, "a boundary does not begin a line"))?;
            form.parts.push(Part { name, file, at: at..next, value: value..end });
            at = next;
            after = next.saturating_add(delimiter.len());
        }
    }

    /// The content type to send: the caller's boundary and nothing else of theirs.
    pub(crate) fn content_type(&self) -> String {
        let quote = if self.boundary.bytes().all(is_token) { "" } else { "\"" };
        format!("multipart/form-data; boundary={quote}{}{quote}", self.boundary)
    }

    /// How many parts are files, of this name if there is one, and how long they are together.
    pub(crate) fn files(&self, name: Option<&str>) -> (u64, usize) {
        let named = |part: &&Part| part.file && name.is_none_or(|name| part.name == name);
        self.parts.iter().filter(named).fold((0, 0), |(count, length), part| {
            (count.saturating_add(1), length.saturating_add(part.value.len()))
        })
    }

    /// How long the fields of this name are together.
    pub(crate) fn length_of(&self, name: &str) -> usize {
        let named = self.parts.iter().filter(|part| part.name == name);
        named.map(|part| part.value.len()).fold(0, usize::saturating_add)
    }

    /// A short field, which may stand there once.
    ///
    /// # Errors
    /// [`Fault::DuplicateField`] or [`Fault::WrongType`].
    pub(crate) fn field(&self, name: &'static str) -> Result<Option<String>, Fault> {
        let mut named = self.parts.iter().filter(|part| part.name == name);
        let Some(part) = named.next() else { return Ok(None) };
        if named.next().is_some() {
            return Err(Fault::DuplicateField(name));
        }
        if part.file || part.value.len() > LONGEST_HEAD {
            return Err(Fault::WrongType(name));
        }
        let bytes = self.bytes(part.value.clone());
        let plain = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
        let text = bytes.iter().all(plain).then(|| String::from_utf8(bytes.to_vec()).ok());
        text.flatten().map(Some).ok_or(Fault::WrongType(name))
    }

    /// Takes every part of this name out.
    pub(crate) fn cut(&self, name: &str) -> impl Iterator<Item = Edit> {
        let named = self.parts.iter().filter(move |part| part.name == name);
        named.map(|part| Edit { at: part.at.clone(), to: "".into() })
    }

    /// Reads the head that begins at `at`: the field's name, whether it is a file, and where its
    /// value begins.
    fn head(&self, at: usize) -> Result<(String, bool, usize), Fault> {
        let end = self.find(b"\r\n\r\n", at.saturating_sub(2));
        let end = end.filter(|end| end.saturating_sub(at) <= LONGEST_HEAD);
        let end = end.ok_or_else(|| flaw(at, "a part has no end of its head"))?;
        let head = self.bytes(at..end);
        let head = str::from_utf8(&head).map_err(|_| flaw(at, "a head is not UTF-8"))?;
        let mut disposition = None;
        for line in head.split("\r\n") {
            let (name, value) = line.split_once(':').ok_or_else(|| flaw(at, NOT_A_HEAD))?;
            if name.starts_with([' ', '\t']) || line.contains(['\r', '\n']) {
                return Err(flaw(at, NOT_A_HEAD));
            }
            if name.eq_ignore_ascii_case("content-disposition") {
                if disposition.replace(value.trim()).is_some() {
                    return Err(flaw(at, "a part says twice what it is"));
                }
            } else if name.eq_ignore_ascii_case("content-transfer-encoding")
                && !["7bit", "8bit", "binary"].iter().any(|e| e.eq_ignore_ascii_case(value.trim()))
            {
                return Err(flaw(at, "a part is encoded; send it as it is"));
            } else if name.eq_ignore_ascii_case("content-type") {
                let value = value.to_ascii_lowercase();
                if value.contains("charset=") && !value.contains("utf-8") {
                    return Err(flaw(at, "a part is in another character set than UTF-8"));
                }
            }
        }
        let disposition = disposition.and_then(disposition_of);
        let (name, file) = disposition.ok_or_else(|| flaw(at, "a part has no plain name"))?;
        Ok((name, file, end.saturating_add(4)))
    }

    /// Where `needle` is found first at or after `from`.
    fn find(&self, needle: &[u8], from: usize) -> Option<usize> {
        let finder = memchr::memmem::Finder::new(needle);
        let mut from = from;
        loop {
            let window = self.content.window(from);
            if let Some(at) = finder.find(&window) {
                return from.checked_add(at);
            }
            // A needle may lie across the end of a window.
            let step = window.len().checked_sub(needle.len().saturating_sub(1))?;
            if step == 0 || from.saturating_add(window.len()) >= self.content.len() {
                return None;
            }
            from = from.saturating_add(step);
        }
    }

    fn window(&self, from: usize) -> Bytes {
        self.content.window(from)
    }

    /// The bytes of a short range.
    fn bytes(&self, range: Range<usize>) -> Bytes {
        let mut bytes = self.window(range.start);
        bytes.truncate(range.len());
        bytes
    }
}

const NOT_A_HEAD: &str = "a line of a head is none";

const fn flaw(at: usize, flaw: &'static str) -> Fault {
    Fault::MalformedForm { at, flaw }
}

/// The boundary that the content type names, where it names one and is a form's.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut pieces = value.split(';').map(str::trim);
    if !pieces.next()?.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = None;
    for piece in pieces {
        let (name, value) = piece.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("boundary") {
            let value = value.trim();
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            if found.replace(quoted.unwrap_or(value)).is_some() {
                return None;
            }
        }
    }
    // All that RFC 2046 has, but for the space: OpenAI's SDK for .NET uses `=`.
    let fine = |byte: u8| is_token(byte) || b"(),/:=?".contains(&byte);
    let fits = |text: &&str| (1..=LONGEST_BOUNDARY).contains(&text.len()) && text.bytes().all(fine);
    found.filter(fits).map(str::to_owned)
}

/// The characters of a boundary that need no quotes.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"'+_-.".contains(&byte)
}

/// The name of a field, and whether it is a file: `form-data; name="model"; filename="a.mp3"`.
fn disposition_of(value: &str) -> Option<(String, bool)> {
    let rest = value.strip_prefix("form-data")?;
    let mut name = None;
    let mut file = false;
    for (key, value) in Parameters(rest) {
        match (key?, value?) {
            ("name", value) => {
                if name.replace(value).is_some() {
                    return None;
                }
            }
            ("filename" | "filename*", _) => file = true,
            _ => return None,
        }
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
    let name = name.filter(|name| !name.is_empty() && name.bytes().all(plain))?;
    // A field of this name would change how the others are read.
    (name != "_charset_").then(|| (name.to_owned(), file))
}

/// Parameters of a header, `; key="value"`; none where one is malformed.
struct Parameters<'a>(&'a str);

impl<'a> Iterator for Parameters<'a> {
    type Item = (Option<&'a str>, Option<&'a str>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.0.trim_start();
        if rest.is_empty() {
            return None;
        }
        let parsed = parameter(rest);
        self.0 = parsed.map_or("", |(_, _, rest)| rest);
        Some(parsed.map_or((None, None), |(key, value, _)| (Some(key), Some(value))))
    }
}

/// The first parameter of `text`, and what follows it.
fn parameter(text: &str) -> Option<(&str, &str, &str)> {
    let (key, rest) = text.strip_prefix(';')?.trim_start().split_once('=')?;
    match rest.strip_prefix('"') {
        Some(quoted) => {
            // A quote within is written `%22`. Behind a backslash one parser would read on, and
            // another stop.
            let (value, rest) = quoted.split_once('"')?;
            (!value.ends_with('\\')).then_some((key, value, rest))
        }
        None => {
            let end = rest.find(';').unwrap_or(rest.len());
            let value = rest.get(..end)?.trim();
            (!value.contains('"')).then_some((key, value, rest.get(end..)?))
        }
    }
}

#[cfg(test)]
mod tests;
