//! Registration: somebody who has no key asks for a code, and with it opens an account.

use serde_json::{Value, json};
use shared::{
    code::{Code, CodeFor},
    email::EmailAddress,
    fault::Fault,
    id::CallId,
    key::Pepper,
    log::LogLine,
    store::{
        emails::{FoundEmail, Place},
        pace::Asking,
    },
    time::Timestamp,
};

use crate::{
    AccountStore, App,
    codes::{email, email_and_code, sealed},
    fields::Fields,
    messages,
    open::{self, Opening, open},
};

/// Who may register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Nobody: accounts are opened by the operator.
    Closed,
    /// Whoever has an address in one of these domains.
    Domains(Vec<String>),
    /// Everybody.
    Open,
}

impl Registration {
    /// Reads domains with commas between them, `*` for everybody, or nothing for nobody.
    pub fn parse(text: &str) -> Self {
        let domains: Vec<_> =
            text.split(',').map(str::trim).filter(|domain| !domain.is_empty()).collect();
        match domains.as_slice() {
            [] => Self::Closed,
            ["*"] => Self::Open,
            _ => Self::Domains(domains.into_iter().map(str::to_owned).collect()),
        }
    }

    /// Whether an account may be opened with this address.
    pub(crate) fn admits(&self, email: &EmailAddress) -> bool {
        match self {
            Self::Closed => false,
            Self::Domains(domains) => domains.iter().any(|domain| email.is_in(domain)),
            Self::Open => true,
        }
    }

    /// Whether an account may have this address. Where accounts are for some domains, a code for
    /// another is no way around that.
    pub(crate) fn allows(&self, email: &EmailAddress) -> bool {
        *self == Self::Closed || self.admits(email)
    }

    pub(crate) fn shown(&self) -> Value {
        match self {
            Self::Closed => json!([]),
            Self::Domains(domains) => json!(domains),
            Self::Open => json!(["*"]),
        }
    }
}

impl<S: AccountStore> App<S> {
    /// Sends a code to an address, if that has an account or may have one.
    pub(crate) async fn ask_code(
        &self,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        self.mailer()?;
        let email = email(&Fields::read(body, "email")?)?;
        let pepper = self.newest_pepper().await;
        let hash = pepper.email_hashes(&email).next().ok_or(Fault::Internal)?;
        self.book(Asking::Code(&hash), now).await?;
        self.unseen(&[], call, self.send_code_to(&pepper, &email, now)).await;
        Ok(self.asked())
    }

    async fn send_code_to(
        &self,
        pepper: &Pepper,
        email: &EmailAddress,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let code = Code::random().map_err(|_| Fault::Internal)?;
        // Of every address that may have an account, whether it has one: whoever asks for one and then
        // for another would learn it from what is left for that.
        let admitted = self.correspondence.registration.admits(email);
        let has_place = admitted && self.has_place(Asking::Registrations, now).await?;
        let Some(FoundEmail { account, place, .. }) = self.found(pepper, email, now).await? else {
            if !admitted {
                return Ok(());
            }
            let mut has_place = has_place;
            if has_place && email.is_tagged() {
                let mailbox = pepper.mailbox_hash(email).ok_or(Fault::Internal)?;
                has_place = self.has_place(Asking::Tagged(&mailbox), now).await?;
            }
            if !has_place {
                self.log.write(&LogLine::Strangers);
                return Ok(());
            }
            let sealed = sealed(pepper, &code, &CodeFor::Register, email, None)?;
            self.put_code(&sealed, now).await?;
            return self.send(messages::registration(email, &code)).await;
        };
        let profile = self.profile(&account).await?;
        let from = Some(profile.managed_from);
        let sealed = sealed(pepper, &code, &CodeFor::Recover, email, from)?;
        self.put_code(&sealed, now).await?;
        // To the address as it is known, where it is: in other letters it may be another's.
        let message = match (place, &profile.email) {
            (Place::Current, Some(known)) => messages::recovery(known, &account, &code),
            (Place::Current | Place::Before, _) => messages::undoing(email, &account, &code),
        };
        self.send(message).await
    }

    /// Opens an account for whoever has a code.
    pub(crate) async fn register(&self, body: &[u8], now: Timestamp) -> Result<Value, Fault> {
        let fields = Fields::read(body, "email, code, policy_version, consents")?;
        let (email, code) = email_and_code(&fields)?;
        let policy =
            fields.number("policy_version")?.ok_or(Fault::MissingField("policy_version"))?;
        let consents = open::consents(&fields)?;
        if !self.correspondence.registration.admits(&email) {
            return Err(Fault::RegistrationClosed);
        }
        let newest = self.required().await?.newest;
        if policy != u64::from(newest) {
            return Err(Fault::OtherPolicy(newest));
        }
        let pepper = self.newest_pepper().await;
        let code = self.good_code(&pepper, &code, &CodeFor::Register, &email, now).await?;
        // One that was stored under an older pepper.
        if self.found(&pepper, &email, now).await?.is_some() {
            return Err(Fault::InvalidCode);
        }
        // Somebody does agree.
        self.to_agree().await?;
        let (email, code) = (Some(&email), Some(&code.hash));
        let opening = Opening { consents: &consents, policy: newest, email, code, asker: None };
        let opened = open(&self.store, &pepper, &opening, now).await;
        // Or the code was used in this moment. Whoever reads the mailbox is told more by another.
        let used = |fault| if fault == Fault::EmailTaken { Fault::InvalidCode } else { fault };
        let opened = opened.map_err(used)?;
        Ok(open::shown(&opened, &opening, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_is_closed_unless_domains_are_named() {
        let admits = |domains: &str, email: &str| {
            Registration::parse(domains).admits(&EmailAddress::parse(email).unwrap())
        };
        assert!(!admits("", "a@b.example") && !admits(" , ", "a@b.example"));
        assert!(admits("*", "a@b.example"));
        let domains = "b.example, C.example";
        assert!(admits(domains, "a@B.example") && admits(domains, "a@c.example"));
        for other in ["a@d.example", "a@x.b.example", "a@bb.example", "b.example@d.example"] {
            assert!(!admits(domains, other), "{other}");
        }
        // A star among others is none.
        assert!(!admits("*, b.example", "a@d.example"));
    }
}
