//! E-mail addresses: the only thing that is known of a person. They cannot be printed.

use std::fmt;

/// The longest address and the longest part before the `@`, in bytes (RFC 5321, 4.5.3.1).
const LONGEST: usize = 254;
const LONGEST_LOCAL: usize = 64;

/// An address as mail servers take it: a dotted local part of ASCII and the name of a domain.
///
/// Narrower than RFC 5322: no quotes, no comments, no address in brackets, no letter outside ASCII,
/// which SES does not send to. Nothing in it can end a header of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// When the text is none. It is not repeated.
    pub fn parse(text: &str) -> Result<Self, NotAnAddress> {
        let (local, domain) = text.rsplit_once('@').ok_or(NotAnAddress)?;
        let fits = text.len() <= LONGEST && local.len() <= LONGEST_LOCAL;
        // A mail server may take these for another address within: a route, or an encoded word.
        let plain = !local.contains(['%', '!']) && !local.contains("=?");
        let local =
            plain && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atext));
        let domain = domain.contains('.') && domain.split('.').all(is_label);
        // A name that ends in digits is an address of another kind.
        let named = text.bytes().last().is_some_and(|last| last.is_ascii_alphabetic());
        (fits && local && domain && named).then(|| Self(text.to_owned())).ok_or(NotAnAddress)
    }

    /// The address as it was given, to be sent to, stored or shown to its owner.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address in small letters, by which two are the same.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The mailbox that it is delivered to, as most servers have it: without what stands behind a
    /// plus sign, in small letters.
    pub(crate) fn mailbox(&self) -> String {
        let folded = self.folded();
        let (local, domain) = folded.rsplit_once('@').unwrap_or((&folded, ""));
        format!("{}@{domain}", local.split('+').next().unwrap_or(local))
    }

    /// Whether something stands behind a plus sign in it.
    pub fn is_tagged(&self) -> bool {
        self.mailbox() != self.folded()
    }

    /// Whether it is in this domain, and not in one below it.
    pub fn is_in(&self, domain: &str) -> bool {
        self.0.rsplit_once('@').is_some_and(|(_, own)| own.eq_ignore_ascii_case(domain))
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

/// What may stand in an atom of a local part (RFC 5322, 3.2.3).
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte)
}

/// A label of a domain's name (RFC 1035, 2.3.1).
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The text is not an e-mail address. It is not repeated here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address")]
pub struct NotAnAddress;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_what_is_none_is_refused() {
        for text in ["a@b.cd", "First.Last+tag@mail.example.com", "o'neil@xn--bcher-kva.example"] {
            assert_eq!(EmailAddress::parse(text).unwrap().as_str(), text);
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}com", "example.".repeat(32));
        for text in [
            "",
            "a",
            "@b.cd",
            "a@",
            "a@b",
            "a@b..cd",
            "a..b@c.de",
            ".a@b.cd",
            "a@-b.cd",
            "a@b.cd-",
            "a b@c.de",
            "a@b.cd\r\nBcc: x@y.zz",
            "\"a\"@b.cd",
            "a@[127.0.0.1]",
            "a@127.0.0.1",
            "a@b@c.de",
            "ä@b.cd",
            "a@bücher.example",
            "a@b.cd.",
            "a%evil.example@b.cd",
            "evil.example!a@b.cd",
            "=?utf-8?q?a=40evil.example?=@b.cd",
            "<a@b.cd>",
            &long,
            &longer,
        ] {
            assert!(EmailAddress::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_the_same_in_any_case_and_never_printed() {
        let email = EmailAddress::parse("Ada@Example.com").unwrap();
        assert_eq!(email.folded(), "ada@example.com");
        assert!(email.is_in("example.COM") && !email.is_in("ample.com") && !email.is_in("com"));
        let tagged = EmailAddress::parse("Ada+one+two@Example.com").unwrap();
        assert_eq!((&*tagged.mailbox(), email.mailbox()), ("ada@example.com", email.folded()));
        assert!(tagged.is_tagged() && !email.is_tagged());
        assert!(!format!("{email:?}").to_lowercase().contains("ada"));
    }
}
