//! Codes that are sent by e-mail, and show that whoever has one reads the mail of that address.
//!
//! A code is as long as it is because it is pasted and not typed: nobody guesses one of 131 random
//! bits, so wrong ones need not be counted, and nobody can use up somebody else's tries.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::id::{AccountId, NoRandomness, random_base62};

/// For how long a code is good: twice as long as lies between two to one address
/// ([`crate::store::pace`]).
pub const CODE_LIFE: Duration = Duration::from_secs(2 * 3_600);

const LENGTH: usize = 22;

/// A code as it stands in a message. It cannot be printed, cloned or stored.
pub struct Code(Zeroizing<String>);

impl Code {
    /// Makes a new one.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random() -> Result<Self, NoRandomness> {
        random_base62(LENGTH).map(|text| Self(Zeroizing::new(text)))
    }

    /// Reads a code as it was pasted. None if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        fits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The code itself, to be sent to the one address it is for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

/// What a code is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CodeFor {
    /// Opening an account with its address.
    Register,
    /// Getting a management key for the account of its address.
    Recover,
    /// Giving its address to this account.
    Correct(AccountId),
    /// Closing this account, whose address it is.
    Close(AccountId),
}

impl CodeFor {
    /// The name by which it is hashed.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Recover => "recover",
            Self::Correct(_) => "correct",
            Self::Close(_) => "close",
        }
    }

    /// The account it is for, where that does not follow from the address.
    pub(crate) fn account(&self) -> Option<&str> {
        match self {
            Self::Register | Self::Recover => None,
            Self::Correct(account) | Self::Close(account) => Some(account.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_more_bits_than_anybody_can_guess_and_is_read_as_pasted() {
        // The logarithm of 62 to the base 2 is more than 5.95.
        const { assert!(LENGTH * 595 > 128 * 100) }
        let code = Code::random().unwrap();
        let pasted = format!("  {}\n", code.reveal());
        assert_eq!(Code::parse(&pasted).unwrap().reveal(), code.reveal());
        assert_ne!(Code::random().unwrap().reveal(), code.reveal());
        let short = code.reveal().get(1..).unwrap();
        for wrong in ["", short, &format!("{short}-"), &format!("{short}é"), &pasted.repeat(2)] {
            assert!(Code::parse(wrong).is_none(), "{wrong}");
        }
    }
}
