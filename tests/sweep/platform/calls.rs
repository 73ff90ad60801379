//! Accounts, and the life of a call as the authorizer and the proxy make it.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use proxy::{
    bound::Bound,
    gate::{self, Asked},
};
use shared::{
    caller::{Caller, Scope},
    endpoint::EndpointType,
    id::{AccountId, CallId, KeyId},
    key::{IdempotencyTag, KeyHash},
    limits::{Concurrent, Limits},
    money::{Pico, Price},
    provider::Provider,
    store::{
        Consistency, Store,
        accounts::{CreateAccount, NewAccount},
        calls::{Basis, Record},
        keys::{FindKey, NewKey},
        ledger::{Entry, EntryKind, PostEntry},
    },
    units::{UnitClass, Units},
};
use simulator::{Crash, Environment, Simulation};

use super::{super::truth::lock, Platform};

/// A token's price, in every call here.
const PRICE: Price = Price::new(1_000);

/// An account and its keys.
pub(super) struct Account {
    pub(super) id: AccountId,
    pub(super) keys: Vec<KeyHash>,
    pub(super) named: u64,
    pub(super) closed: bool,
}

impl Platform {
    pub(super) fn call(&mut self, number: usize) {
        if self.accounts[number].closed {
            return;
        }
        self.figures.calls += 1;
        let key = usize::try_from(self.below(2)).unwrap();
        let named = self.below(4) == 0;
        let env = self.proxies[usize::try_from(self.below(3)).unwrap()].clone();
        let runs = Duration::from_millis(self.simulation.below(20_000));
        let account = &mut self.accounts[number];
        // One in three names a call that was named before.
        account.named += u64::from(named && self.simulation.below(3) > 0);
        let tag = IdempotencyTag::parse(&format!("{:064x}", account.named)).unwrap();
        let (hash, truth) = (account.keys[key].clone(), Arc::clone(&self.truth));
        let call = env.call_id();
        lock(&truth).admits(call.as_str(), env.now().seconds());
        let task = env.spawn(make_call(env.clone(), hash, call, named.then_some(tag), runs));
        if self.below(50) == 0 {
            let crash = [Crash::BeforeDelivery, Crash::AfterDelivery];
            let at = 1 + u32::try_from(self.below(6)).unwrap();
            task.crash_at(at, crash[usize::try_from(self.below(2)).unwrap()]);
        }
    }
}

/// An account with two keys, the second of which has limits in every other one.
pub(super) fn open_account(simulation: &Simulation, number: usize) -> Account {
    let (id, env) = (simulation.account_id(), simulation.environment(0));
    let keys: Vec<_> = (0..2_usize)
        .map(|key| KeyHash::parse(&format!("1#{:064x}", 2 * number + key)).unwrap())
        .collect();
    let names: Vec<KeyId> = keys.iter().map(|_| simulation.key_id()).collect();
    let (account, hashes) = (id.clone(), keys.clone());
    simulation.complete(&env.clone(), async move {
        let much = Pico::from_dollars(1_000);
        let limited = Limits {
            total: Some(much),
            day: Some(much),
            requests: NonZeroU64::new(1_000),
            concurrent: Concurrent::new(30),
            ..Limits::default()
        };
        let new = hashes.iter().zip(&names).enumerate().map(|(at, (hash, key))| NewKey {
            hash,
            account: &account,
            key,
            label: "",
            tag: None,
            scopes: &[Scope::Inference],
            models: &[],
            limits: if at + number % 2 == 2 { &limited } else { &Limits::NONE },
            expires_at: None,
        });
        let new: Vec<_> = new.collect();
        let (store, now) = (Store::over(env.clone()), env.now());
        let bare = NewAccount::bare(&account, &Provider::ALL, 1);
        store.create_account(&NewAccount { keys: &new, ..bare }, now).await.unwrap();
        let entry = Entry::new(&account, EntryKind::TopUp, "first", much).unwrap();
        store.post_entry(&entry, now).await.unwrap();
    });
    Account { id, keys, named: 0, closed: false }
}

/// The life of a call, without the provider.
async fn make_call(
    env: Environment,
    hash: KeyHash,
    call: CallId,
    named: Option<IdempotencyTag>,
    runs: Duration,
) -> Option<()> {
    let (store, clock) = (Store::over(env.clone()), env.clock());
    let time = env.now();
    let item = store.find_key(&hash, Consistency::Strong).await.ok()??;
    let mut caller = Caller::found(&item, time);
    caller.idempotency = named;
    let bound = Bound::of_one(100, PRICE.of(100), PRICE, 200);
    let until = clock().plus(Duration::from_secs(15 * 60));
    let (provider, policy) = (Provider::OpenAi, 1);
    let asked = Asked { caller: &caller, call: &call, provider, policy, bound: &bound, until };
    let held = gate::admit(&store, &clock, &asked).await.ok()?;
    env.sleep(runs).await;
    let record = Record {
        account: caller.account.clone(),
        call: call.clone(),
        time,
        model: "gpt-5-mini".to_owned(),
        units: Units::default().with(UnitClass::Input, 100),
        endpoint: EndpointType::ChatCompletions,
        status: 200,
        key: caller.key.clone(),
        cost: Pico::new(held.terms.amount.pico() / 2),
        price_version: "1".to_owned(),
        basis: Basis::Reported,
    };
    gate::settle(&store, &clock, &caller, &held, &record).await.ok()
}
