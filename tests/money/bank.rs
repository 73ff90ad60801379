//! The world of one schedule: an account, its keys, and what everybody does with them. It is the
//! product's own code that runs, on a simulated store.

use std::{sync::Arc, time::Duration};

use proxy::{
    bound::Bound,
    gate::{self, Asked},
};
use shared::{
    caller::{Caller, Scope},
    catalogue::Catalogue,
    endpoint::EndpointType,
    id::{AccountId, KeyId},
    key::{IdempotencyTag, KeyHash},
    law::{self, Charge},
    limits::Limits,
    log::Log,
    money::{Markup, Pico, Price},
    provider::Provider,
    store::{
        Store,
        accounts::{CreateAccount, NewAccount},
        calls::{Basis, ReadSpan, Record, Span},
        keys::{ChangeKeys, Consistency, FindKey, HoldKey, KeyHold, NewKey},
        ledger::{Entry, EntryKind, PostEntry},
        wallet::{
            ChangeWallet, CloseWallet, Hold, KeyRead, MoveMoney, ReadWallet, Settle, WalletClose,
        },
    },
    time::Clock,
    units::{UnitClass, Units},
};
use simulator::{Environment, Faults, Running, Simulation};

use super::checks::Checks;

/// A token's price, in every call here.
pub(super) const PRICE: Price = Price::new(1_000);

/// How long a call may take.
pub(super) const LONGEST_CALL: Duration = Duration::from_secs(15 * 60);

/// A key of the account.
#[derive(Clone, Debug)]
pub(super) struct BankKey {
    pub(super) hash: KeyHash,
    pub(super) id: KeyId,
}

/// A rule that is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// The clock is not asked before a write.
    StoppedClock,
    /// Hours are closed at their end.
    EarlyClose,
    /// The newest hour is closed first.
    NewestFirst,
    /// What is charged is the cost, whatever is held.
    ChargeBeyondHold,
    /// The wallet is not told of a revocation.
    NoMark,
    /// It is told before the key is written.
    MarkFirst,
    /// A call that is named is not marked.
    NoMarker,
}

/// A world.
pub(super) struct Bank {
    pub(super) simulation: Simulation,
    pub(super) account: AccountId,
    pub(super) keys: Vec<BankKey>,
    pub(super) checks: Arc<Checks>,
    pub(super) defect: Option<Defect>,
}

/// What a caller wants.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) after: Duration,
    pub(super) runs: Duration,
    pub(super) prompt: u64,
    pub(super) answer: u64,
    /// What it costs, in thousandths of what is held.
    pub(super) spends: u64,
    pub(super) tag: Option<IdempotencyTag>,
}

impl Bank {
    /// An account with a credit and a key for each of `limits`.
    pub(super) fn open(simulation: Simulation, credit: Pico, limits: &[Limits]) -> Self {
        Self::limited(simulation, credit, limits, &Limits::default())
    }

    /// The same, with limits of the account's own.
    pub(super) fn limited(
        simulation: Simulation,
        credit: Pico,
        limits: &[Limits],
        of_account: &Limits,
    ) -> Self {
        let account = simulation.account_id();
        let setup = simulation.environment(0);
        let store = Store::over(setup.clone());
        let keys: Vec<_> = (0..limits.len())
            .map(|number| BankKey {
                hash: KeyHash::parse(&format!("1#{number:064x}")).unwrap(),
                id: simulation.key_id(),
            })
            .collect();
        let made = {
            let (account, keys, limits) = (account.clone(), keys.clone(), limits.to_vec());
            let of_account = of_account.clone();
            let clock = setup.clock();
            async move {
                let keys = keys.iter().zip(&limits).map(|(key, limits)| NewKey {
                    hash: &key.hash,
                    account: &account,
                    key: &key.id,
                    label: "",
                    tag: None,
                    scopes: &[Scope::Inference],
                    models: &[],
                    limits,
                    expires_at: None,
                });
                let keys: Vec<_> = keys.collect();
                let bare = NewAccount::bare(&account, &Provider::ALL, 1);
                let new = NewAccount { keys: &keys, ..bare };
                store.create_account(&new, clock()).await.unwrap();
                let entry = Entry::new(&account, EntryKind::TopUp, "first", credit).unwrap();
                store.post_entry(&entry, clock()).await.unwrap();
                if of_account.any() {
                    store.set_account_limits(&account, &of_account, clock()).await.unwrap();
                }
            }
        };
        simulation.complete(&setup, made);
        let checks = Checks::watch(&simulation, &account);
        Self { simulation, account, keys, checks, defect: None }
    }

    /// A call by a key, in an environment, as the authorizer and the proxy make it.
    pub(super) fn call(&self, env: &Environment, key: &BankKey, want: Want) -> Running<Option<()>> {
        let (checks, hash) = (Arc::clone(&self.checks), key.hash.clone());
        env.spawn(call(env.clone(), checks, hash, want, self.defect))
    }

    /// A run of retention, after a time.
    pub(super) fn close_after(&self, env: &Environment, after: Duration) {
        let (task, account, defect) = (env.clone(), self.account.clone(), self.defect);
        env.spawn(async move {
            let early = Duration::from_secs(24 * 60);
            if defect == Some(Defect::EarlyClose) {
                task.sleep(after.saturating_sub(early)).await;
                let clock = task.clock();
                close_by(&task, &move || clock().plus(early)).await;
                return;
            }
            task.sleep(after).await;
            match defect {
                Some(Defect::NewestFirst) => close_newest(&task, &account).await,
                _ => drop(close(&task).await),
            }
        });
    }

    /// Closes everything there is, with nothing going wrong any more.
    pub(super) fn close_all(&self) {
        self.simulation.set_faults(Faults::default());
        self.simulation.run();
        let env = self.simulation.environment(0);
        for hours in [2, 26] {
            let task = env.clone();
            let failed = self.simulation.complete(&env, async move {
                task.sleep(Duration::from_secs(hours * 3_600)).await;
                close(&task).await.failed
            });
            if failed > 0 {
                self.checks.violate("a close has failed");
            }
        }
    }
}

/// A run of retention.
pub(super) async fn close(env: &Environment) -> retention::Report {
    close_by(env, &env.clock()).await
}

/// Closes the newest hour of a wallet that is due, and not the oldest.
async fn close_newest(env: &Environment, account: &AccountId) {
    let store = Store::over(env.clone());
    let Ok(Some(mut wallet)) = store.read_wallet(account).await else { return };
    wallet.out.reverse();
    let Some((hour, out)) = wallet.due(env.now()) else { return };
    let mut spent = Pico::ZERO;
    let add = |record: &Record| spent = spent.and(record.cost);
    if store.read_span(account, Span::hour(hour), add).await.is_err() {
        return;
    }
    let _closed = store.close_hour(&WalletClose { wallet: &wallet, hour, out, spent }).await;
}

async fn close_by(env: &Environment, clock: Clock<'_>) -> retention::Report {
    static CATALOGUE: std::sync::OnceLock<Arc<Catalogue>> = std::sync::OnceLock::new();
    let catalogue = CATALOGUE.get_or_init(|| Arc::new(Catalogue::load(Markup::default()).unwrap()));
    let log = Log::to(std::io::sink());
    let app = retention::App::new(Store::over(env.clone()), Arc::clone(catalogue), log);
    app.report(retention::Event::default(), clock).await
}

/// The life of a call, without the provider.
async fn call(
    env: Environment,
    checks: Arc<Checks>,
    hash: KeyHash,
    want: Want,
    defect: Option<Defect>,
) -> Option<()> {
    env.sleep(want.after).await;
    let (store, running) = (Store::over(env.clone()), env.clock());
    let auth_at = running();
    let stopped = defect == Some(Defect::StoppedClock);
    let clock = move || if stopped { auth_at } else { running() };
    let mut found = store.find_key(&hash, Consistency::Eventual).await.ok()?;
    if found.is_none() {
        found = store.find_key(&hash, Consistency::Strong).await.ok()?;
    }
    let item = found.filter(|item| item.revoked_at.is_none())?;
    let mut caller = Caller::found(&item, auth_at);
    caller.idempotency = want.tag.clone().filter(|_| defect != Some(Defect::NoMarker));
    let call = env.call_id();
    let prompt = PRICE.of(want.prompt);
    let bound = Bound::of_one(want.prompt, prompt, PRICE, want.answer);
    checks.begins(&call, &caller, bound.least().unwrap().amount);
    if let Some(tag) = &want.tag {
        checks.names(&call, tag);
    }
    let until = clock().plus(LONGEST_CALL);
    let provider = Provider::OpenAi;
    let asked = Asked { caller: &caller, call: &call, provider, policy: 1, bound: &bound, until };
    let held = match gate::admit(&store, &clock, &asked).await {
        Ok(held) => held,
        Err(fault) => {
            checks.refused(&call, &fault);
            return None;
        }
    };
    checks.admitted(&call);
    env.sleep(want.runs).await;
    let amount = held.terms.amount;
    let cost = Pico::new(amount.pico() * i128::from(want.spends) / 1_000);
    let Charge { mut charged, .. } = law::charge(cost, amount);
    if defect == Some(Defect::ChargeBeyondHold) {
        charged = cost;
    }
    let record = Record {
        account: caller.account.clone(),
        call: call.clone(),
        time: auth_at,
        model: "gpt-5-mini".to_owned(),
        units: Units::default().with(UnitClass::Input, want.prompt),
        endpoint: EndpointType::ChatCompletions,
        status: 200,
        key: caller.key.clone(),
        cost: charged,
        price_version: "1".to_owned(),
        basis: Basis::Reported,
    };
    if gate::settle(&store, &clock, &caller, &held, &record).await.is_ok() {
        checks.settled();
    }
    Some(())
}

/// Revokes a key, as whoever does it has to.
pub(super) async fn revoke(
    env: Environment,
    account: AccountId,
    key: BankKey,
    checks: Arc<Checks>,
    defect: Option<Defect>,
) {
    let (store, clock) = (Store::over(env.clone()), env.clock());
    let mark = async || {
        let mark = clock().plus(Duration::from_secs(5));
        store.require_fresh_keys(&account, mark).await.is_ok()
    };
    if defect == Some(Defect::MarkFirst) {
        mark().await;
    }
    let revoked = store.revoke_key(&key.hash, None, clock()).await.is_ok();
    let told = match defect {
        Some(Defect::MarkFirst | Defect::NoMark) => true,
        _ => revoked && mark().await,
    };
    if revoked && told {
        checks.revoked(&key.id);
    }
}

/// A process that is stopped after its hold and goes on hours later, its clock still showing what
/// it showed. It settles as if nothing had been spent, or holds for a call of that hour.
pub(super) async fn straggle(
    env: Environment,
    account: AccountId,
    key: BankKey,
    limits: Limits,
    (stops, again): (Duration, Again),
) {
    let (store, call) = (Store::over(env.clone()), env.call_id());
    let now = env.now();
    let stopped = || now;
    let amount = Pico::new(1_000);
    let hold = |call| Hold {
        account: &account,
        call,
        amount,
        provider: Provider::OpenAi,
        policy: 1,
        key: KeyRead::At(now),
    };
    let held = store.hold(&hold(&call), &stopped).await;
    let hold_key =
        |call| KeyHold { hash: &key.hash, call, amount, tokens: 1, limits: &limits, until: now };
    let held_key =
        if limits.any() { store.hold_key(&hold_key(&call), &stopped).await.ok() } else { None };
    let other = env.call_id();
    env.sleep(stops).await;
    match again {
        Again::Settles => {
            if let Some(held) = &held_key {
                store.settle_key(&key.hash, &call, held, (Pico::ZERO, 0), &stopped).await;
            }
            if held.is_ok() {
                let settle = Settle { account: &account, call: &call, returned: amount };
                store.settle(&settle, &stopped).await;
            }
        }
        Again::Holds => {
            let _held = store.hold(&hold(&other), &stopped).await;
            if limits.any() {
                let _held = store.hold_key(&hold_key(&other), &stopped).await;
            }
        }
    }
}

/// What a process does that goes on hours later.
#[derive(Clone, Copy, Debug)]
pub(super) enum Again {
    Settles,
    Holds,
}
