//! The endpoint types, one of which stands in every record.

/// What kind of call it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointType {
    /// `OpenAI`'s chat completions, for a model of any provider.
    ChatCompletions,
    /// `OpenAI`'s completions.
    Completions,
    /// `OpenAI`'s responses, and the compaction of one.
    Responses,
    /// `OpenAI`'s count of a response's input.
    InputTokens,
    /// `OpenAI`'s embeddings, for a model of any provider.
    Embeddings,
    /// `OpenAI`'s image generations, for a model of any provider.
    ImageGenerations,
    /// `OpenAI`'s image edits.
    ImageEdits,
    /// `OpenAI`'s text to speech.
    AudioSpeech,
    /// `OpenAI`'s speech to text.
    AudioTranscriptions,
    /// `OpenAI`'s speech to English text.
    AudioTranslations,
    /// `OpenAI`'s moderations.
    Moderations,
    /// Anthropic's messages.
    Messages,
    /// A count of a prompt's tokens, Anthropic's or Gemini's.
    CountTokens,
    /// Gemini's `generateContent`, streamed or not.
    GenerateContent,
    /// Gemini's `embedContent` and `batchEmbedContents`.
    EmbedContent,
}

impl EndpointType {
    /// Every endpoint type.
    pub const ALL: [Self; 15] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Responses,
        Self::InputTokens,
        Self::Embeddings,
        Self::ImageGenerations,
        Self::ImageEdits,
        Self::AudioSpeech,
        Self::AudioTranscriptions,
        Self::AudioTranslations,
        Self::Moderations,
        Self::Messages,
        Self::CountTokens,
        Self::GenerateContent,
        Self::EmbedContent,
    ];

    /// The name by which it is stored and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::InputTokens => "input_tokens",
            Self::Embeddings => "embeddings",
            Self::ImageGenerations => "image_generations",
            Self::ImageEdits => "image_edits",
            Self::AudioSpeech => "audio_speech",
            Self::AudioTranscriptions => "audio_transcriptions",
            Self::AudioTranslations => "audio_translations",
            Self::Moderations => "moderations",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::GenerateContent => "generate_content",
            Self::EmbedContent => "embed_content",
        }
    }

    /// The endpoint type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_type_has_a_name_of_its_own() {
        for endpoint in EndpointType::ALL {
            assert_eq!(EndpointType::named(endpoint.name()), Some(endpoint));
        }
    }
}
