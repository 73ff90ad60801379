//! Faults of the program rather than the world: what is asked of the store is changed before it
//! is sent, and the tests have to notice.

use shared::store::{
    Consistency, Table,
    tables::{Change, Get, Page, Query, Scan, Sending, Write},
};

use super::expression;

/// A change to what is asked of the store.
#[derive(Clone, Copy, Debug)]
pub enum Mutation {
    /// Of every write whose update or condition contains one text, the clauses of the condition
    /// are dropped that contain the other. These are the clauses joined by `AND` at its top.
    DropClause {
        /// In which table.
        table: Table,
        /// Which writes.
        write_contains: &'static str,
        /// Which clauses.
        clause: &'static str,
    },
    /// Any change to a write. It says whether it made one.
    Custom(fn(&mut Write) -> bool),
    /// Any change to a query. It says whether it made one.
    Query(fn(&mut Query) -> bool),
    /// Any change to a scan. It says whether it made one.
    Scan(fn(&mut Scan) -> bool),
    /// Any change to what a scan of a table has found. It says whether it made one.
    Found(fn(Table, &mut Page) -> bool),
    /// Strong reads are eventual ones.
    Eventual,
    /// Writes that are sent once are repeated while their outcome is not known.
    RepeatUnknown,
}

impl Mutation {
    /// Changes a write, and says whether it did.
    pub(super) fn write(&self, write: &mut Write) -> bool {
        match self {
            Self::DropClause { table, write_contains, clause } => {
                write.table == *table
                    && contains(write, write_contains)
                    && drop_clause(write, clause)
            }
            Self::Custom(change) => change(write),
            Self::Eventual | Self::Query(_) | Self::Scan(_) | Self::Found(_) => false,
            Self::RepeatUnknown => {
                let once = write.sending == Sending::Once;
                write.sending = Sending::Repeated;
                once
            }
        }
    }

    pub(super) fn get(&self, get: &mut Get) -> bool {
        self.consistency(&mut get.consistency)
    }

    pub(super) fn query(&self, query: &mut Query) -> bool {
        if let Self::Query(change) = self {
            change(query)
        } else {
            self.consistency(&mut query.consistency)
        }
    }

    pub(super) fn scan(&self, scan: &mut Scan) -> bool {
        matches!(self, Self::Scan(change) if change(scan))
    }

    pub(super) fn found(&self, table: Table, page: &mut Page) -> bool {
        matches!(self, Self::Found(change) if change(table, page))
    }

    fn consistency(&self, consistency: &mut Consistency) -> bool {
        let applies = matches!(self, Self::Eventual) && *consistency == Consistency::Strong;
        if applies {
            *consistency = Consistency::Eventual;
        }
        applies
    }
}

const fn update_of(write: &Write) -> Option<&String> {
    match &write.change {
        Change::Update { update, .. } => Some(update),
        Change::Put(_) | Change::Delete { .. } => None,
    }
}

fn contains(write: &Write, text: &str) -> bool {
    let mut texts = update_of(write).into_iter().chain(&write.condition);
    texts.any(|expression| expression.contains(text))
}

fn drop_clause(write: &mut Write, dropped: &str) -> bool {
    let Some(condition) = &write.condition else { return false };
    let clauses =
        expression::clauses(condition).unwrap_or_else(|error| panic!("{}: {condition}", error.0));
    let kept: Vec<&str> = clauses.iter().copied().filter(|it| !it.contains(dropped)).collect();
    if kept.len() == clauses.len() {
        return false;
    }
    write.condition = Some(kept.join(" AND ")).filter(|condition| !condition.is_empty());
    prune(write);
    true
}

/// Takes away what is defined and no longer used.
fn prune(write: &mut Write) {
    let update = update_of(write).cloned().unwrap_or_default();
    let condition = write.condition.clone().unwrap_or_default();
    let used = |placeholder: &str| {
        [&update, &condition].into_iter().any(|text| {
            text.match_indices(placeholder).any(|(at, _)| {
                let next = text.get(at + placeholder.len()..).and_then(|it| it.chars().next());
                !next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '_')
            })
        })
    };
    write.terms.names.retain(|(name, _)| used(name));
    write.terms.values.retain(|(name, _)| used(name));
}
