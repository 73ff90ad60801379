//! What a caller or a provider wrote. It is carried, never kept.
//!
//! [`Content`] cannot be formatted, cloned, compared or serialised, so that no log line, error or
//! item can hold it by accident. Three methods give out bytes and one hands them on; a test lists the
//! files that may call them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};

/// Bytes that a caller or a provider wrote.
///
/// ```compile_fail
/// let content = shared::content::Content::new("text".into());
/// println!("{content:?}");
/// ```
///
/// ```compile_fail
/// let content = shared::content::Content::new("text".into());
/// println!("{content}");
/// ```
///
/// ```compile_fail
/// let content = shared::content::Content::new("text".into());
/// let copy = content.clone();
/// let _both = (content, copy);
/// ```
///
/// ```compile_fail
/// let content = shared::content::Content::new("text".into());
/// assert!(content == shared::content::Content::new("text".into()));
/// ```
///
/// ```compile_fail
/// fn keep(_: &impl serde::Serialize) {}
/// keep(&shared::content::Content::new("text".into()));
/// ```
///
/// ```compile_fail
/// let content = shared::content::Content::new("text".into());
/// let seen = std::collections::HashSet::from([content]);
/// ```
///
/// ```compile_fail
/// let text: String = shared::content::Content::new("text".into()).into();
/// ```
///
/// Nor can what holds it:
///
/// ```compile_fail
/// fn log(request: &shared::event::Request) -> String {
///     format!("{request:?}")
/// }
/// ```
///
/// ```compile_fail
/// let content = shared::content::Content::new("text".into());
/// let error: Box<dyn std::error::Error> = content.into();
/// ```
///
/// ```compile_fail
/// let gathered = shared::content::Gathered::with_room(0);
/// println!("{gathered:?}");
/// ```
///
/// This much compiles:
///
/// ```
/// let content = shared::content::Content::new("text".into());
/// assert_eq!(content.len(), 4);
/// ```
pub struct Content(Source);

#[derive(Clone)]
enum Source {
    Plain(Bytes),
    /// As API Gateway hands over what is no text: in base 64, of this many bytes.
    Base64(Bytes, usize),
}

/// How much base 64 is decoded at once: whole groups of four characters.
const WINDOW: usize = 64 * 1_024;

impl Content {
    /// Takes up bytes at the rim.
    pub const fn new(bytes: Bytes) -> Self {
        Self(Source::Plain(bytes))
    }

    /// Takes up bytes that are still in base 64. They are decoded as they are looked at and sent,
    /// a window at a time, so that no second copy of them is ever made.
    ///
    /// # Errors
    /// When it is not base 64 with its padding.
    pub fn of_base64(text: Bytes) -> Result<Self, NotBase64> {
        if !text.len().is_multiple_of(4) {
            return Err(NotBase64);
        }
        let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
        let length = text.len().div_euclid(4).saturating_mul(3).saturating_sub(padding);
        Ok(Self(Source::Base64(text, length)))
    }

    /// The same, decoded whole if it was in base 64.
    ///
    /// # Errors
    /// When it is not base 64.
    pub fn plain(self) -> Result<Self, NotBase64> {
        match self.0 {
            Source::Base64(text, _) => {
                STANDARD.decode(&text).map(|bytes| Self::new(bytes.into())).map_err(|_| NotBase64)
            }
            Source::Plain(_) => Ok(self),
        }
    }

    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        match &self.0 {
            Source::Plain(bytes) => bytes.len(),
            Source::Base64(_, length) => *length,
        }
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lends the bytes to code that reads a head or meters a frame. What it returns must not hold
    /// any of them, the catalogue's names and counts apart. There are none while they are in
    /// base 64.
    pub fn inspect(&self) -> &[u8] {
        match &self.0 {
            Source::Plain(bytes) => bytes,
            Source::Base64(..) => &[],
        }
    }

    /// The bytes from `from` on: all of them, or of base 64 a window of some 48 KiB. There are
    /// none at the end, nor where the base 64 is broken.
    pub fn window(&self, from: usize) -> Bytes {
        match &self.0 {
            Source::Plain(bytes) => bytes.slice(from.min(bytes.len())..),
            Source::Base64(text, _) => {
                let group = from.div_euclid(3).saturating_mul(4).min(text.len());
                let end = group.saturating_add(WINDOW).min(text.len());
                let text = text.get(group..end).unwrap_or_default();
                let decoded = Bytes::from(STANDARD.decode(text).unwrap_or_default());
                let skip = from.rem_euclid(3).min(decoded.len());
                decoded.slice(skip..)
            }
        }
    }

    /// The same bytes by reference count, for a call that may have to be sent to a provider again,
    /// and for nothing else.
    #[must_use]
    pub fn again(&self) -> Self {
        Self(self.0.clone())
    }

    /// Gives the bytes to a socket, and with them this value.
    pub fn into_wire(self) -> Bytes {
        match self.0 {
            Source::Plain(bytes) => bytes,
            Source::Base64(text, _) => STANDARD.decode(text).unwrap_or_default().into(),
        }
    }
}

/// Content that comes in pieces and is wanted whole.
pub struct Gathered(BytesMut);

impl Gathered {
    /// Nothing yet, with room for as much as is said to come.
    pub fn with_room(bytes: usize) -> Self {
        Self(BytesMut::with_capacity(bytes))
    }

    /// Takes in the next piece.
    pub fn push(&mut self, piece: Content) {
        self.0.extend_from_slice(&piece.into_wire());
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of it.
    pub fn whole(self) -> Content {
        Content::new(self.0.freeze())
    }
}

/// The text is no base 64. It is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base 64")]
pub struct NotBase64;

/// Where JSON went wrong. The text is not in it.
///
/// `serde_json::Error` quotes what it read, so it is turned into this at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed JSON at line {line}, column {column}")]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 0.
    pub column: usize,
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Self {
        Self { line: error.line(), column: error.column() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_from_any_place_as_if_it_were_plain() {
        let bytes: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).take(200_001).collect();
        for length in [0, 1, 2, 3, 4, WINDOW, 150_000, 200_001] {
            let plain = bytes.get(..length).unwrap();
            let content = Content::of_base64(STANDARD.encode(plain).into()).unwrap();
            assert_eq!(content.len(), length);
            for from in [0, 1, 2, 3, 48, 49_151, 49_152, 49_153, length / 2, length] {
                let window = content.window(from);
                let rest = plain.get(from..).unwrap_or_default();
                assert!(rest.starts_with(&window), "{length} from {from}");
                assert!(window.len() > 40_000 || window.len() == rest.len());
            }
            assert_eq!(content.plain().unwrap().into_wire(), plain);
        }
    }

    #[test]
    fn what_is_no_base64_is_nothing() {
        assert_eq!(Content::of_base64("abc".into()).map(|_| ()), Err(NotBase64));
        let broken = Content::of_base64("ab!?".into()).unwrap();
        assert!(broken.window(0).is_empty());
        assert!(broken.plain().is_err());
    }
}
