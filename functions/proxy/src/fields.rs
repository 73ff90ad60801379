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
fn sends_usage_chunk(target: Target) -> bool {
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
mod tests {
    use bytes::Bytes;
    use shared::content::Content;

    use super::*;
    use crate::splice;

    fn sent(target: Target, body: &str) -> Result<String, Fault> {
        let object = Object::parse(body.as_bytes())?;
        let streamed = object.flag(&["stream"])?;
        let edits = apply(target, &object, streamed)?;
        let content = Content::new(Bytes::copy_from_slice(body.as_bytes()));
        Ok(splice::joined(content, edits))
    }

    fn chat(body: &str) -> Result<String, Fault> {
        sent(Target::Chat, body)
    }

    fn gemini(body: &str) -> Result<String, Fault> {
        sent(Target::Generate, body)
    }

    fn tier_of(target: Target, model: &str, body: &str) -> Result<Tier, Fault> {
        let catalogue = shared::catalogue::Catalogue::load(shared::money::Markup::default());
        let catalogue = catalogue.unwrap();
        let object = Object::parse(body.as_bytes())?;
        tier(target, &object, catalogue.find(model).unwrap())
    }

    #[test]
    fn a_tier_is_what_the_fields_ask_for_and_one_without_a_price_is_refused() {
        let gpt = |body| tier_of(Target::Chat, "gpt-5-mini", body);
        assert_eq!(gpt("{}"), Ok(Tier::Standard));
        assert_eq!(gpt(r#"{"service_tier":null}"#), Ok(Tier::Standard));
        assert_eq!(gpt(r#"{"service_tier":"flex"}"#), Ok(Tier::Flex));
        assert_eq!(gpt(r#"{"service_tier":"fast"}"#), Ok(Tier::Priority));
        let claude = |model, body| tier_of(Target::Messages, model, body);
        assert_eq!(claude("claude-opus-5", r#"{"speed":"fast"}"#), Ok(Tier::Fast));
        let both = r#"{"speed":"fast","inference_geo":"us"}"#;
        assert_eq!(claude("claude-opus-5", both), Ok(Tier::FastUs));
        assert_eq!(claude("claude-opus-5", r#"{"service_tier":"auto"}"#), Ok(Tier::Standard));
        let google = |body| tier_of(Target::Generate, "gemini-2.5-pro", body);
        assert_eq!(google(r#"{"serviceTier":"FLEX"}"#), Ok(Tier::Flex));
        for refused in [
            gpt(r#"{"service_tier":"scale"}"#),
            gpt(r#"{"service_tier":"ultrafast"}"#),
            claude("claude-sonnet-5", r#"{"speed":"fast"}"#),
            claude("claude-haiku-4-5", r#"{"inference_geo":"us"}"#),
            claude("claude-opus-5", r#"{"inference_geo":"eu"}"#),
        ] {
            assert!(matches!(refused, Err(Fault::RefusedField { .. })), "{refused:?}");
        }
        assert_eq!(gpt(r#"{"service_tier":1}"#), Err(Fault::WrongType("service_tier")));
        assert_eq!(
            gpt(r#"{"service_tier":"flex","service_ti\u0065r":"priority"}"#),
            Err(Fault::DuplicateField("service_tier"))
        );
    }

    #[test]
    fn a_form_loses_what_names_people_too() {
        let none = of_form(Target::ImageEdits, |_| Ok(None)).unwrap();
        assert!(none.contains(&"user"));
        let svg = of_form(Target::ImageEdits, |name| {
            Ok((name == "output_format").then(|| "svg".to_owned()))
        });
        assert!(matches!(svg, Err(Fault::RefusedField { field: "output_format", .. })));
    }

    #[test]
    fn storage_is_off_and_the_rest_stays_byte_for_byte() {
        let body = r#"{ "model" : "m", "n": 1e0, "big":12345678901234567890123 }"#;
        let expected =
            r#"{"store":false, "model" : "m", "n": 1e0, "big":12345678901234567890123 }"#;
        assert_eq!(chat(body).unwrap(), expected);
        for value in ["true", "null", "1"] {
            let body = format!(r#"{{"store":{value}}}"#);
            assert_eq!(chat(&body).unwrap(), r#"{"store":false}"#);
        }
        assert_eq!(chat(r#"{"store":false,"user":null}"#).unwrap(), r#"{"store":false}"#);
        assert_eq!(chat(r#"{"store":false}"#).unwrap(), r#"{"store":false}"#);
    }

    #[test]
    fn usage_is_asked_for_in_every_stream() {
        let with =
            |options: &str| chat(&format!(r#"{{"store":false,"stream":true{options}}}"#)).unwrap();
        let asked = r#""stream_options":{"include_usage":true}"#;
        assert_eq!(with(""), format!(r#"{{{asked},"store":false,"stream":true}}"#));
        for options in [r#"{"include_usage":true}"#, r#"{"include_usage":false}"#, "{}", "null"] {
            let sent = with(&format!(r#","stream_options":{options}"#));
            assert_eq!(sent, format!(r#"{{"store":false,"stream":true,{asked}}}"#));
        }
        let merged = with(r#","stream_options":{"include_obfuscation":false}"#);
        assert!(merged.contains(r#"{"include_usage":true,"include_obfuscation":false}"#));
    }

    #[test]
    fn names_of_people_are_taken_out_wherever_they_stand() {
        let names = [r#""user":"u""#, r#""metadata":{"a":1}"#, r#""safety_identifier":"s""#];
        let rest = [r#""store":false"#, r#""model":"m""#];
        // Every order of the five members, by Heap's algorithm's simpler cousin: rotations of
        // both interleavings.
        let mut members: Vec<&str> = names.iter().chain(&rest).copied().collect();
        for _ in 0..members.len() {
            members.rotate_left(1);
            for swap in 1..members.len() {
                let mut order = members.clone();
                order.swap(0, swap);
                let sent = chat(&format!("{{{}}}", order.join(" , "))).unwrap();
                let value: serde_json::Value = serde_json::from_str(&sent).unwrap();
                assert_eq!(value, serde_json::json!({"store": false, "model": "m"}), "{sent}");
            }
        }
    }

    #[test]
    fn a_field_of_the_table_may_stand_there_once_however_it_is_escaped() {
        assert_eq!(chat(r#"{"store":true,"st\u006fre":1}"#), Err(Fault::DuplicateField("store")));
        let twice = r#"{"cachedContent":null,"cached_content":"x"}"#;
        assert_eq!(gemini(twice), Err(Fault::DuplicateField("cachedContent")));
    }

    #[test]
    fn what_is_stored_is_refused_and_a_response_is_never_stored() {
        let refused = |result: Result<String, Fault>, name| {
            assert!(
                matches!(result, Err(Fault::RefusedField { field, .. }) if field == name),
                "{name}"
            );
        };
        refused(chat(r#"{"web_search_options":{}}"#), "web_search_options");
        refused(gemini(r#"{"cachedContent":"cachedContents/1"}"#), "cachedContent");
        refused(gemini(r#"{"model":"models/gemini-2.5-pro"}"#), "model");
        for field in ["background", "conversation", "previous_response_id", "prompt"] {
            for target in RESPONSES {
                refused(sent(*target, &format!(r#"{{"{field}":"x"}}"#)), field);
            }
        }
        // Other models and answers than the one that is priced.
        refused(sent(Target::Messages, r#"{"fallbacks":[{"model":"x"}]}"#), "fallbacks");
        refused(sent(Target::Responses, r#"{"multi_agent":{"enabled":true}}"#), "multi_agent");
        let nested = r#"{"generateContentRequest":{"labels":{}}}"#;
        refused(sent(Target::CountContent, nested), "generateContentRequest");
        let response = sent(Target::Responses, r#"{"model":"m","client_metadata":{"a":"b"}}"#);
        assert_eq!(response.unwrap(), r#"{"store":false,"model":"m"}"#);
        let count = sent(Target::InputTokens, r#"{"model":"m","store":true}"#);
        assert_eq!(count.unwrap(), r#"{"model":"m"}"#);
    }

    #[test]
    fn a_cache_may_live_as_long_as_there_is_a_price_for() {
        let of = |body: &str| caches_12h(Target::Responses, &Object::parse(body.as_bytes())?);
        assert_eq!(of("{}"), Ok(false));
        assert_eq!(of(r#"{"prompt_cache_options":{"mode":"auto","ttl":"30m"}}"#), Ok(false));
        assert_eq!(of(r#"{"prompt_cache_options":{"ttl":"12h"}}"#), Ok(true));
        assert!(of(r#"{"prompt_cache_options":{"ttl":"24h"}}"#).is_err());
        assert!(of(r#"{"prompt_cache_options":{"ttl":24}}"#).is_err());
    }
}
