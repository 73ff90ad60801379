//! Whether a condition holds for an item.

use std::{borrow::Cow, cmp::Ordering, ops::ControlFlow};

use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::tables::{Item, Terms};

use super::{
    Comparator, Condition, Expression, GrammarError, Operand, Path, Projection, Step, attribute,
    value,
};

impl Expression<Condition> {
    /// Whether it holds for an item, or for none.
    pub(crate) fn holds(&self, item: Option<&Item>, terms: &Terms) -> Result<bool, GrammarError> {
        Context { item, terms }.holds(&self.tree)
    }

    /// Checks what DynamoDB checks before it looks at any item.
    pub(crate) fn check(&self, terms: &Terms) -> Result<(), GrammarError> {
        check(&self.tree, terms)
    }

    /// Whether it names an attribute at the top of an item.
    pub(crate) fn names(&self, name: &str, terms: &Terms) -> bool {
        self.names.iter().any(|used| attribute(used, terms) == name)
    }
}

impl Expression<Projection> {
    /// What of an item is shown.
    pub(crate) fn shown(&self, item: &Item, terms: &Terms) -> Result<Item, GrammarError> {
        let mut shown = Item::new();
        for path in &self.tree {
            if !path.steps.is_empty() {
                return Err(GrammarError("this house projects whole attributes"));
            }
            let name = attribute(&path.name, terms);
            if let Some(value) = item.get(name) {
                shown.insert(name.to_owned(), value.clone());
            }
        }
        Ok(shown)
    }
}

/// A value that is given with the expression.
pub(super) fn given<'a>(name: &str, terms: &'a Terms) -> Option<&'a AttributeValue> {
    terms.values.iter().find(|(given, _)| *given == name).map(|(_, value)| value)
}

/// A value that has to be given.
pub(super) fn value_of<'a>(
    name: &str,
    terms: &'a Terms,
) -> Result<&'a AttributeValue, GrammarError> {
    given(name, terms).ok_or(GrammarError("a value is used and not defined"))
}

/// What stands at a path of an item.
pub(super) fn find<'a>(path: &Path, item: &'a Item, terms: &Terms) -> Option<&'a AttributeValue> {
    let mut at = item.get(attribute(&path.name, terms))?;
    for step in &path.steps {
        at = match (step, at) {
            (Step::Name(name), AttributeValue::M(map)) => map.get(attribute(name, terms))?,
            (Step::Index(index), AttributeValue::L(list)) => list.get(*index)?,
            _ => return None,
        };
    }
    Some(at)
}

/// An item and what the placeholders mean.
struct Context<'a> {
    item: Option<&'a Item>,
    terms: &'a Terms,
}

impl<'a> Context<'a> {
    fn path(&self, path: &Path) -> Option<&'a AttributeValue> {
        self.item.and_then(|item| find(path, item, self.terms))
    }

    fn operand(&self, operand: &Operand) -> Result<Option<Cow<'a, AttributeValue>>, GrammarError> {
        Ok(match operand {
            Operand::Path(path) => self.path(path).map(Cow::Borrowed),
            Operand::Value(name) => Some(Cow::Borrowed(value_of(name, self.terms)?)),
            Operand::Size(path) => {
                let length = self.path(path).and_then(value::length);
                length.map(|length| Cow::Owned(AttributeValue::N(length.to_string())))
            }
        })
    }

    fn compare(
        &self,
        left: &Operand,
        comparator: Comparator,
        right: &Operand,
    ) -> Result<bool, GrammarError> {
        let (Some(left), Some(right)) = (self.operand(left)?, self.operand(right)?) else {
            // What is missing is different from everything, and in no other relation to anything.
            return Ok(comparator == Comparator::NotEqual);
        };
        match comparator {
            Comparator::Equal => value::equal(&left, &right),
            Comparator::NotEqual => value::equal(&left, &right).map(|equal| !equal),
            Comparator::Less
            | Comparator::LessOrEqual
            | Comparator::Greater
            | Comparator::GreaterOrEqual => {
                let order = value::order(&left, &right)?;
                Ok(order.is_some_and(|order| in_order(comparator, order)))
            }
        }
    }

    fn holds(&self, condition: &Condition) -> Result<bool, GrammarError> {
        match condition {
            Condition::Compare(left, comparator, right) => self.compare(left, *comparator, right),
            Condition::Between(operand, low, high) => {
                Ok(self.compare(operand, Comparator::GreaterOrEqual, low)?
                    && self.compare(operand, Comparator::LessOrEqual, high)?)
            }
            Condition::In(operand, operands) => {
                any(operands, |candidate| self.compare(operand, Comparator::Equal, candidate))
            }
            Condition::Exists(path) => Ok(self.path(path).is_some()),
            Condition::NotExists(path) => Ok(self.path(path).is_none()),
            Condition::Type(path, name) => {
                let wanted = value_of(name, self.terms)?.as_s();
                let wanted = wanted.map_err(|_| GrammarError("a type is no text"))?;
                Ok(self.path(path).is_some_and(|value| value::type_of(value) == wanted))
            }
            Condition::BeginsWith(path, prefix) => {
                Ok(match (self.path(path), self.operand(prefix)?.as_deref()) {
                    (Some(AttributeValue::S(text)), Some(AttributeValue::S(prefix))) => {
                        text.starts_with(prefix)
                    }
                    (Some(AttributeValue::B(bytes)), Some(AttributeValue::B(prefix))) => {
                        bytes.as_ref().starts_with(prefix.as_ref())
                    }
                    _ => false,
                })
            }
            Condition::Contains(path, operand) => {
                let (Some(whole), Some(part)) = (self.path(path), self.operand(operand)?) else {
                    return Ok(false);
                };
                contains(whole, &part)
            }
            Condition::And(parts) => any(parts, |part| Ok(!self.holds(part)?)).map(|any| !any),
            Condition::Or(parts) => any(parts, |part| self.holds(part)),
            Condition::Not(inner) => Ok(!self.holds(inner)?),
        }
    }
}

fn any<T>(
    all: &[T],
    mut holds: impl FnMut(&T) -> Result<bool, GrammarError>,
) -> Result<bool, GrammarError> {
    let found = all.iter().try_for_each(|one| match holds(one) {
        Ok(false) => ControlFlow::Continue(()),
        other => ControlFlow::Break(other),
    });
    found.break_value().unwrap_or(Ok(false))
}

const fn in_order(comparator: Comparator, order: Ordering) -> bool {
    match comparator {
        Comparator::Equal => order.is_eq(),
        Comparator::NotEqual => order.is_ne(),
        Comparator::Less => order.is_lt(),
        Comparator::LessOrEqual => order.is_le(),
        Comparator::Greater => order.is_gt(),
        Comparator::GreaterOrEqual => order.is_ge(),
    }
}

fn contains(whole: &AttributeValue, part: &AttributeValue) -> Result<bool, GrammarError> {
    match (whole, part) {
        (AttributeValue::S(text), AttributeValue::S(part)) => Ok(text.contains(part.as_str())),
        (AttributeValue::Ss(set), AttributeValue::S(part)) => Ok(set.contains(part)),
        (AttributeValue::Bs(set), AttributeValue::B(part)) => Ok(set.contains(part)),
        (AttributeValue::Ns(set), AttributeValue::N(_)) => {
            any(set, |number| value::equal(&AttributeValue::N(number.clone()), part))
        }
        (AttributeValue::L(list), part) => any(list, |element| value::equal(element, part)),
        (AttributeValue::B(_), AttributeValue::B(_)) => {
            Err(GrammarError("this house searches no bytes"))
        }
        _ => Ok(false),
    }
}

/// Checks the types of the values that are given.
fn check(condition: &Condition, terms: &Terms) -> Result<(), GrammarError> {
    const TYPE: GrammarError = GrammarError("a value has the wrong type for its operator");
    let ordered = |operand: &Operand| match operand {
        Operand::Value(name) if !value::is_ordered(value_of(name, terms)?) => Err(TYPE),
        Operand::Path(_) | Operand::Value(_) | Operand::Size(_) => Ok(()),
    };
    match condition {
        Condition::Compare(_, Comparator::Equal | Comparator::NotEqual, _)
        | Condition::In(..)
        | Condition::Exists(_)
        | Condition::NotExists(_)
        | Condition::Contains(..) => Ok(()),
        Condition::Compare(left, _, right) => ordered(left).and_then(|()| ordered(right)),
        Condition::Between(operand, low, high) => {
            ordered(operand)?;
            ordered(low)?;
            ordered(high)?;
            let (Operand::Value(low), Operand::Value(high)) = (low, high) else { return Ok(()) };
            match value::order(value_of(low, terms)?, value_of(high, terms)?)? {
                None => Err(GrammarError("the bounds of BETWEEN differ in type")),
                Some(Ordering::Greater) => {
                    Err(GrammarError("the lower bound of BETWEEN is above the upper"))
                }
                Some(Ordering::Less | Ordering::Equal) => Ok(()),
            }
        }
        Condition::Type(_, name) => {
            let types = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"];
            let known = value_of(name, terms)?.as_s().is_ok_and(|it| types.contains(&it.as_str()));
            if known { Ok(()) } else { Err(GrammarError("there is no such type")) }
        }
        Condition::BeginsWith(_, Operand::Value(name)) => {
            let prefix = value_of(name, terms)?;
            let can_begin = prefix.is_s() || prefix.is_b();
            if can_begin { Ok(()) } else { Err(TYPE) }
        }
        Condition::BeginsWith(..) => Ok(()),
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter().try_for_each(|part| check(part, terms))
        }
        Condition::Not(inner) => check(inner, terms),
    }
}
