//! Codes by e-mail: how they are paced, sent and looked at, whatever they are for. Nobody is told
//! whether an address has an account.

use mail::Message;
use serde_json::{Value, json};
use shared::{
    code::{CODE_LIFE, Code, CodeFor},
    email::EmailAddress,
    fault::Fault,
    id::CallId,
    key::Pepper,
    store::{
        codes::SealedCode,
        emails::FoundEmail,
        pace::{Asking, Booked},
    },
    time::Timestamp,
};
use tokio::time::sleep;

use crate::{AccountStore, App, fields::Fields};

impl<S: AccountStore> App<S> {
    /// Sends what there is to send, which nobody is told of: not by the answer, nor by how long it
    /// takes. If it could not be sent, what was booked for it is given back: nothing, where only an
    /// address that has an account has something sent to it, since how often that may be asked for
    /// would tell.
    pub(crate) async fn unseen(
        &self,
        booked: &[Asking<'_>],
        call: &CallId,
        sending: impl Future<Output = Result<(), Fault>>,
    ) {
        let sending = async {
            if let Err(fault) = Box::pin(sending).await {
                self.log.fault(&fault, call);
                for asking in booked {
                    // If that fails, too, there is one code less for an hour.
                    if self.store.give_back(*asking).await.is_err() {
                        self.log.fault(&Fault::StoreUnavailable, call);
                    }
                }
            }
        };
        tokio::join!(sending, sleep(self.correspondence.answer_after));
    }

    /// The answer to whoever has asked for a code, which is the same whatever was done.
    pub(crate) fn asked(&self) -> Value {
        json!({
            "object": "code_request",
            "expires_in_seconds": CODE_LIFE.as_secs(),
            "registration_domains": self.correspondence.registration.shown(),
        })
    }

    pub(crate) async fn book(&self, asking: Asking<'_>, now: Timestamp) -> Result<(), Fault> {
        match self.store.book(asking, now).await {
            Ok(Booked::Now) => Ok(()),
            Ok(Booked::In(wait)) => Err(Fault::TooManyCodes(wait)),
            Err(_) => Err(Fault::StoreUnavailable),
        }
    }

    /// Whether there is a place left, where nobody is told.
    pub(crate) async fn has_place(
        &self,
        asking: Asking<'_>,
        now: Timestamp,
    ) -> Result<bool, Fault> {
        let booked = self.store.book(asking, now).await.map_err(|_| Fault::StoreUnavailable)?;
        Ok(booked == Booked::Now)
    }

    /// The account of an address, if it has one.
    pub(crate) async fn found(
        &self,
        pepper: &Pepper,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<Option<FoundEmail>, Fault> {
        let found = self.store.find_email(pepper.email_hashes(email).collect(), now).await;
        found.map_err(|_| Fault::StoreUnavailable)
    }

    pub(crate) async fn put_code(&self, code: &SealedCode, now: Timestamp) -> Result<(), Fault> {
        self.store.put_code(code, now).await.map_err(|_| Fault::StoreUnavailable)
    }

    pub(crate) async fn good_code(
        &self,
        pepper: &Pepper,
        code: &Code,
        purpose: &CodeFor,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<SealedCode, Fault> {
        let hashes = pepper.code_hashes(code, purpose, email).collect();
        let found = self.store.find_code(hashes, now).await;
        found.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::InvalidCode)
    }

    pub(crate) async fn send(&self, message: Message<'_>) -> Result<(), Fault> {
        self.mailer()?.send(message).await.map_err(|_| Fault::MailUnavailable)
    }

    /// Tells an owner what was done. It is done whether they can be told or not.
    pub(crate) async fn notify(&self, message: Message<'_>, call: &CallId) {
        if let Err(fault) = self.send(message).await {
            self.log.fault(&fault, call);
        }
    }
}

/// A code as it is stored.
pub(crate) fn sealed(
    pepper: &Pepper,
    code: &Code,
    purpose: &CodeFor,
    email: &EmailAddress,
    managed_from: Option<u32>,
) -> Result<SealedCode, Fault> {
    let hash = pepper.code_hashes(code, purpose, email).next().ok_or(Fault::Internal)?;
    Ok(SealedCode { hash, managed_from })
}

/// The address in a body.
pub(crate) fn email(fields: &Fields) -> Result<EmailAddress, Fault> {
    EmailAddress::parse(fields.required_text("email")?).map_err(|_| Fault::WrongType("email"))
}

/// The address and the code in the fields of a body. A code that cannot be one is as wrong as one
/// that is not known.
pub(crate) fn email_and_code(fields: &Fields) -> Result<(EmailAddress, Code), Fault> {
    let email = email(fields)?;
    let code = Code::parse(fields.required_text("code")?).ok_or(Fault::InvalidCode)?;
    Ok((email, code))
}
