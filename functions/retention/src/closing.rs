//! The end of an account that is closed to everybody: once its hours are closed and its days are
//! stated, what is left of it is deleted, and what is left of its balance becomes a refund that is
//! due.
//!
//! Every step deletes what it finds and counts it in the same write. So whoever breaks off is
//! followed by the next run, and what comes late is deleted by one after that, for as long as there
//! is a receipt.

use std::time::Duration;

use shared::{
    id::AccountId,
    log::{Log, LogLine},
    money::Pico,
    store::{
        StoreError,
        receipts::{EndClosing, EraseAccount, Parts, ReadReceipt},
        wallet::ReadWallet,
    },
    time::{Clock, Timestamp},
};

/// What the end of an account asks of a store.
pub trait ClosingStore: ReadWallet + ReadReceipt + EraseAccount + EndClosing {}
impl<S: ReadWallet + ReadReceipt + EraseAccount + EndClosing> ClosingStore for S {}

/// What became of an account that is closed to everybody.
pub(crate) enum Outcome {
    /// It has calls that are not over, or more of them than there was time for; or it has ended
    /// before.
    Waits,
    /// It has ended now.
    Ended,
}

/// Goes on with the end of an account, whose hours and days are closed as every account's. `backups`
/// is how long a backup may hold what is deleted, and `until` how long this run has.
///
/// # Errors
/// When the store fails. What was done before stands.
pub(crate) async fn go_on<S: ClosingStore>(
    store: &S,
    account: &AccountId,
    backups: Duration,
    (clock, until): (Clock<'_>, Timestamp),
    log: &Log,
) -> Result<Outcome, StoreError> {
    let Some(receipt) = store.read_receipt(account).await? else { return Ok(Outcome::Waits) };
    // The index may have missed one the last time.
    store.erase_keys(account).await?;
    if let Some(ended) = receipt.ended {
        // What has come late.
        erase_calls(store, account, (clock, until)).await?;
        store.erase_parts(account, Parts::All).await?;
        if ended.expires_at <= clock() {
            store.forget_receipt(account, clock()).await?;
        }
        return Ok(Outcome::Waits);
    }
    store.erase_parts(account, Parts::Shown).await?;
    let wallet = store.read_wallet(account).await?.ok_or(StoreError::Conflict)?;
    if !wallet.out.is_empty() || wallet.unstated.is_some() {
        return Ok(Outcome::Waits);
    }
    if !erase_calls(store, account, (clock, until)).await? {
        return Ok(Outcome::Waits);
    }
    store.erase_parts(account, Parts::All).await?;
    let payments = store.payments_of(account).await?;
    if wallet.balance > Pico::ZERO {
        // Before it is, since whoever breaks off afterwards is followed by nobody who would say it.
        let pico = wallet.balance.pico().to_string();
        log.write(&LogLine::RefundDue { account: account.as_str(), pico: &pico });
    }
    store.end_closing(&wallet, payments, backups, clock()).await?;
    Ok(Outcome::Ended)
}

/// Deletes what there is of calls, and says whether that was all that time is enough for.
async fn erase_calls<S: ClosingStore>(
    store: &S,
    account: &AccountId,
    (clock, until): (Clock<'_>, Timestamp),
) -> Result<bool, StoreError> {
    let mut from = None;
    loop {
        from = store.erase_calls(account, from).await?;
        if from.is_none() {
            return Ok(true);
        }
        if clock() >= until {
            return Ok(false);
        }
    }
}
