//! What an update makes of an item.

use aws_sdk_dynamodb::types::AttributeValue;
use shared::store::tables::{Item, Terms};

use super::{
    Expression, GrammarError, Path, Step, Sum, Term, Update, attribute,
    evaluator::{find, value_of},
    number,
};

const TYPE: GrammarError = GrammarError("an operand has the wrong type for its operation");
const PATH: GrammarError = GrammarError("a path of an update leads nowhere");

impl Expression<Update> {
    /// Checks what DynamoDB checks before it looks at any item: that no two paths overlap, and
    /// that none is of the primary key.
    pub(crate) fn check(&self, keys: &[&str], terms: &Terms) -> Result<(), GrammarError> {
        let update = &self.tree;
        let sets = update.sets.iter().map(|(path, _)| path);
        let added = update.adds.iter().chain(&update.deletes).map(|(path, _)| path);
        let paths: Vec<&Path> = sets.chain(&update.removes).chain(added).collect();
        for (at, path) in paths.iter().enumerate() {
            if keys.contains(&attribute(&path.name, terms)) {
                return Err(GrammarError("an update changes the primary key"));
            }
            if paths[..at].iter().any(|earlier| overlap(earlier, path, terms)) {
                return Err(GrammarError("two paths of an update overlap"));
            }
        }
        for (_, name) in &update.adds {
            let value = value_of(name, terms)?;
            if !(value.is_n() || value.is_ss() || value.is_ns() || value.is_bs()) {
                return Err(TYPE);
            }
        }
        Ok(())
    }

    /// Changes an item. Every operand is read from the item as it was.
    pub(crate) fn apply(
        &self,
        before: &Item,
        item: &mut Item,
        terms: &Terms,
    ) -> Result<(), GrammarError> {
        for (path, sum) in &self.tree.sets {
            let value = evaluate(sum, before, terms)?;
            let (map, name) = place(path, item, terms)?;
            put(map, name, value);
        }
        for (path, name) in &self.tree.adds {
            let attribute = attribute(&path.name, terms);
            let value = add(before.get(attribute), value_of(name, terms)?)?;
            put(item, attribute, value);
        }
        for (path, name) in &self.tree.deletes {
            delete(item, attribute(&path.name, terms), value_of(name, terms)?)?;
        }
        for path in &self.tree.removes {
            let (map, name) = place(path, item, terms)?;
            map.remove(name);
        }
        Ok(())
    }
}

fn put(map: &mut Item, name: &str, value: AttributeValue) {
    match map.get_mut(name) {
        Some(place) => *place = value,
        None => drop(map.insert(name.to_owned(), value)),
    }
}

/// Whether one path is the other or leads to it.
fn overlap(one: &Path, other: &Path, terms: &Terms) -> bool {
    let same = |(one, other): (&Step, &Step)| match (one, other) {
        (Step::Name(one), Step::Name(other)) => attribute(one, terms) == attribute(other, terms),
        (Step::Index(one), Step::Index(other)) => one == other,
        (Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_)) => false,
    };
    attribute(&one.name, terms) == attribute(&other.name, terms)
        && one.steps.iter().zip(&other.steps).all(same)
}

/// The map that a path ends in, and its last name there.
fn place<'a>(
    path: &'a Path,
    item: &'a mut Item,
    terms: &'a Terms,
) -> Result<(&'a mut Item, &'a str), GrammarError> {
    let mut map = item;
    let mut name = attribute(&path.name, terms);
    for step in &path.steps {
        let Step::Name(next) = step else {
            return Err(GrammarError("this house updates no elements of lists"));
        };
        let Some(AttributeValue::M(inner)) = map.get_mut(name) else { return Err(PATH) };
        map = inner;
        name = attribute(next, terms);
    }
    Ok((map, name))
}

fn evaluate(sum: &Sum, item: &Item, terms: &Terms) -> Result<AttributeValue, GrammarError> {
    let number = |term: &Term| {
        let value = evaluate_term(term, item, terms)?;
        if let AttributeValue::N(text) = value { Ok(text) } else { Err(TYPE) }
    };
    match sum {
        Sum::One(term) => evaluate_term(term, item, terms),
        Sum::Plus(left, right) => {
            number::plus(&number(left)?, &number(right)?).map(AttributeValue::N)
        }
        Sum::Minus(left, right) => {
            number::minus(&number(left)?, &number(right)?).map(AttributeValue::N)
        }
    }
}

fn evaluate_term(term: &Term, item: &Item, terms: &Terms) -> Result<AttributeValue, GrammarError> {
    let missing = GrammarError("an operand of SET is an attribute that is missing");
    match term {
        Term::Path(path) => find(path, item, terms).cloned().ok_or(missing),
        Term::Value(name) => value_of(name, terms).cloned(),
        Term::IfNotExists(path, otherwise) => match find(path, item, terms) {
            Some(value) => Ok(value.clone()),
            None => evaluate_term(otherwise, item, terms),
        },
        Term::ListAppend(left, right) => {
            let left = evaluate_term(left, item, terms)?;
            match (left, evaluate_term(right, item, terms)?) {
                (AttributeValue::L(mut left), AttributeValue::L(right)) => {
                    left.extend(right);
                    Ok(AttributeValue::L(left))
                }
                _ => Err(TYPE),
            }
        }
    }
}

fn add(
    before: Option<&AttributeValue>,
    more: &AttributeValue,
) -> Result<AttributeValue, GrammarError> {
    fn union<T: Clone + PartialEq>(left: &[T], right: &[T]) -> Vec<T> {
        let new = right.iter().filter(|value| !left.contains(value));
        left.iter().chain(new).cloned().collect()
    }
    Ok(match (before, more) {
        // What is missing counts as nothing.
        (None, _) => more.clone(),
        (Some(AttributeValue::N(left)), AttributeValue::N(right)) => {
            AttributeValue::N(number::plus(left, right)?)
        }
        (Some(AttributeValue::Ss(left)), AttributeValue::Ss(right)) => {
            AttributeValue::Ss(union(left, right))
        }
        (Some(AttributeValue::Ns(left)), AttributeValue::Ns(right)) => {
            AttributeValue::Ns(union(left, right))
        }
        (Some(AttributeValue::Bs(left)), AttributeValue::Bs(right)) => {
            AttributeValue::Bs(union(left, right))
        }
        _ => return Err(TYPE),
    })
}

fn delete(item: &mut Item, name: &str, less: &AttributeValue) -> Result<(), GrammarError> {
    let emptied = match (item.get_mut(name), less) {
        (None, AttributeValue::Ss(_)) => false,
        (Some(AttributeValue::Ss(set)), AttributeValue::Ss(less)) => {
            set.retain(|text| !less.contains(text));
            set.is_empty()
        }
        _ => return Err(GrammarError("this house deletes from sets of texts alone")),
    };
    if emptied {
        item.remove(name);
    }
    Ok(())
}
