//! The one table of fields that are set, dropped, refused or knowingly passed on their way to a
//! provider. A field that is not in it is passed as it came.

use shared::{
    catalogue::Model,
    fault::Fault,
    tier::{Place, Speed, Tier},
};

use crate::{
    object::{Member, Name, Object},
    splice::Edit,
    target::Target,
};

/// What happens to a field.
enum Act {
    /// It gets this value, also where the caller left it out: the value, and the member with it.
    Set { value: &'static str, member: &'static str },
    /// It gets this value where the caller has it.
    Correct(&'static str),
    /// It is taken out.
    Drop,
    /// The call is refused, for this reason.
    Refuse(&'static str),
    /// The call is refused unless the value is one of these strings.
    Only(&'static [&'static str], &'static str),
    /// It is passed, and its value decides the price: see [`tier`].
    Price,
}

/// One row: where, which field in which spellings, and what happens.
struct Row(&'static [Target], &'static [&'static str], Act);

const CHAT: &[Target] = &[Target::Chat, Target::AnthropicChat, Target::GeminiChat];
const RESPONSES: &[Target] = &[Target::Responses, Target::Compact, Target::InputTokens];
/// Whatever has a conversation in `OpenAI`'s formats.
const TALK: &[Target] = &[
    Target::Chat,
    Target::AnthropicChat,
    Target::GeminiChat,
    Target::Responses,
    Target::Compact,
    Target::InputTokens,
];
/// Whatever is in one of `OpenAI`'s formats.
const OPENAI: &[Target] = &[
    Target::Chat,
    Target::AnthropicChat,
    Target::GeminiChat,
    Target::Completions,
    Target::Responses,
    Target::Compact,
    Target::InputTokens,
    Target::Embeddings,
    Target::GeminiEmbeddings,
    Target::Images,
    Target::GeminiImages,
    Target::ImageEdits,
    Target::Speech,
    Target::Transcriptions,
    Target::Translations,
    Target::Moderations,
];
/// Google's endpoints for `OpenAI`'s formats.
const GEMINI_COMPATIBLE: &[Target] =
    &[Target::GeminiChat, Target::GeminiEmbeddings, Target::GeminiImages];
const CLAUDE: &[Target] = &[Target::Messages, Target::CountMessage, Target::AnthropicChat];
const MESSAGES: &[Target] = &[Target::Messages, Target::CountMessage];
const CONTENT: &[Target] = &[Target::Generate, Target::CountContent];
const STORED: &str = "it refers to content stored at the provider; send the content itself";
const LONGER: &str = "longer retention at the provider is not used here";
const TIER: &str = "there is no listed price for it; leave it out";

const TABLE: &[Row] = &[
    // The model is priced by the path, and a body that names another might be served by that.
    Row(&[Target::Generate], &["model"], Act::Refuse("the model is named in the path")),
    // Storage at the provider is off.
    Row(
        &[Target::Chat, Target::Responses],
        &["store"],
        Act::Set { value: "false", member: "\"store\":false" },
    ),
    Row(
        &[Target::AnthropicChat, Target::GeminiChat, Target::Compact, Target::InputTokens],
        &["store"],
        Act::Drop,
    ),
    Row(&[Target::Generate], &["store"], Act::Correct("false")),
    Row(TALK, &["background"], Act::Refuse(STORED)),
    Row(TALK, &["conversation"], Act::Refuse(STORED)),
    Row(TALK, &["previous_response_id"], Act::Refuse(STORED)),
    Row(RESPONSES, &["prompt"], Act::Refuse(STORED)),
    Row(CONTENT, &["cachedContent", "cached_content"], Act::Refuse(STORED)),
    Row(CLAUDE, &["container"], Act::Refuse(STORED)),
    // Google's extensions to OpenAI's format, through which cached content could be named.
    Row(GEMINI_COMPATIBLE, &["extra_body"], Act::Refuse(EXTENSION)),
    Row(GEMINI_COMPATIBLE, &["google"], Act::Refuse(EXTENSION)),
    Row(TALK, &["prompt_cache_retention"], Act::Only(&["in_memory", "in-memory"], LONGER)),
    // What names the people behind the caller.
    Row(OPENAI, &["user"], Act::Drop),
    Row(OPENAI, &["safety_identifier"], Act::Drop),
    Row(OPENAI, &["metadata"], Act::Drop),
    Row(TALK, &["client_metadata"], Act::Drop),
    Row(MESSAGES, &["metadata"], Act::Drop),
    Row(CONTENT, &["labels"], Act::Drop),
    // What decides the price, and what has none.
    Row(&[Target::Chat, Target::Responses], &["service_tier"], Act::Price),
    Row(&[Target::Generate], &["serviceTier", "service_tier"], Act::Price),
    Row(&[Target::Messages], &["speed"], Act::Price),
    Row(&[Target::Messages], &["inference_geo"], Act::Price),
    Row(&[Target::AnthropicChat], &["speed"], Act::Only(&["standard"], TIER)),
    Row(&[Target::AnthropicChat], &["inference_geo"], Act::Only(&["global"], TIER)),
    Row(
        &[Target::AnthropicChat, Target::GeminiChat, Target::Compact],
        &["service_tier"],
        Act::Only(&["auto", "default"], TIER),
    ),
    Row(&[Target::Messages], &["service_tier"], Act::Only(&["auto", "standard_only"], TIER)),
    Row(CHAT, &["web_search_options"], Act::Refuse(PROVIDER_TOOL)),
    Row(CLAUDE, &["mcp_servers"], Act::Refuse(PROVIDER_TOOL)),
    // Other models, at prices of their own, and answers beside the one that is limited.
    Row(CLAUDE, &["fallbacks"], Act::Refuse(OTHERS)),
    Row(CLAUDE, &["fallback_credit_token"], Act::Refuse(OTHERS)),
    Row(RESPONSES, &["multi_agent"], Act::Refuse(OTHERS)),
    // The same request once more, where nothing of it would be looked at.
    Row(
        &[Target::CountContent],
        &["generateContentRequest", "generate_content_request"],
        Act::Refuse("send its members themselves"),
    ),
    Row(
        &[Target::Images, Target::ImageEdits],
        &["output_format"],
        Act::Only(
            &["png", "jpeg", "webp"],
            "another model writes it, whose price is not this one's",
        ),
    ),
];

const OTHERS: &str =
    "other models or answers would take part, and what they cost cannot be bounded";
const EXTENSION: &str = "content stored at the provider could be named in it";
const PROVIDER_TOOL: &str = "this tool runs at the provider, and what it costs cannot be bounded";

/// What the table asks of `object`, as edits of the body.
///
/// # Errors
/// When a field is refused, or one that the table knows stands there twice.
pub(crate) fn apply(
    target: Target,
    object: &Object<'_>,
    streamed: bool,
) -> Result<Vec<Edit>, Fault> {
    let mut edits = Vec::new();
    let mut dropped = Vec::new();
    for Row(targets, spellings, act) in TABLE {
        if !targets.contains(&target) {
            continue;
        }
        let field = spellings.first().copied().unwrap_or_default();
        let member = object.get_or_null(spellings)?;
        let is_null = member.is_some_and(Member::is_null);
        match (act, member) {
            (Act::Set { value, .. } | Act::Correct(value), Some(member)) => {
                replace(&mut edits, member, value);
            }
            (Act::Set { member, .. }, None) => insert(&mut edits, object, member),
            (Act::Drop, Some(_)) => dropped.push(*spellings),
            (Act::Refuse(_) | Act::Only(..), Some(_)) if is_null => {}
            // What is switched off, or a list of nothing, asks for nothing.
            (Act::Refuse(_), Some(member)) if ["false", "[]"].contains(&member.value.get()) => {}
            (Act::Refuse(why), Some(_)) => return Err(Fault::RefusedField { field, why }),
            (Act::Only(values, why), Some(member)) => {
                let value: Option<Name<'_>> = member.read();
                if !value.is_some_and(|Name(value)| values.contains(&&*value)) {
                    return Err(Fault::RefusedField { field, why });
                }
            }
            (Act::Price, Some(_))
            | (Act::Correct(_) | Act::Drop | Act::Refuse(_) | Act::Only(..) | Act::Price, None) => {
            }
        }
    }
    cut(&mut edits, object, |key| dropped.iter().any(|spellings| spellings.contains(&key)));
    if streamed && sends_usage_chunk(target) {
        ask_for_usage(&mut edits, object)?;
    }
    Ok(edits)
}

/// What the table asks of a field of a form: whether the field is taken out.
///
/// # Errors
/// When its value is refused.
pub(crate) fn of_form(
    target: Target,
    field: impl Fn(&'static str) -> Result<Option<String>, Fault>,
) -> Result<Vec<&'static str>, Fault> {
    let mut dropped = Vec::new();
    for Row(targets, spellings, act) in TABLE {
        let [name] = spellings else { continue };
        if !targets.contains(&target) {
            continue;
        }
        match act {
            Act::Drop => dropped.push(*name),
            Act::Only(values, why) => {
                if field(name)?.is_some_and(|value| !values.contains(&value.as_str())) {
                    return Err(Fault::RefusedField { field: name, why });
                }
            }
            Act::Refuse(why) => {
                if field(name)?.is_some() {
                    return Err(Fault::RefusedField { field: name, why });
                }
            }
            Act::Set { .. } | Act::Correct(_) | Act::Price => {}
        }
    }
    Ok(dropped)
}

/// The tier that is asked for, by the fields that the table lets decide the price.
///
/// # Errors
/// When the model has no listed price for it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the rest has one tier")]
pub(crate) fn tier(target: Target, object: &Object<'_>, model: &Model) -> Result<Tier, Fault> {
    let refused = |field| Fault::RefusedField { field, why: TIER };
    let text = |spellings: &'static [&'static str]| -> Result<Option<Name<'_>>, Fault> {
        let Some(member) = object.get(spellings)? else { return Ok(None) };
        let name = spellings.first().copied().unwrap_or_default();
        member.read().map(Some).ok_or(Fault::WrongType(name))
    };
    let (tier, field) = match target {
        Target::Chat | Target::Responses | Target::Generate => {
            let field = "service_tier";
            let (both, one) = (&["serviceTier", "service_tier"], &["service_tier"]);
            let spellings: &'static [_] = if target == Target::Generate { both } else { one };
            let asked = text(spellings)?.map(|Name(name)| Tier::of_service_tier(&name));
            (asked.unwrap_or(Some(Tier::Standard)).ok_or(refused(field))?, field)
        }
        Target::Messages => {
            let speed = match text(&["speed"])?.as_ref().map(|Name(name)| &**name) {
                None | Some("standard") => Speed::Standard,
                Some("fast") => Speed::Fast,
                Some(_) => return Err(refused("speed")),
            };
            let place = match text(&["inference_geo"])?.as_ref().map(|Name(name)| &**name) {
                None | Some("global") => Place::Anywhere,
                Some("us") => Place::Us,
                Some(_) => return Err(refused("inference_geo")),
            };
            let field = if speed == Speed::Fast { "speed" } else { "inference_geo" };
            (Tier::of_speed_and_place(speed, place), field)
        }
        _ => (Tier::Standard, ""),
    };
    model.lists(tier).then_some(tier).ok_or(refused(field))
}

/// How long the caches that are to be written live, if longer than usual: twelve hours.
///
/// # Errors
/// When a lifetime is asked for that has no listed price.
pub(crate) fn caches_12h(target: Target, object: &Object<'_>) -> Result<bool, Fault> {
    if !TALK.contains(&target) {
        return Ok(false);
    }
    let Some(options) = object.object(&["prompt_cache_options"])? else { return Ok(false) };
    let Some(ttl) = options.get(&["ttl"])? else { return Ok(false) };
    let Name(ttl) = ttl.read().ok_or(Fault::WrongType("prompt_cache_options.ttl"))?;
    match &*ttl {
        "30m" => Ok(false),
        "12h" => Ok(true),
        _ => Err(Fault::RefusedField { field: "prompt_cache_options.ttl", why: LONGER }),
    }
}

/// Whether the caller of an `OpenAI` stream asked for its usage chunk.
///
/// # Errors
/// When the option stands there twice or is neither true nor false.
pub(crate) fn wants_usage(target: Target, object: &Object<'_>) -> Result<bool, Fault> {
    if !sends_usage_chunk(target) {
        return Ok(false);
    }
    let Some(options) = object.object(&["stream_options"])? else { return Ok(false) };
    let Some(asked) = options.get(&["include_usage"])? else { return Ok(false) };
    asked.read().ok_or(Fault::WrongType("stream_options.include_usage"))
}

/// Whether the usage of a stream comes in a chunk of its own, to whoever asks.
pub(crate) fn sends_usage_chunk(target: Target) -> bool {
    CHAT.contains(&target) || target == Target::Completions
}

/// Without the usage chunk there is nothing to bill by.
fn ask_for_usage(edits: &mut Vec<Edit>, object: &Object<'_>) -> Result<(), Fault> {
    match object.object(&["stream_options"])? {
        None => match object.get_or_null(&["stream_options"])? {
            Some(null) => replace(edits, null, "{\"include_usage\":true}"),
            None => insert(edits, object, "\"stream_options\":{\"include_usage\":true}"),
        },
        Some(options) => match options.get_or_null(&["include_usage"])? {
            Some(member) => replace(edits, member, "true"),
            None => insert(edits, &options, "\"include_usage\":true"),
        },
    }
    Ok(())
}

/// Why something is refused that a provider keeps.
pub(crate) const fn refused_stored(field: &'static str) -> Fault {
    Fault::RefusedField { field, why: STORED }
}

/// Why a tool is refused.
pub(crate) const fn refused_tool() -> Fault {
    Fault::RefusedField { field: "tools", why: PROVIDER_TOOL }
}

fn replace(edits: &mut Vec<Edit>, member: &Member<'_>, value: &'static str) {
    if member.value.get() != value {
        edits.push(Edit { at: member.value_at.clone(), to: value.into() });
    }
}

fn insert(edits: &mut Vec<Edit>, object: &Object<'_>, member: &'static str) {
    edits.push(Edit { at: object.open..object.open, to: member.into() });
    if !object.members.is_empty() {
        edits.push(Edit { at: object.open..object.open, to: ",".into() });
    }
}

/// Takes members out, each with the comma that no longer divides anything: the one before it, or
/// the one behind it while nothing stands before.
fn cut(edits: &mut Vec<Edit>, object: &Object<'_>, dropped: impl Fn(&str) -> bool) {
    let mut kept_end = None;
    let mut members = object.members.iter().peekable();
    let mut last_end = object.open;
    while let Some(member) = members.next() {
        if !dropped(&member.key) {
            kept_end = Some(member.at.end);
        } else if kept_end.is_some() {
            edits.push(Edit { at: last_end..member.at.end, to: "".into() });
        } else {
            let end = members.peek().map_or(member.at.end, |next| next.at.start);
            edits.push(Edit { at: member.at.start..end, to: "".into() });
        }
        last_end = member.at.end;
    }
}

#[cfg(test)]
mod tests;
