//! Where the limit of an answer is set, for a caller who has set none and whose balance does not
//! cover the longest answer.

use std::ops::Range;

use shared::{fault::Fault, provider::Provider};

use crate::{fields::Target, head::Object, route::Kind, splice::Edit};

/// Where the limit of the answer is written, for a caller who has set none.
pub(crate) struct LimitPlace {
    at: Range<usize>,
    before: &'static str,
    after: &'static str,
}

impl LimitPlace {
    /// Finds the place in `object`, or in Gemini's `generationConfig` if there is one. None where
    /// the caller has to set a limit, as with Anthropic's messages.
    ///
    /// # Errors
    /// When a field stands there twice.
    pub(crate) fn find(
        kind: &Kind,
        provider: Provider,
        object: &Object<'_>,
        config: Option<&Object<'_>>,
    ) -> Result<Option<Self>, Fault> {
        let inside = match (Target::of(kind, provider), config) {
            (Target::Messages, _) => return Ok(None),
            (Target::OpenAi, _) => {
                let field = &["max_completion_tokens"];
                Self::member(object, field, "\"max_completion_tokens\":")?
            }
            (Target::AnthropicCompatible | Target::GeminiCompatible, _) => {
                Self::member(object, &["max_tokens"], "\"max_tokens\":")?
            }
            (Target::Gemini, Some(config)) => {
                let field = &["maxOutputTokens", "max_output_tokens"];
                Self::member(config, field, "\"maxOutputTokens\":")?
            }
            (Target::Gemini, None) => {
                let field = &["generationConfig", "generation_config"];
                let whole = "\"generationConfig\":{\"maxOutputTokens\":";
                let Self { at, before, after } = Self::member(object, field, whole)?;
                let replaced = before.is_empty();
                let before = if replaced { "{\"maxOutputTokens\":" } else { before };
                Self { at, before, after: if after == "," { "}," } else { "}" } }
            }
        };
        Ok(Some(inside))
    }

    /// The value of the member if it is there as `null` or zero, else a new member in front.
    fn member(
        object: &Object<'_>,
        field: &'static [&'static str],
        before: &'static str,
    ) -> Result<Self, Fault> {
        if let Some(member) = object.get_or_null(field)? {
            return Ok(Self { at: member.value_at.clone(), before: "", after: "" });
        }
        let after = if object.members.is_empty() { "" } else { "," };
        Ok(Self { at: object.open..object.open, before, after })
    }

    /// The edit that sets the limit.
    pub(crate) fn edit(&self, limit: u64) -> Edit {
        let to = format!("{}{limit}{}", self.before, self.after).into();
        Edit { at: self.at.clone(), to }
    }
}
