//! What became of a write: done, refused with what stands there, surely not done, or unknown.
//!
//! An `SdkError` prints the raw answer, so it ends here and only its kind goes on.

use aws_sdk_dynamodb::{
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        transact_write_items::TransactWriteItemsError,
        update_item::{UpdateItemError, UpdateItemOutput},
    },
};

use super::{StoreError, item::Item};

/// What became of a conditional write that was sent once.
pub(super) enum Outcome {
    /// It is written.
    Done,
    /// Its condition did not hold. This is the item as it stood, if there is one.
    Refused(Option<Item>),
    /// The store says that nothing was written: throttled, or another transaction in the way.
    NothingWritten,
    /// No answer: it may have been written or not.
    Unknown,
}

impl From<Result<UpdateItemOutput, SdkError<UpdateItemError>>> for Outcome {
    fn from(result: Result<UpdateItemOutput, SdkError<UpdateItemError>>) -> Self {
        let error = match result {
            Ok(_) => return Self::Done,
            Err(SdkError::ServiceError(context)) => context.into_err(),
            Err(SdkError::ConstructionFailure(_)) => return Self::NothingWritten,
            Err(_) => return Self::Unknown,
        };
        if let UpdateItemError::ConditionalCheckFailedException(failed) = error {
            return Self::Refused(failed.item);
        }
        match error.code() {
            Some(
                "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "ThrottlingException"
                | "TransactionConflictException",
            ) => Self::NothingWritten,
            _ => Self::Unknown,
        }
    }
}

/// The kind of an error, for operations where only that matters.
pub(super) fn kind<E: ProvideErrorMetadata>(error: &SdkError<E>) -> StoreError {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    match code {
        Some("ConditionalCheckFailedException") => StoreError::Conflict,
        _ => StoreError::Unavailable,
    }
}

/// The kind of a transaction's error: it is cancelled for a condition, and also because another
/// write was in its way.
pub(super) fn transaction(error: &SdkError<TransactWriteItemsError>) -> StoreError {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    else {
        return kind(error);
    };
    let mut reasons = cancelled.cancellation_reasons().iter();
    if reasons.any(|reason| reason.code() == Some("ConditionalCheckFailed")) {
        StoreError::Conflict
    } else {
        StoreError::Unavailable
    }
}
