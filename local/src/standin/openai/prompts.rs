//! What completions and embeddings are made of: one text or many, each in letters or in tokens.

use serde::Deserialize;
use serde_json::value::RawValue;

/// One prompt or several.
#[derive(Deserialize)]
#[serde(transparent)]
pub(in crate::standin) struct Prompts<'a>(#[serde(borrow)] &'a RawValue);

impl Prompts<'_> {
    /// The size of each, in bytes. There are none if it is neither a text nor a list of what it
    /// may be.
    pub(in crate::standin) fn sizes(&self) -> Vec<usize> {
        let one = vec![self.0.get().len()];
        if serde_json::from_str::<Tokens>(self.0.get()).is_ok_and(|Tokens(it)| !it.is_empty()) {
            return one;
        }
        match serde_json::from_str::<Vec<&RawValue>>(self.0.get()) {
            Ok(each) if each.iter().all(|it| is_prompt(it)) => {
                each.iter().map(|it| it.get().len()).collect()
            }
            Err(_) if is_prompt(self.0) => one,
            Ok(_) | Err(_) => Vec::new(),
        }
    }
}

/// A prompt in tokens.
#[derive(Deserialize)]
struct Tokens(Vec<u64>);

/// Whether it is one text, or one list of tokens.
fn is_prompt(value: &RawValue) -> bool {
    value.get().starts_with('"') || serde_json::from_str::<Tokens>(value.get()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(json: &str) -> Vec<usize> {
        serde_json::from_str::<Prompts<'_>>(json).unwrap().sizes()
    }

    #[test]
    fn a_list_of_tokens_is_one_prompt_and_any_other_list_is_many() {
        assert_eq!(sizes(r#""abc""#), [5]);
        assert_eq!(sizes("[1,23]"), [6]);
        assert_eq!(sizes(r#"["a","bc"]"#), [3, 4]);
        assert_eq!(sizes("[[1],[2,3]]"), [3, 5]);
    }

    #[test]
    fn what_is_no_prompt_has_no_size() {
        for json in ["[]", "7", "{}", r#"["a",{}]"#, "[-1]"] {
            assert!(sizes(json).is_empty(), "{json}");
        }
    }
}
