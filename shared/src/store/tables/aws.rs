//! DynamoDB over the AWS SDK.
//!
//! The SDK's futures are large and deeply nested, so each is put into a box of its own.
//!
//! An `SdkError` prints the raw answer, so it ends here and only its kind goes on.

use std::time::Duration;

use aws_sdk_dynamodb::{
    Client,
    config::{Builder, retry::RetryConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        delete_item::DeleteItemError, put_item::PutItemError,
        transact_write_items::TransactWriteItemsError, update_item::UpdateItemError,
    },
    types::{Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};

use futures_util::FutureExt;

use super::{Change, Get, Item, Order, Outcome, Page, Query, Scan, Sending, Tables, Write};
use crate::{
    aws,
    config::StoreConfig,
    store::{Consistency, StoreError, Table},
};

/// The errors that say that nothing was written and that the same may be sent again.
const NOTHING_WRITTEN: [&str; 5] = [
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
];

/// How many items are read at a time at most: about as many records as a page of DynamoDB's has, which
/// is a megabyte. An emulator that were not told would gather all there are for every page.
const PAGE: i32 = 3_000;

/// The tables of a deployment.
#[derive(Clone)]
pub struct Aws {
    client: Client,
    /// The same connections without the SDK's retries, for what must not be repeated blindly.
    once: Client,
    config: StoreConfig,
}

impl Aws {
    /// Makes the clients. Nothing is sent yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn connect(config: StoreConfig) -> Result<Self, crate::tls::TlsError> {
        let repeated = Builder::from(&aws::sdk_config(&config.aws)?).build();
        let once = repeated.to_builder().retry_config(RetryConfig::disabled()).build();
        Ok(Self { client: Client::from_conf(repeated), once: Client::from_conf(once), config })
    }

    /// The name of a table in this deployment.
    fn name(&self, table: Table) -> &str {
        match table {
            Table::Accounts => &self.config.accounts,
            Table::Keys => &self.config.keys,
            Table::Calls => &self.config.calls,
            Table::Ledger => &self.config.ledger,
        }
    }
}

impl Tables for Aws {
    async fn write(&self, write: Write) -> Outcome {
        let client = match write.sending {
            Sending::Once => &self.once,
            Sending::Repeated => &self.client,
        };
        let table = self.name(write.table);
        let Parts { change, condition, names, values } = Parts::of(write);
        // Without a condition there is nothing to ask.
        let old = condition.as_ref().map(|_| ReturnValuesOnConditionCheckFailure::AllOld);
        match change {
            Change::Put(item) => client
                .put_item()
                .table_name(table)
                .set_item(Some(item))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .set_return_values_on_condition_check_failure(old)
                .send()
                .boxed()
                .await
                .map_or_else(outcome, |_| Outcome::Done),
            Change::Update { key, update } => client
                .update_item()
                .table_name(table)
                .set_key(Some(key))
                .update_expression(update)
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .set_return_values_on_condition_check_failure(old)
                .send()
                .boxed()
                .await
                .map_or_else(outcome, |_| Outcome::Done),
            Change::Delete { key } => client
                .delete_item()
                .table_name(table)
                .set_key(Some(key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .set_return_values_on_condition_check_failure(old)
                .send()
                .boxed()
                .await
                .map_or_else(outcome, |_| Outcome::Done),
        }
    }

    async fn transact(&self, writes: Vec<Write>) -> Outcome {
        let items = writes.into_iter().map(|write| {
            let table = self.name(write.table).to_owned();
            let Parts { change, condition, names, values } = Parts::of(write);
            let item = TransactWriteItem::builder();
            Ok(match change {
                Change::Put(put) => item.put(
                    Put::builder()
                        .table_name(table)
                        .set_item(Some(put))
                        .set_condition_expression(condition)
                        .set_expression_attribute_names(names)
                        .set_expression_attribute_values(values)
                        .build()?,
                ),
                Change::Update { key, update } => item.update(
                    Update::builder()
                        .table_name(table)
                        .set_key(Some(key))
                        .update_expression(update)
                        .set_condition_expression(condition)
                        .set_expression_attribute_names(names)
                        .set_expression_attribute_values(values)
                        .build()?,
                ),
                Change::Delete { key } => item.delete(
                    Delete::builder()
                        .table_name(table)
                        .set_key(Some(key))
                        .set_condition_expression(condition)
                        .set_expression_attribute_names(names)
                        .set_expression_attribute_values(values)
                        .build()?,
                ),
            }
            .build())
        });
        let items: Result<Vec<_>, aws_sdk_dynamodb::error::BuildError> = items.collect();
        let Ok(items) = items else { return Outcome::NothingWritten };
        let transaction = self.client.transact_write_items().set_transact_items(Some(items));
        let sent = transaction.send().boxed().await;
        sent.map_or_else(outcome, |_| Outcome::Done)
    }

    async fn get(&self, get: Get) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(self.name(get.table))
            .set_key(Some(get.key))
            .consistent_read(get.consistency == Consistency::Strong)
            .send()
            .boxed()
            .await;
        answer.map(|answer| answer.item).map_err(|_| StoreError::Unavailable)
    }

    async fn query(&self, query: Query) -> Result<Page, StoreError> {
        let expressions = [Some(query.condition), query.filter];
        let names = query.terms.names_in(expressions.into_iter().flatten());
        let answer = self
            .client
            .query()
            .table_name(self.name(query.table))
            .set_index_name(query.index.map(str::to_owned))
            .key_condition_expression(query.condition)
            .set_filter_expression(query.filter.map(str::to_owned))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(some(values(query.terms.values)))
            .consistent_read(query.consistency == Consistency::Strong)
            .scan_index_forward(query.order == Order::Rising)
            .limit(query.limit.unwrap_or(PAGE).min(PAGE))
            .set_exclusive_start_key(query.from)
            .send()
            .boxed()
            .await
            .map_err(|_| StoreError::Unavailable)?;
        Ok(Page { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }

    async fn scan(&self, scan: Scan) -> Result<Page, StoreError> {
        let names = scan.terms.names_in([Some(scan.filter), scan.projection].into_iter().flatten());
        // One part is the whole; an emulator would sort all of it to find that out.
        let in_parts = scan.segments > 1;
        let answer = self
            .client
            .scan()
            .table_name(self.name(scan.table))
            .set_segment(in_parts.then_some(scan.segment))
            .set_total_segments(in_parts.then_some(scan.segments))
            .filter_expression(scan.filter)
            .set_projection_expression(scan.projection.map(str::to_owned))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(some(values(scan.terms.values)))
            .set_exclusive_start_key(scan.from)
            .limit(PAGE)
            .send()
            .boxed()
            .await
            .map_err(|_| StoreError::Unavailable)?;
        Ok(Page { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }

    async fn pause(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// A write as the SDK takes it, which refuses an empty map.
struct Parts {
    change: Change,
    condition: Option<String>,
    names: Option<std::collections::HashMap<String, String>>,
    values: Option<Item>,
}

impl Parts {
    fn of(write: Write) -> Self {
        let update = match &write.change {
            Change::Update { update, .. } => Some(update.as_str()),
            Change::Put(_) | Change::Delete { .. } => None,
        };
        let names = write.terms.names_in(write.condition.as_deref().into_iter().chain(update));
        let values = values(write.terms.values);
        Self {
            change: write.change,
            condition: write.condition,
            names: some(names),
            values: some(values),
        }
    }
}

/// The map, unless it is empty, which DynamoDB refuses.
fn some<V>(
    map: std::collections::HashMap<String, V>,
) -> Option<std::collections::HashMap<String, V>> {
    (!map.is_empty()).then_some(map)
}

fn values(given: Vec<(&'static str, aws_sdk_dynamodb::types::AttributeValue)>) -> Item {
    given.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An error that may say that a condition did not hold.
trait MayRefuse: ProvideErrorMetadata {
    /// The item as it stood, if this says so.
    fn refused(self) -> Option<Option<Item>>;
}

macro_rules! may_refuse {
    ($($error:ident),*) => {$(
        impl MayRefuse for $error {
            fn refused(self) -> Option<Option<Item>> {
                if let Self::ConditionalCheckFailedException(failed) = self {
                    return Some(failed.item);
                }
                None
            }
        }
    )*};
}
may_refuse!(PutItemError, UpdateItemError, DeleteItemError);

impl MayRefuse for TransactWriteItemsError {
    /// A transaction is cancelled for a condition, and also because another write was in its way.
    fn refused(self) -> Option<Option<Item>> {
        let Self::TransactionCanceledException(cancelled) = self else { return None };
        let mut reasons = cancelled.cancellation_reasons().iter();
        reasons.any(|reason| reason.code() == Some("ConditionalCheckFailed")).then_some(None)
    }
}

fn outcome<E: MayRefuse>(error: SdkError<E>) -> Outcome {
    if matches!(error, SdkError::ConstructionFailure(_)) {
        return Outcome::NothingWritten;
    }
    let SdkError::ServiceError(context) = error else { return Outcome::Unknown };
    let error = context.into_err();
    let code = error.code();
    let cancelled = code == Some("TransactionCanceledException");
    let nothing = cancelled || code.is_some_and(|code| NOTHING_WRITTEN.contains(&code));
    match error.refused() {
        Some(item) => Outcome::Refused(item),
        None if nothing => Outcome::NothingWritten,
        None => Outcome::Unknown,
    }
}
