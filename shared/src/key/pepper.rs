//! The pepper, and everything that is stored as a keyed hash: keys, what a caller sends as
//! `Idempotency-Key`, e-mail addresses and the codes that are sent to them.

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{KeyHash, NotAKey, PlainKey};
use crate::{
    code::{Code, CodeFor},
    config::Secret,
    email::EmailAddress,
    id::KeyId,
};

/// The secret that keys are hashed with, in every version that is still in use.
///
/// It is held outside the tables, so that a copy of them cannot even confirm a guessed key.
pub struct Pepper(Vec<(u16, Zeroizing<Vec<u8>>)>);

impl Pepper {
    /// Reads `{"1": HEX, "2": HEX}`: the highest version is for new keys.
    ///
    /// # Errors
    /// When there is no version, one is malformed, or a secret is shorter than 32 bytes.
    pub fn parse(text: &str) -> Result<Self, NotAPepper> {
        let versions: BTreeMap<u16, Secret> = serde_json::from_str(text).map_err(|_| NotAPepper)?;
        let newest_first = versions.into_iter().rev();
        let versions: Vec<_> = newest_first
            .map(|(version, hex)| Ok((version, from_hex(hex.expose())?)))
            .collect::<Result<_, NotAPepper>>()?;
        if versions.is_empty() { Err(NotAPepper) } else { Ok(Self(versions)) }
    }

    /// The same of a secret that was read. None if it is no such thing.
    pub fn from_secret(secret: &Secret) -> Option<Self> {
        Self::parse(secret.expose()).ok()
    }

    /// The hash for a new key.
    pub fn hash(&self, key: &PlainKey) -> Option<KeyHash> {
        self.hashes(key).next()
    }

    /// The tag of what a caller sent as `Idempotency-Key`, under the pepper by which the caller's
    /// own key was found. Another key's is another one, so that no key can tell or take what
    /// another has sent.
    pub fn tag(&self, found: &KeyHash, key: &KeyId, sent: &str) -> Option<IdempotencyTag> {
        let version =
            found.0.split_once('#').and_then(|(version, _)| version.parse::<u16>().ok())?;
        let (_, secret) = self.0.iter().find(|(other, _)| *other == version)?;
        mac(secret, &["idempotency", key.as_str(), sent]).map(IdempotencyTag)
    }

    /// The hashes an e-mail address may be stored under, the newest pepper first. It is the same
    /// however the address is capitalised.
    pub fn email_hashes(&self, email: &EmailAddress) -> impl Iterator<Item = EmailHash> {
        let email = email.folded();
        self.0.iter().filter_map(move |(version, secret)| {
            let hash = mac(secret, &["email", &email])?;
            Some(EmailHash(format!("{version}#{hash}")))
        })
    }

    /// The hash of the mailbox of an address, by which messages to it are paced.
    pub fn mailbox_hash(&self, email: &EmailAddress) -> Option<EmailHash> {
        let (version, secret) = self.0.first()?;
        let hash = mac(secret, &["email", &email.mailbox()])?;
        Some(EmailHash(format!("{version}#{hash}")))
    }

    /// The hashes a code may be stored under, the newest pepper first. They are of what it is for,
    /// too, and of the address it was sent to, so that neither has to be stored beside it.
    pub fn code_hashes(
        &self,
        code: &Code,
        purpose: &CodeFor,
        email: &EmailAddress,
    ) -> impl Iterator<Item = CodeHash> {
        let email = email.folded();
        self.0.iter().filter_map(move |(version, secret)| {
            let of = purpose.account().unwrap_or_default();
            let hash = mac(secret, &["code", purpose.name(), of, &email, code.reveal()])?;
            Some(CodeHash(format!("{version}#{hash}")))
        })
    }

    /// The hashes a key may be stored under, the newest pepper first.
    pub fn hashes(&self, key: &PlainKey) -> impl Iterator<Item = KeyHash> {
        self.0.iter().filter_map(|(version, secret)| {
            Some(KeyHash(format!("{version}#{}", mac(secret, &[key.reveal()])?)))
        })
    }
}

/// What a caller sent as `Idempotency-Key`, as a keyed hash: it may be a text that says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyTag(String);

impl IdempotencyTag {
    /// The tag as 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes up a tag that the authorizer passed on.
    pub fn parse(text: &str) -> Option<Self> {
        let well_formed = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| Self(text.to_owned()))
    }
}

/// An e-mail address as a keyed hash, by which its account is found.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailHash(String);

impl fmt::Debug for EmailHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailHash(..)")
    }
}

impl EmailHash {
    /// Reads a hash that was stored.
    ///
    /// # Errors
    /// When the text does not have the form of a hash.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        // Both have the same form.
        KeyHash::parse(text).map(|KeyHash(text)| Self(text))
    }

    /// The hash as it stands in the table, `VERSION#HEX`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A code as a keyed hash.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeHash(String);

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHash(..)")
    }
}

impl CodeHash {
    /// The hash as it stands in the table, `VERSION#HEX`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keyed hash of these parts, in hexadecimal digits. A zero byte stands between them, which none
/// of them has. A key stands alone and begins as nothing else does, so that no hash of another kind
/// is the hash of one.
fn mac(secret: &[u8], parts: &[&str]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            mac.update(&[0]);
        }
        mac.update(part.as_bytes());
    }
    Some(mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn from_hex(hex: &str) -> Result<Zeroizing<Vec<u8>>, NotAPepper> {
    let mut secret = Zeroizing::new(Vec::new());
    let mut digits = hex.chars();
    while let Some(high) = digits.next() {
        let low = digits.next().and_then(|digit| digit.to_digit(16)).ok_or(NotAPepper)?;
        let high = high.to_digit(16).ok_or(NotAPepper)?;
        let byte = u8::try_from(high << 4 | low).map_err(|_| NotAPepper)?;
        secret.push(byte);
    }
    (secret.len() >= 32).then_some(secret).ok_or(NotAPepper)
}

/// The pepper is not an object of versions with at least 32 bytes each. Its text is not repeated.
#[derive(Debug, thiserror::Error)]
#[error("the pepper must be an object of versions, each with 64 or more hexadecimal digits")]
pub struct NotAPepper;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotated_pepper_still_finds_old_keys() {
        let (first, second) = ("ab".repeat(32), "cd".repeat(32));
        let old = Pepper::parse(&format!(r#"{{"1":"{first}"}}"#)).unwrap();
        let both = Pepper::parse(&format!(r#"{{"1":"{first}","10":"{second}"}}"#)).unwrap();
        let key = PlainKey::random().unwrap();
        let stored = old.hash(&key).unwrap();
        assert!(both.hashes(&key).any(|hash| hash == stored));
        assert!(both.hash(&key).unwrap().as_str().starts_with("10#"));
        assert!(KeyHash::parse(stored.as_str()).is_ok());
        for wrong in ["", "{}", r#"{"1":"abcd"}"#, r#"{"one":"ab"}"#, r#"{"1":1}"#] {
            assert!(Pepper::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_code_is_one_for_what_it_is_for_and_where_it_was_sent_alone() {
        let pepper = Pepper::parse(&format!(r#"{{"1":"{}"}}"#, "ab".repeat(32))).unwrap();
        let (code, other) = (Code::random().unwrap(), Code::random().unwrap());
        let email = |text: &str| EmailAddress::parse(text).unwrap();
        let account = crate::id::AccountId::random().unwrap();
        let hash = |code: &Code, purpose: CodeFor, to: &str| {
            pepper.code_hashes(code, &purpose, &email(to)).next().unwrap().as_str().to_owned()
        };
        let all = [
            hash(&code, CodeFor::Register, "a@example.com"),
            hash(&other, CodeFor::Register, "a@example.com"),
            hash(&code, CodeFor::Recover, "a@example.com"),
            hash(&code, CodeFor::Register, "b@example.com"),
            hash(&code, CodeFor::Correct(account), "a@example.com"),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(hash(&code, CodeFor::Register, "A@Example.COM"), all[0]);
    }
}
