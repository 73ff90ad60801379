//! OpenAI's completions, which are older than its chat.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::prompts::Prompts;
use super::refusal::Refusal;
use super::{CREATED, DONE, EVENTS, SPEAKER, StreamOptions, finish_reason, frame, read};
use crate::standin::answer::Answer;
use crate::standin::call::Call;
use crate::standin::speech::Speech;

/// The limit of an answer for a caller who sets none.
const USUAL_LIMIT: u64 = 16;

/// The most choices that are made at once.
const MOST_CHOICES: usize = 128;

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request: Request<'_> = read(call)?;
    if request.model.is_empty() {
        return Err(Refusal::NO_MODEL);
    }
    let prompts = request.prompt.as_ref().ok_or(Refusal::NO_PROMPT)?.sizes().len();
    let streams = request.stream == Some(true);
    if request.stream_options.is_some() && !streams {
        return Err(Refusal::NOT_STREAMED);
    }
    // Each prompt is answered as often, and the best of several is paid for too.
    let wanted = request.n.unwrap_or(1);
    let made = wanted.max(request.best_of.unwrap_or(1)).saturating_mul(prompts);
    if wanted == 0 || !(1..=MOST_CHOICES).contains(&made) {
        return Err(Refusal::CHOICES);
    }
    let speech = SPEAKER.speak(Some(request.max_tokens.unwrap_or(USUAL_LIMIT)));
    let usage = Usage::new(call.prompt_tokens(), &speech, made);
    let choices = wanted.saturating_mul(prompts);
    Ok(if streams {
        let options = request.stream_options.unwrap_or_default();
        stream(&Completion::new(call, &request.model), options, &speech, choices, usage)
    } else {
        let ended = Some(finish_reason(speech.ending));
        let choice =
            |index| Choice { text: speech.text(), index, logprobs: (), finish_reason: ended };
        let choices = (0..choices).map(choice).collect();
        let completion =
            Completion::new(call, &request.model).with(choices).used(Some(Some(usage)));
        Answer::json(StatusCode::OK, &completion)
    })
}

fn stream(
    blank: &Completion<'_>,
    options: StreamOptions,
    speech: &Speech,
    choices: usize,
    usage: Usage,
) -> Answer {
    // Asked for, usage is null until it is known; otherwise there is no such key.
    let unknown = options.usage().then_some(None);
    let ended = finish_reason(speech.ending);
    let said = speech.pieces.iter().map(|piece| (piece.as_str(), None)).chain([("", Some(ended))]);
    let mut frames = Vec::new();
    for (text, finish_reason) in said {
        frames.extend((0..choices).map(|index| {
            let choice = Choice { text: text.to_owned(), index, logprobs: (), finish_reason };
            frame(&blank.clone().with(vec![choice]).used(unknown))
        }));
    }
    if options.usage() {
        frames.push(frame(&blank.clone().used(Some(Some(usage)))));
    }
    frames.push(DONE);
    Answer::stream(EVENTS, frames)
}

/// What of a request decides the shape of its answer. All else is skipped over, above all the wish
/// to hear the prompt again.
#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    model: String,
    #[serde(borrow)]
    prompt: Option<Prompts<'a>>,
    max_tokens: Option<u64>,
    n: Option<usize>,
    best_of: Option<usize>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
}

/// A whole answer, or one event of a streamed one: they have the same name.
#[derive(Clone, Serialize)]
struct Completion<'a> {
    id: String,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Usage>>,
}

impl<'a> Completion<'a> {
    fn new(call: &Call, model: &'a str) -> Self {
        let (id, object) = (call.id("cmpl-"), "text_completion");
        Self { id, object, created: CREATED, model, choices: Vec::new(), usage: None }
    }

    fn with(self, choices: Vec<Choice>) -> Self {
        Self { choices, ..self }
    }

    /// With no `usage`, a null one or a known one.
    fn used(self, usage: Option<Option<Usage>>) -> Self {
        Self { usage, ..self }
    }
}

#[derive(Clone, Serialize)]
struct Choice {
    text: String,
    index: usize,
    /// Null, as `()` is written.
    logprobs: (),
    finish_reason: Option<&'static str>,
}

/// What was used. Total is prompt and completion.
#[derive(Clone, Copy, Serialize)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Usage {
    fn new(prompt_tokens: u64, speech: &Speech, made: usize) -> Self {
        let made = u64::try_from(made).unwrap_or(u64::MAX);
        let completion_tokens = speech.tokens().saturating_mul(made);
        let total_tokens = prompt_tokens.saturating_add(completion_tokens);
        Self { prompt_tokens, completion_tokens, total_tokens }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{CANARY, ask, refused};
    use super::*;

    const PATH: &str = "/v1/completions";

    fn question(more: &Value) -> Value {
        let mut body = json!({"model": "gpt-3.5-turbo-instruct", "prompt": "Once"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn a_plain_answer_adds_up_and_has_sixteen_tokens_unless_more_are_asked_for() {
        let answer = ask(PATH, &question(&json!({}))).value();
        assert_eq!(answer["object"], "text_completion");
        assert_eq!(answer["choices"][0]["text"], SPEAKER.speak(Some(16)).text());
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(answer["usage"]["completion_tokens"], 16);
        let prompt = answer["usage"]["prompt_tokens"].as_u64().unwrap();
        assert_eq!(answer["usage"]["total_tokens"], prompt + 16);

        let answer = ask(PATH, &question(&json!({"max_tokens": 50}))).value();
        assert_eq!(answer["choices"][0]["text"], SPEAKER.text());
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    }

    #[test]
    fn every_prompt_has_its_choices_and_the_best_of_several_is_paid_for() {
        let more = json!({"prompt": ["a", "b"], "n": 2, "best_of": 3, "max_tokens": 2});
        let answer = ask(PATH, &question(&more)).value();
        let indices: Vec<_> = answer["choices"].as_array().unwrap().iter().collect();
        assert_eq!(indices.len(), 4);
        assert_eq!(indices[3]["index"], 3);
        assert_eq!(answer["usage"]["completion_tokens"], 12);
    }

    #[test]
    fn usage_streams_only_when_asked_for() {
        let asked = json!({"stream": true, "stream_options": {"include_usage": true}, "n": 2});
        let answer = ask(PATH, &question(&asked));
        let events = answer.events();
        let (last, rest) = events.split_last().unwrap();
        assert_eq!(last["choices"], json!([]));
        assert_eq!(last["usage"]["completion_tokens"], 32);
        assert!(rest.iter().all(|event| event.get("usage") == Some(&Value::Null)));
        assert!(answer.text().ends_with("}\n\ndata: [DONE]\n\n"));

        let events = ask(PATH, &question(&json!({"stream": true}))).events();
        assert!(events.iter().all(|event| event.get("usage").is_none()));
        let said: String =
            events.iter().map(|event| event["choices"][0]["text"].as_str().unwrap()).collect();
        assert_eq!(said, SPEAKER.speak(Some(16)).text());
        assert_eq!(events[16]["choices"][0]["finish_reason"], "length");
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        refused(PATH, &json!({"prompt": CANARY}), None);
        refused(PATH, &json!({"model": CANARY}), Some("prompt"));
        for n in [json!({"n": 0}), json!({"n": 129}), json!({"prompt": []})] {
            refused(PATH, &question(&n), Some("n"));
        }
        let options = json!({"stream_options": {}, "suffix": CANARY});
        refused(PATH, &question(&options), Some("stream_options"));
    }
}
