//! An update and its condition, piece by piece.

/// An update and its condition, piece by piece.
#[derive(Default)]
pub(in crate::store) struct Expression {
    add: Vec<&'static str>,
    set: Vec<&'static str>,
    remove: Vec<String>,
    conditions: Vec<&'static str>,
}

impl Expression {
    pub(in crate::store) fn add(&mut self, piece: &'static str) -> &mut Self {
        self.add.push(piece);
        self
    }

    pub(in crate::store) fn set(&mut self, piece: &'static str) -> &mut Self {
        self.set.push(piece);
        self
    }

    pub(in crate::store) fn remove(&mut self, attribute: impl Into<String>) -> &mut Self {
        self.remove.push(attribute.into());
        self
    }

    pub(in crate::store) fn only_if(&mut self, condition: &'static str) -> &mut Self {
        self.conditions.push(condition);
        self
    }

    pub(in crate::store) fn update(&self) -> String {
        let set = (!self.set.is_empty()).then(|| format!("SET {}", self.set.join(", ")));
        let add = (!self.add.is_empty()).then(|| format!("ADD {}", self.add.join(", ")));
        let gone = (!self.remove.is_empty()).then(|| format!("REMOVE {}", self.remove.join(", ")));
        let clauses: Vec<_> = [set, add, gone].into_iter().flatten().collect();
        clauses.join(" ")
    }

    pub(in crate::store) fn condition(&self) -> String {
        self.conditions.join(" AND ")
    }
}
