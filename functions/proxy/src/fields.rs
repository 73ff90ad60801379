//! The one table of fields that are set, dropped, refused or knowingly passed on their way to a
//! provider. A field that is not in it is passed as it came.

use serde::Deserialize;
use shared::{fault::Fault, provider::Provider};

use crate::{
    head::{Member, Name, Object},
    route::Kind,
    splice::Edit,
};

/// Where a body is going, which is what its fields mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `OpenAI`'s chat completions.
    OpenAi,
    /// Anthropic's endpoint for `OpenAI`'s format.
    AnthropicCompatible,
    /// Google's endpoint for `OpenAI`'s format, whose schema is strict.
    GeminiCompatible,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent`.
    Gemini,
}

impl Target {
    pub(crate) const fn of(kind: &Kind, provider: Provider) -> Self {
        match (kind, provider) {
            (Kind::ChatCompletions, Provider::OpenAi) => Self::OpenAi,
            (Kind::ChatCompletions, Provider::Anthropic) => Self::AnthropicCompatible,
            (Kind::ChatCompletions, Provider::Gemini) => Self::GeminiCompatible,
            (Kind::Messages { .. }, _) => Self::Messages,
            (Kind::GenerateContent { .. }, _) => Self::Gemini,
        }
    }
}

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
}

/// One row: where, which field in which spellings, and what happens.
struct Row(&'static [Target], &'static [&'static str], Act);

const CHAT: &[Target] = &[Target::OpenAi, Target::AnthropicCompatible, Target::GeminiCompatible];
const CLAUDE: &[Target] = &[Target::Messages, Target::AnthropicCompatible];
const STORED: &str = "it refers to content stored at the provider; send the content itself";
const LONGER: &str = "longer retention at the provider is not used here";
const TIER: &str = "there is no listed price for it; leave it out";

const TABLE: &[Row] = &[
    // The model is priced by the path, and a body that names another might be served by that.
    Row(&[Target::Gemini], &["model"], Act::Refuse("the model is named in the path")),
    // Storage at the provider is off.
    Row(&[Target::OpenAi], &["store"], Act::Set { value: "false", member: "\"store\":false" }),
    Row(&[Target::AnthropicCompatible, Target::GeminiCompatible], &["store"], Act::Drop),
    Row(&[Target::Gemini], &["store"], Act::Correct("false")),
    Row(CHAT, &["background"], Act::Refuse(STORED)),
    Row(CHAT, &["conversation"], Act::Refuse(STORED)),
    Row(CHAT, &["previous_response_id"], Act::Refuse(STORED)),
    Row(&[Target::Gemini], &["cachedContent", "cached_content"], Act::Refuse(STORED)),
    Row(CLAUDE, &["container"], Act::Refuse(STORED)),
    // Google's extensions to OpenAI's format, through which cached content could be named.
    Row(&[Target::GeminiCompatible], &["extra_body"], Act::Refuse(STORED)),
    Row(&[Target::GeminiCompatible], &["google"], Act::Refuse(STORED)),
    Row(
        &[Target::OpenAi],
        &["prompt_cache_retention"],
        Act::Only(&["in_memory", "in-memory"], LONGER),
    ),
    // What names the people behind the caller.
    Row(CHAT, &["user"], Act::Drop),
    Row(CHAT, &["safety_identifier"], Act::Drop),
    Row(CHAT, &["metadata"], Act::Drop),
    Row(&[Target::Messages], &["metadata"], Act::Drop),
    Row(&[Target::Gemini], &["labels"], Act::Drop),
    // What has no listed price.
    Row(CHAT, &["service_tier"], Act::Only(&["auto", "default"], TIER)),
    Row(&[Target::Messages], &["service_tier"], Act::Only(&["auto", "standard_only"], TIER)),
    Row(CLAUDE, &["speed"], Act::Only(&["standard"], TIER)),
    Row(CLAUDE, &["inference_geo"], Act::Only(&["global"], TIER)),
    Row(
        &[Target::Gemini],
        &["serviceTier", "service_tier"],
        Act::Only(&["standard", "STANDARD"], TIER),
    ),
    Row(CHAT, &["web_search_options"], Act::Refuse(PROVIDER_TOOL)),
    Row(CLAUDE, &["mcp_servers"], Act::Refuse(PROVIDER_TOOL)),
];

const PROVIDER_TOOL: &str = "tools that the provider runs are not offered here yet";

/// What the table asks of `object`, as edits of the body.
///
/// # Errors
/// When a field is refused, or one that the table knows stands there twice.
pub(crate) fn apply(
    kind: &Kind,
    provider: Provider,
    object: &Object<'_>,
    streamed: bool,
) -> Result<Vec<Edit>, Fault> {
    let target = Target::of(kind, provider);
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
            (Act::Correct(_) | Act::Drop | Act::Refuse(_) | Act::Only(..), None) => {}
        }
    }
    cut(&mut edits, object, |key| dropped.iter().any(|spellings| spellings.contains(&key)));
    if kind == &Kind::ChatCompletions && streamed {
        ask_for_usage(&mut edits, object)?;
    }
    if let Some(options) = object.object(&["prompt_cache_options"])?
        && let Some(ttl) = options.get(&["ttl"])?
        && ttl.read().is_none_or(|Name(ttl)| ttl != "30m")
    {
        return Err(Fault::RefusedField { field: "prompt_cache_options.ttl", why: LONGER });
    }
    only_client_tools(target, object)?;
    Ok(edits)
}

/// Whether the caller of an `OpenAI` stream asked for its usage chunk.
///
/// # Errors
/// When the option stands there twice or is neither true nor false.
pub(crate) fn wants_usage(object: &Object<'_>) -> Result<bool, Fault> {
    let options = object.object(&["stream_options"])?;
    options.map_or(Ok(false), |options| options.flag(&["include_usage"]))
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

/// Refuses tools that the provider runs: what they read is not in the body, so no hold bounds it,
/// and searches are billed beside the tokens.
fn only_client_tools(target: Target, object: &Object<'_>) -> Result<(), Fault> {
    let Some(tools) = object.get(&["tools"])? else { return Ok(()) };
    let tools: Vec<Tool<'_>> = tools.read().ok_or(Fault::WrongType("tools"))?;
    let client_run = |tool: &Tool<'_>| match target {
        Target::Gemini => !tool.provider_run,
        Target::Messages => tool.kind.as_ref().is_none_or(|Name(kind)| {
            // The client runs these; their dates change.
            let dated = ["bash_", "computer_", "memory_", "text_editor_"];
            kind == "custom" || dated.iter().any(|prefix| kind.starts_with(prefix))
        }),
        Target::OpenAi | Target::AnthropicCompatible | Target::GeminiCompatible => {
            // One without a type may be a provider's own, such as Google's `google_search`.
            tool.kind.as_ref().is_some_and(|Name(kind)| kind == "function" || kind == "custom")
        }
    };
    if tools.iter().all(client_run) {
        return Ok(());
    }
    Err(Fault::RefusedField { field: "tools", why: PROVIDER_TOOL })
}

/// Who runs a tool.
struct Tool<'a> {
    kind: Option<Name<'a>>,
    /// For Gemini: something else than function declarations is in it.
    provider_run: bool,
}

impl<'de> Deserialize<'de> for Tool<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        let object = Object::read(raw.get(), 0);
        let object = object.ok_or_else(|| serde::de::Error::custom("a tool is an object"))?;
        let mut kinds = object.members.iter().filter(|member| member.key == "type");
        let kind = kinds.next().filter(|kind| !kind.is_null());
        if kinds.next().is_some() {
            return Err(serde::de::Error::custom("a tool has one type"));
        }
        let kind = match kind.map(Member::read) {
            Some(None) => return Err(serde::de::Error::custom("a type is a string")),
            Some(kind) => kind,
            None => None,
        };
        let declared = |key: &str| matches!(key, "functionDeclarations" | "function_declarations");
        let provider_run = object.members.iter().any(|member| !declared(&member.key));
        Ok(Self { kind, provider_run })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shared::content::Content;

    use super::*;
    use crate::{route::GeminiAnswer, splice};

    fn sent(kind: &Kind, provider: Provider, body: &str) -> Result<String, Fault> {
        let object = Object::parse(body.as_bytes())?;
        let streamed = object.flag(&["stream"])?;
        let edits = apply(kind, provider, &object, streamed)?;
        let content = Content::new(Bytes::copy_from_slice(body.as_bytes()));
        Ok(splice::joined(content, edits))
    }

    fn chat(body: &str) -> Result<String, Fault> {
        sent(&Kind::ChatCompletions, Provider::OpenAi, body)
    }

    fn gemini(body: &str) -> Result<String, Fault> {
        let kind = Kind::GenerateContent {
            version: "v1",
            model: String::new(),
            answer: GeminiAnswer::Whole,
        };
        sent(&kind, Provider::Gemini, body)
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
    fn what_has_no_price_or_is_stored_is_refused() {
        let refused = |result: Result<String, Fault>, name| {
            assert!(
                matches!(result, Err(Fault::RefusedField { field, .. }) if field == name),
                "{name}"
            );
        };
        refused(chat(r#"{"service_tier":"priority"}"#), "service_tier");
        refused(chat(r#"{"prompt_cache_options":{"ttl":"12h"}}"#), "prompt_cache_options.ttl");
        refused(chat(r#"{"web_search_options":{}}"#), "web_search_options");
        refused(gemini(r#"{"cachedContent":"cachedContents/1"}"#), "cachedContent");
        refused(gemini(r#"{"tools":[{"googleSearch":{}}]}"#), "tools");
        refused(gemini(r#"{"model":"models/gemini-2.5-pro"}"#), "model");
        refused(chat(r#"{"tools":[{"google_search":{}}]}"#), "tools");
        let messages = Kind::Messages { beta: false };
        let search = r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#;
        refused(sent(&messages, Provider::Anthropic, search), "tools");
        let bash = r#"{"tools":[{"type":"bash_20250124","name":"bash"},{"name":"own"}]}"#;
        assert_eq!(sent(&messages, Provider::Anthropic, bash).unwrap(), bash);
        let own = r#"{"tools":[{"functionDeclarations":[]}]}"#;
        assert_eq!(gemini(own).unwrap(), own);
    }
}
