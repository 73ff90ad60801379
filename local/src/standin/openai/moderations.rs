//! OpenAI's moderations. Nothing is flagged.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::read;
use super::refusal::Refusal;
use crate::standin::answer::Answer;
use crate::standin::call::Call;

/// The model that judges where none is named.
const USUAL_MODEL: &str = "omni-moderation-latest";

/// How likely everything is held to be.
const SCORE: f64 = 0.000_1;

pub(super) fn answer(call: &Call) -> Result<Answer, Refusal> {
    let request: Request = read(call)?;
    let results = request.input.ok_or(Refusal::NO_INPUT)?.results();
    if results.is_empty() {
        return Err(Refusal::NO_INPUT);
    }
    let model = request.model.as_deref().filter(|model| !model.is_empty()).unwrap_or(USUAL_MODEL);
    Ok(Answer::json(StatusCode::OK, &Moderation { id: call.id("modr-"), model, results }))
}

/// What of a request decides the shape of its answer. All else is skipped over.
#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    input: Option<Input>,
}

/// What is judged: each text of its own, or all parts together.
#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part {
    Text {},
    ImageUrl {},
}

impl Input {
    fn results(self) -> Vec<Judgement> {
        match self {
            Self::Text(text) => Self::Texts(vec![text]).results(),
            Self::Texts(texts) => texts.iter().map(|_| Judgement::of_text()).collect(),
            Self::Parts(parts) if parts.is_empty() => Vec::new(),
            Self::Parts(parts) => {
                let texts = parts.iter().any(|part| matches!(part, Part::Text {}));
                let images = parts.iter().any(|part| matches!(part, Part::ImageUrl {}));
                let text = if texts { &["text"][..] } else { &[] };
                let image = if images { &["image"][..] } else { &[] };
                vec![Judgement::of(text, image)]
            }
        }
    }
}

/// An answer.
#[derive(Serialize)]
struct Moderation<'a> {
    id: String,
    model: &'a str,
    results: Vec<Judgement>,
}

#[derive(Serialize)]
struct Judgement {
    flagged: bool,
    categories: Categories<bool>,
    category_scores: Categories<f64>,
    category_applied_input_types: Categories<Vec<&'static str>>,
}

impl Judgement {
    fn of_text() -> Self {
        Self::of(&["text"], &[])
    }

    /// Of text and images, each named where it is there. Not every category is looked for in
    /// images.
    fn of(text: &[&'static str], images: &[&'static str]) -> Self {
        let (text, both) = (text.to_vec(), [text, images].concat());
        let category_applied_input_types = Categories {
            sexual: both.clone(),
            self_harm_intent: both.clone(),
            self_harm_instructions: both.clone(),
            self_harm: both.clone(),
            violence: both.clone(),
            violence_graphic: both,
            ..Categories::all(&text)
        };
        Self {
            flagged: false,
            categories: Categories::all(&false),
            category_scores: Categories::all(&SCORE),
            category_applied_input_types,
        }
    }
}

/// Something of each category.
#[derive(Serialize)]
struct Categories<T> {
    harassment: T,
    #[serde(rename = "harassment/threatening")]
    harassment_threatening: T,
    sexual: T,
    hate: T,
    #[serde(rename = "hate/threatening")]
    hate_threatening: T,
    illicit: T,
    #[serde(rename = "illicit/violent")]
    illicit_violent: T,
    #[serde(rename = "self-harm/intent")]
    self_harm_intent: T,
    #[serde(rename = "self-harm/instructions")]
    self_harm_instructions: T,
    #[serde(rename = "self-harm")]
    self_harm: T,
    #[serde(rename = "sexual/minors")]
    sexual_minors: T,
    violence: T,
    #[serde(rename = "violence/graphic")]
    violence_graphic: T,
}

impl<T: Clone> Categories<T> {
    fn all(each: &T) -> Self {
        Self {
            harassment: each.clone(),
            harassment_threatening: each.clone(),
            sexual: each.clone(),
            hate: each.clone(),
            hate_threatening: each.clone(),
            illicit: each.clone(),
            illicit_violent: each.clone(),
            self_harm_intent: each.clone(),
            self_harm_instructions: each.clone(),
            self_harm: each.clone(),
            sexual_minors: each.clone(),
            violence: each.clone(),
            violence_graphic: each.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{CANARY, ask, refused};

    const PATH: &str = "/v1/moderations";

    #[test]
    fn nothing_is_flagged_in_any_text() {
        let answer = ask(PATH, &json!({"input": ["a", "b"]})).value();
        assert_eq!(answer["model"], "omni-moderation-latest");
        let results = answer["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for result in results {
            assert_eq!(result["flagged"], false);
            assert!(result["categories"].as_object().unwrap().values().all(|it| it == false));
            assert!(result["category_scores"]["violence"].is_f64());
        }
        assert_eq!(
            ask(PATH, &json!({"input": "a"})).value()["results"].as_array().unwrap().len(),
            1
        );
    }

    #[test]
    fn the_parts_of_one_input_are_judged_as_captured() {
        let captured =
            include_str!("../../../../tests/recordings/openai/moderation_text_image.json");
        let captured: Value = serde_json::from_str(captured).unwrap();
        let input = json!([{"type": "text", "text": CANARY},
            {"type": "image_url", "image_url": {"url": CANARY}}]);
        let answer = ask(PATH, &json!({"input": input})).value();
        let [ours, theirs] = [&answer["results"][0], &captured["results"][0]];
        let applied = "category_applied_input_types";
        assert_eq!(ours[applied], theirs[applied]);
        assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn refusals_name_what_is_wrong() {
        refused(PATH, &json!({"model": CANARY}), Some("input"));
        refused(PATH, &json!({"model": CANARY, "input": []}), Some("input"));
        refused(PATH, &json!({"input": [{"type": CANARY}]}), None);
    }
}
