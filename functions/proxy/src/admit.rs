//! Admits a call: places its hold, or says why not.

use std::{sync::Arc, time::Duration};

use shared::{
    caller::{Caller, Scope},
    catalogue::Model,
    endpoint::EndpointType,
    fault::Fault,
    id::CallId,
    money::Pico,
    store::{
        keys::Consistency,
        wallet::{Hold, HoldError, KeyRead},
    },
    tier::Tier,
    time::Timestamp,
};

use crate::{App, POLICY, ProxyStore, bound::Bound, head::Head};

/// How often a hold is tried with a lowered limit.
const ATTEMPTS: usize = 3;

/// A call that is paid for. Only [`App::admit`] makes one, and it ends in a settle.
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) call: CallId,
    pub(crate) hold: Pico,
    /// The limit that was set for the answer, where the balance does not cover a longer one.
    pub(crate) limit: Option<u64>,
    pub(crate) time: Timestamp,
    pub(crate) model: Arc<Model>,
    /// What it was asked to be served as.
    pub(crate) tier: Tier,
    pub(crate) endpoint_type: EndpointType,
}

impl<S: ProxyStore> App<S> {
    /// Holds what the call can cost at most. Where the balance does not cover that and the caller
    /// has left the length of the answer or the number of searches open, they are limited to what
    /// it does cover.
    ///
    /// # Errors
    /// Why the call may not begin. Nothing was sent and nothing is held.
    pub(crate) async fn admit(
        &self,
        caller: Caller,
        call: &CallId,
        head: &mut Head,
        now: Timestamp,
    ) -> Result<Admitted, Fault> {
        let provider = head.model.provider;
        if !self.upstream.reaches(provider) {
            return Err(Fault::ProviderNotConfigured);
        }
        let bound = Bound::of(head)?;
        let mut asked = bound.asked()?;
        let mut hold = Hold {
            account: &caller.account,
            call,
            amount: asked.amount,
            provider,
            policy: POLICY,
            key: KeyRead::At(caller.auth_at),
        };
        let mut placed = self.store.hold(&hold, &Timestamp::now).await;
        if let Err(HoldError::StaleKey(changed)) = placed {
            self.read_again(&caller).await?;
            hold.key = KeyRead::Since(changed);
            placed = self.store.hold(&hold, &Timestamp::now).await;
        }
        // Other calls may take from the balance between one look at it and the next.
        for _ in 0..ATTEMPTS {
            let Err(HoldError::Balance(balance)) = placed else { break };
            let Some(lowered) = bound.lowered(balance) else { break };
            asked = lowered;
            hold.amount = asked.amount;
            placed = self.store.hold(&hold, &Timestamp::now).await;
        }
        placed.map_err(|error| match error {
            HoldError::NoAccount => Fault::AccountClosed,
            HoldError::Frozen => Fault::AccountFrozen,
            HoldError::NoConsent => Fault::ConsentMissing(provider),
            HoldError::Balance(_) => Fault::InsufficientBalance,
            HoldError::Throttled | HoldError::StaleKey(_) => Fault::Busy(Duration::from_secs(1)),
            HoldError::HourClosed | HoldError::Unavailable => Fault::StoreUnavailable,
        })?;
        head.limit(asked);
        Ok(Admitted {
            caller,
            call: call.clone(),
            hold: asked.amount,
            limit: asked.limit,
            time: now,
            model: Arc::clone(&head.model),
            tier: head.tier,
            endpoint_type: head.endpoint_type,
        })
    }

    /// Reads the key again, strongly, since a key of the account was changed about when the
    /// authorizer looked. A change after this read moves the wallet's mark, and the hold fails.
    async fn read_again(&self, caller: &Caller) -> Result<(), Fault> {
        let found = self.store.find_key(&caller.hash, Consistency::Strong).await;
        let key = found.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::KeyRevoked)?;
        if key.revoked_at.is_some() || key.account != caller.account {
            return Err(Fault::KeyRevoked);
        }
        let scope = Scope::Inference;
        key.scopes.contains(&scope).then_some(()).ok_or(Fault::MissingScope(scope.name()))
    }
}
