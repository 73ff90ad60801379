//! Whether a filter pattern of `CloudWatch`'s fits a line of the log: as much of its language as the
//! template uses, for JSON.

use serde_json::Value;

/// Whether `pattern` fits `line`.
///
/// # Panics
/// When it is more than this reads.
pub(super) fn fits(pattern: &str, line: &Value) -> bool {
    let inner = pattern.strip_prefix("{ ").and_then(|it| it.strip_suffix(" }")).expect("braces");
    either(inner, line)
}

fn either(text: &str, line: &Value) -> bool {
    split(text, " || ").into_iter().any(|part| both(part, line))
}

fn both(text: &str, line: &Value) -> bool {
    split(text, " && ").into_iter().all(|part| one(part, line))
}

fn one(text: &str, line: &Value) -> bool {
    if let Some(inner) = text.strip_prefix('(').and_then(|it| it.strip_suffix(')')) {
        return either(inner, line);
    }
    let mut words = text.splitn(3, ' ');
    let mut word = || words.next().expect("three words");
    let (field, operator, value) = (word(), word(), word());
    // What a line does not have fits nothing, not even what is not equal.
    let Some(found) = line.get(field.strip_prefix("$.").expect("a field")) else { return false };
    if let Some(text) = value.strip_prefix('"').and_then(|it| it.strip_suffix('"')) {
        let found = found.as_str().expect("a text in the line");
        return match (operator, text.strip_suffix('*')) {
            ("=", Some(start)) => found.starts_with(start),
            ("=", None) => found == text,
            ("!=", None) => found != text,
            _ => panic!("{operator}"),
        };
    }
    let (found, number) = (found.as_u64().expect("a number in the line"), value.parse().unwrap());
    match operator {
        "=" => found == number,
        ">" => found > number,
        ">=" => found >= number,
        _ => panic!("{operator}"),
    }
}

/// The parts between `by`, where it stands in no bracket.
fn split<'a>(text: &'a str, by: &str) -> Vec<&'a str> {
    let (mut parts, mut from) = (Vec::new(), 0);
    for (at, _) in text.match_indices(by) {
        let before = text.get(from..at).expect("ASCII");
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(before);
            from = at.saturating_add(by.len());
        }
    }
    parts.push(text.get(from..).expect("ASCII"));
    parts
}
