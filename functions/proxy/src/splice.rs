//! A body with a few bytes cut, replaced or inserted, and the rest neither copied nor parsed
//! again: numbers, order and spacing stay as the caller wrote them, and so do the provider's
//! caches of prompt prefixes.

use std::{
    borrow::Cow,
    collections::VecDeque,
    convert::Infallible,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use shared::content::Content;

/// One change: these bytes become that text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Edit {
    pub(crate) at: Range<usize>,
    pub(crate) to: Cow<'static, str>,
}

/// A body on its way to a provider: slices of the caller's bytes, and what was put between them.
pub(crate) struct Spliced(VecDeque<Bytes>);

impl Spliced {
    /// Applies `edits`, which must not overlap. They may come in any order; of two at one place
    /// the insertion comes first.
    pub(crate) fn new(content: Content, mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let bytes = content.into_wire();
        let mut parts = VecDeque::new();
        let mut done = 0;
        for edit in edits {
            parts.push_back(slice(&bytes, done..edit.at.start));
            parts.push_back(match edit.to {
                Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
                Cow::Owned(text) => text.into(),
            });
            done = edit.at.end.max(done);
        }
        parts.push_back(slice(&bytes, done..bytes.len()));
        parts.retain(|part| !part.is_empty());
        Self(parts)
    }

    fn len(&self) -> u64 {
        let length = self.0.iter().map(Bytes::len).fold(0_usize, usize::saturating_add);
        u64::try_from(length).unwrap_or(u64::MAX)
    }
}

/// `Bytes::slice` panics outside its bounds; this gives what there is.
fn slice(bytes: &Bytes, range: Range<usize>) -> Bytes {
    let end = range.end.min(bytes.len());
    bytes.slice(range.start.min(end)..end)
}

impl http_body::Body for Spliced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

#[cfg(test)]
pub(crate) fn joined(content: Content, edits: Vec<Edit>) -> String {
    let parts: Vec<u8> = Spliced::new(content, edits).0.iter().flatten().copied().collect();
    String::from_utf8(parts).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_applied_wherever_they_stand() {
        let content = Content::new(Bytes::from_static(b"0123456789"));
        let edits = vec![
            Edit { at: 8..10, to: "".into() },
            Edit { at: 0..0, to: "<".into() },
            Edit { at: 3..5, to: "xyz".to_owned().into() },
        ];
        assert_eq!(joined(content, edits), "<012xyz567");
    }
}
