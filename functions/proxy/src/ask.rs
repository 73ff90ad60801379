//! What a call asks of its model, as far as that decides what it can cost.

use shared::{catalogue::Model, fault::Fault, provider::Provider, units::UnitClass};

use crate::{
    extent::Extent,
    fields,
    form::Form,
    limit::LimitPlace,
    object::{Member, Name, Object},
    target::Target,
    tools::Tools,
};

/// The shortest answer a completion has by its API, for a caller who sets no limit.
const USUAL_COMPLETION: u64 = 16;

/// What a call asks.
pub(crate) enum Ask {
    /// An answer in tokens.
    Answer(Box<Answer>),
    /// Vectors.
    Vectors(Prompt),
    /// Images, made or edited.
    Images(Images),
    /// A text read aloud, of this many characters.
    Speech {
        /// The text alone.
        characters: u64,
        /// How long it takes to say, in Latin letters: a character of another script is a syllable
        /// or a word.
        spoken: u64,
        /// Whether it is to be read at a speed of the caller's.
        paced: bool,
        /// With what is said about how to read it.
        body: u64,
    },
    /// Speech in a file of this many bytes, written down.
    Transcript {
        /// The file.
        bytes: u64,
    },
    /// A count or a judgement, which cost nothing.
    Nothing,
}

/// An answer in tokens, and what it is the answer to.
pub(crate) struct Answer {
    /// What the model reads.
    pub(crate) prompt: Prompt,
    /// The longest answer the caller wants, in tokens.
    pub(crate) output_limit: Option<u64>,
    /// Where a limit can be set, if the caller has set none.
    pub(crate) limit_place: Option<LimitPlace>,
    /// How long the caller lets the model think, of the answer's tokens.
    pub(crate) thinking_budget: u64,
    /// How many answers the caller wants.
    pub(crate) choices: u64,
    /// The tools the caller lends the model.
    pub(crate) tools: Tools,
    /// Whether the answer may hold audio or images.
    pub(crate) media_out: bool,
    /// A cache of twelve hours may be written.
    pub(crate) cache_12h: bool,
    /// Tokens that may be written beside the answer: a prediction that does not come true.
    pub(crate) beside: u64,
    /// Whether the conversation may be compacted on the way, which reads it once more and writes
    /// an answer of its own.
    pub(crate) compacted: bool,
}

/// What a model reads.
#[derive(Clone, Copy)]
pub(crate) struct Prompt {
    /// How many bytes the body has.
    pub(crate) bytes: u64,
    /// What of them is no text.
    pub(crate) extent: Extent,
    /// How many prompts there are, each with a context of its own.
    pub(crate) count: u64,
}

/// Images to be made.
pub(crate) struct Images {
    /// How many.
    pub(crate) count: u64,
    /// The text, in bytes.
    pub(crate) text: u64,
    /// How many images come with it.
    pub(crate) inputs: u64,
    /// How many pixels each may have.
    pub(crate) pixels: u64,
    /// How finely each is drawn.
    pub(crate) quality: Quality,
    /// How often each is shown before it is done.
    pub(crate) previews: u64,
}

/// How finely an image is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    /// `low`.
    Low,
    /// `medium`.
    Medium,
    /// `high`, or left to the model.
    High,
}

/// The names under which an answer is asked for.
struct Names {
    output_limit: &'static [&'static [&'static str]],
    choices: &'static [&'static str],
    media_out: &'static [&'static [&'static str]],
}

impl Names {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest asks for no answer in tokens")]
    const fn of(target: Target) -> Self {
        match target {
            Target::Chat | Target::AnthropicChat | Target::GeminiChat => Self {
                output_limit: &[&["max_completion_tokens"], &["max_tokens"]],
                choices: &["n"],
                media_out: &[&["modalities"], &["audio"]],
            },
            Target::Completions => {
                Self { output_limit: &[&["max_tokens"]], choices: &["n"], media_out: &[] }
            }
            Target::Responses => {
                Self { output_limit: &[&["max_output_tokens"]], choices: &[], media_out: &[] }
            }
            Target::Messages => {
                Self { output_limit: &[&["max_tokens"]], choices: &[], media_out: &[] }
            }
            Target::Generate => Self {
                output_limit: &[&["maxOutputTokens", "max_output_tokens"]],
                choices: &["candidateCount", "candidate_count"],
                media_out: &[&["responseModalities", "response_modalities"]],
            },
            _ => Self { output_limit: &[], choices: &[], media_out: &[] },
        }
    }
}

impl Ask {
    /// Reads what a body of JSON asks.
    ///
    /// # Errors
    /// When a field has the wrong type, stands there twice or cannot be carried.
    pub(crate) fn of_json(
        target: Target,
        object: &Object<'_>,
        model: &Model,
        extent: Extent,
        length: usize,
    ) -> Result<Self, Fault> {
        let bytes = u64::try_from(length).unwrap_or(u64::MAX);
        let prompt = Prompt { bytes, extent, count: 1 };
        Ok(match target {
            Target::Chat
            | Target::AnthropicChat
            | Target::GeminiChat
            | Target::Completions
            | Target::Responses
            | Target::Compact
            | Target::Messages
            | Target::Generate => {
                Self::Answer(Box::new(Answer::read(target, object, model, prompt)?))
            }
            Target::Embeddings | Target::GeminiEmbeddings => {
                Self::Vectors(Prompt { count: listed(object, &["input"])?, ..prompt })
            }
            Target::Embed => Self::Vectors(prompt),
            Target::BatchEmbed => {
                Self::Vectors(Prompt { count: listed(object, &["requests"])?, ..prompt })
            }
            Target::Images | Target::GeminiImages | Target::ImageEdits => {
                let field = |name| text(object, name);
                let images =
                    listed(object, &["images"])?.saturating_add(listed(object, &["mask"])?);
                let length = |name| -> Result<u64, Fault> {
                    let length = object.get(name)?.map_or(0, |member| member.value.get().len());
                    Ok(u64::try_from(length).unwrap_or(u64::MAX))
                };
                let media = length(&["images"])?.saturating_add(length(&["mask"])?);
                Self::Images(Images::read(field, bytes.saturating_sub(media), images)?)
            }
            Target::Speech => {
                let input = object.get(&["input"])?.ok_or(Fault::MissingField("input"))?;
                let Name(input) = input.read().ok_or(Fault::WrongType("input"))?;
                let characters = u64::try_from(input.chars().count()).unwrap_or(u64::MAX);
                let others = input.chars().filter(|letter| !letter.is_ascii()).count();
                let others = u64::try_from(others).unwrap_or(u64::MAX);
                let spoken = characters.saturating_add(others.saturating_mul(3));
                let paced = object.get(&["speed"])?.is_some();
                Self::Speech { characters, spoken, paced, body: bytes }
            }
            // No tool that runs elsewhere, and nothing that is stored, is counted either.
            Target::InputTokens | Target::CountMessage | Target::CountContent => {
                Tools::read(target, object, model, extent.tools_within)?;
                Self::Nothing
            }
            Target::Moderations => Self::Nothing,
            Target::Transcriptions | Target::Translations => return Err(Fault::NotAForm),
        })
    }

    /// Reads what a form asks.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn of_form(target: Target, form: &Form<'_>) -> Result<Self, Fault> {
        if target == Target::ImageEdits {
            let (inputs, _) = form.files(None);
            if inputs == 0 {
                return Err(Fault::MissingField("image"));
            }
            let prompt = form.length_of("prompt");
            let text = u64::try_from(prompt).unwrap_or(u64::MAX);
            return Ok(Self::Images(Images::read(
                |name| form.field(name.first().copied().unwrap_or_default()),
                text,
                inputs,
            )?));
        }
        let (files, bytes) = form.files(Some("file"));
        if files == 0 {
            return Err(Fault::MissingField("file"));
        }
        if files > 1 {
            return Err(Fault::DuplicateField("file"));
        }
        Ok(Self::Transcript { bytes: u64::try_from(bytes).unwrap_or(u64::MAX) })
    }
}

impl Answer {
    fn read(
        target: Target,
        object: &Object<'_>,
        model: &Model,
        prompt: Prompt,
    ) -> Result<Self, Fault> {
        let is_gemini = target == Target::Generate;
        let config = if is_gemini {
            object.object(&["generationConfig", "generation_config"])?
        } else {
            None
        };
        // Gemini reads its limits in `generationConfig` and nowhere else.
        let none = Object { members: Vec::new(), open: 0 };
        let elsewhere = if is_gemini { &none } else { object };
        let asked = config.as_ref().unwrap_or(elsewhere);
        let names = Names::of(target);
        let mut output_limit = None;
        for name in names.output_limit {
            output_limit = output_limit.max(asked.count(name)?);
        }
        // Zero is no answer with Anthropic, and may be no limit with the others.
        let output_limit = output_limit.filter(|limit| *limit > 0 || target == Target::Messages);
        let output_limit = match output_limit {
            None if target == Target::Completions => Some(USUAL_COMPLETION),
            None if target == Target::Messages => return Err(Fault::MissingField("max_tokens")),
            limit => limit,
        };
        let mut media_out = false;
        for name in names.media_out {
            media_out |= asked.get(name)?.is_some();
        }
        let mut extent = prompt.extent;
        // What the token stands for is at the provider, and may be as long as it likes.
        extent.unbounded |= object.get(&["continuationToken", "continuation_token"])?.is_some();
        let limit_place = match output_limit {
            Some(_) => None,
            None => LimitPlace::of_answer(target, object, config.as_ref())?,
        };
        let thinking: (&[_], &[_]) = if target == Target::AnthropicChat {
            (&["thinking"], &["budget_tokens"])
        } else {
            (&["thinkingConfig", "thinking_config"], &["thinkingBudget", "thinking_budget"])
        };
        let (thinking, budget) = (asked.object(thinking.0)?, thinking.1);
        let budget = thinking.as_ref().map(|it| it.get(budget)).transpose()?.flatten();
        // None asked for is one sent.
        let mut choices = asked.count(names.choices)?.unwrap_or(1).max(1);
        let mut count = prompt.count;
        if target == Target::Completions {
            // Each prompt of a list is answered as often, and the best of several is paid for too.
            choices = choices.max(object.count(&["best_of"])?.unwrap_or(1));
            count = texts(object)?;
            choices = choices.saturating_mul(count);
        }
        let tools = Tools::read(target, object, model, extent.tools_within)?;
        let compacted = object.get(&["context_management"])?.is_some_and(compacts);
        if compacted && tools.search.is_some() {
            return Err(fields::refused_tool());
        }
        let prediction = object.get(&["prediction"])?.map_or(0, |it| it.value.get().len());
        Ok(Self {
            beside: u64::try_from(prediction).unwrap_or(u64::MAX),
            compacted,
            prompt: Prompt { extent, count, ..prompt },
            output_limit,
            limit_place,
            // A negative budget leaves it to the model.
            thinking_budget: budget.and_then(|budget| budget.read()).unwrap_or(0),
            choices,
            tools,
            // Gemini's image models draw whether they are asked to or not.
            media_out: media_out
                || model.provider == Provider::Gemini && model.prices(UnitClass::ImageOutput),
            cache_12h: fields::caches_12h(target, object)?,
        })
    }
}

impl Images {
    /// Reads what images are asked for, with `text` bytes of prompt and `inputs` images.
    fn read(
        field: impl Fn(&'static [&'static str]) -> Result<Option<String>, Fault>,
        text: u64,
        inputs: u64,
    ) -> Result<Self, Fault> {
        let number = |name: &'static [&'static str], usual| match field(name)? {
            Some(text) if !text.is_empty() => {
                let wrong = Fault::WrongType(name.first().copied().unwrap_or_default());
                text.parse().map_err(|_| wrong)
            }
            Some(_) | None => Ok(usual),
        };
        let quality = match field(&["quality"])?.as_deref() {
            Some("low" | "draft") => Quality::Low,
            Some("medium" | "standard") => Quality::Medium,
            _ => Quality::High,
        };
        let size = field(&["size"])?;
        let size = size.as_deref().and_then(|size| {
            let (width, height) = size.split_once('x')?;
            width.parse::<u64>().ok()?.checked_mul(height.parse().ok()?)
        });
        Ok(Self {
            count: number(&["n"], 1)?.max(1),
            text,
            inputs,
            pixels: size.unwrap_or(LARGEST_IMAGE),
            quality,
            previews: number(&["partial_images"], 0)?,
        })
    }
}

/// The pixels of the largest image there is, which may come where the model chooses: 4K.
const LARGEST_IMAGE: u64 = 3_840 * 2_160;

/// A member as the text it would have in a form.
fn text(object: &Object<'_>, name: &'static [&'static str]) -> Result<Option<String>, Fault> {
    let Some(member) = object.get(name)? else { return Ok(None) };
    if let Some(number) = member.read::<u64>() {
        return Ok(Some(number.to_string()));
    }
    let wrong = Fault::WrongType(name.first().copied().unwrap_or_default());
    let Name(text) = member.read().ok_or(wrong)?;
    Ok(Some(text.into_owned()))
}

/// How many elements a member has: none if it is not there, one if it is no list.
fn listed(object: &Object<'_>, name: &'static [&'static str]) -> Result<u64, Fault> {
    let Some(member) = object.get(name)? else { return Ok(0) };
    let elements = member.elements().map_or(1, |elements| elements.len().max(1));
    Ok(u64::try_from(elements).unwrap_or(u64::MAX))
}

/// Whether edits of the context include a compaction: a list of them in `OpenAI`'s format, and
/// in Anthropic's an object that holds one.
fn compacts(management: &Member<'_>) -> bool {
    let object = Object::read(management.value.get(), management.value_at.start);
    let edits = match &object {
        Some(object) => object.get(&["edits"]).ok().flatten().and_then(Member::elements),
        None => management.elements(),
    };
    let compacts = |edit: &str| {
        let edit = Object::read(edit, 0)?;
        let Name(kind) = edit.get(&["type"]).ok()??.read()?;
        Some(kind.starts_with("compact"))
    };
    // What cannot be read may be one.
    edits.is_none_or(|edits| edits.iter().any(|(edit, _)| compacts(edit).unwrap_or(true)))
}

/// How many prompts a completion has: a text or a list of tokens is one, a list of either as many
/// as it is long.
fn texts(object: &Object<'_>) -> Result<u64, Fault> {
    let Some(member) = object.get(&["prompt"])? else { return Ok(1) };
    let elements = member.elements().unwrap_or_default();
    let tokens = elements.iter().all(|(element, _)| element.parse::<u64>().is_ok());
    if tokens { Ok(1) } else { listed(object, &["prompt"]) }
}
