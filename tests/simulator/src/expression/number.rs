//! Numbers as DynamoDB keeps them: exact, to 38 digits. Of these only whole ones, since money and
//! times are no others here.

use super::GrammarError;

/// 38 nines.
const GREATEST: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// Reads a number.
pub(super) fn parse(text: &str) -> Result<i128, GrammarError> {
    // Most are short, and their reading is what evaluation does most.
    if let Ok(short) = text.parse::<i64>() {
        return Ok(short.into());
    }
    let number = text.parse().map_err(|_| GrammarError("a number is not whole, or too long"))?;
    within(number)
}

fn within(number: i128) -> Result<i128, GrammarError> {
    if (-GREATEST..=GREATEST).contains(&number) {
        Ok(number)
    } else {
        Err(GrammarError("a number has more than 38 digits"))
    }
}

/// The sum as it is stored.
pub(super) fn plus(left: &str, right: &str) -> Result<String, GrammarError> {
    // Two numbers of 38 digits add up to less than an i128 holds.
    within(parse(left)? + parse(right)?).map(|sum| sum.to_string())
}

/// The difference as it is stored.
pub(super) fn minus(left: &str, right: &str) -> Result<String, GrammarError> {
    within(parse(left)?.saturating_sub(parse(right)?)).map(|difference| difference.to_string())
}
