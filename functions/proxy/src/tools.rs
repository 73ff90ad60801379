//! The tools a caller lends the model. Those that the caller runs are text in the prompt; those
//! that the provider runs read what is not in the body, so they are let through only where the
//! number of their turns can be limited and each has a price.

use shared::{catalogue::Model, fault::Fault, units::UnitClass};

use crate::{
    fields,
    limit::LimitPlace,
    object::{Member, Name, Object},
    target::Target,
};

/// How many searches a model may make for a caller who does not say.
const USUAL_SEARCHES: u64 = 3;

/// The tools of a call.
#[derive(Default)]
pub(crate) struct Tools {
    /// Whether there are any.
    pub(crate) any: bool,
    /// The search that the provider runs, if the model may search.
    pub(crate) search: Option<Search>,
}

/// A search that the provider runs.
pub(crate) struct Search {
    /// How often the model may search.
    pub(crate) times: u64,
    /// Where that is limited, if the caller has not limited it.
    pub(crate) place: Option<LimitPlace>,
    /// Whether what is found is read at the price of tokens.
    pub(crate) is_read: bool,
}

impl Tools {
    /// Reads the tools of a body, where `within` items of its input have some too.
    ///
    /// # Errors
    /// When one of them runs at the provider and cannot be bounded or priced.
    pub(crate) fn read(
        target: Target,
        object: &Object<'_>,
        model: &Model,
        within: u64,
    ) -> Result<Self, Fault> {
        let any = object.get(&["functions"])?.is_some();
        let mut reader = Reader { target, object, model, tools: Self { any, search: None } };
        reader.list(object, NESTED)?;
        let input = if within > 0 { object.get(&["input"])? } else { None };
        let mut read = 0_u64;
        for (item, place) in input.and_then(Member::elements).unwrap_or_default() {
            let Some(item) = Object::read(item, place) else { continue };
            let kind = item.get(&["type"])?.and_then(Member::read);
            let holds = |kind: &str| matches!(kind, "additional_tools" | "tool_search_output");
            if kind.is_some_and(|Name(kind)| holds(&kind)) {
                reader.list(&item, NESTED)?;
                read = read.saturating_add(1);
            }
        }
        // Some stand where they were not looked for.
        if read != within {
            return Err(fields::refused_tool());
        }
        Ok(reader.tools)
    }
}

/// How deep tools may be nested in namespaces.
const NESTED: u8 = 4;

struct Reader<'a> {
    target: Target,
    object: &'a Object<'a>,
    model: &'a Model,
    tools: Tools,
}

impl Reader<'_> {
    /// Whether a search has a price and a bound. Google bills some models by the call, and the
    /// rest by as many queries as the model likes.
    fn may_search(&self) -> bool {
        self.tools.search.is_none()
            && self.model.prices(UnitClass::Searches)
            && (self.target != Target::Generate || self.model.searches_once)
    }

    /// Reads the `tools` of `holder`.
    fn list(&mut self, holder: &Object<'_>, nested: u8) -> Result<(), Fault> {
        let Some(member) = holder.get(&["tools"])? else { return Ok(()) };
        for (tool, place) in member.elements().ok_or(Fault::WrongType("tools"))? {
            let tool = Object::read(tool, place).ok_or(Fault::WrongType("tools"))?;
            self.tools.any = true;
            match run(self.target, &tool)? {
                Run::ByCaller => {}
                Run::Namespace => {
                    let deeper = nested.checked_sub(1).ok_or(Fault::TooDeep)?;
                    self.list(&tool, deeper)?;
                }
                Run::Search if self.may_search() => {
                    self.tools.search = Some(Search::read(self.target, self.object, &tool)?);
                }
                Run::Search | Run::ByProvider => return Err(fields::refused_tool()),
            }
        }
        Ok(())
    }
}

impl Search {
    fn read(target: Target, object: &Object<'_>, tool: &Object<'_>) -> Result<Self, Fault> {
        if target == Target::Generate {
            return Ok(Self { times: 1, place: None, is_read: false });
        }
        // Anthropic limits each tool, OpenAI all calls of tools that it runs.
        let (limited, field, before): (_, &'static [&'static str], _) =
            if target == Target::Messages {
                (tool, &["max_uses"], "\"max_uses\":")
            } else {
                (object, &["max_tool_calls"], "\"max_tool_calls\":")
            };
        Ok(match limited.count(field)? {
            Some(times) => Self { times, place: None, is_read: true },
            None => {
                let place = LimitPlace::member(limited, field, before)?;
                Self { times: USUAL_SEARCHES, place: Some(place), is_read: true }
            }
        })
    }
}

/// Who runs a tool.
enum Run {
    ByCaller,
    /// It is a name for several.
    Namespace,
    /// The provider, and it is a search of the web.
    Search,
    ByProvider,
}

fn run(target: Target, tool: &Object<'_>) -> Result<Run, Fault> {
    if matches!(target, Target::Generate | Target::CountContent) {
        let declared = |key: &str| matches!(key, "functionDeclarations" | "function_declarations");
        let search = |key: &str| matches!(key, "googleSearch" | "google_search");
        let all = |is: fn(&str) -> bool| tool.members.iter().all(|member| is(&member.key));
        return Ok(if all(declared) {
            Run::ByCaller
        } else if all(search) {
            Run::Search
        } else {
            Run::ByProvider
        });
    }
    let kind = match tool.get(&["type"])? {
        Some(member) => Some(member.read().ok_or(Fault::WrongType("tools"))?),
        None => None,
    };
    let kind = kind.as_ref().map(|Name(kind)| &**kind);
    let begins = |names: &[&str], kind: &str| names.iter().any(|name| kind.starts_with(name));
    let dated = |kind| begins(&["bash_", "computer_", "memory_", "text_editor_"], kind);
    Ok(match (target, kind) {
        // The caller runs these; their dates change.
        (Target::Messages | Target::CountMessage, None | Some("custom")) => Run::ByCaller,
        (Target::Messages | Target::CountMessage, Some(kind)) if dated(kind) => Run::ByCaller,
        (Target::Messages, Some(kind)) if kind.starts_with("web_search_") => Run::Search,
        (Target::CountMessage, Some(kind)) if kind.starts_with("web_search_") => Run::ByCaller,
        (Target::Messages | Target::CountMessage, Some(_)) => Run::ByProvider,
        (_, Some("function" | "custom")) => Run::ByCaller,
        (
            Target::Responses | Target::Compact | Target::InputTokens,
            Some("local_shell" | "apply_patch" | "computer_use_preview" | "computer"),
        ) => Run::ByCaller,
        (Target::Responses | Target::Compact | Target::InputTokens, Some("namespace")) => {
            Run::Namespace
        }
        (Target::Responses | Target::Compact | Target::InputTokens, Some("shell")) => {
            let place = tool.object(&["environment"])?;
            let place = place.as_ref().map(|place| place.get(&["type"])).transpose()?.flatten();
            match place.and_then(Member::read) {
                Some(Name(place)) if place == "local" => Run::ByCaller,
                _ => Run::ByProvider,
            }
        }
        // It is looked for among the caller's tools, by the caller.
        (Target::Responses | Target::Compact | Target::InputTokens, Some("tool_search")) => {
            let execution = tool.get(&["execution"])?.and_then(Member::read);
            match execution {
                Some(Name(who)) if who == "client" => Run::ByCaller,
                _ => Run::ByProvider,
            }
        }
        (Target::Responses, Some(kind)) if kind.starts_with("web_search") => Run::Search,
        // What is only counted or compacted runs no tool.
        (Target::Compact | Target::InputTokens, Some(kind)) if kind.starts_with("web_search") => {
            Run::ByCaller
        }
        // One without a type may be a provider's own, such as Google's `google_search`.
        (_, Some(_) | None) => Run::ByProvider,
    })
}

#[cfg(test)]
mod tests {
    use shared::{catalogue::Catalogue, content::Content, money::Markup};

    use super::*;
    use crate::splice;

    fn read(target: Target, model: &str, body: &str) -> Result<Tools, Fault> {
        let catalogue = Catalogue::load(Markup::default()).unwrap();
        let object = Object::parse(body.as_bytes())?;
        let extent = crate::extent::Extent::of(body.as_bytes(), target)?.tools_within;
        Tools::read(target, &object, catalogue.find(model).unwrap(), extent)
    }

    #[test]
    fn what_the_caller_runs_passes() {
        for (target, model, tools) in [
            (Target::Chat, "gpt-5-mini", r#"[{"type":"function","function":{}}]"#),
            (Target::Responses, "gpt-5-mini", r#"[{"type":"custom"},{"type":"local_shell"}]"#),
            (
                Target::Responses,
                "gpt-5-mini",
                r#"[{"type":"shell","environment":{"type":"local"}}]"#,
            ),
            (
                Target::Messages,
                "claude-haiku-4-5",
                r#"[{"type":"bash_20250124","name":"bash"},{"name":"own"}]"#,
            ),
            (Target::Generate, "gemini-2.5-pro", r#"[{"functionDeclarations":[]}]"#),
        ] {
            let tools = read(target, model, &format!(r#"{{"tools":{tools}}}"#)).unwrap();
            assert!(tools.any && tools.search.is_none());
        }
        assert!(!read(Target::Chat, "gpt-5-mini", r#"{"tools":[]}"#).unwrap().any);
    }

    #[test]
    fn what_the_provider_runs_without_a_bound_is_refused() {
        for (target, model, tool) in [
            (Target::Generate, "gemini-3.8-flash", r#"{"googleSearch":{}}"#),
            (Target::Generate, "gemini-2.5-pro", r#"{"codeExecution":{}}"#),
            (Target::Generate, "gemini-2.5-pro", r#"{"googleSearch":{},"urlContext":{}}"#),
            (Target::Chat, "gpt-5-mini", r#"{"google_search":{}}"#),
            (Target::Responses, "gpt-5-mini", r#"{"type":"code_interpreter"}"#),
            (Target::Responses, "gpt-5-mini", r#"{"type":"mcp"}"#),
            (Target::Responses, "gpt-5-mini", r#"{"type":"shell"}"#),
            (
                Target::Responses,
                "gpt-5-mini",
                r#"{"type":"shell","environment":{"type":"container_auto"}}"#,
            ),
            (
                Target::Responses,
                "gpt-5-mini",
                r#"{"type":"namespace","tools":[{"type":"file_search"}]}"#,
            ),
            (
                Target::Responses,
                "gpt-5-mini",
                r#"],"input":[{"type":"additional_tools","tools":[{"type":"mcp"}]}"#,
            ),
            (
                Target::Responses,
                "gpt-5-mini",
                r#"],"input":[{"type":"tool_search_output","tools":[{"type":"mcp"}]}"#,
            ),
            (
                Target::Responses,
                "gpt-5-mini",
                r#"],"input":[[{"type":"additional_tools","tools":[]}]"#,
            ),
            (Target::Messages, "claude-opus-5", r#"{"type":"code_execution_20250825"}"#),
            // No price is listed for this model's searches.
            (Target::Responses, "gpt-4o", r#"{"type":"web_search"}"#),
        ] {
            let tools = read(target, model, &format!(r#"{{"tools":[{tool}]}}"#));
            assert!(matches!(tools.map(|_| ()), Err(Fault::RefusedField { .. })), "{tool}");
        }
    }

    #[test]
    fn a_search_is_limited_by_the_caller_or_by_us() {
        let limited = |target, model, body: &str| {
            let search = read(target, model, body).unwrap().search.unwrap();
            let edit = search.place.map(|place| place.edit(2));
            let content = Content::new(body.to_owned().into());
            (search.times, splice::joined(content, edit.into_iter().collect()))
        };
        let claude = r#"{"tools":[{"name":"own"}, {"type":"web_search_20250305","name":"w"}]}"#;
        let (times, sent) = limited(Target::Messages, "claude-opus-5", claude);
        assert_eq!(times, USUAL_SEARCHES);
        assert_eq!(sent, claude.replace(r#"{"type":"#, r#"{"max_uses":2,"type":"#));
        let own = claude.replace(r#""name":"w""#, r#""max_uses":9"#);
        assert_eq!(limited(Target::Messages, "claude-opus-5", &own), (9, own.clone()));
        let gpt = r#"{"tools":[{"type":"web_search"}]}"#;
        let (_, sent) = limited(Target::Responses, "gpt-5-mini", gpt);
        assert_eq!(sent, r#"{"max_tool_calls":2,"tools":[{"type":"web_search"}]}"#);
    }
}
