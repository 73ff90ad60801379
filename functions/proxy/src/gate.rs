//! The gate: what a call has to pass before a byte leaves, and what it leaves behind. Stores and a
//! clock go in, so that the tests of the money run what Lambda runs.

use std::time::Duration;

use shared::{
    caller::{Caller, Scope},
    fault::Fault,
    id::CallId,
    law,
    limits::Limits,
    money::Pico,
    provider::Provider,
    rate::{Limited, Rate, Whose},
    store::{
        Exceeded,
        calls::{ReadCall, Record, RecordCall},
        keys::{Consistency, FindKey, HoldKey, KeyHeld, KeyHold, KeyHoldError},
        markers::{MarkCall, Marked, Marker},
        wallet::{Hold, HoldError, KeyRead, MoveMoney, Settle, Settled},
    },
    time::{Clock, Timestamp},
};

use crate::bound::{Bound, Terms};

/// How often a hold is tried: with a lowered limit, or with a key that was read again. Other calls
/// may take from the balance between one look at it and the next.
const ATTEMPTS: usize = 5;

/// After how long a caller should ask again for a call that is in flight.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// How long AWS takes a signature.
const LATEST: Duration = Duration::from_secs(5 * 60);

/// What the gate asks of a store.
pub trait GateStore: FindKey + HoldKey + MoveMoney + RecordCall + MarkCall + ReadCall {}
impl<S: FindKey + HoldKey + MoveMoney + RecordCall + MarkCall + ReadCall> GateStore for S {}

/// A call at the gate.
pub struct Asked<'a> {
    /// Who calls.
    pub caller: &'a Caller,
    /// The call, and with it the hour.
    pub call: &'a CallId,
    /// Where it will go.
    pub provider: Provider,
    /// The major policy version that consent has to be given for.
    pub policy: u32,
    /// The most it can cost.
    pub bound: &'a Bound,
    /// When it is over at the latest.
    pub until: Timestamp,
}

/// What is held for a call that has passed.
#[derive(Debug)]
pub struct Held {
    /// What of the call is limited, and how much is held.
    pub terms: Terms,
    /// What is held of its key, where that has limits.
    key: Option<KeyHeld>,
    /// When it is over, if it is marked: whoever asks later takes the call for void, so that a
    /// process that was stopped may not record it any more.
    over: Option<Timestamp>,
}

/// Holds what the call can cost at most. Where the balance does not cover that and the caller has
/// left the length of the answer or the number of searches open, they are limited to what it does
/// cover.
///
/// # Errors
/// Why the call may not begin. Nothing was sent, and what is held goes back.
pub async fn admit<S: GateStore>(
    store: &S,
    clock: Clock<'_>,
    asked: &Asked<'_>,
) -> Result<Held, Fault> {
    let Asked { caller, call, until, .. } = *asked;
    let Some(tag) = &caller.idempotency else { return hold(store, clock, asked).await };
    let account = &caller.account;
    // A record that was signed at the end may arrive as late as its signature is good.
    let until = until.plus(LATEST);
    let mut marker = Marker { account, tag, call, until, instead_of: None };
    loop {
        let marked = store.mark_call(&marker, clock()).await;
        let Marked::Taken(other, over) = marked.map_err(|_| Fault::StoreUnavailable)? else {
            break;
        };
        let void = standing(store, clock, asked, other, over).await?;
        if marker.instead_of.as_ref() == Some(&void) {
            return Err(Fault::StoreUnavailable);
        }
        // Whoever comes between is in flight, which ends this.
        marker.instead_of = Some(void);
    }
    let held = hold(store, clock, asked).await;
    if held.is_err() {
        // If this fails, the marker is void when the call would have been over.
        let _voided = store.void_mark(&marker, clock()).await;
    }
    held
}

/// What became of the call that a marker names: it is void, and named, or it stands.
///
/// # Errors
/// That it is in flight or charged.
async fn standing<S: GateStore>(
    store: &S,
    clock: Clock<'_>,
    asked: &Asked<'_>,
    call: CallId,
    over: Timestamp,
) -> Result<CallId, Fault> {
    let record = store.read_call(&asked.caller.account, &call, clock()).await;
    match record.map_err(|_| Fault::StoreUnavailable)? {
        Some(record) if record.cost > Pico::ZERO => {
            Err(Fault::CallCharged { call, cost: record.cost })
        }
        None if clock() < over => Err(Fault::CallInFlight(ASK_AGAIN.min(over.since(clock())))),
        Some(_) | None => Ok(call),
    }
}

/// Places the holds: the key's first, since what that refuses costs the wallet no write.
async fn hold<S: GateStore>(store: &S, clock: Clock<'_>, asked: &Asked<'_>) -> Result<Held, Fault> {
    let over = asked.caller.idempotency.as_ref().map(|_| asked.until);
    let mut held = Held { terms: asked.bound.asked()?, key: None, over };
    let refused = match try_hold(store, clock, asked, &mut held).await {
        Ok(()) => return Ok(held),
        Err(fault) => fault,
    };
    if let Some(key) = &held.key {
        let nothing = (Pico::ZERO, 0);
        store.settle_key(&asked.caller.hash, asked.call, key, nothing, clock).await;
    }
    Err(refused)
}

async fn try_hold<S: GateStore>(
    store: &S,
    clock: Clock<'_>,
    asked: &Asked<'_>,
    held: &mut Held,
) -> Result<(), Fault> {
    let Asked { caller, call, provider, policy, bound, until } = *asked;
    let mut limits = caller.limits.clone();
    let mut key = KeyRead::At(caller.auth_at);
    let mut lowered = false;
    for attempt in 1..=ATTEMPTS {
        if attempt == ATTEMPTS && lowered {
            // Others were faster each time. What is refused now is not even covered at its least.
            let least = bound.least().filter(|least| least.amount < held.terms.amount);
            held.terms = least.unwrap_or(held.terms);
        }
        let amount = held.terms.amount;
        if limits.any() && held.key.is_none() {
            let (hash, tokens) = (&caller.hash, bound.tokens(&held.terms));
            let hold = KeyHold { hash, call, amount, tokens, limits: &limits, until };
            match store.hold_key(&hold, clock).await {
                Ok(taken) => held.key = Some(taken),
                Err(KeyHoldError::Exceeded(Exceeded::Budget(period, left))) => {
                    held.terms = lower(bound, amount, left).ok_or(Fault::BudgetSpent(period))?;
                    lowered = true;
                    continue;
                }
                Err(error) => return Err(of_key(error, clock)),
            }
        }
        let account = &caller.account;
        let hold = Hold { account, call, amount, provider, policy, key };
        match store.hold(&hold, clock).await {
            Ok(()) => return Ok(()),
            Err(HoldError::StaleKey(mark)) if key != KeyRead::Since(mark) => {
                let read = read_again(store, caller, clock).await?;
                key = KeyRead::Since(mark);
                if read != limits {
                    if let Some(taken) = held.key.take() {
                        let nothing = (Pico::ZERO, 0);
                        store.settle_key(&caller.hash, call, &taken, nothing, clock).await;
                        // The key knows this call, and would take another hold of it for the same.
                        return Err(Fault::Busy(Duration::from_secs(1)));
                    }
                    limits = read;
                }
            }
            Err(HoldError::Balance(left)) => {
                held.terms = lower(bound, amount, left).ok_or(Fault::InsufficientBalance)?;
                lowered = true;
            }
            Err(HoldError::Exceeded(Exceeded::Budget(_, left))) => {
                held.terms = lower(bound, amount, left).ok_or(Fault::AccountLimit)?;
                lowered = true;
            }
            Err(error) => return Err(of_wallet(error, provider, clock)),
        }
    }
    // The balance has changed each time, and may cover it yet.
    Err(Fault::Busy(Duration::from_secs(1)))
}

/// What is asked less, so that `left` covers it.
fn lower(bound: &Bound, amount: Pico, left: Pico) -> Option<Terms> {
    bound.lowered(left).filter(|terms| terms.amount < amount)
}

/// Reads the key again, strongly, since a key of the account was changed about when the authorizer
/// looked. A change after this read moves the wallet's mark, and the hold fails.
async fn read_again<S: GateStore>(
    store: &S,
    caller: &Caller,
    clock: Clock<'_>,
) -> Result<Limits, Fault> {
    let found = store.find_key(&caller.found, Consistency::Strong).await;
    let key = caller.is_still(found.map_err(|_| Fault::StoreUnavailable)?, clock())?;
    if key.models != caller.models {
        // The list was changed in this very moment; the next try comes with the new one.
        return Err(Fault::Busy(Duration::from_secs(1)));
    }
    let scope = Scope::Inference;
    if key.scopes.contains(&scope) {
        Ok(key.limits)
    } else {
        Err(Fault::MissingScope(scope.name()))
    }
}

fn of_key(error: KeyHoldError, clock: Clock<'_>) -> Fault {
    match error {
        KeyHoldError::NoKey => Fault::KeyRevoked,
        KeyHoldError::Exceeded(exceeded) => limited(exceeded, Whose::Key, clock),
        KeyHoldError::Throttled => Fault::Busy(Duration::from_secs(1)),
        KeyHoldError::HourClosed | KeyHoldError::Unavailable => Fault::StoreUnavailable,
    }
}

fn of_wallet(error: HoldError, provider: Provider, clock: Clock<'_>) -> Fault {
    match error {
        HoldError::NoAccount => Fault::AccountClosed,
        HoldError::Frozen => Fault::AccountFrozen,
        HoldError::NoConsent => Fault::ConsentMissing(provider),
        HoldError::Balance(_) => Fault::InsufficientBalance,
        HoldError::Exceeded(exceeded) => limited(exceeded, Whose::Account, clock),
        HoldError::Throttled | HoldError::StaleKey(_) => Fault::Busy(Duration::from_secs(1)),
        HoldError::HourClosed | HoldError::Unavailable => Fault::StoreUnavailable,
    }
}

/// What a caller is told of a limit that is reached.
fn limited(exceeded: Exceeded, whose: Whose, clock: Clock<'_>) -> Fault {
    let now = clock();
    let minute = now.minute().end().since(now);
    let (what, limit, remaining, reset) = match exceeded {
        Exceeded::Budget(period, _) => return Fault::BudgetSpent(period),
        Exceeded::Requests(limit) => (Limited::Requests, limit, 0, minute),
        Exceeded::Tokens(limit, left) => (Limited::Tokens, limit, left, minute),
        Exceeded::Concurrent(limit) => {
            (Limited::Concurrency, u64::from(limit), 0, Duration::from_secs(1))
        }
    };
    Fault::RateLimited(Rate { what, limit, remaining, reset, whose })
}

/// What of a settle could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsettled {
    /// The record: the close takes the call for one that cost nothing.
    Record,
    /// What goes back to the wallet or the key. It returns with the close.
    Settle,
}

/// Writes the record of a call and returns what of its holds was not spent, both at once: whichever
/// of them is lost, the close of the hour makes the balance what the records say.
///
/// # Errors
/// What could not be written, or of which it is not known.
pub async fn settle<S: GateStore>(
    store: &S,
    clock: Clock<'_>,
    caller: &Caller,
    held: &Held,
    record: &Record,
) -> Result<(), Unsettled> {
    let returned = law::settle(held.terms.amount, record.cost);
    let wallet = async {
        // A call that has spent all of its hold has nothing to give back.
        if returned == Pico::ZERO {
            return Settled::Done;
        }
        let settle = Settle { account: &record.account, call: &record.call, returned };
        store.settle(&settle, clock).await
    };
    let key = async {
        let Some(key) = &held.key else { return Settled::Done };
        let spent = (record.cost, record.units.tokens());
        store.settle_key(&caller.hash, &record.call, key, spent, clock).await
    };
    let recorded = store.record_call(record, held.over, clock);
    match tokio::join!(recorded, wallet, key) {
        (Err(_), ..) => Err(Unsettled::Record),
        (Ok(()), Settled::Done, Settled::Done) => Ok(()),
        (Ok(()), ..) => Err(Unsettled::Settle),
    }
}
