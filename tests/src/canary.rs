//! Texts that must not turn up anywhere they were not sent to.

use std::{fmt, sync::Arc};

use aho_corasick::AhoCorasick;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use shared::id::random_base62;

/// How many characters in a row are found, so that a text that was cut is found, too.
const PIECE: usize = 10;

/// How many bytes in a row are found in base 64: three groups.
const GROUPS: usize = 9;

/// A random text, different in every test.
#[derive(Clone)]
pub struct Canary {
    text: String,
    search: Arc<Search>,
}

impl Canary {
    /// Makes one. It is made of letters and digits, so that neither JSON nor a URL has to escape it.
    pub fn new() -> Self {
        let text = random();
        let search = Arc::new(Search::of([&*text]));
        Self { text, search }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fails the test if ten characters of the canary are in `bytes`, in any [`Form`].
    pub fn must_not_be_in(&self, place: &str, bytes: &[u8]) {
        let found = self.search.first(bytes);
        assert!(found.is_none(), "the canary is in {place}, {}", found.expect("found").1);
    }
}

impl Default for Canary {
    fn default() -> Self {
        Self::new()
    }
}

fn random() -> String {
    format!("Canary{}", random_base62(20).expect("randomness"))
}

/// A canary for every place where somebody writes.
pub struct Canaries {
    places: &'static [&'static str],
    texts: Vec<String>,
    search: Search,
}

/// A canary that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// Where it was planted.
    pub planted: &'static str,
    /// How it looked.
    pub form: Form,
}

impl Canaries {
    /// One for each of these places.
    pub fn of(places: &'static [&'static str]) -> Self {
        let texts: Vec<_> = places.iter().map(|_| random()).collect();
        let search = Search::of(texts.iter().map(String::as_str));
        Self { places, texts, search }
    }

    /// What is written in this place.
    pub fn at(&self, place: &str) -> &str {
        let at = self.places.iter().position(|it| *it == place);
        &self.texts[at.unwrap_or_else(|| panic!("{place} is no place"))]
    }

    /// The places whose canaries are in `bytes`, and in which form.
    pub fn found_in(&self, bytes: &[u8]) -> Vec<Hit> {
        let mut hits: Vec<_> = self
            .search
            .all(bytes)
            .map(|(text, form)| Hit { planted: self.places[text], form })
            .collect();
        hits.sort_unstable();
        hits.dedup();
        hits
    }
}

/// In which form a text may turn up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is, in capitals or not.
    Plain,
    /// Every character escaped as in JSON.
    Json,
    /// Every character escaped as in a URL.
    Url,
    /// In hexadecimal.
    Hex,
    /// In base 64 of either alphabet, wherever the groups of three begin.
    Base64,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "as it is",
            Self::Json => "escaped as in JSON",
            Self::Url => "escaped as in a URL",
            Self::Hex => "in hexadecimal",
            Self::Base64 => "in base 64",
        })
    }
}

/// What looks for many texts in all their forms at once.
struct Search {
    automaton: AhoCorasick,
    /// Of each needle, which text it is of and in which form.
    needles: Vec<(usize, Form)>,
}

impl Search {
    fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let (mut needles, mut patterns) = (Vec::new(), Vec::new());
        for (text, bytes) in texts.into_iter().enumerate() {
            for piece in bytes.as_bytes().windows(PIECE).skip("Canary".len()) {
                let each = |shown: &dyn Fn(&u8) -> String| piece.iter().map(shown).collect();
                let forms: [(Form, String); 4] = [
                    (Form::Plain, String::from_utf8(piece.to_vec()).expect("text")),
                    (Form::Json, each(&|byte| format!("\\u{byte:04x}"))),
                    (Form::Url, each(&|byte| format!("%{byte:02x}"))),
                    (Form::Hex, each(&|byte| format!("{byte:02x}"))),
                ];
                for (form, pattern) in forms {
                    needles.push((text, form));
                    patterns.push(pattern);
                }
            }
            for groups in bytes.as_bytes().windows(GROUPS).skip("Canary".len()) {
                for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    needles.push((text, Form::Base64));
                    patterns.push(alphabet.encode(groups));
                }
            }
        }
        // What is in no capitals is found, too: headers lose theirs, and so may hexadecimal.
        let automaton = AhoCorasick::builder().ascii_case_insensitive(true).build(patterns);
        Self { automaton: automaton.expect("an automaton"), needles }
    }

    fn all<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = (usize, Form)> + 'a {
        let found = self.automaton.find_overlapping_iter(bytes);
        found.map(|found| self.needles[found.pattern().as_usize()])
    }

    fn first(&self, bytes: &[u8]) -> Option<(usize, Form)> {
        self.all(bytes).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_in_every_form_and_when_it_is_cut() {
        let canaries = Canaries::of(&["a place", "another"]);
        let text = canaries.at("another");
        let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        let escaped = |before: &str| -> String {
            text.bytes().map(|byte| format!("{before}{byte:02x}")).collect()
        };
        let mut forms = vec![
            (Form::Plain, text.to_owned()),
            (Form::Plain, text.to_lowercase()),
            (Form::Plain, text.get(10..20).expect("letters").to_owned()),
            (Form::Plain, text.get(16..).expect("letters").to_owned()),
            (Form::Json, escaped("\\u00")),
            (Form::Url, escaped("%")),
            (Form::Hex, hex),
        ];
        for before in ["", "a", "ab"] {
            let text = format!("{before}{text}");
            forms.push((Form::Base64, STANDARD_NO_PAD.encode(&text)));
            forms.push((Form::Base64, URL_SAFE_NO_PAD.encode(&text)));
        }
        for (form, shown) in forms {
            let found = canaries.found_in(format!("before{shown}after").as_bytes());
            assert_eq!(found, [Hit { planted: "another", form }], "{shown}");
        }
        assert_eq!(canaries.found_in(Canary::new().text().as_bytes()), []);
        assert_eq!(canaries.found_in(&text.as_bytes()[6..15]), [], "nine characters are chance");
    }

    #[test]
    fn one_that_was_found_fails_the_test() {
        let canary = Canary::new();
        let text = format!("a{}", canary.text());
        let searched = std::panic::catch_unwind(|| {
            canary.must_not_be_in("a test", STANDARD_NO_PAD.encode(&text).as_bytes());
        });
        assert!(searched.is_err());
        canary.must_not_be_in("another's", Canary::new().text().as_bytes());
    }
}
