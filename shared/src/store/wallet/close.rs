//! The close of an hour in a wallet: what was held and not spent goes back, and the hour takes no
//! more writes.

use super::{State, WALLET, Wallet, purse};
use crate::{
    id::AccountId,
    law::{self, Close},
    money::Pico,
    store::{
        Capability, Cursor, Found, Store, StoreError, Table,
        accounts::PROFILE,
        alerts::{ALERT, TOLD_WITHIN},
        hold::{self, Expression},
        item::Reader,
        receipts::RECEIPT,
        tables::{Item, Scan, Tables, Terms},
    },
    time::{Day, Hour, Timestamp},
};

/// The close of one hour of one wallet.
#[derive(Clone, Debug)]
pub struct WalletClose<'a> {
    /// The wallet as it was just read.
    pub wallet: &'a Wallet,
    /// The oldest hour that is out.
    pub hour: Hour,
    /// What was out of it.
    pub out: Pico,
    /// What its records come to.
    pub spent: Pico,
}

impl WalletClose<'_> {
    /// What it does to the balance.
    pub fn closes(&self) -> Close {
        law::close(self.out, self.spent)
    }
}

impl Wallet {
    /// The oldest hour that is out, and what is, if it is due at `now`. Hours close oldest first,
    /// since none is written for once a later one is closed.
    pub fn due(&self, now: Timestamp) -> Option<(Hour, Pico)> {
        let oldest = self.out.first().copied();
        oldest.filter(|(hour, _)| hold::is_due(*hour, now))
    }

    /// The first day that is over at `now`, closed, and not yet on the statement.
    pub fn unstated(&self, now: Timestamp) -> Option<Day> {
        let day = self.unstated?;
        let closed = self.out.iter().all(|(hour, _)| *hour > day.last());
        // An account that takes no more calls has no more of that day.
        let ends = self.state == State::Closing && self.out.is_empty();
        (ends || (closed && hold::is_due(day.last(), now))).then_some(day)
    }
}

/// Closing hours.
pub trait CloseWallet {
    /// Closes the oldest hour that is out. Conditional on what was out as it was read; so any number
    /// of closers may run at once, and one that is late does nothing. A wallet whose records come to
    /// more than was out is frozen and keeps its balance.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the wallet is no longer what was read: read it again.
    fn close_hour(
        &self,
        close: &WalletClose<'_>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Notes that the statement has all days before `next`, which is none where nothing is closed
    /// that is not on it. Conditional on the watermark as it was read.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where it is another.
    fn mark_stated(
        &self,
        wallet: &Wallet,
        next: Option<Day>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What [`CloseWallet`] needs.
pub const CLOSE_WALLET: Capability =
    Capability { actions: &[(Table::Accounts, "dynamodb:UpdateItem")] };

impl<T: Tables> CloseWallet for Store<T> {
    async fn close_hour(&self, close: &WalletClose<'_>) -> Result<(), StoreError> {
        let WalletClose { wallet, hour, out, .. } = *close;
        let Close { returned, short } = close.closes();
        // Only the oldest that is out.
        if wallet.out.first() != Some(&(hour, out)) {
            return Err(StoreError::Conflict);
        }
        let write = purse(&wallet.account).write(|expression, terms| {
            hold::write_close(&wallet.left, hour, returned, expression, terms);
            terms.number(":out", out.pico());
            if returned > Pico::ZERO {
                expression.add("#balance :returned");
                terms.number(":returned", returned.pico());
            }
            if short > Pico::ZERO && wallet.state != State::Closing {
                expression.set("#state = :frozen").only_if("#state <> :closing");
                terms.text(":frozen", State::Frozen.name());
                terms.text(":closing", State::Closing.name());
            }
            count_no_more(wallet, expression);
            expression.set("#unstated = if_not_exists(#unstated, :day)");
            terms.number(":day", hour.day());
        });
        self.tables.write(write.repeated()).await.done()
    }

    async fn mark_stated(&self, wallet: &Wallet, next: Option<Day>) -> Result<(), StoreError> {
        let write = purse(&wallet.account).write(|expression, terms| {
            expression.only_if("#closed = :closed");
            terms.number(":closed", wallet.closed);
            match next {
                Some(next) => {
                    expression.set("#unstated = :next");
                    terms.number(":next", next);
                }
                None => {
                    expression.remove("#unstated");
                }
            }
        });
        self.tables.write(write.repeated()).await.done()
    }
}

/// An account without a limit has its calls counted down from none. That is not kept.
fn count_no_more(wallet: &Wallet, expression: &mut Expression) {
    if wallet.limits.requests.is_none() {
        expression.remove("#left_requests").remove("#minute");
        expression.only_if("attribute_not_exists(#limit_requests)");
    }
}

/// What a run's look at the accounts is for.
#[derive(Clone, Debug)]
pub enum Listed {
    /// A wallet, which may have something to close.
    Wallet(Box<Wallet>),
    /// An account with an alert that was not told.
    Untold(AccountId),
    /// An account that is closed, or about to be.
    Closing(AccountId),
    /// An account that knows an address before its own which can undo nothing any more.
    Lapsed(AccountId),
}

/// Finding the wallets that have something to close, what was not told, and what is to be deleted or
/// forgotten.
pub trait ListWallets {
    /// A page of the wallets in one of `segments` parts of the table, with the alerts of the last
    /// day before `now` that were not told, the accounts that have a receipt and those that know an
    /// address whose time is over, and where the next begins. They are not read strongly: read each again before it is changed.
    fn list_wallets(
        &self,
        now: Timestamp,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> impl Future<Output = Result<Found<Listed>, StoreError>> + Send;
}

/// What [`ListWallets`] needs.
pub const LIST_WALLETS: Capability = Capability { actions: &[(Table::Accounts, "dynamodb:Scan")] };

const LISTED: &str = "#part = :wallet OR #part = :receipt OR (begins_with(#part, :alert) AND attribute_not_exists(#told_at) AND #time > :since) OR (#part = :profile AND #email_until <= :now)";

impl<T: Tables> ListWallets for Store<T> {
    async fn list_wallets(
        &self,
        now: Timestamp,
        segment: i32,
        segments: i32,
        from: Option<Cursor>,
    ) -> Result<Found<Listed>, StoreError> {
        let mut terms = Terms::default();
        terms.text(":wallet", WALLET);
        terms.text(":receipt", RECEIPT);
        terms.text(":alert", ALERT);
        terms.text(":profile", PROFILE);
        terms.number(":since", now.minus(TOLD_WITHIN).seconds());
        terms.number(":now", now.seconds());
        let scan = Scan {
            table: Table::Accounts,
            segment,
            segments,
            filter: LISTED,
            projection: None,
            terms,
            from: from.map(|cursor| cursor.0),
        };
        let decode = |item: &Item| {
            let reader = Reader(item);
            match reader.text("part")? {
                WALLET => Wallet::decode(item).map(|wallet| Listed::Wallet(Box::new(wallet))),
                RECEIPT => reader.parsed("account").map(Listed::Closing),
                PROFILE => reader.parsed("account").map(Listed::Lapsed),
                _ => reader.parsed("account").map(Listed::Untold),
            }
        };
        Ok(Found::of(self.tables.scan(scan).await?, decode))
    }
}
