//! What a call used, by class. The classes are disjoint: a call's cost is the sum of each
//! quantity times its price.

/// What can be counted and priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitClass {
    /// Prompt tokens at the ordinary price: text, and media without a price of their own.
    Input,
    /// Prompt tokens read from the provider's cache.
    CacheRead,
    /// Prompt tokens written to a cache of five minutes (Anthropic).
    CacheWrite5m,
    /// Prompt tokens written to a cache of thirty minutes (OpenAI).
    CacheWrite30m,
    /// Prompt tokens written to a cache of one hour (Anthropic).
    CacheWrite1h,
    /// Prompt tokens written to a cache of twelve hours (OpenAI).
    CacheWrite12h,
    /// Tokens that a provider-run tool put into the prompt (Gemini).
    ToolPrompt,
    /// Audio in the prompt.
    AudioInput,
    /// Audio in the prompt, read from the provider's cache.
    CacheReadAudio,
    /// Images in the prompt, where they have a price of their own.
    ImageInput,
    /// Images in the prompt, read from the provider's cache.
    CacheReadImage,
    /// Video in the prompt, where it has a price of its own.
    VideoInput,
    /// Answer tokens, without the reasoning.
    Output,
    /// Answer tokens spent on reasoning.
    Reasoning,
    /// Audio in the answer.
    AudioOutput,
    /// Images in the answer, in tokens.
    ImageOutput,
    /// Searches that the provider ran, each at a price of its own.
    Searches,
    /// Characters read aloud.
    Characters,
    /// Seconds of audio transcribed.
    Seconds,
    /// Images in the answer, where they are billed by the piece.
    Images,
}

impl UnitClass {
    /// Every class, in the order in which they are stored and shown.
    pub const ALL: [Self; 20] = [
        Self::Input,
        Self::CacheRead,
        Self::CacheWrite5m,
        Self::CacheWrite30m,
        Self::CacheWrite1h,
        Self::CacheWrite12h,
        Self::ToolPrompt,
        Self::AudioInput,
        Self::CacheReadAudio,
        Self::ImageInput,
        Self::CacheReadImage,
        Self::VideoInput,
        Self::Output,
        Self::Reasoning,
        Self::AudioOutput,
        Self::ImageOutput,
        Self::Searches,
        Self::Characters,
        Self::Seconds,
        Self::Images,
    ];

    /// The name by which it is stored, priced and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::CacheRead => "cache_read",
            Self::CacheWrite5m => "cache_write_5m",
            Self::CacheWrite30m => "cache_write_30m",
            Self::CacheWrite1h => "cache_write_1h",
            Self::CacheWrite12h => "cache_write_12h",
            Self::ToolPrompt => "tool_prompt",
            Self::AudioInput => "audio_input",
            Self::CacheReadAudio => "cache_read_audio",
            Self::ImageInput => "image_input",
            Self::CacheReadImage => "cache_read_image",
            Self::VideoInput => "video_input",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::AudioOutput => "audio_output",
            Self::ImageOutput => "image_output",
            Self::Searches => "searches",
            Self::Characters => "characters",
            Self::Seconds => "seconds",
            Self::Images => "images",
        }
    }

    /// The class of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// The class whose price applies where this one has none of its own.
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Input
            | Self::Output
            | Self::Searches
            | Self::Characters
            | Self::Seconds
            | Self::Images => None,
            Self::CacheReadAudio | Self::CacheReadImage => Some(Self::CacheRead),
            Self::CacheRead
            | Self::CacheWrite5m
            | Self::CacheWrite30m
            | Self::CacheWrite1h
            | Self::CacheWrite12h
            | Self::ToolPrompt
            | Self::AudioInput
            | Self::ImageInput
            | Self::VideoInput => Some(Self::Input),
            Self::Reasoning | Self::AudioOutput | Self::ImageOutput => Some(Self::Output),
        }
    }

    /// Whether it is counted in tokens.
    pub fn is_token(self) -> bool {
        !matches!(self, Self::Searches | Self::Characters | Self::Seconds | Self::Images)
    }

    /// Whether these tokens belong to the prompt, whose length selects the price row.
    pub const fn is_prompt(self) -> bool {
        match self {
            Self::Output
            | Self::Reasoning
            | Self::AudioOutput
            | Self::ImageOutput
            | Self::Searches
            | Self::Characters
            | Self::Seconds
            | Self::Images => false,
            Self::Input
            | Self::CacheRead
            | Self::CacheWrite5m
            | Self::CacheWrite30m
            | Self::CacheWrite1h
            | Self::CacheWrite12h
            | Self::ToolPrompt
            | Self::AudioInput
            | Self::CacheReadAudio
            | Self::ImageInput
            | Self::CacheReadImage
            | Self::VideoInput => true,
        }
    }
}

/// Quantities by class. A class that is not there was not used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units(Vec<(UnitClass, u64)>);

impl Units {
    /// The same quantities with `quantity` of `class`, in place of what was there.
    #[must_use]
    pub fn with(mut self, class: UnitClass, quantity: u64) -> Self {
        self.0.retain(|(other, _)| *other != class);
        if quantity > 0 {
            self.0.push((class, quantity));
            self.0.sort_unstable();
        }
        self
    }

    /// The sum of both, class by class.
    #[must_use]
    pub fn plus(self, other: &Self) -> Self {
        other.iter().fold(self, |sum, (class, quantity)| {
            let total = sum.get(class).saturating_add(quantity);
            sum.with(class, total)
        })
    }

    /// The quantity of one class.
    pub fn get(&self, class: UnitClass) -> u64 {
        self.iter().find_map(|(other, quantity)| (other == class).then_some(quantity)).unwrap_or(0)
    }

    /// The classes used, in order, with their quantities, none of which is zero.
    pub fn iter(&self) -> impl Iterator<Item = (UnitClass, u64)> {
        self.0.iter().copied()
    }

    /// How many of them are tokens.
    pub fn tokens(&self) -> u64 {
        self.iter()
            .filter(|(class, _)| class.is_token())
            .fold(0, |sum, (_, quantity)| sum.saturating_add(quantity))
    }

    /// The length of the prompt in tokens, cached or not.
    pub fn prompt_tokens(&self) -> u64 {
        self.iter()
            .filter(|(class, _)| class.is_prompt())
            .fold(0, |sum, (_, quantity)| sum.saturating_add(quantity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_a_name_of_its_own() {
        for class in UnitClass::ALL {
            assert_eq!(UnitClass::named(class.name()), Some(class));
        }
    }

    #[test]
    fn setting_a_class_replaces_it_and_zero_removes_it() {
        let units = Units::default().with(UnitClass::Output, 3).with(UnitClass::Input, 5);
        assert_eq!(units.get(UnitClass::Output), 3);
        assert_eq!(units.prompt_tokens(), 5);
        assert_eq!(units.with(UnitClass::Input, 0).prompt_tokens(), 0);
    }
}
