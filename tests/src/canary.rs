//! A text that must not turn up anywhere it was not sent to.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use shared::id::random_base62;

/// A random text, different in every test.
#[derive(Clone)]
pub struct Canary(String);

impl Canary {
    /// Makes one. It is made of letters and digits, so that neither JSON nor a URL escapes it.
    pub fn new() -> Self {
        Self(format!("Canary{}", random_base62(20).expect("randomness")))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Fails the test if the canary is in `bytes`, as it is, in hex or in base 64.
    pub fn must_not_be_in(&self, place: &str, bytes: &[u8]) {
        for (form, needle) in self.forms() {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "the canary is in {place}, {form}");
        }
    }

    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let raw = self.0.as_bytes();
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut forms =
            vec![("as it is", raw.to_vec()), ("in hex", hex.to_uppercase().into_bytes())];
        forms.push(("in hex", hex.into_bytes()));
        for (skip, form) in
            ["in base 64", "in base 64, 1 off", "in base 64, 2 off"].into_iter().enumerate()
        {
            // What stands before shifts the groups of three; only whole groups are sure.
            let whole = raw.len().saturating_sub(skip) / 3 * 3;
            let part = raw.iter().copied().skip(skip).take(whole).collect::<Vec<_>>();
            forms.push((form, STANDARD_NO_PAD.encode(part).into_bytes()));
        }
        forms
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_every_form() {
        let canary = Canary::new();
        for prefix in ["", "a", "ab", "abc"] {
            let text = format!("{prefix}{}", canary.text());
            for bytes in [text.clone(), STANDARD_NO_PAD.encode(&text)] {
                let searched = std::panic::catch_unwind(|| {
                    canary.must_not_be_in("a test", bytes.as_bytes());
                });
                assert!(searched.is_err(), "not found in {bytes}");
            }
        }
        canary.must_not_be_in("another's", Canary::new().text().as_bytes());
    }
}
