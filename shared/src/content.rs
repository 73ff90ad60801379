//! What a caller or a provider wrote. It is carried, never kept.
//!
//! [`Content`] cannot be formatted, cloned, compared or serialised, so that no log line, error or
//! item can hold it by accident. Two methods give out bytes; a test lists the files that may call
//! them.

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
/// This much compiles:
///
/// ```
/// let content = shared::content::Content::new("text".into());
/// assert_eq!(content.len(), 4);
/// ```
pub struct Content(Bytes);

impl Content {
    /// Takes up bytes at the rim.
    pub const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Joins pieces of one answer. A single piece is not copied.
    pub fn join(mut pieces: Vec<Self>) -> Self {
        match pieces.pop() {
            Some(only) if pieces.is_empty() => only,
            last => {
                let all = pieces.into_iter().chain(last);
                let mut joined = BytesMut::new();
                for piece in all {
                    joined.extend_from_slice(&piece.0);
                }
                Self(joined.freeze())
            }
        }
    }

    /// How many bytes there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Lends the bytes to code that reads a head or meters a frame. What it returns must not hold
    /// any of them, the catalogue's names and counts apart.
    pub fn inspect(&self) -> &[u8] {
        &self.0
    }

    /// Gives the bytes to a socket, and with them this value.
    pub fn into_wire(self) -> Bytes {
        self.0
    }
}

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
