//! The endpoint types, one of which stands in every record.

/// What kind of call it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointType {
    /// `OpenAI`'s chat completions, for a model of any provider.
    ChatCompletions,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent`, streamed or not.
    GenerateContent,
}

impl EndpointType {
    /// Every endpoint type.
    pub const ALL: [Self; 3] = [Self::ChatCompletions, Self::Messages, Self::GenerateContent];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Messages => "messages",
            Self::GenerateContent => "generate_content",
        }
    }

    /// The endpoint type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }
}
