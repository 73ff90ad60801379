//! Gets, queries and scans of the tables in memory.

use std::{cmp::Ordering, ops::Bound, sync::Arc};

use shared::store::{
    Consistency,
    tables::{Get, Item, Order, Page, Query, Scan},
};

use super::{
    expression::{self, GrammarError},
    schema::Schema,
    tables::Contents,
};

/// As of which moments items are read.
pub(super) struct Moments<'a> {
    /// The moment of a read of one partition, which is served by one copy of it.
    pub(super) whole: i64,
    /// The moment of each item, where many copies are read.
    pub(super) each: &'a mut dyn FnMut() -> i64,
}

/// An item found, by what it is ordered.
type Found<'a> = ((&'a str, &'a str), &'a Arc<Item>);

impl Contents {
    pub(super) fn get(&self, get: &Get, moment: i64) -> Result<Option<Item>, GrammarError> {
        let (partition, sort) = Schema::of(get.table).key_values(&get.key)?;
        let versions = self.versions(get.table, partition, sort);
        Ok(versions.and_then(|versions| versions.as_of(moment)).map(|item| (**item).clone()))
    }

    pub(super) fn query(
        &self,
        query: &Query,
        page_size: usize,
        moments: &mut Moments<'_>,
    ) -> Result<Page, GrammarError> {
        let table = Schema::of(query.table);
        let index = query.index.map(|index| Schema::of_index(query.table, index)).transpose()?;
        if index.is_some() && query.consistency == Consistency::Strong {
            return Err(GrammarError("an index has no strong reads"));
        }
        let keys = index.as_ref().unwrap_or(&table);
        let condition = expression::condition(query.condition)?;
        let filter = query.filter.map(expression::condition).transpose()?;
        let filter_uses = filter.as_ref().map(|filter| filter.uses()).unwrap_or_default();
        expression::check_terms(&[condition.uses(), filter_uses], &query.terms)?;
        condition.check(&query.terms)?;
        let partition = condition.partition(keys.partition(), keys.sort(), &query.terms)?;
        if let Some(filter) = &filter {
            filter.check(&query.terms)?;
            if keys.key().iter().any(|key| filter.names(key, &query.terms)) {
                return Err(GrammarError("a filter of a query is on a key"));
            }
        }
        let limit = page_limit(query.limit, page_size)?;
        let from = query.from.as_ref().map(|from| start(&table, index.as_ref(), from));
        let from = from.transpose()?;

        let after = match query.order {
            Order::Rising => Ordering::Greater,
            Order::Falling => Ordering::Less,
        };
        let mut found: Vec<Found<'_>> = Vec::new();
        if index.is_some() {
            for (hash, versions) in self.partitions(query.table).iter().flat_map(|(hash, items)| {
                items.values().map(move |versions| (hash.as_str(), versions))
            }) {
                let Some(item) = versions.as_of((moments.each)()) else { continue };
                // What lacks a key of the index is not in it.
                let Ok((account, sort)) = keys.values(item) else { continue };
                if account == partition {
                    found.push(((sort, hash), item));
                }
            }
        } else if let Some(items) = self.partitions(query.table).get(partition) {
            let (low, high) = condition.sorts(&query.terms);
            let high = high.map_or(Bound::Unbounded, Bound::Included);
            let within = (Bound::Included(low), high);
            let empty = matches!(high, Bound::Included(high) if high < low);
            let items = (!empty).then(|| items.range::<str, _>(within)).into_iter().flatten();
            let items = items.filter_map(|(sort, versions)| {
                let place = (sort.as_str(), "");
                let begun = from.is_none_or(|from| place.cmp(&from) == after);
                Some((place, versions.as_of(moments.whole).filter(|_| begun)?))
            });
            found.extend(items);
        }
        found.sort_unstable_by(|(left, _), (right, _)| match query.order {
            Order::Rising => left.cmp(right),
            Order::Falling => right.cmp(left),
        });
        let mut page = Page::default();
        let mut seen = 0;
        for (place, item) in found {
            if from.is_some_and(|from| place.cmp(&from) != after)
                || !condition.holds(Some(item), &query.terms)?
            {
                continue;
            }
            seen += 1;
            let shown = filter.as_ref().map(|filter| filter.holds(Some(item), &query.terms));
            if shown.unwrap_or(Ok(true))? {
                page.items.push((**item).clone());
            }
            if seen == limit {
                let mut next = table.key_of(item)?;
                if let Some(index) = &index {
                    next.extend(index.key_of(item)?);
                }
                page.next = Some(next);
                break;
            }
        }
        Ok(page)
    }

    pub(super) fn scan(
        &self,
        scan: &Scan,
        page_size: usize,
        moments: &mut Moments<'_>,
    ) -> Result<Page, GrammarError> {
        let schema = Schema::of(scan.table);
        let filter = expression::condition(scan.filter)?;
        let projection = scan.projection.map(expression::projection).transpose()?;
        let shown = projection.as_ref().map(|projection| projection.uses()).unwrap_or_default();
        expression::check_terms(&[filter.uses(), shown], &scan.terms)?;
        filter.check(&scan.terms)?;
        if !(1..=1_000_000).contains(&scan.segments) || !(0..scan.segments).contains(&scan.segment)
        {
            return Err(GrammarError("there is no such segment"));
        }
        let from = scan.from.as_ref().map(|from| schema.key_values(from)).transpose()?;
        let mut page = Page::default();
        let mut seen = 0;
        let begin = from.map_or(Bound::Unbounded, |(partition, _)| Bound::Included(partition));
        let partitions = self.partitions(scan.table).range::<str, _>((begin, Bound::Unbounded));
        for (partition, items) in partitions {
            if segment(partition, scan.segments) != scan.segment {
                continue;
            }
            for (sort, versions) in items {
                if from.is_some_and(|from| (partition.as_str(), sort.as_str()) <= from) {
                    continue;
                }
                let Some(item) = versions.as_of((moments.each)()) else { continue };
                seen += 1;
                if filter.holds(Some(item), &scan.terms)? {
                    page.items.push(match &projection {
                        Some(projection) => projection.shown(item, &scan.terms)?,
                        None => (**item).clone(),
                    });
                }
                if seen == page_size {
                    page.next = Some(schema.key_of(item)?);
                    return Ok(page);
                }
            }
        }
        Ok(page)
    }
}

fn page_limit(limit: Option<i32>, page_size: usize) -> Result<usize, GrammarError> {
    let Some(limit) = limit else { return Ok(page_size) };
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
    limit.map(|limit| limit.min(page_size)).ok_or(GrammarError("a limit is below 1"))
}

/// Where a page begins: after this place.
fn start<'a>(
    table: &Schema,
    index: Option<&Schema>,
    from: &'a Item,
) -> Result<(&'a str, &'a str), GrammarError> {
    let Some(index) = index else { return Ok((table.key_values(from)?.1, "")) };
    if from.len() == table.key().len() + index.key().len() {
        Ok((index.values(from)?.1, table.values(from)?.0))
    } else {
        Err(GrammarError("a page of an index begins at no key of it"))
    }
}

/// The segment that a partition is in, by its hash.
fn segment(partition: &str, segments: i32) -> i32 {
    let hash = partition.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let segments = u64::try_from(segments).unwrap_or(1);
    i32::try_from((hash >> 32) % segments).unwrap_or(0)
}
