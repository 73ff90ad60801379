//! Closing an account, by its owner or by the operator for them: at once nobody can use it or see
//! anything of it, and retention deletes the rest once its last calls are over. A receipt says what.

use std::time::Duration;

use serde_json::{Map, Value, json};
use shared::{
    asker::{self, Asker},
    caller::Caller,
    code::{Code, CodeFor},
    email::EmailAddress,
    fault::Fault,
    id::{AccountId, CallId, ReceiptId},
    key::{CodeHash, EmailHash},
    store::{
        StoreError,
        accesses::{Deed, Purpose, REVIEWED},
        accounts::Profile,
        pace::Asking,
        receipts::{Closing, Deleted, Ended, Parts, Receipt},
    },
    time::Timestamp,
};
use tokio::time::sleep;

use self::Ending::ByOwner;
use crate::{AccountStore, App, codes::sealed, fields::Fields, messages, operator::unknown};

/// How long a closing waits that others get in the way of, each time.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Another account is named than the key's.
const OTHER_ACCOUNT: Fault = Fault::RefusedField {
    field: "account",
    why: "it has to be the account of this key, whose id GET /v1/account shows",
};

/// Who ends an account.
#[derive(Clone, Copy)]
enum Ending<'a> {
    /// Its owner, with a code if it has an address.
    ByOwner(&'a Caller, Option<&'a CodeHash>),
    /// The operator, who may also if it is frozen.
    ByOperator,
}

/// What an operator names.
pub(crate) enum Known {
    /// An account.
    Account(AccountId),
    /// One that is closed, by its receipt.
    Closed(Value),
}

impl<S: AccountStore> App<S> {
    /// Closes the account of whoever names it, so that nobody closes one by a slip, and who has the
    /// code that was sent to its address, so that nobody does with a key that was stolen. Without the
    /// code it is sent; an account without an address needs none.
    pub(crate) async fn close_account(
        &self,
        caller: &Caller,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "account, code")?;
        if fields.required_text("account")? != caller.account.as_str() {
            return Err(OTHER_ACCOUNT);
        }
        let code = fields.text("code")?;
        let profile = self.still_may(caller, now).await?;
        self.may_decide(&profile, now).await?;
        let address = profile.email.filter(|_| self.mailer().is_ok());
        let (email, code) = match (address, code) {
            (Some(email), None) => return self.send_closing_code(caller, &email, call, now).await,
            (Some(email), Some(code)) => (email, Code::parse(code).ok_or(Fault::InvalidCode)?),
            (None, _) => {
                return self.end_account(&caller.account, call, now, ByOwner(caller, None)).await;
            }
        };
        let pepper = self.newest_pepper().await;
        let purpose = CodeFor::Close(caller.account.clone());
        let good = self.good_code(&pepper, &code, &purpose, &email, now).await?;
        self.end_account(&caller.account, call, now, ByOwner(caller, Some(&good.hash))).await
    }

    /// Sends an owner the code that closes the account.
    async fn send_closing_code(
        &self,
        caller: &Caller,
        email: &EmailAddress,
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let asking = Asking::Account(&caller.account);
        self.book(asking, now).await?;
        let pepper = self.newest_pepper().await;
        let code = Code::random().map_err(|_| Fault::Internal)?;
        let purpose = CodeFor::Close(caller.account.clone());
        let sealed = sealed(&pepper, &code, &purpose, email, None)?;
        self.put_code(&sealed, now).await?;
        let sent = self.send(messages::closing(email, &caller.account, &code)).await;
        if sent.is_err() && self.store.give_back(asking).await.is_err() {
            // There is one code less for an hour.
            self.log.fault(&Fault::StoreUnavailable, call);
        }
        sent.map(|()| self.asked())
    }

    /// Closes an account for an owner who has asked the operator to. Sent again it shows the receipt.
    pub(crate) async fn close_for(
        &self,
        asker: &Asker<'_>,
        account: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "purpose")?;
        let purpose = asker::purpose(fields.text("purpose")?)?;
        let account = match self.known_or_closed(asker, account, purpose, now).await? {
            Known::Account(account) => account,
            Known::Closed(receipt) => return Ok(receipt),
        };
        asker.note(&self.store, &account, purpose, Deed::Close, now).await?;
        self.end_account(&account, asker.call, now, Ending::ByOperator).await.map_err(unknown)
    }

    /// An account that there is; or, of one that is closed, its receipt, which is all that there is.
    /// That it was looked at is noted for the review.
    pub(crate) async fn known_or_closed(
        &self,
        asker: &Asker<'_>,
        account: &str,
        purpose: Purpose,
        now: Timestamp,
    ) -> Result<Known, Fault> {
        let account = account.parse().map_err(|_| Fault::UnknownAccount)?;
        if let Some(receipt) = self.receipt_of(&account).await? {
            self.note_of_closed(asker, &account, purpose, now).await?;
            return Ok(Known::Closed(shown(&receipt)));
        }
        self.profile(&account).await.map_err(unknown)?;
        Ok(Known::Account(account))
    }

    /// Closes an account to everybody, and tells its owner, whose address is not known any more
    /// afterwards.
    async fn end_account(
        &self,
        account: &AccountId,
        call: &CallId,
        now: Timestamp,
        by: Ending<'_>,
    ) -> Result<Value, Fault> {
        let id = ReceiptId::random(account).map_err(|_| Fault::Internal)?;
        let is_ours = |receipt: Option<Receipt>| receipt.is_some_and(|receipt| receipt.id == id);
        let mut asked: Option<(Profile, usize)> = None;
        for pause in PAUSES {
            sleep(pause).await;
            if let Some((profile, emails)) = &asked {
                // It may have been done, and the answer lost.
                match self.receipt_of(account).await.map(is_ours) {
                    Ok(true) => return Ok(self.erase(&id, profile, *emails, call, now).await),
                    Ok(false) => {}
                    Err(_) => continue,
                }
            }
            let profile = match by {
                ByOwner(caller, _) => {
                    let profile = self.still_may(caller, now).await?;
                    self.may_decide(&profile, now).await?;
                    profile
                }
                Ending::ByOperator => self.profile(account).await?,
            };
            let emails = self.hashes_of(&profile, now).await?;
            let (code, frozen) = match by {
                ByOwner(_, code) => (code, false),
                Ending::ByOperator => (None, true),
            };
            let closing = Closing { receipt: &id, emails: &emails, code, frozen };
            match self.store.begin_closing(&profile, &closing, now).await {
                Ok(()) => return Ok(self.erase(&id, &profile, emails.len(), call, now).await),
                // It was changed meanwhile, the code was used, or calls are in the way; or it is done.
                Err(StoreError::Conflict | StoreError::Unavailable) => {
                    asked = Some((profile, emails.len()));
                }
                Err(StoreError::Corrupt(_)) => return Err(Fault::StoreUnavailable),
            }
        }
        if let Some((profile, emails)) = &asked
            && is_ours(self.receipt_of(account).await?)
        {
            return Ok(self.erase(&id, profile, *emails, call, now).await);
        }
        Err(Fault::Busy(Duration::from_secs(1)))
    }

    /// Tells the owner of an account that is closed, and deletes what can be deleted at once. From
    /// here on nothing may fail: what is left is retention's, and the id is in this answer.
    async fn erase(
        &self,
        id: &ReceiptId,
        profile: &Profile,
        emails: usize,
        call: &CallId,
        now: Timestamp,
    ) -> Value {
        if let Some(email) = profile.email.as_ref().filter(|_| self.mailer().is_ok()) {
            self.notify(messages::closed(email, id), call).await;
        }
        let keys = self.store.erase_keys(id.account()).await;
        let parts = self.store.erase_parts(id.account(), Parts::Shown).await;
        let receipt = self.store.read_receipt(id.account()).await;
        if keys.is_err() || parts.is_err() || receipt.is_err() {
            self.log.fault(&Fault::StoreUnavailable, call);
        }
        let emails = u64::try_from(emails).unwrap_or(u64::MAX);
        let begun = || {
            let count = |kind| if kind == Deleted::Emails { emails } else { 0 };
            let deleted = Deleted::ALL.map(|kind| (kind, count(kind))).to_vec();
            Receipt { id: id.clone(), asked_at: now, deleted, ended: None }
        };
        shown(&receipt.ok().flatten().unwrap_or_else(begun))
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
fn shown(receipt: &Receipt) -> Value {
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
    if receipt.deleted.iter().any(|(kind, count)| *kind == Deleted::Accesses && *count > 0) {
        kept.push(json!({
            "what": "access_reviews",
            "why": "Who of the operator has looked at the account, by its id, so that this can be \
                    reviewed.",
            "until": receipt.asked_at.plus(REVIEWED).seconds(),
        }));
    }
    kept.push(json!({
        "what": "receipt",
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
