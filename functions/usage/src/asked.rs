//! What of an account's use is asked for, and by what it is kept apart.

use std::collections::{BTreeSet, HashMap};

use shared::{catalogue::Mode, id::KeyId, store::keys::KeyItem, tier::Tier};

/// What a call counts as. It follows from its model alone, so that it is the same on a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Completions,
    Embeddings,
    Moderations,
    Images,
    Speeches,
    Transcriptions,
}

impl Kind {
    /// What calls of models of this mode count as.
    pub(crate) const fn of(mode: Mode) -> Self {
        match mode {
            Mode::Chat | Mode::Responses | Mode::Completion => Self::Completions,
            Mode::Embedding => Self::Embeddings,
            Mode::Image => Self::Images,
            Mode::Transcription => Self::Transcriptions,
            Mode::Speech => Self::Speeches,
            Mode::Moderation => Self::Moderations,
        }
    }
}

/// By what sums are kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dimension {
    Tag,
    Key,
    Model,
    Tier,
    Class,
}

/// What is summed, and how.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) by: BTreeSet<Dimension>,
    /// Only calls of these keys; of all where there is none.
    pub(crate) keys: BTreeSet<KeyId>,
    /// Only calls of keys with these tags.
    pub(crate) tags: BTreeSet<String>,
    /// Only calls of these models.
    pub(crate) models: BTreeSet<String>,
    /// Only these items, by their names.
    pub(crate) items: BTreeSet<String>,
    /// Only calls that count as this.
    pub(crate) kind: Option<Kind>,
    /// Only calls of these tiers.
    pub(crate) tiers: Option<Vec<Tier>>,
}

impl Asked {
    /// Whether a call by a key with a tag to a model is asked for, as far as these say.
    pub(crate) fn has(&self, key: Option<&KeyId>, tag: Option<&str>, model: &str) -> bool {
        (self.keys.is_empty() || key.is_some_and(|key| self.keys.contains(key)))
            && (self.tags.is_empty() || tag.is_some_and(|tag| self.tags.contains(tag)))
            && (self.models.is_empty() || self.models.contains(model))
    }

    /// Whether it has to be known which keys there are.
    pub(crate) fn needs_keys(&self) -> bool {
        let by = self.by.contains(&Dimension::Key) || self.by.contains(&Dimension::Tag);
        by || !self.tags.is_empty()
    }
}

/// The keys of an account, as sums need them.
#[derive(Default)]
pub(crate) struct Keys {
    tags: HashMap<KeyId, Option<String>>,
    by_ordinal: HashMap<u32, KeyId>,
}

impl Keys {
    /// From the keys there are.
    pub(crate) fn of(keys: &[KeyItem]) -> Self {
        let tags = keys.iter().map(|key| (key.key.clone(), key.tag.clone())).collect();
        let by_ordinal = keys.iter().map(|key| (key.ordinal, key.key.clone())).collect();
        Self { tags, by_ordinal }
    }

    /// Whether this is one of them.
    pub(crate) fn have(&self, key: &KeyId) -> bool {
        self.tags.contains_key(key)
    }

    /// The key of this number.
    pub(crate) fn by_ordinal(&self, ordinal: u32) -> Option<&KeyId> {
        self.by_ordinal.get(&ordinal)
    }

    /// What the costs of a key are for.
    pub(crate) fn tag(&self, key: &KeyId) -> Option<&str> {
        self.tags.get(key)?.as_deref()
    }
}
