//! How much a body gives the model to read: text by its bytes, images by their number, and
//! whether there is anything whose length the body does not tell.
//!
//! It walks JSON that is known to be valid, in one pass, without recursion and without copying.

use shared::fault::Fault;

/// Deeper than any request that a provider takes, and shallow enough to be walked.
const DEEPEST: usize = 512;

/// What a body gives the model to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Images, in the body or by URL.
    pub(crate) images: u64,
    /// The bytes those images take in the body, which are no text.
    pub(crate) image_bytes: usize,
    /// A file, a document, audio or video: its tokens cannot be told from the body.
    pub(crate) unbounded: bool,
    /// A cache of five minutes is to be written.
    pub(crate) cache_5m: bool,
    /// A cache of one hour is to be written.
    pub(crate) cache_1h: bool,
}

/// The keys that matter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Other,
    /// `type`: says what the object is.
    Type,
    /// Holds or names media, if the object's type says so.
    Payload,
    /// Gemini's media in the body.
    InlineData,
    /// Gemini's media elsewhere.
    FileData,
    /// `mimeType` of Gemini's media.
    MimeType,
    CacheControl,
    /// `ttl` of a cache.
    Ttl,
    /// Holds the caller's own data, in which nothing is media whatever it looks like.
    Data,
    /// What a provider keeps of an earlier turn, named by its id.
    Kept,
}

impl Key {
    fn of(name: &[u8]) -> Self {
        match name {
            b"type" => Self::Type,
            b"image_url" | b"input_audio" | b"video_url" | b"file" | b"source" | b"image" => {
                Self::Payload
            }
            b"audio" => Self::Kept,
            b"inlineData" | b"inline_data" => Self::InlineData,
            b"fileData" | b"file_data" => Self::FileData,
            b"mimeType" | b"mime_type" => Self::MimeType,
            b"cache_control" => Self::CacheControl,
            b"ttl" => Self::Ttl,
            b"input"
            | b"args"
            | b"arguments"
            | b"response"
            | b"parameters"
            | b"input_schema"
            | b"parametersJsonSchema"
            | b"properties"
            | b"response_format"
            | b"schema"
            | b"functionDeclarations"
            | b"function_declarations" => Self::Data,
            _ => Self::Other,
        }
    }
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Other,
    Image,
    /// Text in the body, as the source of a document.
    Text,
    Unbounded,
}

impl Part {
    fn of_type(name: &[u8]) -> Self {
        match name {
            b"image" | b"image_url" | b"input_image" => Self::Image,
            b"text" => Self::Text,
            b"input_audio" | b"file" | b"input_file" | b"document" | b"container_upload"
            | b"video" | b"video_url" => Self::Unbounded,
            _ => Self::Other,
        }
    }

    fn of_mime_type(name: &[u8]) -> Self {
        if name.starts_with(b"image/") { Self::Image } else { Self::Unbounded }
    }
}

/// An object or array that is open.
struct Level {
    /// Where it begins.
    from: usize,
    /// Whether the next string is a key.
    at_key: bool,
    object: bool,
    key: Key,
    part: Part,
    /// The bytes of its payloads.
    payload: usize,
    /// Whether its payload is text.
    text_source: bool,
    /// Whether it says `"ttl":"1h"`.
    one_hour: bool,
    /// Whether it stands in the caller's own data.
    data: bool,
    /// Whether it is itself the payload of an object, which alone says what it is.
    is_payload: bool,
}

impl Extent {
    /// Walks `bytes`, which must be valid JSON.
    ///
    /// # Errors
    /// When it is nested deeper than [`DEEPEST`].
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Fault> {
        let mut extent = Self::default();
        let mut levels: Vec<Level> = Vec::new();
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            match byte {
                b'"' => {
                    let text = string(bytes, place);
                    place = place.saturating_add(text.len()).saturating_add(1);
                    if let Some(level) = levels.last_mut() {
                        level.read(&unescaped(text));
                    }
                }
                b'{' | b'[' => {
                    if levels.len() >= DEEPEST {
                        return Err(Fault::TooDeep);
                    }
                    levels.push(Level::within(levels.last(), *byte, place));
                }
                b'}' | b']' => {
                    if let Some(level) = levels.pop() {
                        extent.close(&level, levels.last_mut(), place);
                    }
                }
                b',' => {
                    if let Some(level) = levels.last_mut() {
                        level.at_key = level.object;
                    }
                }
                _ => {}
            }
            place = place.saturating_add(1);
        }
        Ok(extent)
    }

    /// Counts what an object turned out to be, now that all of it was seen.
    fn close(&mut self, level: &Level, parent: Option<&mut Level>, place: usize) {
        if level.data {
            return;
        }
        match level.part {
            _ if level.is_payload => {}
            Part::Image if level.payload > 0 => self.image(level.payload),
            Part::Unbounded if !level.text_source => self.unbounded = true,
            Part::Image | Part::Unbounded | Part::Text | Part::Other => {}
        }
        let Some(parent) = parent else { return };
        let length = place.saturating_sub(level.from);
        match parent.key {
            Key::Payload => {
                parent.payload = parent.payload.saturating_add(length);
                parent.text_source |= level.part == Part::Text;
            }
            // Its own level said `image`, and has counted no payload: the data is all there is.
            Key::InlineData if level.part == Part::Image => self.image(length),
            Key::InlineData | Key::FileData | Key::Kept => self.unbounded = true,
            Key::CacheControl if level.one_hour => self.cache_1h = true,
            Key::CacheControl => self.cache_5m = true,
            Key::Other | Key::Type | Key::MimeType | Key::Ttl | Key::Data => {}
        }
    }

    fn image(&mut self, bytes: usize) {
        self.images = self.images.saturating_add(1);
        self.image_bytes = self.image_bytes.saturating_add(bytes);
    }
}

impl Level {
    /// Opens a level at `bracket`. What stands within a payload is part of it, and is no media of
    /// its own.
    fn within(parent: Option<&Self>, bracket: u8, from: usize) -> Self {
        let object = bracket == b'{';
        let key = parent.map_or(Key::Other, |parent| parent.key);
        Self {
            data: parent.is_some_and(|parent| parent.data || parent.is_payload) || key == Key::Data,
            is_payload: matches!(key, Key::Payload | Key::InlineData | Key::FileData),
            text_source: false,
            from,
            at_key: object,
            object,
            key: Key::Other,
            part: Part::Other,
            payload: 0,
            one_hour: false,
        }
    }

    /// Takes a string in, as a key or as a value.
    fn read(&mut self, text: &[u8]) {
        if self.at_key {
            self.at_key = false;
            self.key = Key::of(text);
            return;
        }
        match self.key {
            Key::Type => self.part = Part::of_type(text),
            Key::MimeType if self.is_payload => self.part = Part::of_mime_type(text),
            Key::Payload => self.payload = self.payload.saturating_add(text.len()),
            Key::Ttl => self.one_hour |= text == b"1h",
            Key::Other
            | Key::MimeType
            | Key::InlineData
            | Key::FileData
            | Key::CacheControl
            | Key::Data
            | Key::Kept => {}
        }
    }
}

/// The inside of the string that opens at `place`.
fn string(bytes: &[u8], place: usize) -> &[u8] {
    let inside = bytes.get(place.saturating_add(1)..).unwrap_or_default();
    let mut end = 0;
    while let Some(rest) = inside.get(end..) {
        match memchr::memchr2(b'"', b'\\', rest) {
            Some(at) if rest.get(at) == Some(&b'\\') => {
                end = end.saturating_add(at).saturating_add(2);
            }
            Some(at) => return inside.get(..end.saturating_add(at)).unwrap_or_default(),
            None => break,
        }
    }
    inside
}

/// The string itself, where it is short enough to be one of ours: `"t\u0079pe"` is `type`.
fn unescaped(text: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    const LONGEST: usize = 128;
    if text.len() > LONGEST || memchr::memchr(b'\\', text).is_none() {
        return text.into();
    }
    let quoted = [b"\"", text, b"\""].concat();
    serde_json::from_slice::<String>(&quoted)
        .map_or_else(|_| text.into(), |s| s.into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Extent {
        Extent::of(text.as_bytes()).unwrap()
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
            r#"[{"type":"input_audio","input_audio":{"data":"AAAA"}}]"#,
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
        assert!(Extent::of(deep(DEEPEST).as_bytes()).is_ok());
        let deeper = deep(DEEPEST.saturating_add(1));
        assert_eq!(Extent::of(deeper.as_bytes()), Err(Fault::TooDeep));
    }
}
