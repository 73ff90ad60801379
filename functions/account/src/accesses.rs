//! Accesses: an operator says for what an account is looked at, which is noted before it is, for its
//! owner to see and for a review by person and purpose.

use std::collections::BTreeMap;

use lambda_http::RequestExt;
use serde_json::{Value, json};
use shared::{
    asker::Asker,
    caller::Caller,
    event::Request,
    fault::Fault,
    id::AccountId,
    store::{
        StoreError,
        accesses::{Access, Deed, Operator, Purpose},
    },
    time::{Day, Timestamp},
};

use crate::{AccountStore, App};

/// How many days a review may have.
const LONGEST_REVIEW: usize = 31;

impl<S: AccountStore> App<S> {
    /// Notes a look at an account that is closed, for the review alone.
    pub(crate) async fn note_of_closed(
        &self,
        asker: &Asker<'_>,
        account: &AccountId,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let (account, who) = (account.clone(), asker.who.clone());
        let access = Access { account, who, purpose, what: Deed::LookUp, time: now };
        let noted = self.store.note_access_to_closed(&access, asker.call).await;
        noted.map_err(|_| Fault::StoreUnavailable)
    }

    /// Every access to the account, the newest first.
    pub(crate) async fn list_accesses(
        &self,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        self.still_may(caller, now).await?;
        let accesses = self.store.accesses_of(&caller.account).await;
        let accesses = accesses.map_err(|_| Fault::StoreUnavailable)?;
        let data: Vec<_> = accesses.iter().map(shown).collect();
        Ok(json!({"object": "list", "data": data}))
    }

    /// Every access of the days from one to another, and how many there were by person and purpose.
    pub(crate) async fn review(&self, request: &Request) -> Result<Value, Fault> {
        let query = request.query_string_parameters_ref();
        let day = |name: &'static str| {
            let text =
                query.and_then(|query| query.first(name)).ok_or(Fault::MissingField(name))?;
            text.parse::<Day>().map_err(|_| Fault::WrongType(name))
        };
        let (from, to) = (day("from")?, day("to")?);
        let days = std::iter::successors(Some(from), |day| Some(day.next()));
        let days: Vec<_> = days.take_while(|day| *day <= to).take(LONGEST_REVIEW + 1).collect();
        if days.is_empty() || days.len() > LONGEST_REVIEW {
            return Err(Fault::WrongType("to"));
        }
        let mut accesses = Vec::new();
        for day in days {
            let found: Result<_, StoreError> = self.store.accesses_on(day).await;
            accesses.extend(found.map_err(|_| Fault::StoreUnavailable)?);
        }
        let mut counts: BTreeMap<(&Operator, Purpose), u64> = BTreeMap::new();
        for access in &accesses {
            let count = counts.entry((&access.who, access.purpose)).or_default();
            *count = count.saturating_add(1);
        }
        let summary: Vec<_> = counts
            .into_iter()
            .map(|((who, purpose), count)| {
                json!({"who": who.as_str(), "purpose": purpose.name(), "count": count})
            })
            .collect();
        let of = |access: &Access| {
            let mut shown = shown(access);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("account".to_owned(), access.account.as_str().into());
            }
            shown
        };
        let data: Vec<_> = accesses.iter().map(of).collect();
        Ok(json!({"object": "list", "summary": summary, "data": data}))
    }
}

fn shown(access: &Access) -> Value {
    json!({
        "object": "access",
        "time": access.time.seconds(),
        "who": access.who.as_str(),
        "purpose": access.purpose.name(),
        "what": access.what.name(),
    })
}
