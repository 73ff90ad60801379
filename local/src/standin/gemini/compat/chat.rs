//! Chat completions, where they are not as OpenAI's: every chunk has the usage so far, asked for or
//! not, and thoughts are in the total alone.

use http::StatusCode;
use serde::Serialize;

use super::{Refusal, read};
use crate::standin::answer::Answer;
use crate::standin::call::Call;
use crate::standin::gemini::turn::{Tally, Turn, Word};
use crate::standin::openai::chat::ChatRequest;
use crate::standin::openai::{CREATED, DONE, finish_reason, frame};
use crate::standin::speech::Ending;

/// The fields of a request it is taken to know.
const FIELDS: [&str; 18] = [
    "extra_body",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "reasoning_effort",
    "response_format",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
];

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request: ChatRequest = read(call, &FIELDS)?;
    if request.model.is_empty() || request.messages.is_none() {
        return Err(Refusal::MISSING_FIELD);
    }
    let turn = Turn::new(request.limit(), call.prompt_tokens())?;
    if !request.streams() {
        return Ok(Answer::json(StatusCode::OK, &Completion::whole(call, &request.model, &turn)));
    }
    let chunks = turn.words().map(|word| frame(&Completion::word(call, &request.model, &word)));
    Ok(Answer::stream("text/event-stream", chunks.chain([DONE]).collect()))
}

/// An answer, or one chunk of a streamed one.
#[derive(Serialize)]
struct Completion<'a> {
    choices: [Choice; 1],
    created: u64,
    id: String,
    model: &'a str,
    object: &'static str,
    usage: Usage,
}

impl<'a> Completion<'a> {
    fn whole(call: &Call, model: &'a str, turn: &Turn) -> Self {
        let said = Said::Message(Text::new(turn.speech.text()));
        Self {
            choices: [Choice::new(said, Some(turn.speech.ending))],
            created: CREATED,
            id: call.id(""),
            model,
            object: "chat.completion",
            usage: Usage::new(turn.tally()),
        }
    }

    fn word(call: &Call, model: &'a str, word: &Word<'_>) -> Self {
        let said = Said::Delta(Text::new(word.text.to_owned()));
        Self {
            choices: [Choice::new(said, word.ending)],
            created: CREATED,
            id: call.id(""),
            model,
            object: "chat.completion.chunk",
            usage: Usage::new(word.tally),
        }
    }
}

#[derive(Serialize)]
struct Choice {
    #[serde(flatten)]
    said: Said,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
    index: u32,
}

impl Choice {
    fn new(said: Said, ending: Option<Ending>) -> Self {
        Self { said, finish_reason: ending.map(finish_reason), index: 0 }
    }
}

/// What a choice calls its text.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Said {
    Delta(Text),
    Message(Text),
}

#[derive(Serialize)]
struct Text {
    content: String,
    role: &'static str,
}

impl Text {
    fn new(content: String) -> Self {
        Self { content, role: "assistant" }
    }
}

/// What was used so far. Thoughts are the total's part that neither other count has.
#[derive(Serialize)]
struct Usage {
    completion_tokens: u64,
    prompt_tokens: u64,
    total_tokens: u64,
}

impl Usage {
    fn new(tally: Tally) -> Self {
        Self {
            completion_tokens: tally.candidate,
            prompt_tokens: tally.prompt,
            total_tokens: tally.total(),
        }
    }
}
