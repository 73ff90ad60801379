//! The head of a request: model, stream, output limit, and the fields of the table in
//! [`crate::fields`]. The text is skipped, not copied, and no error quotes it.

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use shared::{
    catalogue::{Catalogue, Mode, Model},
    content::{Content, Malformed},
    endpoint::EndpointType,
    fault::Fault,
    provider::Provider,
};

use crate::{
    extent::Extent,
    fields,
    limit::LimitPlace,
    route::{GeminiAnswer, Kind},
    splice::Edit,
};

/// What a call needs to know of its request.
pub(crate) struct Head {
    /// The model, from the catalogue.
    pub(crate) model: Arc<Model>,
    /// The catalogue's spelling of the name the caller used.
    pub(crate) spelling: String,
    /// Whether the answer is to come in frames.
    pub(crate) streamed: bool,
    /// Whether the caller asked for the usage chunk of an `OpenAI` stream.
    pub(crate) wants_usage: bool,
    /// The longest answer the caller wants, in tokens.
    pub(crate) output_limit: Option<u64>,
    /// Where a limit can be set, if the caller has set none.
    pub(crate) limit_place: Option<LimitPlace>,
    /// How long the caller lets the model think, of the answer's tokens.
    pub(crate) thinking_budget: u64,
    /// How many answers the caller wants.
    pub(crate) choices: u64,
    /// Whether the caller lends the model tools, which providers describe in tokens of their own.
    pub(crate) tools: bool,
    /// Whether the answer may hold audio or images.
    pub(crate) media_out: bool,
    /// How much there is to read for the model.
    pub(crate) extent: Extent,
    /// How many bytes the body has.
    pub(crate) body_bytes: usize,
    /// The endpoint type that is recorded.
    pub(crate) endpoint_type: EndpointType,
    /// The changes the field table asks for.
    pub(crate) edits: Vec<Edit>,
}

/// The names under which the three dialects ask for what we read.
struct Names {
    output_limit: &'static [&'static [&'static str]],
    choices: &'static [&'static str],
    media_out: &'static [&'static [&'static str]],
}

const OPENAI: Names = Names {
    output_limit: &[&["max_completion_tokens"], &["max_tokens"]],
    choices: &["n"],
    media_out: &[&["modalities"], &["audio"]],
};
const ANTHROPIC: Names = Names { output_limit: &[&["max_tokens"]], choices: &[], media_out: &[] };
const GEMINI: Names = Names {
    output_limit: &[&["maxOutputTokens", "max_output_tokens"]],
    choices: &["candidateCount", "candidate_count"],
    media_out: &[&["responseModalities", "response_modalities"]],
};

impl Head {
    /// Reads the head of `body`.
    ///
    /// # Errors
    /// A fault that names a place or a field and quotes nothing.
    pub(crate) fn read(kind: &Kind, body: &Content, catalogue: &Catalogue) -> Result<Self, Fault> {
        let bytes = body.inspect();
        let object = Object::parse(bytes)?;
        let (name, streamed) = match kind {
            Kind::ChatCompletions | Kind::Messages { .. } => {
                let model = object.get(&["model"])?.ok_or(Fault::MissingField("model"))?;
                let name: Name<'_> = model.read().ok_or(Fault::WrongType("model"))?;
                (name.0, object.flag(&["stream"])?)
            }
            Kind::GenerateContent { model, answer, .. } => {
                (Cow::Borrowed(model.as_str()), *answer != GeminiAnswer::Whole)
            }
        };
        // Google's own name for a model is `models/NAME`.
        let name = name.strip_prefix("models/").unwrap_or(&name);
        let model = catalogue.find(name).ok_or(Fault::UnknownModel)?;
        let spelling = model.spelled(name).ok_or(Fault::UnknownModel)?.to_owned();
        let names = match (kind, model.provider) {
            (Kind::ChatCompletions, _) => &OPENAI,
            (Kind::Messages { .. }, Provider::Anthropic) => &ANTHROPIC,
            (Kind::GenerateContent { .. }, Provider::Gemini) => &GEMINI,
            _ => return Err(Fault::WrongEndpoint),
        };
        if model.mode != Mode::Chat {
            return Err(Fault::WrongEndpoint);
        }
        let config = match kind {
            Kind::GenerateContent { .. } => {
                object.object(&["generationConfig", "generation_config"])?
            }
            Kind::ChatCompletions | Kind::Messages { .. } => None,
        };
        // Gemini reads its limits in `generationConfig` and nowhere else.
        let none = Object { members: Vec::new(), open: 0 };
        let gemini = matches!(kind, Kind::GenerateContent { .. });
        let asked = config.as_ref().unwrap_or(if gemini { &none } else { &object });
        let mut output_limit = None;
        for name in names.output_limit {
            output_limit = output_limit.max(asked.count(name)?);
        }
        // Zero is no answer with Anthropic, and may be no limit with the others.
        let zero_is_none = !matches!(kind, Kind::Messages { .. });
        let output_limit = output_limit.filter(|limit| *limit > 0 || !zero_is_none);
        let mut media_out = false;
        for name in names.media_out {
            media_out |= asked.get(name)?.is_some();
        }
        let mut extent = Extent::of(bytes)?;
        // What the token stands for is at the provider, and may be as long as it likes.
        extent.unbounded |= object.get(&["continuationToken", "continuation_token"])?.is_some();
        let limit_place = match output_limit {
            Some(_) => None,
            None => LimitPlace::find(kind, model.provider, &object, config.as_ref())?,
        };
        let thinking = asked.object(&["thinkingConfig", "thinking_config"])?;
        let budget = match &thinking {
            Some(thinking) => thinking.get(&["thinkingBudget", "thinking_budget"])?,
            None => None,
        };
        // A negative budget leaves it to the model.
        let thinking_budget = budget.and_then(Member::read).unwrap_or(0);
        let edits = fields::apply(kind, model.provider, &object, streamed)?;
        Ok(Self {
            spelling,
            streamed,
            wants_usage: fields::wants_usage(&object)?,
            output_limit,
            limit_place,
            thinking_budget,
            // None asked for is one sent.
            choices: asked.count(names.choices)?.unwrap_or(1).max(1),
            media_out,
            extent,
            body_bytes: bytes.len(),
            endpoint_type: kind.endpoint_type(),
            tools: object.get(&["tools"])?.is_some() || object.get(&["functions"])?.is_some(),
            edits,
            model: Arc::clone(model),
        })
    }
}

/// One member of an object, where it stands in the body.
pub(crate) struct Member<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: &'a RawValue,
    /// From the first byte of the key to the last of the value.
    pub(crate) at: Range<usize>,
    /// The value alone.
    pub(crate) value_at: Range<usize>,
}

impl<'a> Member<'a> {
    /// Reads the value as `T`, if it is one.
    pub(crate) fn read<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.value.get()).ok()
    }

    /// Whether the value is `null`, which the APIs take for absent.
    pub(crate) fn is_null(&self) -> bool {
        self.value.get() == "null"
    }
}

/// An object in the body, with the place of each member.
pub(crate) struct Object<'a> {
    pub(crate) members: Vec<Member<'a>>,
    /// The place after the opening brace.
    pub(crate) open: usize,
}

impl<'a> Object<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Fault::Malformed`] or [`Fault::NotAnObject`].
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let whole: &'a RawValue = serde_json::from_slice(bytes)
            .map_err(|error| Fault::Malformed(Malformed::from(error)))?;
        let start = whole.get().as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
        Self::read(whole.get(), start).ok_or(Fault::NotAnObject)
    }

    /// Reads `text`, which stands at `start` in the body.
    pub(crate) fn read(text: &'a str, start: usize) -> Option<Self> {
        let Members(pairs) = serde_json::from_str(text).ok()?;
        let place = |value: &RawValue| {
            value.get().as_ptr().addr().checked_sub(text.as_ptr().addr())?.checked_add(start)
        };
        let open = start.checked_add(1)?;
        let mut members = Vec::with_capacity(pairs.len());
        let mut last = open;
        for (key, value) in pairs {
            let value_at = place(value)?..place(value)?.checked_add(value.get().len())?;
            // Between two members there is white space and a comma, then the quote of the key.
            let gap = text.as_bytes().get(last.checked_sub(start)?..)?;
            let at = last.checked_add(memchr::memchr(b'"', gap)?)?..value_at.end;
            last = value_at.end;
            members.push(Member { key, value, at, value_at });
        }
        Some(Self { members, open })
    }

    /// The member of any of these spellings, of which there may be one. `null` stands for absent.
    ///
    /// # Errors
    /// [`Fault::DuplicateField`], however the key is escaped: serde has unescaped it.
    pub(crate) fn get(
        &self,
        spellings: &'static [&'static str],
    ) -> Result<Option<&Member<'a>>, Fault> {
        Ok(self.get_or_null(spellings)?.filter(|member| !member.is_null()))
    }

    /// The same, `null` included: what is to be set or taken out must not stay beside it.
    ///
    /// # Errors
    /// The same.
    pub(crate) fn get_or_null(
        &self,
        spellings: &'static [&'static str],
    ) -> Result<Option<&Member<'a>>, Fault> {
        let mut found = self.members.iter().filter(|member| spellings.contains(&&*member.key));
        let first = found.next();
        match (found.next(), spellings.first()) {
            (Some(_), Some(name)) => Err(Fault::DuplicateField(name)),
            _ => Ok(first),
        }
    }

    /// The member of these spellings as an object of its own.
    ///
    /// # Errors
    /// When it stands there twice or is not an object.
    pub(crate) fn object(&self, spellings: &'static [&'static str]) -> Result<Option<Self>, Fault> {
        let Some(member) = self.get(spellings)? else { return Ok(None) };
        let name = spellings.first().copied().unwrap_or_default();
        let object = Self::read(member.value.get(), member.value_at.start);
        object.map(Some).ok_or(Fault::WrongType(name))
    }

    /// A member that is true or false, and false where it is absent.
    ///
    /// # Errors
    /// When it stands there twice or is neither.
    pub(crate) fn flag(&self, spellings: &'static [&'static str]) -> Result<bool, Fault> {
        let Some(member) = self.get(spellings)? else { return Ok(false) };
        member.read().ok_or(Fault::WrongType(spellings.first().copied().unwrap_or_default()))
    }

    /// A member that is a whole number.
    ///
    /// # Errors
    /// When it stands there twice or is not such a number.
    fn count(&self, spellings: &'static [&'static str]) -> Result<Option<u64>, Fault> {
        let Some(member) = self.get(spellings)? else { return Ok(None) };
        let name = spellings.first().copied().unwrap_or_default();
        member.read().map(Some).ok_or(Fault::WrongType(name))
    }
}

/// A string that is borrowed where it is not escaped.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The members of an object, in order, values unread.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(Name(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}
