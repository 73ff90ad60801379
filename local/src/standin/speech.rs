//! What a stand-in says, word by word. Whatever it was asked, it says only this.

/// A provider stood in for.
pub(super) struct Speaker {
    /// Its name, as people write it.
    pub(super) provider: &'static str,
    /// The variable that holds a key of it.
    pub(super) variable: &'static str,
}

impl Speaker {
    /// The whole of what it says.
    pub(super) fn text(&self) -> String {
        let Self { provider, variable } = self;
        format!(
            "This is a stand-in for {provider}: no request left this machine. \
             Set {variable} and start again to reach the real one."
        )
    }

    /// The text in words, cut to `limit` of them. A word is a token.
    pub(super) fn speak(&self, limit: Option<u64>) -> Speech {
        let text = self.text();
        let mut words = text.split(' ');
        let first = words.next().map(str::to_owned);
        let mut pieces: Vec<String> =
            first.into_iter().chain(words.map(|word| format!(" {word}"))).collect();

        let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let ending = if pieces.len() > limit { Ending::Cut } else { Ending::Said };
        pieces.truncate(limit);
        Speech { pieces, ending }
    }
}

/// Something said, whole or in pieces.
pub(super) struct Speech {
    /// Words with the space before them; joined, they are the text.
    pub(super) pieces: Vec<String>,
    /// Why there are no more.
    pub(super) ending: Ending,
}

impl Speech {
    /// One per word.
    pub(super) fn tokens(&self) -> u64 {
        u64::try_from(self.pieces.len()).unwrap_or(u64::MAX)
    }

    /// The pieces joined.
    pub(super) fn text(&self) -> String {
        self.pieces.concat()
    }
}

/// Why a speech ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All was said.
    Said,
    /// The caller's limit was reached.
    Cut,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEAKER: Speaker = Speaker { provider: "Nobody", variable: "NOBODY_API_KEY" };

    #[test]
    fn the_pieces_join_to_the_text() {
        let speech = SPEAKER.speak(None);
        assert_eq!(speech.text(), SPEAKER.text());
        assert_eq!(speech.tokens(), 21);
        assert_eq!(speech.ending, Ending::Said);
    }

    #[test]
    fn a_limit_of_exactly_the_text_cuts_nothing() {
        assert_eq!(SPEAKER.speak(Some(21)).ending, Ending::Said);
        assert_eq!(SPEAKER.speak(Some(20)).ending, Ending::Cut);
        assert_eq!(SPEAKER.speak(Some(2)).text(), "This is");
        assert_eq!(SPEAKER.speak(Some(0)).tokens(), 0);
    }
}
