//! Ids: prefixed, random, and each its own type, so that no two kinds can meet.

use std::{fmt, str::FromStr, time::Duration};

use crate::time::{Hour, Timestamp};

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `length` random characters of base 62, evenly distributed.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn random_base62(length: usize) -> Result<String, NoRandomness> {
    let mut text = String::with_capacity(length);
    let mut pool = [0_u8; 64];
    while text.len() < length {
        getrandom::fill(&mut pool).map_err(|_| NoRandomness)?;
        for byte in pool {
            // 248 is the largest multiple of 62 in a byte: bytes above it would favour some.
            if text.len() < length && byte < 248 {
                text.push(base62_digit(u32::from(byte)));
            }
        }
    }
    Ok(text)
}

/// The digit for `value` modulo 62.
pub(crate) fn base62_digit(value: u32) -> char {
    let index = usize::try_from(value % 62).unwrap_or(0);
    char::from(BASE62.get(index).copied().unwrap_or(b'0'))
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// The text is not an id of the wanted kind. It is not repeated here.
#[derive(Debug, thiserror::Error)]
#[error("not an id of this kind")]
pub struct NotAnId;

const RANDOM_LENGTH: usize = 22;

/// How much of that is the second within its hour, in the id of a call.
const SECOND_LENGTH: usize = 2;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// How every such id begins.
            pub const PREFIX: &str = $prefix;

            /// Makes a new one.
            ///
            /// # Errors
            /// When the operating system has no randomness to give.
            pub fn random() -> Result<Self, NoRandomness> {
                Ok(Self(format!("{}{}", $prefix, random_base62(RANDOM_LENGTH)?)))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                let random = text.strip_prefix($prefix).ok_or(NotAnId)?;
                is_base62(random, RANDOM_LENGTH).then(|| Self(text.to_owned())).ok_or(NotAnId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// An account: the customer's, with one wallet.
    AccountId, "acct_"
}
id! {
    /// A key, as it is named wherever the key itself must not be.
    KeyId, "key_"
}

/// The receipt of an account that is closed: the account's id and a secret half, so that it is shown
/// to nobody who knows the account alone. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptId {
    account: AccountId,
    code: String,
}

impl ReceiptId {
    const PREFIX: &str = "rcpt_";

    /// Makes the id of the receipt of `account`.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn random(account: &AccountId) -> Result<Self, NoRandomness> {
        Ok(Self { account: account.clone(), code: random_base62(RANDOM_LENGTH)? })
    }

    /// The id of the receipt of `account` that has this secret half.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(account: &AccountId, code: &str) -> Result<Self, NotAnId> {
        let fine = is_base62(code, RANDOM_LENGTH);
        fine.then(|| Self { account: account.clone(), code: code.to_owned() }).ok_or(NotAnId)
    }

    /// Whose receipt it is.
    pub const fn account(&self) -> &AccountId {
        &self.account
    }

    /// The secret half.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The whole of it, for whom it is meant.
    pub fn reveal(&self) -> String {
        let account = self.account.as_str().trim_start_matches(AccountId::PREFIX);
        format!("{}{account}{}", Self::PREFIX, self.code)
    }
}

impl FromStr for ReceiptId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let rest = text.strip_prefix(Self::PREFIX).ok_or(NotAnId)?;
        let (account, code) = rest.split_at_checked(RANDOM_LENGTH).ok_or(NotAnId)?;
        Self::of(&format!("{}{account}", AccountId::PREFIX).parse()?, code)
    }
}

impl fmt::Debug for ReceiptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptId({}, ..)", self.account)
    }
}

fn is_base62(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A call. It begins with the hour it was admitted in, so that one query finds an hour's records, and
/// goes on with the second of that hour, so that they come in the order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    text: String,
    hour: Hour,
}

impl CallId {
    const PREFIX: &str = "call_";

    /// Makes the id of a call that begins at `now`.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn new(now: Timestamp) -> Result<Self, NoRandomness> {
        let random = random_base62(RANDOM_LENGTH - SECOND_LENGTH)?;
        Ok(Self { text: format!("{}{random}", Self::first_at(now)), hour: now.hour() })
    }

    /// What the ids of calls of this second begin with. It is before all of them, and after those of
    /// every second before.
    pub fn first_at(now: Timestamp) -> String {
        let hour = now.hour();
        let second = now.seconds().saturating_sub(hour.start().seconds());
        // 62² is more than the seconds of an hour.
        let second = u32::try_from(second).unwrap_or(0);
        let [high, low] = [second.div_euclid(62), second].map(base62_digit);
        format!("{}{hour}{high}{low}", Self::PREFIX)
    }

    /// The first moment after the second in which it was admitted.
    pub fn second_after(&self) -> Timestamp {
        let random = self.text.len().saturating_sub(RANDOM_LENGTH);
        let digits = self.text.bytes().skip(random).take(SECOND_LENGTH);
        let value = |digit| BASE62.iter().position(|it| *it == digit).unwrap_or_default();
        let second = digits.fold(0_usize, |second, digit| {
            second.saturating_mul(BASE62.len()).saturating_add(value(digit))
        });
        let second = u64::try_from(second).unwrap_or_default().saturating_add(1);
        self.hour.start().plus(Duration::from_secs(second)).min(self.hour.end())
    }

    /// The hour whose close accounts for this call. It never changes.
    pub const fn hour(&self) -> Hour {
        self.hour
    }

    /// The part of it that says nothing of when it was, and is of this call alone.
    pub fn nonce(&self) -> &str {
        let at = self.text.len().saturating_sub(RANDOM_LENGTH - SECOND_LENGTH);
        self.text.get(at..).unwrap_or(&self.text)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for CallId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let rest = text.strip_prefix(Self::PREFIX).ok_or(NotAnId)?;
        let (hour, random) = rest.split_at_checked(10).ok_or(NotAnId)?;
        let hour = hour.parse().map_err(|_| NotAnId)?;
        is_base62(random, RANDOM_LENGTH)
            .then(|| Self { text: text.to_owned(), hour })
            .ok_or(NotAnId)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_kinds_do_not_mix() {
        let account = AccountId::random().unwrap();
        assert_eq!(account.to_string().parse::<AccountId>().unwrap(), account);
        assert!(account.to_string().parse::<KeyId>().is_err());
        assert!("acct_short".parse::<AccountId>().is_err());
    }

    #[test]
    fn a_receipt_names_its_account_and_is_read_back() {
        let account = AccountId::random().unwrap();
        let receipt = ReceiptId::random(&account).unwrap();
        let read: ReceiptId = receipt.reveal().parse().unwrap();
        assert!(read == receipt && read.account() == &account);
        assert!(!format!("{receipt:?}").contains(receipt.code()));
        let short = receipt.reveal().replace(receipt.code(), "");
        for wrong in ["", "rcpt_", account.as_str(), &short] {
            assert!(wrong.parse::<ReceiptId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_call_id_begins_with_its_hour() {
        let now = Timestamp::from_seconds(1_795_485_599);
        let call = CallId::new(now).unwrap();
        assert!(call.as_str().starts_with("call_2026112401"));
        let read: CallId = call.as_str().parse().unwrap();
        assert_eq!(read.hour(), now.hour());
        assert_eq!(read, call);
        for second in [0, 1, 61, 62, 3_599] {
            let now = now.hour().start().plus(Duration::from_secs(second));
            let after = CallId::new(now).unwrap().second_after();
            assert_eq!(after, now.plus(Duration::from_secs(1)));
        }
    }

    #[test]
    fn call_ids_come_in_the_order_of_time_and_their_nonce_says_nothing_of_it() {
        let start = Timestamp::from_seconds(1_795_485_600);
        let at = |second| start.plus(std::time::Duration::from_secs(second));
        for second in 0..7_300 {
            let (call, next) = (CallId::new(at(second)).unwrap(), CallId::first_at(at(second + 1)));
            assert!(call.as_str().starts_with(&CallId::first_at(at(second))));
            assert!(call.as_str() < next.as_str(), "{call} {next}");
            assert!(call.as_str().ends_with(call.nonce()) && call.nonce().len() == 20);
        }
    }
}
