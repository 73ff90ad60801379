//! What somebody does who has no key yet, or no longer: asks for a code by e-mail, and with it opens
//! an account or gets a management key. Nobody is told whether an address has an account.

use std::time::Duration;

use serde_json::{Value, json};
use shared::{
    caller::{Caller, Scope},
    code::{CODE_LIFE, Code, Purpose},
    email::EmailAddress,
    fault::Fault,
    id::CallId,
    mail::Message,
    policy::POLICY,
    store::{
        StoreError,
        accounts::Profile,
        pace::{Asking, Booked},
    },
    time::Timestamp,
};
use tokio::time::sleep;

use crate::{
    ATTEMPTS, AccountStore, App, INDEX_PAUSES,
    fields::Fields,
    keys::{self, Made},
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
    fn admits(&self, email: &EmailAddress) -> bool {
        match self {
            Self::Closed => false,
            Self::Domains(domains) => domains.iter().any(|domain| email.is_in(domain)),
            Self::Open => true,
        }
    }

    /// Whether an account may have this address. Where accounts are for some domains, a code for
    /// another is no way around that.
    fn allows(&self, email: &EmailAddress) -> bool {
        *self == Self::Closed || self.admits(email)
    }

    fn shown(&self) -> Value {
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
        // So long that nobody can tell by the time of the answer what was done.
        let (sent, ()) = tokio::join!(
            Box::pin(self.send_code_to(&email, now)),
            sleep(self.correspondence.answer_after)
        );
        match sent {
            // It would say that there was something to send.
            Err(fault @ Fault::MailUnavailable) => self.log.fault(&fault, call),
            sent => sent?,
        }
        Ok(self.asked())
    }

    async fn send_code_to(&self, email: &EmailAddress, now: Timestamp) -> Result<(), Fault> {
        let pepper = self.newest_pepper().await;
        let hashes: Vec<_> = pepper.email_hashes(email).collect();
        let newest = hashes.first().ok_or(Fault::Internal)?;
        self.book(Asking::Email(newest), now).await?;
        let found = self.store.find_email(hashes).await.map_err(|_| Fault::StoreUnavailable)?;
        let code = Code::random().map_err(|_| Fault::Internal)?;
        let (purpose, message) = match &found {
            Some((_, account)) => (Purpose::Recover, messages::recovery(email, account, &code)),
            None if self.correspondence.registration.admits(email) => {
                if self.book(Asking::Registrations, now).await.is_err() {
                    // It would say that the address has no account.
                    return Err(Fault::MailUnavailable);
                }
                (Purpose::Register, messages::registration(email, &code))
            }
            None => return Ok(()),
        };
        self.send_code(email, &code, &purpose, message, now).await
    }

    /// Opens an account for whoever has a code.
    pub(crate) async fn register(&self, body: &[u8], now: Timestamp) -> Result<Value, Fault> {
        let fields = Fields::read(body, "email, code, policy_version, consents")?;
        let (email, code) = (email(&fields)?, code(&fields)?);
        let policy =
            fields.number("policy_version")?.ok_or(Fault::MissingField("policy_version"))?;
        let consents = open::consents(&fields)?;
        if !self.correspondence.registration.admits(&email) {
            return Err(Fault::RegistrationClosed);
        }
        if policy != u64::from(POLICY) {
            return Err(Fault::OtherPolicy(POLICY));
        }
        let pepper = self.newest_pepper().await;
        let hashes = pepper.code_hashes(&code, &Purpose::Register, &email).collect();
        let code = self.store.find_code(hashes, now).await.map_err(|_| Fault::StoreUnavailable)?;
        let code = code.ok_or(Fault::InvalidCode)?;
        // One that was stored under an older pepper.
        let hashes = pepper.email_hashes(&email).collect();
        let taken = self.store.find_email(hashes).await.map_err(|_| Fault::StoreUnavailable)?;
        if taken.is_some() {
            return Err(Fault::InvalidCode);
        }
        let opening = Opening { consents: &consents, email: Some(&email), code: Some(&code) };
        let opened = open(&self.store, &pepper, &opening, now).await;
        // Or the code was used in this moment. Whoever reads the mailbox is told more by another.
        let used = |fault| if fault == Fault::EmailTaken { Fault::InvalidCode } else { fault };
        let opened = opened.map_err(used)?;
        Ok(open::shown(&opened, &opening, now))
    }

    /// Makes a management key for whoever has a code, and ends every one before it.
    pub(crate) async fn recover(
        &self,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "email, code")?;
        let (email, code) = (email(&fields)?, code(&fields)?);
        let pepper = self.newest_pepper().await;
        for _ in 0..ATTEMPTS {
            // First of all, so that who has no code learns nothing of the address.
            let hashes = pepper.code_hashes(&code, &Purpose::Recover, &email).collect();
            let found = self.store.find_code(hashes, now).await;
            let found = found.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::InvalidCode)?;
            let hashes = pepper.email_hashes(&email).collect();
            let account = self.store.find_email(hashes).await;
            let account = account.map_err(|_| Fault::StoreUnavailable)?;
            let (_, account) = account.ok_or(Fault::InvalidCode)?;
            let profile = self.profile(&account).await?;
            let made = Made::new(&pepper, Scope::AccountManage)?;
            let new = made.key(&account);
            match self.store.recover_key(&new, &profile, &found, now).await {
                Ok(()) => {}
                // A key was made meanwhile, or the code was used.
                Err(StoreError::Conflict) => continue,
                Err(StoreError::Unavailable | StoreError::Corrupt(_)) => {
                    return Err(Fault::StoreUnavailable);
                }
            }
            let revoked = self.end_managers_before(&profile, now).await?;
            self.notify(messages::recovered(&email, &account), call).await;
            let key = self.store.read_key(&made.hash).await.map_err(|_| Fault::StoreUnavailable)?;
            let mut shown = keys::shown_once(&key.ok_or(Fault::StoreUnavailable)?, &made.secret);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("account".to_owned(), account.as_str().into());
                fields.insert("revoked".to_owned(), revoked.into());
            }
            return Ok(shown);
        }
        Err(Fault::Busy(Duration::from_secs(1)))
    }

    /// Revokes every key that managed the account as it was `before` a recovery, and names them.
    async fn end_managers_before(
        &self,
        before: &Profile,
        now: Timestamp,
    ) -> Result<Vec<String>, Fault> {
        let mut earlier = Vec::new();
        for pause in INDEX_PAUSES {
            sleep(pause).await;
            earlier = self.keys_of(&before.account).await?;
            earlier.retain(|key| key.ordinal <= before.keys);
            if u32::try_from(earlier.len()).is_ok_and(|found| found >= before.keys) {
                break;
            }
        }
        let manages = |scopes: &[Scope]| scopes.contains(&Scope::AccountManage);
        earlier.retain(|key| key.revoked_at.is_none() && manages(&key.scopes));
        let mut revoked = Vec::new();
        for key in earlier {
            let done = self.store.revoke_key(&key.hash, None, now).await;
            done.map_err(|_| Fault::StoreUnavailable)?;
            revoked.push(key.key.to_string());
        }
        // Whatever else they were for ends, too.
        self.require_fresh_keys(&before.account).await?;
        Ok(revoked)
    }

    /// Sends a code to an address that the account is to have in place of its own.
    pub(crate) async fn ask_correction(
        &self,
        caller: &Caller,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Value, Fault> {
        self.mailer()?;
        let email = email(&Fields::read(body, "email")?)?;
        if !self.correspondence.registration.allows(&email) {
            return Err(Fault::RegistrationClosed);
        }
        self.still_may(caller, now).await?;
        let pepper = self.newest_pepper().await;
        let hashes: Vec<_> = pepper.email_hashes(&email).collect();
        let newest = hashes.first().ok_or(Fault::Internal)?;
        self.book(Asking::Account(&caller.account), now).await?;
        self.book(Asking::Email(newest), now).await?;
        let found = self.store.find_email(hashes).await.map_err(|_| Fault::StoreUnavailable)?;
        if found.is_some_and(|(_, account)| account != caller.account) {
            // Its owner is told, and not who asks.
            self.send(messages::taken(&email)).await?;
            return Ok(self.asked());
        }
        let code = Code::random().map_err(|_| Fault::Internal)?;
        let message = messages::correction(&email, &caller.account, &code);
        let purpose = Purpose::Correct(caller.account.clone());
        self.send_code(&email, &code, &purpose, message, now).await?;
        Ok(self.asked())
    }

    /// Gives the account the address that a code was sent to.
    pub(crate) async fn correct(
        &self,
        caller: &Caller,
        body: &[u8],
        call: &CallId,
        now: Timestamp,
    ) -> Result<Value, Fault> {
        let fields = Fields::read(body, "email, code")?;
        let (email, code) = (email(&fields)?, code(&fields)?);
        let pepper = self.newest_pepper().await;
        let purpose = Purpose::Correct(caller.account.clone());
        for _ in 0..ATTEMPTS {
            let profile = self.still_may(caller, now).await?;
            let hashes = pepper.code_hashes(&code, &purpose, &email).collect();
            let found = self.store.find_code(hashes, now).await;
            let found = found.map_err(|_| Fault::StoreUnavailable)?.ok_or(Fault::InvalidCode)?;
            match self.set_email(&profile, &email, Some((&found, now))).await {
                Ok(()) => {}
                // The code was used, the address was taken or a key was changed meanwhile.
                Err(Fault::EmailTaken) => continue,
                Err(fault) => return Err(fault),
            }
            if let Some(before) = profile.email.filter(|it| it.folded() != email.folded()) {
                self.notify(messages::moved(&before, &caller.account), call).await;
            }
            return self.show(&caller.account).await;
        }
        Err(Fault::InvalidCode)
    }

    /// Gives an account an address, in place of the one it has.
    pub(crate) async fn set_email(
        &self,
        profile: &Profile,
        email: &EmailAddress,
        code: Option<(&shared::key::CodeHash, Timestamp)>,
    ) -> Result<(), Fault> {
        let pepper = self.newest_pepper().await;
        let find = async |email: &EmailAddress| {
            let found = self.store.find_email(pepper.email_hashes(email).collect()).await;
            found.map_err(|_| Fault::StoreUnavailable)
        };
        let taken = find(email).await?;
        if taken.as_ref().is_some_and(|(_, account)| *account != profile.account) {
            return Err(Fault::EmailTaken);
        }
        let leaves = match &profile.email {
            Some(before) => find(before).await?.map(|(hash, _)| hash),
            None => None,
        };
        // The same address in other letters stays where it is.
        let newest = pepper.email_hashes(email).next().ok_or(Fault::Internal)?;
        let takes = taken.map_or(newest, |(hash, _)| hash);
        let set = self.store.change_email(profile, email, leaves.as_ref(), &takes, code).await;
        set.map_err(|error| match error {
            StoreError::Conflict => Fault::EmailTaken,
            StoreError::Unavailable | StoreError::Corrupt(_) => Fault::StoreUnavailable,
        })
    }

    /// The answer to whoever has asked for a code, which is the same whatever was done.
    fn asked(&self) -> Value {
        json!({
            "object": "code_request",
            "expires_in_seconds": CODE_LIFE.as_secs(),
            "registration_domains": self.correspondence.registration.shown(),
        })
    }

    async fn book(&self, asking: Asking<'_>, now: Timestamp) -> Result<(), Fault> {
        match self.store.book(asking, now).await {
            Ok(Booked::Now) => Ok(()),
            Ok(Booked::In(wait)) => Err(Fault::TooManyCodes(wait)),
            Err(_) => Err(Fault::StoreUnavailable),
        }
    }

    async fn send_code(
        &self,
        email: &EmailAddress,
        code: &Code,
        purpose: &Purpose,
        message: Message<'_>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let pepper = self.newest_pepper().await;
        let hash = pepper.code_hashes(code, purpose, email).next().ok_or(Fault::Internal)?;
        self.store.put_code(&hash, now).await.map_err(|_| Fault::StoreUnavailable)?;
        self.send(message).await
    }

    async fn send(&self, message: Message<'_>) -> Result<(), Fault> {
        self.mailer()?.send(message).await.map_err(|_| Fault::MailUnavailable)
    }

    /// Tells an owner what was done. It is done whether they can be told or not.
    async fn notify(&self, message: Message<'_>, call: &CallId) {
        if let Err(fault) = self.send(message).await {
            self.log.fault(&fault, call);
        }
    }
}

/// The address in a body.
pub(crate) fn email(fields: &Fields) -> Result<EmailAddress, Fault> {
    EmailAddress::parse(fields.required_text("email")?).map_err(|_| Fault::WrongType("email"))
}

/// The code in a body. What cannot be one is as wrong as one that is not known.
fn code(fields: &Fields) -> Result<Code, Fault> {
    Code::parse(fields.required_text("code")?).ok_or(Fault::InvalidCode)
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
