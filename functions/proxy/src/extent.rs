//! How much a body gives the model to read: text by its bytes, images by their number, and
//! whether there is anything whose length the body does not tell.
//!
//! It walks JSON that is known to be valid, in one pass, without recursion and without copying.

use shared::fault::Fault;

use crate::target::Target;

/// Deeper than any request that a provider takes, and shallow enough to be walked.
const DEEPEST: usize = 512;

/// What a body gives the model to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Images, in the body or by URL.
    pub(crate) images: u64,
    /// The bytes those images take in the body, which are no text.
    pub(crate) image_bytes: usize,
    /// Recordings of sound in the body.
    pub(crate) sounds: u64,
    /// The bytes those take in the body, in base 64.
    pub(crate) sound_bytes: usize,
    /// A file, a document or video: its tokens cannot be told from the body.
    pub(crate) unbounded: bool,
    /// Something that is stored at the provider, by the field that names it.
    pub(crate) stored: Option<&'static str>,
    /// How many items of a response's input hold tools.
    pub(crate) tools_within: u64,
    /// A tool is defined among Anthropic's messages, where nothing says who runs it.
    pub(crate) tool_defined: bool,
    /// What an object is, or holds, is said twice in it.
    pub(crate) ambiguous: bool,
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
    /// Names a file that a provider keeps.
    FileId,
}

impl Key {
    fn of(name: &[u8]) -> Self {
        match name {
            b"type" => Self::Type,
            b"image_url" | b"input_audio" | b"video_url" | b"file" | b"source" | b"image" => {
                Self::Payload
            }
            b"audio" => Self::Kept,
            b"file_id" => Self::FileId,
            b"inlineData" | b"inline_data" => Self::InlineData,
            b"fileData" | b"file_data" => Self::FileData,
            b"mimeType" | b"mime_type" => Self::MimeType,
            b"cache_control" => Self::CacheControl,
            b"ttl" => Self::Ttl,
            b"input"
            | b"input_examples"
            | b"env"
            | b"action"
            | b"$defs"
            | b"defs"
            | b"responseSchema"
            | b"response_schema"
            | b"responseJsonSchema"
            | b"response_json_schema"
            | b"_responseJsonSchema"
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
    Sound,
    /// Text in the body, as the source of a document.
    Text,
    Unbounded,
    /// An item of an earlier response, by its id.
    Reference,
    /// Tools that are lent within the conversation.
    Tools,
    /// The definition of one.
    Definition,
}

impl Part {
    fn of_type(name: &[u8]) -> Self {
        match name {
            b"image" | b"image_url" | b"input_image" | b"computer_screenshot" => Self::Image,
            b"text" => Self::Text,
            b"item_reference" => Self::Reference,
            b"additional_tools" | b"tool_search_output" => Self::Tools,
            b"tool_definition" => Self::Definition,
            b"input_audio" => Self::Sound,
            b"file" | b"input_file" | b"document" | b"container_upload" | b"video"
            | b"video_url" => Self::Unbounded,
            _ => Self::Other,
        }
    }

    fn of_mime_type(name: &[u8]) -> Self {
        if name.starts_with(b"image/") {
            Self::Image
        } else if name.starts_with(b"audio/") {
            Self::Sound
        } else {
            Self::Unbounded
        }
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
    /// Which of the keys that decide what it is it has had: its type, a payload.
    typed: bool,
    paid: bool,
    /// One of them stands there twice, and might be read as either.
    ambiguous: bool,
    /// Its payload is a data URL of something else than an image.
    foreign: bool,
    /// Whether it is the whole body.
    is_root: bool,
    /// Whether it says `"ttl":"1h"`.
    one_hour: bool,
    /// Whether it stands in the caller's own data.
    data: bool,
    /// Whether it is itself the payload of an object, which alone says what it is.
    is_payload: bool,
    /// Whether its last key was `source`.
    is_source: bool,
    /// Whether its `input` is the prompt, as at the top of a response's request.
    input_is_prompt: bool,
}

impl Extent {
    /// Walks `bytes`, which must be valid JSON, on their way to `target`.
    ///
    /// # Errors
    /// When it is nested deeper than [`DEEPEST`].
    pub(crate) fn of(bytes: &[u8], target: Target) -> Result<Self, Fault> {
        let mut extent = Self::default();
        let mut levels: Vec<Level> = Vec::new();
        let mut place = 0;
        while let Some(byte) = bytes.get(place) {
            match byte {
                b'"' => {
                    let text = string(bytes, place);
                    place = place.saturating_add(text.len()).saturating_add(1);
                    if let Some(level) = levels.last_mut() {
                        if level.names_a_file() {
                            extent.stored = Some("file_id");
                        }
                        level.read(&unescaped(text));
                    }
                }
                b'{' | b'[' => {
                    if levels.len() >= DEEPEST {
                        return Err(Fault::TooDeep);
                    }
                    let mut level = Level::within(levels.last(), *byte, place);
                    level.input_is_prompt = levels.is_empty() && target.is_responses();
                    levels.push(level);
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
        if parent.as_ref().is_some_and(|parent| parent.key == Key::CacheControl) {
            self.cache_1h |= level.one_hour;
            self.cache_5m |= !level.one_hour;
        }
        if level.data {
            return;
        }
        if level.ambiguous && level.part != Part::Other {
            self.ambiguous = true;
        }
        match level.part {
            _ if level.is_payload => {}
            Part::Image if level.foreign => self.unbounded = true,
            Part::Image if level.payload > 0 => self.image(level.payload),
            Part::Sound if level.payload > 0 => self.sound(level.payload),
            Part::Unbounded if !level.text_source => self.unbounded = true,
            Part::Reference => self.stored = Some("item_reference"),
            Part::Tools => self.tools_within = self.tools_within.saturating_add(1),
            Part::Definition => self.tool_defined = true,
            Part::Image | Part::Sound | Part::Unbounded | Part::Text | Part::Other => {}
        }
        let Some(parent) = parent else { return };
        let length = place.saturating_sub(level.from);
        match parent.key {
            Key::Payload => {
                parent.payload = parent.payload.saturating_add(length);
                parent.foreign |= level.foreign;
                // Only Anthropic's documents have text as their source.
                let is_source = parent.is_source && level.part == Part::Text;
                parent.text_source = is_source && parent.part != Part::Image;
            }
            // Its own level said `image`, and has counted no payload: the data is all there is.
            Key::InlineData if level.part == Part::Image => self.image(length),
            Key::InlineData if level.part == Part::Sound => self.sound(length),
            Key::InlineData | Key::FileData | Key::Kept => self.unbounded = true,
            Key::Other
            | Key::Type
            | Key::MimeType
            | Key::CacheControl
            | Key::Ttl
            | Key::Data
            | Key::FileId => {}
        }
    }

    fn sound(&mut self, bytes: usize) {
        self.sounds = self.sounds.saturating_add(1);
        self.sound_bytes = self.sound_bytes.saturating_add(bytes);
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
            typed: false,
            paid: false,
            ambiguous: false,
            foreign: false,
            is_root: parent.is_none(),
            is_source: false,
            from,
            at_key: object,
            object,
            key: Key::Other,
            part: Part::Other,
            payload: 0,
            one_hour: false,
            input_is_prompt: false,
        }
    }

    /// Whether the next string is the id of a file at the provider. Within a payload it is that
    /// too, while the caller's own data may look like anything.
    fn names_a_file(&self) -> bool {
        self.key == Key::FileId && !self.at_key && (!self.data || self.is_payload)
    }

    /// Takes a string in, as a key or as a value.
    fn read(&mut self, text: &[u8]) {
        if self.at_key {
            self.at_key = false;
            let other =
                self.input_is_prompt && text == b"input" || self.is_root && text == b"audio";
            self.key = if other { Key::Other } else { Key::of(text) };
            self.is_source = text == b"source";
            if self.key == Key::Type {
                self.ambiguous |= self.typed;
                self.typed = true;
            } else if self.key == Key::Payload {
                self.ambiguous |= self.paid;
                self.paid = true;
            }
            return;
        }
        match self.key {
            Key::Type => self.part = Part::of_type(text),
            Key::Other if self.is_payload => {
                self.foreign |= text.starts_with(b"data:") && !text.starts_with(b"data:image/");
            }
            Key::MimeType if self.is_payload => self.part = Part::of_mime_type(text),
            Key::Payload => {
                self.payload = self.payload.saturating_add(text.len());
                self.foreign |= text.starts_with(b"data:") && !text.starts_with(b"data:image/");
            }
            Key::Ttl => self.one_hour |= text == b"1h",
            Key::Other
            | Key::MimeType
            | Key::InlineData
            | Key::FileData
            | Key::CacheControl
            | Key::Data
            | Key::FileId
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
mod tests;
