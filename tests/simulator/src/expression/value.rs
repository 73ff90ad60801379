//! Values: their types, which of them DynamoDB takes, and how two of them compare.

use std::cmp::Ordering;

use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::tables::Item;

use super::{GrammarError, number};

/// The name of a value's type.
pub(super) const fn type_of(value: &AttributeValue) -> &'static str {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the SDK may add a type")]
    match value {
        AttributeValue::S(_) => "S",
        AttributeValue::N(_) => "N",
        AttributeValue::B(_) => "B",
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::Null(_) => "NULL",
        AttributeValue::Ss(_) => "SS",
        AttributeValue::Ns(_) => "NS",
        AttributeValue::Bs(_) => "BS",
        AttributeValue::L(_) => "L",
        AttributeValue::M(_) => "M",
        _ => "",
    }
}

/// Whether values of this type have an order.
pub(super) const fn is_ordered(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_))
}

/// Checks that an item holds only what DynamoDB takes, and no more of it.
pub(crate) fn check_item(item: &Item) -> Result<(), GrammarError> {
    let mut size = 0;
    for (name, value) in item {
        check(value)?;
        size += name.len() + size_of(value);
    }
    if size > 400 * 1_024 { Err(GrammarError("an item is over 400 KB")) } else { Ok(()) }
}

/// Checks that DynamoDB takes a value.
pub(super) fn check(value: &AttributeValue) -> Result<(), GrammarError> {
    const EMPTY: Result<(), GrammarError> = Err(GrammarError("a set is empty"));
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types hold nothing to check")]
    match value {
        AttributeValue::N(text) => number::parse(text).map(drop),
        AttributeValue::Ss(texts) if texts.is_empty() => EMPTY,
        AttributeValue::Bs(bytes) if bytes.is_empty() => EMPTY,
        AttributeValue::Ns(numbers) if numbers.is_empty() => EMPTY,
        AttributeValue::Ss(texts) => distinct(texts),
        AttributeValue::Ns(numbers) => {
            numbers.iter().try_for_each(|text| number::parse(text).map(drop))?;
            distinct(numbers)
        }
        AttributeValue::L(values) => values.iter().try_for_each(check),
        AttributeValue::M(values) => values.values().try_for_each(check),
        _ => Ok(()),
    }
}

fn distinct(texts: &[String]) -> Result<(), GrammarError> {
    let twice = texts.iter().enumerate().any(|(at, text)| texts[..at].contains(text));
    if twice { Err(GrammarError("a set holds a value twice")) } else { Ok(()) }
}

/// About how many bytes it takes.
fn size_of(value: &AttributeValue) -> usize {
    let texts = |texts: &[String]| texts.iter().map(String::len).sum();
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types take one byte")]
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => text.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(set) | AttributeValue::Ns(set) => texts(set),
        AttributeValue::Bs(set) => set.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + size_of(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// What `size` says of a value. Numbers, booleans and null have none.
pub(super) fn length(value: &AttributeValue) -> Option<usize> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other types have no size")]
    match value {
        AttributeValue::S(text) => Some(text.len()),
        AttributeValue::B(bytes) => Some(bytes.as_ref().len()),
        AttributeValue::Ss(set) | AttributeValue::Ns(set) => Some(set.len()),
        AttributeValue::Bs(set) => Some(set.len()),
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::M(map) => Some(map.len()),
        _ => None,
    }
}

/// How two values compare, if they are of one ordered type.
pub(super) fn order(
    left: &AttributeValue,
    right: &AttributeValue,
) -> Result<Option<Ordering>, GrammarError> {
    Ok(match (left, right) {
        // Texts are compared by their bytes in UTF-8.
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => {
            Some(number::parse(left)?.cmp(&number::parse(right)?))
        }
        (AttributeValue::B(left), AttributeValue::B(right)) => {
            Some(left.as_ref().cmp(right.as_ref()))
        }
        _ => None,
    })
}

/// Whether two values are equal. Sets have no order, and numbers no spelling.
pub(super) fn equal(left: &AttributeValue, right: &AttributeValue) -> Result<bool, GrammarError> {
    let numbers = |texts: &[String]| {
        let mut numbers =
            texts.iter().map(|text| number::parse(text)).collect::<Result<Vec<_>, _>>()?;
        numbers.sort_unstable();
        Ok(numbers)
    };
    match (left, right) {
        (AttributeValue::Ss(left), AttributeValue::Ss(right)) => {
            Ok(left.len() == right.len() && left.iter().all(|text| right.contains(text)))
        }
        (AttributeValue::Bs(left), AttributeValue::Bs(right)) => {
            Ok(left.len() == right.len() && left.iter().all(|bytes| right.contains(bytes)))
        }
        (AttributeValue::Ns(left), AttributeValue::Ns(right)) => {
            Ok(numbers(left)? == numbers(right)?)
        }
        (AttributeValue::L(left), AttributeValue::L(right)) => {
            for (left, right) in left.iter().zip(right) {
                if !equal(left, right)? {
                    return Ok(false);
                }
            }
            Ok(left.len() == right.len())
        }
        (AttributeValue::M(left), AttributeValue::M(right)) => {
            for (name, value) in left {
                match right.get(name) {
                    Some(other) if equal(value, other)? => {}
                    Some(_) | None => return Ok(false),
                }
            }
            Ok(left.len() == right.len())
        }
        _ => match order(left, right)? {
            Some(order) => Ok(order == Ordering::Equal),
            None => Ok(left == right),
        },
    }
}
