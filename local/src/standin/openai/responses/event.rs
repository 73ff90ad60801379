//! The events of a streamed response, in their order.

use bytes::Bytes;
use serde::Serialize;

use super::usage::Usage;
use super::wire::{Message, Part, Response};
use crate::standin::call::Call;
use crate::standin::openai::{StreamOptions, named_frame};
use crate::standin::speech::{Ending, Speech};

/// One event: its name, and what it says.
struct Event<'a>(&'static str, Detail<'a>);

/// What an event says. Its fields stand in the order of their names, as captured.
#[derive(Serialize)]
#[serde(untagged)]
enum Detail<'a> {
    /// How the response stands.
    Response { response: Box<Response<'a>>, sequence_number: usize },
    /// How the message in it stands.
    Item { item: Message, output_index: u32, sequence_number: usize },
    /// How the part of the message stands.
    Part {
        content_index: u32,
        item_id: &'a str,
        output_index: u32,
        part: Part,
        sequence_number: usize,
    },
    /// A word more.
    Delta {
        content_index: u32,
        delta: &'a str,
        item_id: &'a str,
        logprobs: [(); 0],
        #[serde(skip_serializing_if = "Option::is_none")]
        obfuscation: Option<String>,
        output_index: u32,
        sequence_number: usize,
    },
    /// All words.
    Text {
        content_index: u32,
        item_id: &'a str,
        logprobs: [(); 0],
        output_index: u32,
        sequence_number: usize,
        text: String,
    },
}

/// An event as it is written, with its name in it once more.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    detail: &'a Detail<'a>,
}

/// All events of a response that is `begun`, framed.
pub(super) fn events(
    call: &Call,
    begun: Response<'_>,
    speech: &Speech,
    usage: Usage,
    options: StreamOptions,
) -> Vec<Bytes> {
    let (item_id, text) = (&*call.id("msg_"), speech.text());
    let mut sequence = 0..;
    let mut next = || sequence.next().unwrap_or_default();

    let standing = |kind, response: &Response<'_>, sequence_number| {
        let response = Box::new(response.clone());
        Event(kind, Detail::Response { response, sequence_number }).framed()
    };
    let item = |kind, item, sequence_number| {
        Event(kind, Detail::Item { item, output_index: 0, sequence_number }).framed()
    };
    let part = |kind, text, sequence_number| {
        let (content_index, output_index, part) = (0, 0, Part::new(text));
        let detail = Detail::Part { content_index, item_id, output_index, part, sequence_number };
        Event(kind, detail).framed()
    };
    let delta = |delta: &str, sequence_number| {
        let obfuscation = options.padding(delta.len());
        let (content_index, logprobs, output_index) = (0, [], 0);
        let detail = Detail::Delta {
            content_index,
            delta,
            item_id,
            logprobs,
            obfuscation,
            output_index,
            sequence_number,
        };
        Event("response.output_text.delta", detail).framed()
    };

    let mut frames = vec![
        standing("response.created", &begun, next()),
        standing("response.in_progress", &begun, next()),
        item("response.output_item.added", Message::new(call), next()),
        part("response.content_part.added", String::new(), next()),
    ];
    frames.extend(speech.pieces.iter().map(|piece| delta(piece, next())));
    let all = Detail::Text {
        content_index: 0,
        item_id,
        logprobs: [],
        output_index: 0,
        sequence_number: next(),
        text: text.clone(),
    };
    frames.push(Event("response.output_text.done", all).framed());
    frames.push(part("response.content_part.done", text, next()));
    frames.push(item("response.output_item.done", Message::said(call, speech), next()));
    let last = match speech.ending {
        Ending::Said => "response.completed",
        Ending::Cut => "response.incomplete",
    };
    frames.push(standing(last, &begun.said(call, speech, usage), next()));
    frames
}

impl Event<'_> {
    fn framed(&self) -> Bytes {
        let Self(kind, detail) = self;
        named_frame(kind, &Written { kind, detail })
    }
}
