//! Keys: `sk-lz-`, 43 characters of base 62 and 6 of checksum. They go one way, to a keyed hash.
//!
//! NEVER CHANGE THE PREFIX OR THE CHECKSUM: secret scanners and every customer's key rely on them.

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    config::Secret,
    id::{KeyId, NoRandomness, base62_digit, random_base62},
};

const PREFIX: &str = "sk-lz-";
const SECRET_LENGTH: usize = 43;
const CHECKSUM_LENGTH: usize = 6;

/// A key as its owner holds it. It cannot be printed, cloned or stored.
pub struct PlainKey(Zeroizing<String>);

impl PlainKey {
    /// Makes a new key of 256 random bits.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, NoRandomness> {
        let secret = Zeroizing::new(random_base62(SECRET_LENGTH)?);
        let body = Zeroizing::new(format!("{PREFIX}{}", *secret));
        Ok(Self(Zeroizing::new(format!("{}{}", *body, checksum(&body)))))
    }

    /// Reads a key, and refuses by its checksum what cannot be one, before any table is read.
    ///
    /// # Errors
    /// When the text is not a key. The text is not repeated.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let (body, check) =
            text.split_at_checked(PREFIX.len().saturating_add(SECRET_LENGTH)).ok_or(NotAKey)?;
        let secret = body.strip_prefix(PREFIX).ok_or(NotAKey)?;
        let alphabet = secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !alphabet || checksum(body) != check {
            return Err(NotAKey);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The key itself, to be shown once to the person it was made for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// The CRC-32 of everything before it, in base 62, most significant digit first.
fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [' '; CHECKSUM_LENGTH];
    for digit in digits.iter_mut().rev() {
        *digit = base62_digit(rest);
        rest /= 62;
    }
    digits.iter().collect()
}

/// The text is not a key.
#[derive(Debug, thiserror::Error)]
#[error("not a key")]
pub struct NotAKey;

/// What is stored in place of a key: the pepper's version and HMAC-SHA-256 of the key under it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyHash(String);

impl KeyHash {
    /// The hash as it stands in the Keys table, `VERSION#HEX`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A hash that no key has, for a read that is to find nothing.
    pub fn nobodys() -> Self {
        Self(format!("0#{}", "0".repeat(64)))
    }

    /// Takes up a hash that the authorizer passed on.
    ///
    /// # Errors
    /// When the text does not have the form of a hash.
    pub fn parse(text: &str) -> Result<Self, NotAKey> {
        let (version, hex) = text.split_once('#').ok_or(NotAKey)?;
        let well_formed = version.parse::<u16>().is_ok()
            && hex.len() == 64
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| Self(text.to_owned())).ok_or(NotAKey)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

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
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        // A key begins otherwise, so that no tag is the hash of one.
        for part in ["idempotency\0", key.as_str(), "\0", sent] {
            mac.update(part.as_bytes());
        }
        Some(IdempotencyTag(hex(&mac.finalize().into_bytes())))
    }

    /// The hashes a key may be stored under, the newest pepper first.
    pub fn hashes(&self, key: &PlainKey) -> impl Iterator<Item = KeyHash> {
        self.0.iter().filter_map(|(version, secret)| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            mac.update(key.0.as_bytes());
            Some(KeyHash(format!("{version}#{}", hex(&mac.finalize().into_bytes()))))
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    fn a_key_is_read_back_and_a_typo_is_refused() {
        let key = PlainKey::random().unwrap();
        let text = key.reveal().to_owned();
        assert_eq!(text.len(), 55);
        assert!(PlainKey::parse(&text).is_ok());
        for place in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            let typo = String::from_utf8(bytes).unwrap();
            assert!(PlainKey::parse(&typo).is_err(), "a typo at {place} was accepted");
        }
        assert!(PlainKey::parse(text.get(..54).unwrap()).is_err());
        assert!(PlainKey::parse("sk-lz-é").is_err());
        assert!(PlainKey::parse("").is_err());
    }

    #[test]
    fn the_checksum_is_the_crc32_that_scanners_compute() {
        // The check value of CRC-32 is 0xCBF43926 = 3,421,780,262, which in base 62 has the digits
        // 3, 45, 35, 27, 22, 14.
        assert_eq!(crc32fast::hash(b"123456789"), 0xCBF4_3926);
        assert_eq!(checksum("123456789"), "3jZRME");
    }

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
}
