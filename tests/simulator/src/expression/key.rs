//! Key conditions: which items a query is about.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::tables::Terms;

use super::{
    Comparator, Condition, Expression, GrammarError, Operand, attribute, evaluator::given,
};

impl Expression<Condition> {
    /// Between which sort keys everything is that a key condition finds, where it says so itself.
    pub(crate) fn sorts<'a>(&self, terms: &'a Terms) -> (&'a str, Option<&'a str>) {
        let Condition::And(parts) = &self.tree else { return ("", None) };
        let text = |operand: &Operand| match operand {
            Operand::Value(name) => given(name, terms)?.as_s().ok().map(String::as_str),
            Operand::Path(_) | Operand::Size(_) => None,
        };
        let bounds = parts.iter().find_map(|part| {
            let Condition::Between(_, low, high) = part else { return None };
            Some((text(low)?, text(high)))
        });
        bounds.unwrap_or(("", None))
    }

    /// The value that the partition key has to have, of a key condition: an equality for it, and
    /// at most one condition on the sort key that keeps to a range.
    pub(crate) fn partition<'a>(
        &self,
        partition: &str,
        sort: &str,
        terms: &'a Terms,
    ) -> Result<&'a str, GrammarError> {
        const SHAPE: GrammarError =
            GrammarError("a key condition is an equality and a range of the sort key");
        let parts = if let Condition::And(parts) = &self.tree {
            parts.as_slice()
        } else {
            std::slice::from_ref(&self.tree)
        };
        let mut found = None;
        let mut ranges = 0;
        for part in parts {
            #[expect(clippy::wildcard_enum_match_arm, reason = "no other condition is a range")]
            let (path, operands, equality) = match part {
                Condition::Compare(Operand::Path(path), comparator, operand)
                    if *comparator != Comparator::NotEqual =>
                {
                    (path, [Some(operand), None], *comparator == Comparator::Equal)
                }
                Condition::Between(Operand::Path(path), low, high) => {
                    (path, [Some(low), Some(high)], false)
                }
                Condition::BeginsWith(path, prefix) => (path, [Some(prefix), None], false),
                _ => return Err(SHAPE),
            };
            let mut texts = operands.into_iter().flatten().map(|operand| match operand {
                Operand::Value(name) => match given(name, terms) {
                    Some(AttributeValue::S(text)) => Ok(text.as_str()),
                    Some(_) | None => Err(GrammarError("a key is compared with no text")),
                },
                Operand::Path(_) | Operand::Size(_) => Err(SHAPE),
            });
            let first = texts.next().ok_or(SHAPE)??;
            texts.try_for_each(|text| text.map(drop))?;
            let name = attribute(&path.name, terms);
            if !path.steps.is_empty() {
                return Err(SHAPE);
            } else if name == partition && equality && found.is_none() {
                found = Some(first);
            } else if name == sort && name != partition {
                ranges += 1;
            } else {
                return Err(SHAPE);
            }
        }
        if ranges > 1 {
            return Err(SHAPE);
        }
        found.ok_or(SHAPE)
    }
}
