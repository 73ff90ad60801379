//! The matrix: what became of each scenario with each SDK.

/// The widest line of a table.
const WIDTH: usize = 100;

/// What became of one scenario.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything was as it has to be.
    Passed,
    /// The SDK has no such call, as was known.
    NotInSdk,
    /// Something was not.
    Failed(String),
}

impl Outcome {
    const fn shown(&self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::NotInSdk => "n/a",
            Self::Failed(_) => "FAILED",
        }
    }
}

/// One SDK in one version.
pub(super) struct Row {
    /// The package and version.
    pub(super) name: String,
    /// The scenarios that it has to play.
    pub(super) scenarios: Vec<&'static str>,
    /// What became of those that were played.
    pub(super) played: Vec<(&'static str, Outcome)>,
}

impl Row {
    fn outcome(&self, scenario: &str) -> Option<&Outcome> {
        self.played.iter().find(|(played, _)| *played == scenario).map(|(_, outcome)| outcome)
    }
}

/// Shows the table, past cargo's capture, and fails unless every cell is there and passed.
pub(super) fn conclude(title: &str, rows: &[Row]) {
    let cells: usize = rows.iter().map(|row| row.scenarios.len()).sum();
    let outcomes = rows.iter().flat_map(|row| row.scenarios.iter().map(|name| row.outcome(name)));
    let right = |it: &Option<&Outcome>| matches!(it, Some(Outcome::Passed | Outcome::NotInSdk));
    let passed = outcomes.filter(right).count();
    tests::show(&table(&format!("{title}: {passed} of {cells} scenarios as they should be"), rows));
    let mut failures = Vec::new();
    for row in rows {
        for scenario in &row.scenarios {
            match row.outcome(scenario) {
                Some(Outcome::Passed | Outcome::NotInSdk) => {}
                Some(Outcome::Failed(why)) => {
                    failures.push(format!("{}, {scenario}, {why}", row.name));
                }
                None => failures.push(format!("{}, {scenario} was not played", row.name)),
            }
        }
    }
    assert!(failures.is_empty(), "{} cells failed:\n{}", failures.len(), failures.join("\n"));
}

/// Rows are SDKs, columns are scenarios, in as many blocks as the width wants.
fn table(title: &str, rows: &[Row]) -> String {
    let label = rows.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let mut columns: Vec<&str> = Vec::new();
    for scenario in rows.iter().flat_map(|row| &row.scenarios) {
        if !columns.contains(scenario) {
            columns.push(scenario);
        }
    }
    let mut lines = vec![title.to_owned()];
    while !columns.is_empty() {
        let rest = columns.split_off(fitting(&columns, label));
        let head = columns.iter().map(|column| format!("  {column}"));
        lines.push(format!("{:label$}{}", "", head.collect::<String>()));
        // Whoever plays none of this block has no line in it.
        for row in rows.iter().filter(|row| columns.iter().any(|c| row.scenarios.contains(c))) {
            let cells = columns.iter().map(|column| {
                let asked = row.scenarios.contains(column);
                let shown =
                    row.outcome(column).map_or(if asked { "?" } else { "" }, Outcome::shown);
                format!("  {shown:width$}", width = column.len())
            });
            let line = format!("{:label$}{}", row.name, cells.collect::<String>());
            lines.push(line.trim_end().to_owned());
        }
        lines.push(String::new());
        columns = rest;
    }
    lines.join("\n")
}

/// How many columns stand beside a label of this width, and at least one.
fn fitting(columns: &[&str], label: usize) -> usize {
    let ends = columns.iter().scan(label, |end, column| {
        *end = end.saturating_add(column.len()).saturating_add(2);
        Some(*end)
    });
    ends.take_while(|end| *end <= WIDTH).count().max(1)
}
