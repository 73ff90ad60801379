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
    time::Timestamp,
};

use crate::{App, POLICY, ProxyStore, head::Head};

/// A call that is paid for. Only [`App::admit`] makes one, and it ends in a settle.
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) call: CallId,
    pub(crate) hold: Pico,
    pub(crate) time: Timestamp,
    pub(crate) model: Arc<Model>,
    pub(crate) endpoint_type: EndpointType,
}

impl<S: ProxyStore> App<S> {
    /// Holds `amount` for the call.
    ///
    /// # Errors
    /// Why the call may not begin. Nothing was sent and nothing is held.
    pub(crate) async fn admit(
        &self,
        caller: &Caller,
        call: &CallId,
        head: &Head,
        amount: Pico,
        now: Timestamp,
    ) -> Result<Admitted, Fault> {
        let provider = head.model.provider;
        if !self.upstream.reaches(provider) {
            return Err(Fault::ProviderNotConfigured);
        }
        let mut hold = Hold {
            account: &caller.account,
            call,
            amount,
            provider,
            policy: POLICY,
            key: KeyRead::At(caller.auth_at),
        };
        let mut placed = self.store.hold(&hold, &Timestamp::now).await;
        if let Err(HoldError::StaleKey(changed)) = placed {
            self.read_again(caller).await?;
            hold.key = KeyRead::Since(changed);
            placed = self.store.hold(&hold, &Timestamp::now).await;
        }
        placed.map_err(|error| match error {
            HoldError::NoAccount => Fault::AccountClosed,
            HoldError::Frozen => Fault::AccountFrozen,
            HoldError::NoConsent => Fault::ConsentMissing(provider),
            HoldError::Balance => Fault::InsufficientBalance,
            HoldError::Throttled | HoldError::StaleKey(_) => Fault::Busy(Duration::from_secs(1)),
            HoldError::HourClosed | HoldError::Unavailable => Fault::StoreUnavailable,
        })?;
        Ok(Admitted {
            caller: caller.clone(),
            call: call.clone(),
            hold: amount,
            time: now,
            model: Arc::clone(&head.model),
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
