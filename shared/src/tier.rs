//! What a call was served as, where that has prices of its own.

use std::fmt;

/// A service tier. `Standard` is what every model has; the catalogue lists which others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The ordinary one.
    #[default]
    Standard,
    /// Slower and cheaper (`OpenAI`, Google).
    Flex,
    /// Before others (`OpenAI`, Google).
    Priority,
    /// Faster than priority (`OpenAI`'s responses).
    Ultrafast,
    /// Anthropic's `speed: fast`.
    Fast,
    /// Anthropic's `inference_geo: us`.
    Us,
    /// Both of Anthropic's.
    FastUs,
}

impl Tier {
    /// Every tier.
    pub const ALL: [Self; 7] = [
        Self::Standard,
        Self::Flex,
        Self::Priority,
        Self::Ultrafast,
        Self::Fast,
        Self::Us,
        Self::FastUs,
    ];

    /// The name by which it is priced, and stored beside the price version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Ultrafast => "ultrafast",
            Self::Fast => "fast",
            Self::Us => "us",
            Self::FastUs => "fast_us",
        }
    }

    /// The tier of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }

    /// What `OpenAI` and Google call `service_tier`. Asking for `fast` is asking for `priority`,
    /// and what is left to the provider, or is the operator's own contract, has the ordinary
    /// prices.
    pub fn of_service_tier(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "auto" | "default" | "standard" | "standard_only" => Some(Self::Standard),
            "flex" => Some(Self::Flex),
            "priority" | "fast" => Some(Self::Priority),
            "ultrafast" => Some(Self::Ultrafast),
            _ => None,
        }
    }

    /// Anthropic's tier of `speed` and `inference_geo`.
    pub const fn of_speed_and_place(speed: Speed, place: Place) -> Self {
        match (speed, place) {
            (Speed::Standard, Place::Anywhere) => Self::Standard,
            (Speed::Fast, Place::Anywhere) => Self::Fast,
            (Speed::Standard, Place::Us) => Self::Us,
            (Speed::Fast, Place::Us) => Self::FastUs,
        }
    }

    /// How fast that is.
    pub const fn speed(self) -> Speed {
        match self {
            Self::Fast | Self::FastUs => Speed::Fast,
            Self::Standard | Self::Flex | Self::Priority | Self::Ultrafast | Self::Us => {
                Speed::Standard
            }
        }
    }

    /// Where that is.
    pub const fn place(self) -> Place {
        match self {
            Self::Us | Self::FastUs => Place::Us,
            Self::Standard | Self::Flex | Self::Priority | Self::Ultrafast | Self::Fast => {
                Place::Anywhere
            }
        }
    }
}

/// Anthropic's `speed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// `standard`.
    Standard,
    /// `fast`.
    Fast,
}

/// Anthropic's `inference_geo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `global`, or not told.
    Anywhere,
    /// `us`.
    Us,
}

/// What a provider says a call was served as, where it does. Each half that it leaves out is as
/// was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Nothing is said.
    AsAsked,
    /// It is named.
    Tier(Tier),
    /// Anthropic's two halves.
    Halves(Option<Speed>, Option<Place>),
}

impl Served {
    /// The tier, for a call that was asked to be served as `asked`.
    pub fn tier(self, asked: Tier) -> Tier {
        match self {
            Self::AsAsked => asked,
            Self::Tier(tier) => tier,
            Self::Halves(speed, place) => Tier::of_speed_and_place(
                speed.unwrap_or(asked.speed()),
                place.unwrap_or(asked.place()),
            ),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tier_has_a_name_of_its_own() {
        for tier in Tier::ALL {
            assert_eq!(Tier::named(tier.name()), Some(tier));
        }
    }

    #[test]
    fn what_is_asked_for_as_fast_is_priority() {
        assert_eq!(Tier::of_service_tier("fast"), Some(Tier::Priority));
        assert_eq!(Tier::of_service_tier("FLEX"), Some(Tier::Flex));
        assert_eq!(Tier::of_service_tier("scale"), None);
    }

    #[test]
    fn what_is_not_told_is_as_was_asked() {
        assert_eq!(Served::AsAsked.tier(Tier::Flex), Tier::Flex);
        assert_eq!(Served::Tier(Tier::Standard).tier(Tier::Priority), Tier::Standard);
        let place = Served::Halves(None, Some(Place::Anywhere));
        assert_eq!(place.tier(Tier::FastUs), Tier::Fast);
        let speed = Served::Halves(Some(Speed::Standard), None);
        assert_eq!(speed.tier(Tier::FastUs), Tier::Us);
    }
}
