//! Settles a call: says what it is charged, writes its record, and returns what of the hold was
//! not spent.

use std::time::Duration;

use http::StatusCode;
use shared::{
    fault::Fault,
    law::{self, Charge},
    log::LogLine,
    money::Pico,
    store::calls::{Basis, Record},
    tier::Tier,
    time::Timestamp,
    units::Units,
};
use tokio::time::timeout;

use crate::{
    App, ProxyStore,
    admit::Admitted,
    estimate::Estimate,
    gate::{self, Unsettled},
    meter::{Ending, Reading},
};

/// How long the end of the body waits for the settle. The close of the hour heals what is left.
const SETTLE_BEFORE_END: Duration = Duration::from_secs(3);

impl<S: ProxyStore> App<S> {
    /// What a reading is charged. An answer of which nothing came is not charged.
    pub(crate) fn spent(
        &self,
        admitted: &Admitted,
        reading: &Reading,
        status: StatusCode,
        estimate: &Estimate,
    ) -> Spent {
        let tier = reading.served.tier(admitted.tier);
        let tier = if admitted.model.lists(tier) { tier } else { Tier::Standard };
        let (units, basis) = if reading.reported {
            (reading.units.clone(), Basis::Reported)
        } else if estimate.counts_images() && reading.images > 0
            || estimate.counts_seconds() && reading.heard > 0
        {
            // The answer says how many images there are by having them, and how long sound is beside
            // what was said in it.
            (estimate.fill(reading), Basis::Reported)
        } else if reading.parts == 0 && reading.ending != Some(Ending::Proper) {
            return Spent::nothing(status, Basis::Estimated);
        } else {
            (estimate.fill(reading), Basis::Estimated)
        };
        let units = admitted.model.billed(units);
        Spent { status, cost: self.charge(admitted, &units, tier), units, basis, tier }
    }

    /// What `units` cost in `tier`, and never more than the hold.
    fn charge(&self, admitted: &Admitted, units: &Units, tier: Tier) -> Pico {
        let call = admitted.call.as_str();
        let Ok(cost) = admitted.model.cost(units, tier) else {
            // Cannot happen while every model of the catalogue bounds its hold by all its classes.
            self.log.fault(&Fault::Internal, &admitted.call);
            return Pico::ZERO;
        };
        let Charge { charged, loss } = law::charge(cost, admitted.held.terms.amount);
        if loss > Pico::ZERO {
            self.log.write(&LogLine::Loss { call, pico: loss.pico().to_string() });
        }
        charged
    }

    /// Writes the record and returns what of the hold was not spent.
    pub(crate) async fn settle(&self, admitted: Admitted, spent: Spent) {
        let Admitted { caller, call, held, time, model, endpoint_type, tier: _ } = admitted;
        let record = Record {
            account: caller.account.clone(),
            call,
            time,
            model: model.id.clone(),
            units: spent.units,
            endpoint: endpoint_type,
            status: spent.status.as_u16(),
            key: caller.key.clone(),
            cost: spent.cost,
            price_version: self.catalogue.version_of(spent.tier),
            basis: spent.basis,
        };
        let settled = gate::settle(&self.store, &Timestamp::now, &caller, &held, &record).await;
        let write = match settled {
            Ok(()) => return,
            Err(Unsettled::Record) => "record",
            Err(Unsettled::Settle) => "settle",
        };
        self.log.write(&LogLine::Unsettled { call: record.call.as_str(), write });
    }
}

/// What became of a call.
pub(crate) struct Spent {
    pub(crate) status: StatusCode,
    units: Units,
    pub(crate) cost: Pico,
    basis: Basis,
    tier: Tier,
}

impl Spent {
    pub(crate) fn nothing(status: StatusCode, basis: Basis) -> Self {
        let (units, cost) = (Units::default(), Pico::ZERO);
        Self { status, units, cost, basis, tier: Tier::Standard }
    }
}

/// Settles, then `end`s what the caller waits for; after [`SETTLE_BEFORE_END`] the other way round.
pub(crate) async fn settle_before(settle: impl Future<Output = ()>, end: impl FnOnce()) {
    let mut settle = std::pin::pin!(settle);
    let done = timeout(SETTLE_BEFORE_END, settle.as_mut()).await.is_ok();
    end();
    if !done {
        settle.await;
    }
}
