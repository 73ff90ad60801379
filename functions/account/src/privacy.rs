//! What is kept, for whoever has a key: the inventory that PRIVACY.md is made of, the items of one call
//! and one account as they are stored, who the providers are, what cannot be promised; and how old the
//! oldest record of the account is, and what the last runs of retention deleted.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Map, Value, json};
use shared::{
    caller::Caller,
    fault::Fault,
    store::{calls::RECORD_LIFE, reports::RunReport},
    time::{Hour, Timestamp},
};

use crate::{AccountStore, App};

/// Every attribute that is stored and every field of the log, with who reads it and how long it is
/// kept; and what cannot be promised.
const INVENTORY: &str = include_str!("inventory.json");

/// What is stored of one call and of one account. A test writes it of what it finds in the tables.
const EXAMPLES: &str = include_str!("examples.json");

/// Of how many hours runs of retention are shown, this one included.
const HOURS: u64 = 24;

/// What of an item is also said of each attribute, where that does not say other.
const OF_ITEMS: [&str; 4] = ["read_by", "owner", "operator", "kept"];

/// What is the same for everybody. None if a file is not what it should be.
pub(crate) fn published(providers: &Value) -> Option<Map<String, Value>> {
    let mut inventory: Value = serde_json::from_str(INVENTORY).ok()?;
    let cannot_promise = inventory.as_object_mut()?.remove("cannot_promise")?;
    for table in inventory.get_mut("tables")?.as_array_mut()? {
        complete(table)?;
    }
    complete(inventory.get_mut("log")?)?;
    let published = [
        ("object", "privacy".into()),
        ("inventory", inventory),
        ("examples", serde_json::from_str(EXAMPLES).ok()?),
        ("providers", providers.get("data")?.clone()),
        ("operator", providers.get("operator")?.clone()),
        ("cannot_promise", cannot_promise),
    ];
    Some(published.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Says of each attribute of a table what is said of the items that have it.
fn complete(table: &mut Value) -> Option<()> {
    let items = table.get("items")?.as_array()?.clone();
    for attribute in table.get_mut("attributes")?.as_array_mut()? {
        let attribute = attribute.as_object_mut()?;
        let names = attribute.get("items")?.as_array()?;
        let named = |item: &&Value| item.get("name").is_some_and(|name| names.contains(name));
        let having: Vec<_> = items.iter().filter(named).collect();
        for what in OF_ITEMS {
            if attribute.contains_key(what) {
                continue;
            }
            let mut said: Vec<Value> = Vec::new();
            for item in &having {
                for value in item.get(what)?.as_array()? {
                    if !said.contains(value) {
                        said.push(value.clone());
                    }
                }
            }
            attribute.insert(what.to_owned(), said.into());
        }
    }
    Some(())
}

impl<S: AccountStore> App<S> {
    /// What is kept of an account and of everybody. Every key has a right to know, whatever else it is
    /// for.
    pub(crate) async fn show_privacy(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        self.key_of(caller, now).await?;
        let (oldest, runs) = tokio::join!(
            self.store.oldest_record(&caller.account),
            self.store.read_reports(first_hour(now).start()),
        );
        let oldest = oldest.map_err(|_| Fault::StoreUnavailable)?;
        let runs = runs.map_err(|_| Fault::StoreUnavailable)?;
        let mut shown = self.privacy.clone();
        shown.insert(
            "your_records".to_owned(),
            json!({
                "oldest_at": oldest.map(|at| at.to_string()),
                "oldest_age_seconds": oldest.map(|at| now.since(at).as_secs()),
                "kept_for_seconds": RECORD_LIFE.as_secs(),
            }),
        );
        shown.insert("deletions".to_owned(), deletions(&runs));
        Ok(Value::Object(shown))
    }
}

/// The first of the hours of which runs are shown.
fn first_hour(now: Timestamp) -> Hour {
    (1..HOURS).fold(now.hour(), |hour, _| hour.previous())
}

/// What the runs of each hour did together and what they have left, the newest hour first. Runs come
/// newest first.
fn deletions(runs: &[RunReport]) -> Value {
    let mut hours: BTreeMap<Reverse<Hour>, RunReport> = BTreeMap::new();
    let mut parts = BTreeSet::new();
    for run in runs {
        let hour = run.time.hour();
        // What is left of a part of the table its last run says; the one before has left the same.
        let mut run = *run;
        if !parts.insert((hour, run.segment)) {
            (run.unclosed_records, run.oldest_left) = (0, None);
        }
        hours
            .entry(Reverse(hour))
            .and_modify(|sum| {
                sum.deleted_records = sum.deleted_records.saturating_add(run.deleted_records);
                sum.unclosed_records = sum.unclosed_records.saturating_add(run.unclosed_records);
                sum.failed = sum.failed.saturating_add(run.failed);
                // None is less than any.
                sum.oldest_found = sum.oldest_found.max(run.oldest_found);
                sum.oldest_left = sum.oldest_left.max(run.oldest_left);
            })
            .or_insert(run);
    }
    let shown = hours.into_iter().map(|(Reverse(hour), sum)| {
        json!({
            "hour": hour.start().to_string(),
            "deleted_records": sum.deleted_records,
            "unclosed_records": sum.unclosed_records,
            "failed": sum.failed,
            "oldest_found_seconds": sum.oldest_found.as_ref().map(Duration::as_secs),
            "oldest_left_seconds": sum.oldest_left.as_ref().map(Duration::as_secs),
        })
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_795_485_599);

    #[test]
    fn a_day_of_hours_is_shown_this_one_included() {
        assert_eq!(NOW.to_string(), "2026-11-24T01:59:59Z");
        assert_eq!(first_hour(NOW).to_string(), "2026112302");
        let next = NOW.plus(Duration::from_secs(1));
        assert_eq!(first_hour(next).to_string(), "2026112303");
    }

    #[test]
    fn what_runs_of_an_hour_did_is_summed_and_the_last_of_each_part_says_what_is_left() {
        let run = |time, segment, found, left| RunReport {
            time,
            segment,
            deleted_records: 5,
            unclosed_records: 1,
            failed: 2,
            oldest_found: found,
            oldest_left: left,
        };
        let (age, older) = (Duration::from_secs(604_800), Duration::from_secs(604_801));
        let before = NOW.minus(Duration::from_secs(3_600));
        let runs = [
            run(NOW, 0, None, None),
            run(before, 1, None, Some(age)),
            run(before, 0, Some(age), None),
            // What this one has left the newer one has deleted or left.
            run(before, 0, Some(older), Some(older)),
        ];
        let of = |hour, [runs, parts]: [u64; 2], found: Option<u64>, left: Option<u64>| {
            json!({
                "hour": hour,
                "deleted_records": 5 * runs,
                "unclosed_records": parts,
                "failed": 2 * runs,
                "oldest_found_seconds": found,
                "oldest_left_seconds": left,
            })
        };
        let hours = json!([
            of("2026-11-24T01:00:00Z", [1, 1], None, None),
            of("2026-11-24T00:00:00Z", [3, 2], Some(604_801), Some(604_800)),
        ]);
        assert_eq!(deletions(&runs), hours);
    }
}
