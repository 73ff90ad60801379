//! Markers of calls that were sent with an `Idempotency-Key`, in the table of calls.
//!
//! | attribute    | holds                                                              |
//! |--------------|--------------------------------------------------------------------|
//! | `account`    | partition key                                                      |
//! | `call`       | sort key: `mark_TAG`, the keyed hash of what the caller sent       |
//! | `admitted`   | the call that was admitted under it                                |
//! | `until`      | when that is over at the latest, seconds since the epoch           |
//! | `expires_at` | TTL: a day after it was written, seconds since the epoch           |
//!
//! Written and read by proxy, read by account for a copy, deleted by the sweep. What became of the call is in its record, so
//! that a call has one more write and no more: with a record of a cost it is charged; without, it
//! is in flight until it is over at the latest, and void then. One that was refused expires at
//! once. No body is kept, so that the same key with another body is the same call.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{
    Capability, Store, StoreError, Table,
    item::Reader,
    tables::{Item, Outcome, Tables, Write},
};
use crate::{
    id::{AccountId, CallId},
    key::IdempotencyTag,
    time::Timestamp,
};

/// How long a marker lives.
const LIFE: Duration = Duration::from_secs(24 * 3_600);

/// What a call asks to be marked as.
#[derive(Clone, Debug)]
pub struct Marker<'a> {
    /// Whose call it is.
    pub account: &'a AccountId,
    /// The keyed hash of what its caller sent.
    pub tag: &'a IdempotencyTag,
    /// The call.
    pub call: &'a CallId,
    /// When it is over at the latest.
    pub until: Timestamp,
    /// The call that is known to be void, in whose place it comes.
    pub instead_of: Option<CallId>,
}

/// What a marker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marked {
    /// The call is the first under it.
    First,
    /// Another call was admitted under it, which is over at the latest by then.
    Taken(CallId, Timestamp),
}

/// Marking calls.
pub trait MarkCall {
    /// Marks a call. Conditional on there being no other; if its outcome is unknown it is sent
    /// once more, and stands where the marker has this call.
    ///
    /// # Errors
    /// When it is not known what the store did.
    fn mark_call(
        &self,
        marker: &Marker<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Marked, StoreError>> + Send;

    /// Says that the call was refused before anything was sent, so that the next one under the
    /// marker is carried. Idempotent. Where it fails the marker is void once the call is over.
    fn void_mark(
        &self,
        marker: &Marker<'_>,
        now: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`MarkCall`] needs.
pub const MARK_CALL: Capability = Capability { actions: &[(Table::Calls, "dynamodb:UpdateItem")] };

const MARK: &str = "SET #admitted = :call, #until = :until, #expires_at = :expires_at";
/// A marker that is sent again, or comes late, does not bring back what has expired meanwhile.
const IS_FREE: &str = "(attribute_not_exists(#admitted) \
     OR (#expires_at <= :now AND #admitted <> :call))";
const IS_FREE_OR: &str = "(attribute_not_exists(#admitted) \
     OR (#expires_at <= :now AND #admitted <> :call) OR #admitted = :instead)";

impl<T: Tables> MarkCall for Store<T> {
    async fn mark_call(&self, marker: &Marker<'_>, now: Timestamp) -> Result<Marked, StoreError> {
        for _ in 0..2 {
            let mut write = Write::update(Table::Calls, key_of(marker), MARK)
                .only_if(if marker.instead_of.is_some() { IS_FREE_OR } else { IS_FREE })
                .text(":call", marker.call)
                .number(":until", marker.until.seconds())
                .number(":expires_at", now.plus(LIFE).seconds())
                .number(":now", now.seconds())
                .once();
            if let Some(call) = &marker.instead_of {
                write = write.text(":instead", call);
            }
            match self.tables.write(write).await {
                Outcome::Done => return Ok(Marked::First),
                Outcome::Refused(Some(item)) => {
                    let reader = Reader(&item);
                    let call: CallId = reader.parsed("admitted")?;
                    if call == *marker.call {
                        return Ok(Marked::First);
                    }
                    return Ok(Marked::Taken(call, reader.seconds("until")?));
                }
                Outcome::Refused(None) | Outcome::NothingWritten | Outcome::Unknown => {}
            }
        }
        Err(StoreError::Unavailable)
    }

    async fn void_mark(&self, marker: &Marker<'_>, now: Timestamp) -> Result<(), StoreError> {
        // By every clock, also one that is behind.
        let past = now.seconds().saturating_sub(3_600);
        let write = Write::update(Table::Calls, key_of(marker), "SET #expires_at = :past")
            .only_if("#admitted = :call")
            .text(":call", marker.call)
            .number(":past", past);
        self.tables.write(write).await.done()
    }
}

fn key_of(marker: &Marker<'_>) -> Item {
    let text = |text: String| AttributeValue::S(text);
    Item::from([
        ("account".to_owned(), text(marker.account.to_string())),
        ("call".to_owned(), text(format!("mark_{}", marker.tag.as_str()))),
    ])
}
