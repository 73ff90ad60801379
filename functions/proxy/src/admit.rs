//! Admits a call: finds the most it can cost, and passes it through the gate.

use std::sync::Arc;

use shared::{
    caller::Caller, catalogue::Model, endpoint::EndpointType, fault::Fault, id::CallId, tier::Tier,
    time::Timestamp,
};

use crate::{
    App, ProxyStore,
    bound::Bound,
    gate::{self, Asked, Held},
    head::Head,
};

/// A call that is paid for. Only [`App::admit`] makes one, and it ends in a settle.
pub(crate) struct Admitted {
    pub(crate) caller: Caller,
    pub(crate) call: CallId,
    pub(crate) held: Held,
    pub(crate) time: Timestamp,
    pub(crate) model: Arc<Model>,
    /// What it was asked to be served as.
    pub(crate) tier: Tier,
    pub(crate) endpoint_type: EndpointType,
}

impl<S: ProxyStore> App<S> {
    /// Holds what the call can cost at most, and writes what is limited for it into the body.
    /// `until` is when it is over at the latest.
    ///
    /// # Errors
    /// Why the call may not begin. Nothing was sent.
    pub(crate) async fn admit(
        &self,
        caller: Caller,
        call: &CallId,
        head: &mut Head,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Admitted, Fault> {
        let provider = head.model.provider;
        if !caller.may_call(&head.model.id) {
            return Err(Fault::ModelNotAllowed);
        }
        if !self.upstream.reaches(provider).await {
            return Err(Fault::ProviderNotConfigured);
        }
        let bound = &Bound::of(head)?;
        let policy = self.required.at(&self.store, now).await?;
        let asked = Asked { caller: &caller, call, provider, policy, bound, until };
        let held = gate::admit(&self.store, &Timestamp::now, &asked).await?;
        head.limit(held.terms);
        Ok(Admitted {
            caller,
            call: call.clone(),
            held,
            time: now,
            model: Arc::clone(&head.model),
            tier: head.tier,
            endpoint_type: head.endpoint_type,
        })
    }
}
