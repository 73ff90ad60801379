//! One turn of the model: what it thinks and says within its limit, and what that comes to.

use super::SPEAKER;
use super::refusal::Refusal;
use crate::standin::speech::{Ending, Speech};

/// The most it thinks before it speaks, in tokens.
const THOUGHTS: u64 = 12;

/// A turn, all of it settled before its first word is sent.
pub(super) struct Turn {
    pub(super) speech: Speech,
    prompt: u64,
    thoughts: u64,
}

/// A word of a turn, with the counts as they stand once it is sent.
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) tally: Tally,
    /// Why it is the last, if it is.
    pub(super) ending: Option<Ending>,
}

/// Tokens so far. Thoughts are apart from the candidate's, and both are apart from the prompt's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) prompt: u64,
    pub(super) candidate: u64,
    pub(super) thoughts: u64,
}

impl Tally {
    /// All of them.
    pub(super) fn total(self) -> u64 {
        self.prompt.saturating_add(self.candidate).saturating_add(self.thoughts)
    }
}

impl Turn {
    /// A turn within `limit`, which thoughts count against: they take half of it at the most, so
    /// that something is always said.
    pub(super) fn new(limit: Option<u64>, prompt: u64) -> Result<Self, Refusal> {
        if limit == Some(0) {
            return Err(Refusal::NO_ROOM);
        }
        let thoughts = limit.map_or(THOUGHTS, |limit| THOUGHTS.min(limit / 2));
        let speech = SPEAKER.speak(limit.map(|limit| limit.saturating_sub(thoughts)));
        Ok(Self { speech, prompt, thoughts })
    }

    /// What the turn comes to.
    pub(super) fn tally(&self) -> Tally {
        Tally { prompt: self.prompt, candidate: self.speech.tokens(), thoughts: self.thoughts }
    }

    /// The turn word by word. With the first only the prompt is counted yet, as captured; each
    /// later tally replaces the one before it.
    pub(super) fn words(&self) -> impl Iterator<Item = Word<'_>> {
        let whole = self.tally();
        self.speech.pieces.iter().zip(1..).map(move |(text, said)| {
            let ending = (said == whole.candidate).then_some(self.speech.ending);
            let tally = if said == 1 && ending.is_none() {
                Tally { candidate: 0, thoughts: 0, ..whole }
            } else {
                Tally { candidate: said, ..whole }
            };
            Word { text, tally, ending }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_never_outgrows_its_limit() {
        for limit in 1..60 {
            let tally = Turn::new(Some(limit), 7).unwrap().tally();
            assert!(tally.candidate.saturating_add(tally.thoughts) <= limit);
            assert!(tally.candidate > 0);
        }
    }

    #[test]
    fn tallies_only_grow_and_end_at_the_whole() {
        let turn = Turn::new(None, 7).unwrap();
        let totals: Vec<_> = turn.words().map(|word| word.tally.total()).collect();
        assert!(totals.is_sorted());
        assert_eq!(totals.first(), Some(&7));
        assert_eq!(totals.last(), Some(&turn.tally().total()));
        assert_eq!(turn.tally(), Tally { prompt: 7, candidate: 21, thoughts: THOUGHTS });
    }

    #[test]
    fn only_the_last_word_ends_the_turn() {
        let turn = Turn::new(Some(4), 7).unwrap();
        let endings: Vec<_> = turn.words().map(|word| word.ending).collect();
        assert_eq!(endings, [None, Some(Ending::Cut)]);
    }
}
