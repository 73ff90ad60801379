//! Holds on a key with limits of its own: a second balance under the same law as the wallet's.

use super::{KeyItem, decode, key_of};
use crate::{
    id::CallId,
    key::KeyHash,
    law,
    limits::Limits,
    money::Pico,
    period::Period,
    store::{
        Capability, Consistency, Corrupt, Cursor, Exceeded, Found, Left, Store, StoreError, Table,
        hold::{self, Draw, Purse, Return, Settled, Taken, Unplaced},
        tables::{Get, Item, Scan, Tables, Terms},
    },
    time::{Clock, Hour, Timestamp},
};

/// What a call asks of its key before it is forwarded.
#[derive(Clone, Debug)]
pub struct KeyHold<'a> {
    /// The key.
    pub hash: &'a KeyHash,
    /// The call, and with it the hour.
    pub call: &'a CallId,
    /// The upper bound of its cost.
    pub amount: Pico,
    /// The upper bound of its tokens.
    pub tokens: u64,
    /// The key's limits, as it was read.
    pub limits: &'a Limits,
    /// When the call is over at the latest.
    pub until: Timestamp,
}

/// What a call has taken of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHeld {
    amount: Pico,
    taken: Taken,
}

/// Why a key does not cover a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHoldError {
    /// There is no such key.
    NoKey,
    /// A limit of it is reached.
    Exceeded(Exceeded),
    /// The hour of the call is closed or too long past.
    HourClosed,
    /// The store could not be asked, or it is not known what it did.
    Unavailable,
    /// The store asks to slow down.
    Throttled,
}

/// Holding against the limits of a key.
pub trait HoldKey {
    /// Places a hold, like [`super::super::wallet::MoveMoney::hold`].
    fn hold_key(
        &self,
        hold: &KeyHold<'_>,
        clock: Clock<'_>,
    ) -> impl Future<Output = Result<KeyHeld, KeyHoldError>> + Send;

    /// Gives back what a call did not spend: of the money, of the tokens of its minute if that is
    /// still on, and its slot. `held` is of that call.
    fn settle_key(
        &self,
        hash: &KeyHash,
        call: &CallId,
        held: &KeyHeld,
        spent: (Pico, u64),
        clock: Clock<'_>,
    ) -> impl Future<Output = Settled> + Send;
}

/// What [`HoldKey`] needs.
pub const HOLD_KEY: Capability = Capability { actions: &[(Table::Keys, "dynamodb:UpdateItem")] };

impl<T: Tables> HoldKey for Store<T> {
    async fn hold_key(
        &self,
        hold: &KeyHold<'_>,
        clock: Clock<'_>,
    ) -> Result<KeyHeld, KeyHoldError> {
        // All periods, so that a limit that is set later counts what was spent before.
        let draw = Draw {
            call: hold.call,
            amount: hold.amount,
            periods: &Period::ALL,
            counted: hold.limits.requests.is_some() || hold.limits.tokens.is_some(),
            tokens: hold.limits.tokens.map(|limit| hold.tokens.min(limit.get())),
            slots: hold.limits.concurrent.map(|slots| (slots, hold.until)),
        };
        let own = |_: &mut _, _: &mut Terms| {};
        let refuse = |_: &Item| Ok(None::<()>);
        let placed = hold::place(&self.tables, &purse(hold.hash), &draw, clock, own, refuse).await;
        match placed {
            Ok(taken) => Ok(KeyHeld { amount: hold.amount, taken }),
            Err(unplaced) => Err(match unplaced {
                Unplaced::NoItem => KeyHoldError::NoKey,
                Unplaced::Own(()) | Unplaced::Unavailable => KeyHoldError::Unavailable,
                Unplaced::Exceeded(exceeded) => KeyHoldError::Exceeded(exceeded),
                Unplaced::HourClosed => KeyHoldError::HourClosed,
                Unplaced::Throttled => KeyHoldError::Throttled,
            }),
        }
    }

    async fn settle_key(
        &self,
        hash: &KeyHash,
        call: &CallId,
        held: &KeyHeld,
        (charged, tokens): (Pico, u64),
        clock: Clock<'_>,
    ) -> Settled {
        let minute = held.taken.minute;
        let back = held.taken.tokens.map(|taken| i128::from(taken).saturating_sub(tokens.into()));
        let amount = law::settle(held.amount, charged);
        let back = Return {
            call,
            amount,
            periods: &Period::ALL,
            minute,
            tokens: back.filter(|back| *back != 0 && clock() < minute.end()),
            slot: held.taken.slot,
        };
        if back.amount == Pico::ZERO && back.tokens.is_none() && back.slot.is_none() {
            return Settled::Done;
        }
        hold::give_back(&self.tables, &purse(hash), back, clock, |_, _| {}).await
    }
}

/// A key's books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAccount {
    /// The key.
    pub key: KeyItem,
    /// What is out of it, by hour, the oldest first.
    pub out: Vec<(Hour, Pico)>,
    /// What is left of its budgets.
    pub left: Left,
}

impl KeyAccount {
    fn decode(item: &Item) -> Result<Self, Corrupt> {
        let (out, left) = (hold::out_of(item)?, Left::of(item)?);
        Ok(Self { key: decode(item)?, out, left })
    }

    /// The oldest hour that is out, and what is, if it is due at `now`.
    pub fn due(&self, now: Timestamp) -> Option<(Hour, Pico)> {
        self.out.first().copied().filter(|(hour, _)| hold::is_due(*hour, now))
    }
}

/// Reading the books of a key.
pub trait ReadKeyAccount {
    /// A key and its books, strongly consistent.
    fn read_key_account(
        &self,
        hash: &KeyHash,
    ) -> impl Future<Output = Result<Option<KeyAccount>, StoreError>> + Send;
}

/// What [`ReadKeyAccount`] needs.
pub const READ_KEY_ACCOUNT: Capability =
    Capability { actions: &[(Table::Keys, "dynamodb:GetItem")] };

impl<T: Tables> ReadKeyAccount for Store<T> {
    async fn read_key_account(&self, hash: &KeyHash) -> Result<Option<KeyAccount>, StoreError> {
        let key = key_of(hash);
        let get = Get { table: Table::Keys, key, consistency: Consistency::Strong };
        let item = self.tables.get(get).await?;
        Ok(item.as_ref().map(KeyAccount::decode).transpose()?)
    }
}

/// Closing hours of keys.
pub trait CloseKeys {
    /// Closes the oldest hour that is out, whose records come to `spent`: what was held and not
    /// spent goes back. Calls from before the key had limits were never held, so that more may be
    /// spent than was out; nothing goes back then. Conditional on what was read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the key is no longer what was read.
    fn close_key_hour(
        &self,
        key: &KeyAccount,
        spent: Pico,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`CloseKeys`] needs.
pub const CLOSE_KEYS: Capability = Capability { actions: &[(Table::Keys, "dynamodb:UpdateItem")] };

impl<T: Tables> CloseKeys for Store<T> {
    async fn close_key_hour(&self, key: &KeyAccount, spent: Pico) -> Result<(), StoreError> {
        let Some((hour, out)) = key.out.first().copied() else { return Ok(()) };
        let returned = law::close(out, spent).returned;
        let write = purse(&key.key.hash).write(|expression, terms| {
            hold::write_close(&key.left, hour, returned, expression, terms);
            terms.number(":out", out.pico());
        });
        self.tables.write(write.repeated()).await.done()
    }
}

/// Finding the keys that have something to close.
pub trait ListKeys {
    /// A page of the keys in one of `segments` parts of the table, and where the next begins. They
    /// are not read strongly: read each again before it is changed.
    fn list_keys(
        &self,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> impl Future<Output = Result<Found<KeyAccount>, StoreError>> + Send;
}

/// What [`ListKeys`] needs.
pub const LIST_KEYS: Capability = Capability { actions: &[(Table::Keys, "dynamodb:Scan")] };

impl<T: Tables> ListKeys for Store<T> {
    async fn list_keys(
        &self,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> Result<Found<KeyAccount>, StoreError> {
        let scan = Scan {
            table: Table::Keys,
            segment,
            segments,
            // Only a key with limits of its own has books.
            filter: "attribute_exists(#closed)",
            projection: None,
            terms: Terms::default(),
            from: from.map(|cursor| cursor.0),
        };
        Ok(Found::of(self.tables.scan(scan).await?, KeyAccount::decode))
    }
}

/// The key as writes name it.
pub(super) fn purse(hash: &KeyHash) -> Purse {
    Purse { table: Table::Keys, key: key_of(hash) }
}
