//! Keys: `sk-lz-`, 43 characters of base 62 and 6 of checksum. They go one way, to a keyed hash.
//!
//! NEVER CHANGE THE PREFIX OR THE CHECKSUM: secret scanners and every customer's key rely on them.

mod pepper;

use std::fmt;

use zeroize::Zeroizing;

pub use self::pepper::{CodeHash, EmailHash, IdempotencyTag, NotAPepper, Pepper};
use crate::id::{NoRandomness, base62_digit, random_base62};

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
}
