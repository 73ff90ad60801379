//! Where a whole number is put for a caller who has set none: the limit of an answer that the
//! balance does not cover at its longest, or of the searches that a provider runs.

use std::ops::Range;

use shared::fault::Fault;

use crate::{object::Object, splice::Edit, target::Target};

/// Where a limit is written, for a caller who has set none.
pub(crate) struct LimitPlace {
    at: Range<usize>,
    before: &'static str,
    after: &'static str,
}

impl LimitPlace {
    /// Finds the place for the limit of an answer in `object`, or in Gemini's `generationConfig`
    /// if there is one. None where the caller has to set a limit, as with Anthropic's messages, or
    /// where there is none to set.
    ///
    /// # Errors
    /// When a field stands there twice.
    pub(crate) fn of_answer(
        target: Target,
        object: &Object<'_>,
        config: Option<&Object<'_>>,
    ) -> Result<Option<Self>, Fault> {
        let inside = match (target, config) {
            (Target::Chat, _) => {
                let field = &["max_completion_tokens"];
                Self::member(object, field, "\"max_completion_tokens\":")?
            }
            (Target::AnthropicChat | Target::GeminiChat, _) => {
                Self::member(object, &["max_tokens"], "\"max_tokens\":")?
            }
            (Target::Responses, _) => {
                Self::member(object, &["max_output_tokens"], "\"max_output_tokens\":")?
            }
            (Target::Generate, Some(config)) => {
                let field = &["maxOutputTokens", "max_output_tokens"];
                Self::member(config, field, "\"maxOutputTokens\":")?
            }
            (Target::Generate, None) => {
                let field = &["generationConfig", "generation_config"];
                let whole = "\"generationConfig\":{\"maxOutputTokens\":";
                let Self { at, before, after } = Self::member(object, field, whole)?;
                let replaced = before.is_empty();
                let before = if replaced { "{\"maxOutputTokens\":" } else { before };
                Self { at, before, after: if after == "," { "}," } else { "}" } }
            }
            _ => return Ok(None),
        };
        Ok(Some(inside))
    }

    /// The value of the member if it is there as `null` or zero, else a new member in front.
    ///
    /// # Errors
    /// When it stands there twice.
    pub(crate) fn member(
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
