//! From text to tokens.

use super::GrammarError;

/// A word of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Value(String),
    Word(String),
    Index(usize),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 14] =
    ["<>", "<=", ">=", "<", ">", "=", "(", ")", "[", "]", ",", ".", "+", "-"];

/// The tokens of a text, each with where it begins and ends.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token, usize, usize)>, GrammarError> {
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        end.unwrap_or(text.len())
    };
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let start = text.len() - rest.len();
        let (token, length) = match first {
            '#' | ':' => {
                let length = 1 + word(rest.trim_start_matches(first));
                let name = rest.get(..length).unwrap_or_default().to_owned();
                if length == 1 || rest.starts_with("##") || rest.starts_with("::") {
                    return Err(GrammarError("a placeholder has no name"));
                }
                (if first == '#' { Token::Name(name) } else { Token::Value(name) }, length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = word(rest);
                (Token::Word(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
            '0'..='9' => {
                let length = word(rest);
                let index = rest.get(..length).and_then(|digits| digits.parse().ok());
                (Token::Index(index.ok_or(GrammarError("an index is no number"))?), length)
            }
            _ => {
                let symbol = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol));
                let symbol = symbol.ok_or(GrammarError("there is a character with no meaning"))?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        tokens.push((token, start, start + length));
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

/// Where the clauses of a condition stand that are joined by `AND` at its top. There is none if
/// it has an `OR` there.
pub(crate) fn clauses(text: &str) -> Result<Vec<&str>, GrammarError> {
    let mut clauses = Vec::new();
    let (mut depth, mut between, mut from) = (0_u32, false, 0);
    for (token, start, end) in tokens(text)? {
        match token {
            Token::Symbol("(") => depth += 1,
            Token::Symbol(")") => depth = depth.saturating_sub(1),
            Token::Word(word) if depth == 0 => match word.as_str() {
                "BETWEEN" => between = true,
                "AND" if between => between = false,
                "AND" => {
                    clauses.push(text.get(from..start).unwrap_or_default().trim());
                    from = end;
                }
                "OR" => return Err(GrammarError("a condition is no conjunction")),
                _ => {}
            },
            Token::Name(_)
            | Token::Value(_)
            | Token::Word(_)
            | Token::Index(_)
            | Token::Symbol(_) => {}
        }
    }
    clauses.push(text.get(from..).unwrap_or_default().trim());
    Ok(clauses)
}
