//! What clients ask who show what is left: the shapes of `OpenAI`'s old dashboard, of new-api and of
//! `OpenRouter`.
//!
//! A key that may read usage is shown the account; any other is shown itself and nothing else: what it
//! may spend, by the first of a total, a monthly and a daily budget that it has, and what it has spent
//! of that. One without a budget is shown what it has spent this month.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};
use shared::{
    caller::{Caller, Scope},
    fault::Fault,
    id::KeyId,
    money::Pico,
    period::Period,
    reply::{self, Reply},
    store::{keys::KeyAccount, ledger::LedgerEntry, wallet::Wallet},
    time::{Day, Timestamp},
};

use crate::{
    App, UsageStore,
    asked::Asked,
    buckets::{Range, Width},
    group::Sum,
    organization::dollars,
};

/// How often it is tried to read payments and balance of one moment.
const ATTEMPTS: usize = 4;

/// What clients take for no limit.
const UNLIMITED: Pico = Pico::from_dollars(100_000_000);

/// What of new-api's units is a dollar.
const PICO_PER_QUOTA: i128 = 2_000_000;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Subscription,
    Usage,
    Token,
    Credits,
    Key,
}

impl Question {
    pub(crate) fn named(path: &[&str]) -> Option<Self> {
        // Some write a slash at the end.
        let path = path.strip_suffix(&[""]).unwrap_or(path);
        Some(match path {
            ["v1", "dashboard", "billing", "subscription"]
            | ["dashboard", "billing", "subscription"] => Self::Subscription,
            ["v1", "dashboard", "billing", "usage"] | ["dashboard", "billing", "usage"] => {
                Self::Usage
            }
            ["api", "usage", "token"] => Self::Token,
            ["api", "v1", "credits"] => Self::Credits,
            ["api", "v1", "key"] => Self::Key,
            _ => return None,
        })
    }
}

/// How a key or an account stands.
struct Standing {
    /// What may be spent, if that is limited.
    limit: Option<Pico>,
    /// What is spent of that, or held for calls that are under way.
    used: Pico,
}

impl Standing {
    fn left(&self) -> Option<Pico> {
        self.limit.map(|limit| limit.less(self.used))
    }
}

#[derive(Serialize)]
struct Subscription {
    object: &'static str,
    has_payment_method: bool,
    soft_limit_usd: Box<RawValue>,
    hard_limit_usd: Box<RawValue>,
    system_hard_limit_usd: Box<RawValue>,
    access_until: i64,
}

#[derive(Serialize)]
struct Usage {
    object: &'static str,
    /// Cents.
    total_usage: Box<RawValue>,
}

#[derive(Serialize)]
struct Data<T> {
    data: T,
}

#[derive(Serialize)]
struct Credits {
    total_credits: Box<RawValue>,
    total_usage: Box<RawValue>,
}

#[derive(Serialize)]
struct KeyStanding {
    label: String,
    limit: Option<Box<RawValue>>,
    limit_remaining: Option<Box<RawValue>>,
    limit_reset: Option<&'static str>,
    usage: Box<RawValue>,
    usage_daily: Box<RawValue>,
    usage_weekly: Box<RawValue>,
    usage_monthly: Box<RawValue>,
    is_free_tier: bool,
    is_management_key: bool,
    is_provisioning_key: bool,
    expires_at: Option<String>,
    rate_limit: Value,
    /// Nobody brings a provider's key of their own.
    byok_usage: u8,
    byok_usage_daily: u8,
    byok_usage_weekly: u8,
    byok_usage_monthly: u8,
    include_byok_in_limit: bool,
    creator_user_id: Option<String>,
}

impl<S: UsageStore> App<S> {
    /// Answers how a key or its account stands. What a client says of dates is not looked at: limit
    /// and use are of the same time.
    pub(crate) async fn standing(
        &self,
        question: Question,
        caller: &Caller,
        wallet: &Wallet,
        now: Timestamp,
    ) -> Result<Reply, Fault> {
        let body = match question {
            Question::Credits => self.credits(caller, wallet).await?,
            Question::Key => self.key(caller, wallet, now).await?,
            Question::Token => self.token(caller, wallet, now).await?,
            Question::Subscription => {
                let ends = (!caller.may(Scope::UsageRead)).then_some(caller.expires_at).flatten();
                let standing = self.of_caller(caller, wallet, now).await?;
                let limit = dollars(standing.limit.unwrap_or(UNLIMITED))?;
                written(&Subscription {
                    object: "billing_subscription",
                    has_payment_method: true,
                    soft_limit_usd: limit.clone(),
                    hard_limit_usd: limit.clone(),
                    system_hard_limit_usd: limit,
                    access_until: ends.map_or(0, Timestamp::seconds),
                })?
            }
            Question::Usage => {
                let standing = self.of_caller(caller, wallet, now).await?;
                let cents = Pico::new(standing.used.pico().saturating_mul(100));
                written(&Usage { object: "list", total_usage: dollars(cents)? })?
            }
        };
        Ok(reply::json(StatusCode::OK, body))
    }

    /// Of the account for a key that may read usage, and of the key itself for any other.
    async fn of_caller(
        &self,
        caller: &Caller,
        wallet: &Wallet,
        now: Timestamp,
    ) -> Result<Standing, Fault> {
        if caller.may(Scope::UsageRead) {
            return self.of_account(wallet).await;
        }
        self.of_key(&self.account_of(caller).await?, wallet, now).await
    }

    async fn credits(&self, caller: &Caller, wallet: &Wallet) -> Result<String, Fault> {
        if !caller.may(Scope::UsageRead) {
            return Err(Fault::MissingScope(Scope::UsageRead.name()));
        }
        let Standing { limit, used } = self.of_account(wallet).await?;
        let total_credits = dollars(limit.unwrap_or_default())?;
        written(&Data { data: Credits { total_credits, total_usage: dollars(used)? } })
    }

    async fn token(
        &self,
        caller: &Caller,
        wallet: &Wallet,
        now: Timestamp,
    ) -> Result<String, Fault> {
        let account = self.account_of(caller).await?;
        let standing = self.of_key(&account, wallet, now).await?;
        let key = &account.key;
        let quota = |amount: Pico| amount.pico().div_euclid(PICO_PER_QUOTA);
        let clamp = |amount: Pico| i64::try_from(quota(amount)).unwrap_or(i64::MAX);
        let models: Map<_, _> =
            key.models.iter().map(|model| (model.clone(), Value::Bool(true))).collect();
        let body = json!({
            "code": true,
            "message": "ok",
            "data": {
                "object": "token_usage",
                "name": key.label,
                "total_granted": clamp(standing.limit.unwrap_or_default()),
                "total_used": clamp(standing.used),
                "total_available": clamp(standing.left().unwrap_or_default()),
                "unlimited_quota": standing.limit.is_none(),
                "model_limits_enabled": !models.is_empty(),
                "model_limits": models,
                "expires_at": caller.expires_at.map_or(0, Timestamp::seconds),
            },
        });
        Ok(body.to_string())
    }

    async fn key(&self, caller: &Caller, wallet: &Wallet, now: Timestamp) -> Result<String, Fault> {
        let account = self.account_of(caller).await?;
        let key = &account.key;
        let (day, week, month) = (Width::Day.floor(now), week(now), month(now));
        let days = self.spent_by(&caller.key, wallet, week.min(month), now).await?;
        let since = |from: Timestamp| {
            let days = days.iter().filter(|(day, _)| *day >= from);
            days.fold(Pico::ZERO, |sum, (_, cost)| sum.and(*cost))
        };
        let month = since(month);
        let standing = of_budget(&account, now).unwrap_or(Standing { limit: None, used: month });
        let reset = budget(&account).and_then(|(period, _)| match period {
            Period::Total => None,
            Period::Day => Some("daily"),
            Period::Month => Some("monthly"),
        });
        written(&Data {
            data: KeyStanding {
                label: key.label.clone(),
                limit: standing.limit.map(dollars).transpose()?,
                limit_remaining: standing.left().map(dollars).transpose()?,
                limit_reset: reset,
                usage: dollars(standing.used)?,
                usage_daily: dollars(since(day))?,
                usage_weekly: dollars(since(week))?,
                usage_monthly: dollars(month)?,
                is_free_tier: false,
                is_management_key: caller.may(Scope::AccountManage),
                is_provisioning_key: caller.may(Scope::AccountManage),
                expires_at: caller.expires_at.map(|at| at.to_string()),
                rate_limit: json!({
                    "requests": key.limits.requests.map_or(-1, |limit| {
                        i64::try_from(limit.get()).unwrap_or(i64::MAX)
                    }),
                    "interval": "1m",
                    "note": "calls by minute; -1 where they are not limited",
                }),
                byok_usage: 0,
                byok_usage_daily: 0,
                byok_usage_weekly: 0,
                byok_usage_monthly: 0,
                include_byok_in_limit: false,
                creator_user_id: None,
            },
        })
    }

    /// The caller's key with its books.
    async fn account_of(&self, caller: &Caller) -> Result<KeyAccount, Fault> {
        let account = self.store.read_key_account(&caller.hash).await;
        let account = account.map_err(|_| Fault::StoreUnavailable)?;
        let still = |account: &KeyAccount| {
            account.key.account == caller.account && account.key.revoked_at.is_none()
        };
        account.filter(still).ok_or(Fault::KeyRevoked)
    }

    /// What was paid in, and what of it is spent or held. A payment that comes while this is read
    /// would be in one of the two and not in the other.
    async fn of_account(&self, wallet: &Wallet) -> Result<Standing, Fault> {
        let mut before = self.entries(wallet).await?;
        for _ in 0..ATTEMPTS {
            let wallet = self.open(&wallet.account).await?;
            let after = self.entries(&wallet).await?;
            if before == after {
                let paid = after.iter().fold(Pico::ZERO, |sum, entry| sum.and(entry.amount));
                // Of payments that are forgotten, what they paid for is forgotten with them.
                let used = paid.less(wallet.balance).max(Pico::ZERO);
                return Ok(Standing { limit: Some(wallet.balance.and(used)), used });
            }
            before = after;
        }
        Err(Fault::Busy(Duration::from_secs(1)))
    }

    async fn entries(&self, wallet: &Wallet) -> Result<Vec<LedgerEntry>, Fault> {
        let entries = self.store.read_entries(&wallet.account).await;
        entries.map_err(|_| Fault::StoreUnavailable)
    }

    /// The budget of a key, and what of it is spent or held.
    async fn of_key(
        &self,
        account: &KeyAccount,
        wallet: &Wallet,
        now: Timestamp,
    ) -> Result<Standing, Fault> {
        if let Some(standing) = of_budget(account, now) {
            return Ok(standing);
        }
        let days = self.spent_by(&account.key.key, wallet, month(now), now).await?;
        let used = days.iter().fold(Pico::ZERO, |sum, (_, cost)| sum.and(*cost));
        Ok(Standing { limit: None, used })
    }

    /// What a key has spent on each day from one on, as far as the account's records that are in no
    /// roll-up yet go into one answer.
    async fn spent_by(
        &self,
        key: &KeyId,
        wallet: &Wallet,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<(Timestamp, Pico)>, Fault> {
        let mut asked = Asked { keys: [key.clone()].into(), ..Asked::default() };
        let keys = self.all_keys(wallet, &mut asked, &[]).await?;
        let cost = |groups: &BTreeMap<_, Sum>| {
            groups.values().fold(Pico::ZERO, |sum, group| sum.and(group.cost()))
        };
        let (to, width) = (Width::Day.end(now), Width::Day);
        let (mut from, mut days) = (from, Vec::new());
        loop {
            let range = Range { from, to, width, limit: 62, whole: false };
            let sums = self.sum(wallet, &keys, &asked, range.page(None, now)?, now).await?;
            let read = sums.buckets.bounds.iter().zip(&sums.groups);
            days.extend(read.map(|((from, _), groups)| (*from, cost(groups))));
            match sums.buckets.next {
                Some(next) if width.floor(next) == next => from = next,
                // Or the newest calls of a day are more than are looked through for this.
                Some(_) | None => return Ok(days),
            }
        }
    }
}

/// The budget that is shown of a key.
fn budget(account: &KeyAccount) -> Option<(Period, Pico)> {
    let limits = &account.key.limits;
    let of = |period: Period| limits.spend(period).map(|limit| (period, limit));
    [Period::Total, Period::Month, Period::Day].into_iter().find_map(of)
}

/// What of that is spent or held.
fn of_budget(account: &KeyAccount, now: Timestamp) -> Option<Standing> {
    let (period, limit) = budget(account)?;
    let left = account.left.in_period(period, now.hour()).unwrap_or(limit);
    Some(Standing { limit: Some(limit), used: limit.less(left) })
}

/// The beginning of the week, which begins on Monday.
fn week(now: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400;
    let day = now.seconds().div_euclid(DAY);
    // The epoch began on a Thursday.
    let monday = day.saturating_sub(day.saturating_add(3).rem_euclid(7));
    Timestamp::from_seconds(monday.saturating_mul(DAY))
}

/// The beginning of the month.
fn month(now: Timestamp) -> Timestamp {
    let name = Period::Month.of(now.hour());
    let first = format!("{name}01").parse::<Day>();
    first.map_or(now, |day| day.first().start())
}

fn written(body: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(body).map_err(|_| Fault::Internal)
}
