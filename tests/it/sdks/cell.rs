//! One cell of the matrix: what a provider says, and what then has to be seen everywhere else.

use serde_json::{Value, json};
use shared::{
    fault::Fault,
    store::calls::{Basis, Record},
    units::{UnitClass, Units},
};
use tests::provider::Script;
use toolchain::{Language, Major, Sdk, Sdks};

/// Whose call it is, and what is said in it.
pub(super) struct Caller<'a> {
    pub(super) sdk: Sdk,
    pub(super) language: Language,
    pub(super) major: Major,
    pub(super) canary: &'a str,
}

impl<'a> Caller<'a> {
    pub(super) const fn new(sdks: &Sdks, sdk: Sdk, canary: &'a str) -> Self {
        Self { sdk, language: sdks.language, major: sdks.major, canary }
    }

    /// The class that raises, which the languages and versions name differently.
    pub(super) fn class(&self, python: &'static str, node: &'static str) -> &'static str {
        if self.language == Language::Python { python } else { node }
    }

    /// What the provider answers.
    pub(super) fn text(&self) -> String {
        format!("Hello, {}.", self.canary)
    }

    /// What stands in the answer before a stream breaks.
    pub(super) fn half(&self) -> String {
        format!("Hello, {}", self.canary)
    }
}

/// How the paths end, and what is then recorded.
const ENDPOINTS: [(&str, &str); 16] = [
    ("/chat/completions", "chat_completions"),
    ("/completions", "completions"),
    ("/responses/input_tokens", "input_tokens"),
    ("/responses", "responses"),
    ("/embeddings", "embeddings"),
    ("/images/generations", "image_generations"),
    ("/images/edits", "image_edits"),
    ("/audio/speech", "audio_speech"),
    ("/audio/transcriptions", "audio_transcriptions"),
    ("/moderations", "moderations"),
    ("/messages/count_tokens", "count_tokens"),
    ("/messages", "messages"),
    (":countTokens", "count_tokens"),
    (":batchEmbedContents", "embed_content"),
    (":generateContent", "generate_content"),
    (":streamGenerateContent", "generate_content"),
];

/// What is recorded of one call.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) status: u16,
    /// The units; if they are estimated, there has to be some output.
    pub(super) units: Units,
    /// Whether the provider has reported them, or nothing where it never does.
    pub(super) basis: Option<Basis>,
}

impl Kept {
    pub(super) fn is(&self, record: &Record) -> bool {
        let estimated = self.basis == Some(Basis::Estimated);
        record.status == self.status
            && self.basis.is_none_or(|basis| record.basis == basis)
            && (record.units == self.units || estimated && record.units.get(UnitClass::Output) > 0)
    }
}

/// One cell.
#[derive(Default)]
pub(super) struct Cell {
    /// The model, where it is not the scenario's usual one.
    pub(super) model: Option<&'static str>,
    /// The requests that the SDK sends, each once.
    pub(super) asks: Vec<String>,
    /// What the provider answers to those that reach it.
    pub(super) answers: Vec<Script>,
    /// What it answers where no platform stands before it. The SDK has to see the same.
    pub(super) direct: Vec<Script>,
    /// What is seen, at least.
    pub(super) sees: Value,
    /// What the message of an error contains.
    pub(super) says: String,
    /// What the last request that reached the provider contains, beside the canary.
    pub(super) carries: Vec<u8>,
    /// What is recorded.
    pub(super) records: Vec<Kept>,
}

impl Cell {
    /// A call that a provider answers, also directly, and that is recorded with these units.
    pub(super) fn answered(ask: &str, answer: Script, sees: Value, units: Units) -> Self {
        Self {
            asks: vec![format!("POST {ask}")],
            answers: vec![answer.clone()],
            direct: vec![answer],
            sees,
            records: vec![Kept { status: 200, units, basis: Some(Basis::Reported) }],
            ..Self::default()
        }
    }

    /// A call that reaches no provider.
    pub(super) fn refused(ask: &str, sees: Value, says: &Fault) -> Self {
        Self { asks: vec![format!("POST {ask}")], sees, says: says.to_string(), ..Self::default() }
    }

    /// The list of models, which no provider is asked for.
    pub(super) fn models(ask: &str) -> Self {
        Self { asks: vec![format!("GET {ask}")], ..Self::default() }
    }

    /// The SDK has no such call.
    pub(super) fn absent() -> Self {
        Self { sees: json!({"absent": true}), ..Self::default() }
    }

    /// The provider answers something else where the platform does not change the request.
    pub(super) fn directly(mut self, direct: impl IntoIterator<Item = Script>) -> Self {
        self.direct = direct.into_iter().collect();
        self
    }

    /// Another model than the usual one.
    pub(super) const fn of(mut self, model: &'static str) -> Self {
        self.model = Some(model);
        self
    }

    /// One more call of the same scenario.
    pub(super) fn and(mut self, next: Self) -> Self {
        self.asks.extend(next.asks);
        self.answers.extend(next.answers);
        self.direct.extend(next.direct);
        self.records.extend(next.records);
        self
    }

    /// What the request that reaches the provider contains.
    pub(super) fn carrying(mut self, carries: impl Into<Vec<u8>>) -> Self {
        self.carries = carries.into();
        self
    }

    /// The provider's own error, which passes with its words and is not charged.
    pub(super) fn failing(mut self, status: u16, says: impl Into<String>) -> Self {
        self.says = says.into();
        for record in &mut self.records {
            record.status = status;
        }
        self
    }

    /// The answer breaks off with these words, and what it used is estimated.
    pub(super) fn breaking(mut self, says: impl Into<String>) -> Self {
        self.says = says.into();
        for record in &mut self.records {
            *record = Kept { status: 502, units: Units::default(), basis: Some(Basis::Estimated) };
        }
        self
    }

    /// The provider reports nothing, and the platform itself knows what was used.
    pub(super) fn unreported(mut self) -> Self {
        for record in &mut self.records {
            record.basis = None;
        }
        self
    }

    /// The endpoint type that is recorded.
    pub(super) fn endpoint(&self) -> Option<&'static str> {
        let ask = self.asks.first()?;
        ENDPOINTS.iter().find(|(ending, _)| ask.contains(ending)).map(|(_, name)| *name)
    }
}

/// Units of these classes.
pub(super) fn units(classes: &[(UnitClass, u64)]) -> Units {
    classes.iter().fold(Units::default(), |units, (class, count)| units.with(*class, *count))
}

/// Fails unless everything in `expected` is in `seen`.
pub(super) fn must_be_in(expected: &Value, seen: &Value) {
    for (name, value) in expected.as_object().into_iter().flatten() {
        assert_eq!(&seen[name], value, "`{name}` of {seen}");
    }
}
