//! The close of one account's hours, the oldest first: roll-ups, alerts, the wallet; and after a
//! day's last hour the statement. And the close of the hours of keys with limits of their own, which
//! needs nothing of the wallet's.
//!
//! Everything that is written before the wallet's close is a pure function of records that can no
//! longer change, or conditional; so a close that breaks off is done again.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    ops::ControlFlow,
};

use shared::{
    catalogue::Catalogue,
    id::{AccountId, KeyId},
    key::KeyHash,
    law,
    limits::Limits,
    money::Pico,
    period::Period,
    store::{
        Left, StoreError,
        alerts::{About, Alert, PutAlerts, passed_mark, passes_below},
        calls::{ReadSpan, Record, Span},
        keys::{CloseKeys, KeyAccount, KeyItem, KeysOf, MarkUsed, ReadKeyAccount},
        lines::{Lines, PutLines},
        receipts::EraseAccount,
        rollups::{PutRollups, ReadRollups, Rollup, Rollups},
        wallet::{CloseWallet, ReadWallet, State, Wallet, WalletClose},
    },
    time::{Clock, Day, Hour, Timestamp},
};

/// How often a wallet or a key is looked at: twice for every hour that a week has, since another
/// run may be at the same.
const LOOKS: usize = 2 * 7 * 24;

/// The balance below which an account's owner is told who has set no other mark.
const LOW_BALANCE: Pico = Pico::from_dollars(1);

/// What the close of an account asks of a store.
pub trait CloseStore:
    ReadWallet
    + CloseWallet
    + KeysOf
    + ReadKeyAccount
    + CloseKeys
    + MarkUsed
    + ReadSpan
    + ReadRollups
    + PutRollups
    + PutLines
    + PutAlerts
    + EraseAccount
{
}
impl<S> CloseStore for S where
    S: ReadWallet
        + CloseWallet
        + KeysOf
        + ReadKeyAccount
        + CloseKeys
        + MarkUsed
        + ReadSpan
        + ReadRollups
        + PutRollups
        + PutLines
        + PutAlerts
        + EraseAccount
{
}

/// What was closed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closed {
    /// Hours of the wallet.
    pub(crate) hours: u64,
    /// Hours of keys.
    pub(crate) key_hours: u64,
    /// What went back to the balance.
    pub(crate) returned: Pico,
    /// What records say was spent beyond what was out.
    pub(crate) short: Pico,
    /// The account that is frozen for that, and the hour.
    pub(crate) frozen: Option<(AccountId, Hour)>,
    /// Statement lines written.
    pub(crate) lines: u64,
    /// Alerts written.
    pub(crate) alerts: u64,
}

/// Closes every hour of an account that is due, and writes the statement of every day that is over.
/// What was done before an error stands.
pub(crate) async fn close_account<S: CloseStore>(
    store: &S,
    catalogue: &Catalogue,
    account: &AccountId,
    clock: Clock<'_>,
) -> (Closed, Result<(), StoreError>) {
    let mut closed = Closed::default();
    for _ in 0..LOOKS {
        match step(store, catalogue, account, clock, &mut closed).await {
            Ok(Step::Nothing) => return (closed, Ok(())),
            // Another run was faster, and what is left is seen at the next look.
            Ok(Step::Something) | Err(StoreError::Conflict) => {}
            Err(error) => return (closed, Err(error)),
        }
    }
    (closed, Err(StoreError::Conflict))
}

/// Whether there was something to close.
enum Step {
    Something,
    Nothing,
}

async fn step<S: CloseStore>(
    store: &S,
    catalogue: &Catalogue,
    account: &AccountId,
    clock: Clock<'_>,
    closed: &mut Closed,
) -> Result<Step, StoreError> {
    let Some(wallet) = store.read_wallet(account).await? else { return Ok(Step::Nothing) };
    if let Some((hour, out)) = wallet.due(clock()) {
        close_hour(store, catalogue, &wallet, (hour, out), clock, closed).await?;
    } else if let Some(day) = wallet.unstated(clock()) {
        state(store, &wallet, day, closed).await?;
    } else {
        return Ok(Step::Nothing);
    }
    Ok(Step::Something)
}

async fn close_hour<S: CloseStore>(
    store: &S,
    catalogue: &Catalogue,
    wallet: &Wallet,
    (hour, out): (Hour, Pico),
    clock: Clock<'_>,
    closed: &mut Closed,
) -> Result<(), StoreError> {
    let account = &wallet.account;
    let mut rollups = Rollups::default();
    let add = |record: &Record| rollups.add(hour, record, catalogue);
    store.read_span(account, Span::hour(hour), add).await?;
    store.put_rollups(&rollups).await?;
    let spent = rollups.cost();
    let close = WalletClose { wallet, hour, out, spent };
    let law::Close { returned, short } = close.closes();
    // Of an account that is closed there is nobody to tell.
    let alerts = match wallet.state {
        State::Closing => Vec::new(),
        State::Active | State::Frozen => alerts_of(wallet, hour, out.less(returned)),
    };
    store.put_alerts(&alerts, clock()).await?;
    store.close_hour(&close).await?;
    closed.hours = closed.hours.saturating_add(1);
    closed.returned = closed.returned.and(returned);
    closed.alerts = closed.alerts.saturating_add(count(alerts.len()));
    if short > Pico::ZERO {
        closed.short = closed.short.and(short);
        closed.frozen = Some((account.clone(), hour));
    }
    Ok(())
}

/// What the keys of an account have spent by hour, which its records say.
#[derive(Default)]
pub(crate) struct Spent {
    account: Option<AccountId>,
    hours: HashMap<Hour, HashMap<KeyId, Pico>>,
}

impl Spent {
    /// What a key has spent in an hour. The records are read once for all keys of an account that
    /// come one after the other.
    async fn by<S: ReadSpan>(
        &mut self,
        store: &S,
        key: &KeyItem,
        hour: Hour,
    ) -> Result<Pico, StoreError> {
        if self.account.as_ref() != Some(&key.account) {
            *self = Self { account: Some(key.account.clone()), hours: HashMap::new() };
        }
        let keys = match self.hours.entry(hour) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(place) => {
                let mut keys: HashMap<KeyId, Pico> = HashMap::new();
                let add = |record: &Record| {
                    let sum = keys.entry(record.key.clone()).or_default();
                    *sum = sum.and(record.cost);
                };
                store.read_span(&key.account, Span::hour(hour), add).await?;
                place.insert(keys)
            }
        };
        Ok(keys.get(&key.key).copied().unwrap_or_default())
    }
}

/// Closes every hour of a key that is due.
///
/// # Errors
/// When the store fails. What was done before stands.
pub(crate) async fn close_key<S: CloseStore>(
    store: &S,
    hash: &KeyHash,
    spent: &mut Spent,
    clock: Clock<'_>,
    closed: &mut Closed,
) -> Result<(), StoreError> {
    for _ in 0..LOOKS {
        let Some(books) = store.read_key_account(hash).await? else { return Ok(()) };
        let Some((hour, out)) = books.due(clock()) else { return Ok(()) };
        let KeyAccount { key, out: all, left } = &books;
        let spent = spent.by(store, key, hour).await?;
        let gone = out.less(law::close(out, spent).returned);
        let whose = (&key.account, Some(&key.key));
        let alerts = budget_alerts(whose, &key.limits, (left, all), hour, gone);
        store.put_alerts(&alerts, clock()).await?;
        match store.close_key_hour(&books, spent).await {
            Ok(()) => {
                closed.key_hours = closed.key_hours.saturating_add(1);
                closed.alerts = closed.alerts.saturating_add(count(alerts.len()));
            }
            Err(StoreError::Conflict) => {}
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict)
}

/// Writes the statement of a day that is closed.
async fn state<S: CloseStore>(
    store: &S,
    wallet: &Wallet,
    day: Day,
    closed: &mut Closed,
) -> Result<(), StoreError> {
    let account = &wallet.account;
    let keys = store.keys_of(account).await?;
    // After the keys, since one that is deleted leaves its number in the same write.
    let mut ordinals = store.ordinals_of(account).await?;
    ordinals.extend(keys.iter().map(|key| (key.key.clone(), key.ordinal)));
    let mut lines = Lines::default();
    let mut used = BTreeSet::new();
    let add = |rollup: &Rollup| {
        lines.add(rollup, ordinals.get(&rollup.key).copied().unwrap_or(0));
        used.insert(rollup.key.clone());
        ControlFlow::Continue(())
    };
    // However late it is: what is on no statement is not swept.
    let hours = (day.first(), day.last());
    let ControlFlow::Continue(()) =
        store.read_rollups(account, hours, Timestamp::from_seconds(0), add).await?
    else {
        return Ok(());
    };
    store.put_lines(&lines).await?;
    let known = |key: &&KeyItem| used.contains(&key.key) && key.used < Some(day);
    for key in keys.iter().filter(known) {
        store.mark_used(&key.hash, day).await?;
    }
    // Hours of a later day may be closed already.
    let next = (wallet.closed.day() > day).then_some(day.next());
    store.mark_stated(wallet, next).await?;
    closed.lines = closed.lines.saturating_add(count(lines.all().len()));
    Ok(())
}

/// What a wallet's owner is told after a close by which `gone` has left it.
fn alerts_of(wallet: &Wallet, hour: Hour, gone: Pico) -> Vec<Alert> {
    let account = &wallet.account;
    let books = (&wallet.left, &wallet.out);
    let mut alerts = budget_alerts((account, None), &wallet.limits, books, hour, gone);
    let before = wallet.total().unwrap_or(wallet.balance);
    let (after, mark) = (before.less(gone), wallet.alert_below.unwrap_or(LOW_BALANCE));
    if passes_below(before, after, mark) {
        let about = About::LowBalance;
        alerts.push(Alert { account: account.clone(), hour, about, amount: after, limit: mark });
    }
    alerts
}

/// What is told of budgets after the close of an hour by which `gone` has been spent. What is left
/// of a budget and what is out of its period change together only by closes: so the rest is what
/// closed hours have spent.
fn budget_alerts(
    (account, key): (&AccountId, Option<&KeyId>),
    limits: &Limits,
    (left, out): (&Left, &Vec<(Hour, Pico)>),
    hour: Hour,
    gone: Pico,
) -> Vec<Alert> {
    let alert = |period: Period| {
        let limit = limits.spend(period)?;
        let same = out.iter().filter(|(other, _)| period.of(*other) == period.of(hour));
        let held = same.fold(Pico::ZERO, |sum, (_, out)| sum.and(*out));
        let before = limit.less(left.in_period(period, hour)?.and(held));
        let after = before.and(gone);
        let percent = passed_mark(before, after, limit)?;
        let about = About::Budget { key: key.cloned(), period, percent };
        Some(Alert { account: account.clone(), hour, about, amount: after, limit })
    };
    Period::ALL.into_iter().filter_map(alert).collect()
}

fn count(items: usize) -> u64 {
    u64::try_from(items).unwrap_or(u64::MAX)
}
