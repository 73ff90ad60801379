//! The expressions of DynamoDB, by its published grammar and nothing beyond it.
//!
//! An emulator is kind to expressions that DynamoDB refuses. Here a refusal is a [`GrammarError`],
//! on which the simulation panics: no test passes with an expression that would fail in
//! production. The house is stricter still: every attribute is written with `#`, so that no word
//! can turn out to be reserved, and keywords are in capitals.

mod evaluator;
mod key;
mod number;
mod parser;
mod token;
mod updater;
mod value;

#[cfg(test)]
mod tests;

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use shared::store::tables::Terms;

pub(super) use self::{token::clauses, value::check_item};

/// DynamoDB would answer with a `ValidationException`, for this reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GrammarError(pub(super) &'static str);

/// A parsed expression and the placeholders it uses.
#[derive(Debug)]
pub(super) struct Expression<T> {
    tree: T,
    /// With their `#`.
    names: Vec<String>,
    /// With their `:`.
    values: Vec<String>,
}

/// What has to hold. Of a condition, a filter or a key condition.
#[derive(Debug, PartialEq)]
pub(super) enum Condition {
    Compare(Operand, Comparator, Operand),
    Between(Operand, Operand, Operand),
    In(Operand, Vec<Operand>),
    Exists(Path),
    NotExists(Path),
    Type(Path, String),
    BeginsWith(Path, Operand),
    Contains(Path, Operand),
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
}

/// How two operands are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What a condition is about.
#[derive(Debug, PartialEq)]
pub(super) enum Operand {
    Path(Path),
    Value(String),
    Size(Path),
}

/// Where in an item: a placeholder, and steps into maps and lists.
#[derive(Debug, PartialEq)]
pub(super) struct Path {
    name: String,
    steps: Vec<Step>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Name(String),
    Index(usize),
}

/// What an update does.
#[derive(Debug, Default)]
pub(super) struct Update {
    sets: Vec<(Path, Sum)>,
    removes: Vec<Path>,
    adds: Vec<(Path, String)>,
    deletes: Vec<(Path, String)>,
}

/// What an attribute is set to: one operand, or two.
#[derive(Debug)]
pub(super) enum Sum {
    One(Term),
    Plus(Term, Term),
    Minus(Term, Term),
}

#[derive(Debug)]
pub(super) enum Term {
    Path(Path),
    Value(String),
    IfNotExists(Path, Box<Self>),
    ListAppend(Box<Self>, Box<Self>),
}

/// Which attributes are shown.
pub(super) type Projection = Vec<Path>;

/// Parsed expressions by their text: millions are evaluated, of a few dozen texts.
type Cache<T> = RefCell<HashMap<String, Rc<Expression<T>>>>;

/// Texts may name hours, so there is no end to them.
const CACHED: usize = 4_096;

thread_local! {
    static CONDITIONS: Cache<Condition> = RefCell::default();
    static UPDATES: Cache<Update> = RefCell::default();
    static PROJECTIONS: Cache<Projection> = RefCell::default();
}

fn cached<T>(
    cache: &Cache<T>,
    text: &str,
    parse: fn(&str) -> Result<Expression<T>, GrammarError>,
) -> Result<Rc<Expression<T>>, GrammarError> {
    if let Some(parsed) = cache.borrow().get(text) {
        return Ok(Rc::clone(parsed));
    }
    let parsed = Rc::new(parse(text)?);
    let mut cache = cache.borrow_mut();
    if cache.len() >= CACHED {
        cache.clear();
    }
    cache.insert(text.to_owned(), Rc::clone(&parsed));
    Ok(parsed)
}

/// Reads a condition, a filter or a key condition.
pub(super) fn condition(text: &str) -> Result<Rc<Expression<Condition>>, GrammarError> {
    CONDITIONS.with(|cache| cached(cache, text, parser::condition))
}

/// Reads an update.
pub(super) fn update(text: &str) -> Result<Rc<Expression<Update>>, GrammarError> {
    UPDATES.with(|cache| cached(cache, text, parser::update))
}

/// Reads a projection.
pub(super) fn projection(text: &str) -> Result<Rc<Expression<Projection>>, GrammarError> {
    PROJECTIONS.with(|cache| cached(cache, text, parser::projection))
}

impl<T> Expression<T> {
    /// The placeholders it uses.
    pub(super) fn uses(&self) -> Uses<'_> {
        Uses { names: &self.names, values: &self.values }
    }
}

/// The placeholders that an expression uses.
#[derive(Clone, Copy, Default)]
pub(super) struct Uses<'a> {
    names: &'a [String],
    values: &'a [String],
}

/// Checks that every placeholder is used that is defined, and defined that is used, and that the
/// values are such as DynamoDB takes. A name that is not given stands for itself.
pub(super) fn check_terms(uses: &[Uses<'_>], terms: &Terms) -> Result<(), GrammarError> {
    for (at, (name, _)) in terms.names.iter().enumerate() {
        if !uses.iter().any(|uses| uses.names.iter().any(|used| used == name)) {
            return Err(GrammarError("a name is defined and not used"));
        }
        if terms.names[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(GrammarError("a name is defined twice"));
        }
    }
    for (at, (name, value)) in terms.values.iter().enumerate() {
        if !uses.iter().any(|uses| uses.values.iter().any(|used| used == name)) {
            return Err(GrammarError("a value is defined and not used"));
        }
        if terms.values[..at].iter().any(|(earlier, _)| earlier == name) {
            return Err(GrammarError("a value is defined twice"));
        }
        value::check(value)?;
    }
    let defined = |name: &String| terms.values.iter().any(|(defined, _)| defined == name);
    if uses.iter().all(|uses| uses.values.iter().all(defined)) {
        Ok(())
    } else {
        Err(GrammarError("a value is used and not defined"))
    }
}

/// The attribute that a placeholder stands for.
fn attribute<'a>(placeholder: &'a str, terms: &'a Terms) -> &'a str {
    let given = terms.names.iter().find(|(name, _)| *name == placeholder);
    given.map_or_else(|| placeholder.trim_start_matches('#'), |(_, attribute)| attribute)
}
