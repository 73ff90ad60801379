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
/// Bytes that are still in base 64 are decoded as they are sent, a window at a time.
pub(crate) struct Spliced {
    content: Content,
    parts: VecDeque<Part>,
}

#[derive(Clone)]
enum Part {
    /// These bytes of the caller's.
    Carried(Range<usize>),
    /// Bytes of ours.
    Put(Bytes),
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Self::Carried(range) => range.len(),
            Self::Put(bytes) => bytes.len(),
        }
    }
}

impl Spliced {
    /// Applies `edits`, which must not overlap. They may come in any order; of two at one place
    /// the insertion comes first.
    pub(crate) fn new(content: Content, mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let length = content.len();
        let mut parts = VecDeque::new();
        let mut done = 0;
        for edit in edits {
            parts.push_back(Part::Carried(done..edit.at.start.min(length)));
            parts.push_back(Part::Put(match edit.to {
                Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
                Cow::Owned(text) => text.into(),
            }));
            done = edit.at.end.max(done);
        }
        parts.push_back(Part::Carried(done..length));
        parts.retain(|part| part.len() > 0);
        Self { content, parts }
    }

    /// The same body, for another try at sending it. No byte of it is copied.
    pub(crate) fn again(&self) -> Self {
        Self { content: self.content.again(), parts: self.parts.clone() }
    }

    fn len(&self) -> u64 {
        let length = self.parts.iter().map(Part::len).fold(0_usize, usize::saturating_add);
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    /// The next bytes, as many as there are in one piece.
    fn next(&mut self) -> Option<Bytes> {
        match self.parts.pop_front()? {
            Part::Put(bytes) => Some(bytes),
            Part::Carried(range) => {
                let mut window = self.content.window(range.start);
                window.truncate(range.len());
                let rest = range.start.saturating_add(window.len())..range.end;
                // There are no bytes where base 64 is broken: then the body ends short of the
                // length it was announced with, and the provider refuses it.
                if !rest.is_empty() && !window.is_empty() {
                    self.parts.push_front(Part::Carried(rest));
                }
                Some(window)
            }
        }
    }
}

impl http_body::Body for Spliced {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.len())
    }
}

#[cfg(test)]
pub(crate) fn joined(content: Content, edits: Vec<Edit>) -> String {
    let mut spliced = Spliced::new(content, edits);
    let length = spliced.len();
    let joined: Vec<u8> = std::iter::from_fn(|| spliced.next()).flatten().collect();
    assert_eq!(u64::try_from(joined.len()).unwrap(), length, "it is as long as it says");
    String::from_utf8(joined).unwrap()
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

    #[test]
    fn base64_is_spliced_as_if_it_were_plain() {
        use base64::{Engine as _, engine::general_purpose::STANDARD};

        let plain = "0123456789".repeat(20_000);
        let edits = || {
            vec![
                Edit { at: 1..2, to: "<".into() },
                Edit { at: 49_153..49_160, to: "".into() },
                Edit { at: 200_000..200_000, to: ">".into() },
            ]
        };
        let encoded = Content::of_base64(STANDARD.encode(&plain).into()).unwrap();
        let expected = joined(Content::new(plain.into()), edits());
        assert!(joined(encoded, edits()) == expected);
    }
}
