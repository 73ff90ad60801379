//! Closing an account, by its owner or by the operator for them: at once nobody can use it or see
//! anything of it, and retention deletes the rest once its last calls are over. A receipt says what.

use std::{future::Future, time::Duration};

use serde_json::{Map, Value, json};
use shared::{
    caller::Caller,
    email::EmailAddress,
    fault::Fault,
    id::{AccountId, CallId, ReceiptId},
    key::EmailHash,
    store::{
        StoreError,
        accesses::{Deed, REVIEWED},
        accounts::Profile,
        receipts::{Deleted, Ended, Parts, Receipt},
        wallet::State,
    },
    time::Timestamp,
};

use crate::{
    ATTEMPTS, AccountStore, App,
    accesses::{self, Asker},
    fields::Fields,
    messages,
};

impl<S: AccountStore> App<S> {
    /// Closes the account of whoever names it, so that nobody closes one by a slip. Not while it is
    /// frozen, perhaps since somebody has stolen a key.
    pub(crate) async fn close(
        &self,
        caller: &Caller,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "account")?;
        if fields.required_text("account")? != caller.account.as_str() {
            return Err(Fault::WrongType("account"));
        }
        self.end(&caller.account, call, now, async || {
            let profile = self.still_may(caller, now).await?;
            match self.wallet(&caller.account).await?.state {
                State::Active => Ok(profile),
                State::Frozen => Err(Fault::AccountFrozen),
                State::Closing => Err(Fault::AccountClosed),
            }
        })
        .await
    }

    /// Closes an account for an owner who has asked the operator to.
    pub(crate) async fn close_for(
        &self,
        asker: &Asker<'_>,
        account: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "purpose")?;
        let purpose = accesses::purpose(fields.text("purpose")?)?;
        let account = self.known(account).await?;
        self.note(asker, &account, purpose, Deed::Close, now).await?;
        let profile = async || self.profile(&account).await;
        self.end(&account, asker.call, now, profile).await
    }

    /// Closes an account to everybody, and tells its owner, whose address is not known any more
    /// afterwards.
    async fn end<F: Future<Output = Result<Profile, Fault>>>(
        &self,
        account: &AccountId,
        call: &CallId,
        now: Timestamp,
        may: impl Fn() -> F,
    ) -> Result<Value, Fault> {
        let id = ReceiptId::random(account).map_err(|_| Fault::Internal)?;
        for _ in 0..ATTEMPTS {
            // An answer that was lost: it is closed, and by this request.
            let receipt = self.receipt_of(account).await?;
            if receipt.is_some_and(|receipt| receipt.id == id) {
                return self.ended(&id, None, call).await;
            }
            let profile = may().await?;
            let emails = self.hashes_of(&profile, now).await?;
            match self.store.begin_closing(&profile, &emails, &id, now).await {
                Ok(()) => return self.ended(&id, profile.email.as_ref(), call).await,
                // It was changed meanwhile, or a call was in the way.
                Err(StoreError::Conflict | StoreError::Unavailable) => {}
                Err(StoreError::Corrupt(_)) => return Err(Fault::StoreUnavailable),
            }
        }
        Err(Fault::Busy(Duration::from_secs(1)))
    }

    /// Deletes what can be deleted at once. What is left when that fails is retention's.
    async fn ended(
        &self,
        id: &ReceiptId,
        email: Option<&EmailAddress>,
        call: &CallId,
    ) -> Result<Value, Fault> {
        let keys = self.store.erase_keys(id.account()).await;
        let parts = self.store.erase_parts(id.account(), Parts::Shown).await;
        if keys.and(parts).is_err() {
            self.log.fault(&Fault::StoreUnavailable, call);
        }
        if let Some(email) = email.filter(|_| self.mailer().is_ok()) {
            self.notify(messages::closed(email, id), call).await;
        }
        // It is closed, whether the receipt can be read now or later.
        let receipt = self.receipt_of(id.account()).await?.ok_or(Fault::StoreUnavailable)?;
        Ok(shown(&receipt))
    }

    /// The hashes under which an account's address and the one before stand.
    pub(crate) async fn hashes_of(
        &self,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<Vec<EmailHash>, Fault> {
        let pepper = self.newest_pepper().await;
        let mut hashes = Vec::new();
        if let Some(email) = &profile.email {
            let found = self.found(&pepper, email, now).await?;
            let own = found.filter(|found| found.account == profile.account);
            hashes.extend(own.map(|found| found.hash));
        }
        // One whose time is over is nobody's, and may be another's by now.
        let before = profile.email_before.as_ref().filter(|(_, until)| *until > now);
        hashes.extend(before.map(|(hash, _)| hash.clone()));
        Ok(hashes)
    }

    /// The receipt of an account, to whoever has its id.
    pub(crate) async fn show_receipt(&self, id: &str) -> Result<Value, Fault> {
        let id: ReceiptId = id.parse().map_err(|_| Fault::UnknownReceipt)?;
        let receipt = self.receipt_of(id.account()).await?;
        let receipt = receipt.filter(|receipt| receipt.id == id).ok_or(Fault::UnknownReceipt)?;
        Ok(shown(&receipt))
    }

    pub(crate) async fn receipt_of(&self, account: &AccountId) -> Result<Option<Receipt>, Fault> {
        self.store.read_receipt(account).await.map_err(|_| Fault::StoreUnavailable)
    }
}

/// A receipt, as its owner and the operator see it.
pub(crate) fn shown(receipt: &Receipt) -> Value {
    let deleted: Map<_, _> = receipt
        .deleted
        .iter()
        .map(|(kind, count)| (kind.name().to_owned(), (*count).into()))
        .collect();
    let ended = receipt.ended.as_ref();
    json!({
        "object": "receipt",
        "id": receipt.id.reveal(),
        "account": receipt.id.account().as_str(),
        "state": if ended.is_some() { "closed" } else { "closing" },
        "asked_at": receipt.asked_at.seconds(),
        "closed_at": ended.map(|ended| ended.closed_at.seconds()),
        "deleted": deleted,
        "refund_due_usd": ended.map(|ended| ended.refund_due.to_string()),
        "kept": ended.map(|ended| kept(receipt, ended)).unwrap_or_default(),
        "backups_until": ended.map(|ended| ended.backups_until.seconds()),
    })
}

/// What is kept of an account that has ended, why, and until when.
fn kept(receipt: &Receipt, ended: &Ended) -> Vec<Value> {
    let mut kept = Vec::new();
    if let Some(until) = ended.payments.until {
        kept.push(json!({
            "what": "payment_records",
            "count": ended.payments.count,
            "why": "The law asks for the books to be kept: entries and daily statement lines by \
                    the account's id, with no key's id, no address and no time of a call.",
            "until": until.seconds(),
        }));
    }
    let accesses = receipt.deleted.iter().find(|(kind, _)| *kind == Deleted::Accesses);
    if let Some((_, count)) = accesses.filter(|(_, count)| *count > 0) {
        kept.push(json!({
            "what": "access_reviews",
            "count": count,
            "why": "Who of the operator has looked at the account, by its id, so that this can be \
                    reviewed.",
            "until": receipt.asked_at.plus(REVIEWED).seconds(),
        }));
    }
    kept.push(json!({
        "what": "receipt",
        "count": 1,
        "why": "So that you can read it, and that what comes late or out of a backup is deleted, \
                too.",
        "until": ended.expires_at.seconds(),
    }));
    kept
}

#[cfg(test)]
mod tests {
    use shared::{money::Pico, store::receipts::Payments};

    use super::*;

    #[test]
    fn a_receipt_says_what_is_kept_and_nothing_that_is_not() {
        let account: AccountId = format!("acct_{:022}", 1).parse().unwrap();
        let at = Timestamp::from_seconds;
        let mut receipt = Receipt {
            id: ReceiptId::of(&account, &"5a".repeat(11)).unwrap(),
            asked_at: at(1_796_076_000),
            deleted: Deleted::ALL.map(|kind| (kind, 0)).to_vec(),
            ended: None,
        };
        assert_eq!(shown(&receipt)["state"], "closing");
        assert_eq!(shown(&receipt)["kept"], json!([]));
        receipt.ended = Some(Ended {
            closed_at: at(1_796_083_200),
            refund_due: Pico::from_dollars(3),
            payments: Payments::default(),
            backups_until: at(1_796_688_000),
            expires_at: at(1_796_774_400),
        });
        let whats = |receipt: &Receipt| {
            let kept = shown(receipt)["kept"].as_array().unwrap().clone();
            kept.iter().map(|it| it["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(whats(&receipt), ["receipt"]);
        if let Some(ended) = &mut receipt.ended {
            ended.payments = Payments { count: 2, until: Some(at(2_114_380_800)) };
        }
        receipt.deleted = vec![(Deleted::Accesses, 1)];
        assert_eq!(whats(&receipt), ["payment_records", "access_reviews", "receipt"]);
        assert_eq!(shown(&receipt)["refund_due_usd"], "3.000000000000");
    }
}
