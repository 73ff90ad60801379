//! Cuts a stream into frames: server-sent events, or the elements of one array. It holds the
//! frame that is not yet whole and nothing else, and it changes no byte.

use bytes::{Bytes, BytesMut};

/// How a stream is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events: a frame ends with an empty line.
    Events,
    /// One JSON array: a frame is an element, with what stands before it.
    Array,
}

/// Cuts a stream into frames.
pub(crate) struct Framer {
    scan: Scan,
    held: BytesMut,
}

impl Framer {
    pub(crate) fn new(framing: Framing) -> Self {
        let scan = match framing {
            Framing::Events => Scan::Events(Events { line_is_empty: true, after_cr: None }),
            Framing::Array => Scan::Array(Array::default()),
        };
        Self { scan, held: BytesMut::new() }
    }

    /// Takes bytes in and gives out the frames that are whole now. A frame within one chunk is a
    /// slice of it; only one that spans chunks is copied together.
    pub(crate) fn push(&mut self, chunk: Bytes, frame: &mut impl FnMut(Bytes)) {
        let mut from = 0;
        let mut place = 0;
        while let Some(rest) = chunk.get(place..).filter(|rest| !rest.is_empty()) {
            let (end, passed) = self.scan.next(rest);
            place = place.saturating_add(passed);
            if let Some(before) = end {
                let at = place.saturating_sub(before);
                self.give(chunk.slice(from..at.max(from)), frame);
                from = at.max(from);
            }
        }
        if from < chunk.len() {
            self.held.extend_from_slice(chunk.get(from..).unwrap_or_default());
        }
    }

    /// What is left at the end of the stream: an unfinished frame, or the end of the array.
    pub(crate) fn end(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    fn give(&mut self, bytes: Bytes, frame: &mut impl FnMut(Bytes)) {
        if self.held.is_empty() {
            if !bytes.is_empty() {
                frame(bytes);
            }
        } else {
            self.held.extend_from_slice(&bytes);
            frame(self.held.split().freeze());
        }
    }
}

enum Scan {
    Events(Events),
    Array(Array),
}

impl Scan {
    /// Reads on to the next end of a frame or to the end of `rest`: how many bytes were passed,
    /// and if a frame ended, how many of them no longer belong to it.
    fn next(&mut self, rest: &[u8]) -> (Option<usize>, usize) {
        match self {
            Self::Events(events) => events.next(rest),
            Self::Array(array) => array.next(rest),
        }
    }
}

/// Lines end with LF, CR or both; an empty one ends the event.
struct Events {
    line_is_empty: bool,
    /// The byte before was CR, and whether that ended an empty line.
    after_cr: Option<LineWas>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LineWas {
    Empty,
    Text,
}

impl Events {
    fn next(&mut self, rest: &[u8]) -> (Option<usize>, usize) {
        if let Some(line) = self.after_cr.take() {
            // An LF right behind belongs to the same end of line, and to the same frame.
            let lf = rest.first() == Some(&b'\n');
            let passed = usize::from(lf);
            if line == LineWas::Empty {
                return (Some(0), passed);
            }
            if lf {
                return (None, 1);
            }
        }
        let Some(at) = memchr::memchr2(b'\n', b'\r', rest) else {
            self.line_is_empty = false;
            return (None, rest.len());
        };
        let line = if self.line_is_empty && at == 0 { LineWas::Empty } else { LineWas::Text };
        self.line_is_empty = true;
        let passed = at.saturating_add(1);
        if rest.get(at) == Some(&b'\r') {
            self.after_cr = Some(line);
            return (None, passed);
        }
        ((line == LineWas::Empty).then_some(0), passed)
    }
}

/// Counts braces outside strings.
#[derive(Default)]
struct Array {
    depth: u32,
    in_string: bool,
    escaped: bool,
}

impl Array {
    fn next(&mut self, rest: &[u8]) -> (Option<usize>, usize) {
        let mut place = 0;
        while let Some(byte) = rest.get(place) {
            place = place.saturating_add(1);
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                match byte {
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {
                        let quote = rest.get(place..).and_then(|r| memchr::memchr2(b'"', b'\\', r));
                        place = quote.map_or(rest.len(), |at| place.saturating_add(at));
                    }
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' => self.depth = self.depth.saturating_add(1),
                    b'}' => {
                        self.depth = self.depth.saturating_sub(1);
                        if self.depth == 0 {
                            return (Some(0), place);
                        }
                    }
                    _ => {}
                }
            }
        }
        (None, place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(framing: Framing, chunks: &[&str]) -> (Vec<String>, String) {
        let mut framer = Framer::new(framing);
        let mut frames = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        for chunk in chunks {
            let chunk = Bytes::copy_from_slice(chunk.as_bytes());
            framer.push(chunk, &mut |frame| frames.push(text(&frame)));
        }
        let rest = framer.end();
        (frames, text(&rest))
    }

    #[test]
    fn events_end_at_an_empty_line_of_any_kind() {
        for [line, other] in [["\n", "\n"], ["\r\n", "\r\n"], ["\r", "\r"]] {
            let event = format!("data: a{line}{other}");
            let stream = event.repeat(2);
            for split in 0..stream.len() {
                let (head, tail) = stream.split_at(split);
                let (found, rest) = frames(Framing::Events, &[head, tail, "data: b"]);
                assert_eq!(found, [event.clone(), event.clone()], "{stream:?} at {split}");
                assert_eq!(rest, "data: b");
            }
        }
    }

    #[test]
    fn elements_end_at_their_brace_and_not_at_one_in_a_string() {
        let stream = r#"[{"a":"}\"{"},{"b":{}}]"#;
        for split in 0..stream.len() {
            let (head, tail) = stream.split_at(split);
            let (found, rest) = frames(Framing::Array, &[head, tail]);
            assert_eq!(found, [r#"[{"a":"}\"{"}"#, r#",{"b":{}}"#], "at {split}");
            assert_eq!(rest, "]");
        }
    }
}
