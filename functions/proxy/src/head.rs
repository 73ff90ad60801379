//! The head of a request: the model, what is asked of it, and the fields of the table in
//! [`crate::fields`]. The text is skipped, not copied, and no error quotes it.

use std::{borrow::Cow, sync::Arc};

use http::HeaderMap;
use shared::{
    catalogue::{Catalogue, Model},
    content::Content,
    endpoint::EndpointType,
    fault::Fault,
    tier::Tier,
};

use crate::{
    ask::Ask,
    bound::Terms,
    extent::Extent,
    fields,
    form::Form,
    object::{Name, Object},
    route::{Kind, Verb},
    splice::Edit,
    target::Target,
};

/// The model that judges for a caller who names none.
const USUAL_MODERATION: &str = "omni-moderation-latest";

/// What a call needs to know of its request.
pub(crate) struct Head {
    /// The model, from the catalogue.
    pub(crate) model: Arc<Model>,
    /// The catalogue's spelling of the name the caller used.
    pub(crate) spelling: String,
    /// Where it goes.
    pub(crate) target: Target,
    /// Whether the answer is to come in frames.
    pub(crate) streamed: bool,
    /// Whether the caller asked for the usage chunk of an `OpenAI` stream.
    pub(crate) wants_usage: bool,
    /// What it is to be served as.
    pub(crate) tier: Tier,
    /// What is asked.
    pub(crate) ask: Ask,
    /// The content type to send, where it is not JSON.
    pub(crate) content_type: Option<String>,
    /// The endpoint type that is recorded.
    pub(crate) endpoint_type: EndpointType,
    /// The changes the field table asks for.
    pub(crate) edits: Vec<Edit>,
}

impl Head {
    /// Reads the head of `body`.
    ///
    /// # Errors
    /// A fault that names a place or a field and quotes nothing.
    pub(crate) fn read(
        kind: &Kind,
        headers: &HeaderMap,
        body: &Content,
        catalogue: &Catalogue,
    ) -> Result<Self, Fault> {
        if kind.takes_form(headers) {
            Self::of_form(kind, &Form::read(headers, body)?, catalogue)
        } else {
            Self::of_json(kind, body.inspect(), catalogue)
        }
    }

    /// Puts the limits into the body that were held for and that the caller has left open.
    pub(crate) fn limit(&mut self, asked: Terms) {
        let Ask::Answer(answer) = &self.ask else { return };
        let places = [
            (answer.limit_place.as_ref(), asked.limit),
            (answer.tools.search.as_ref().and_then(|search| search.place.as_ref()), asked.searches),
        ];
        let edits = places.into_iter().filter_map(|(place, limit)| Some(place?.edit(limit?)));
        self.edits.extend(edits);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest names its model in the body")]
    fn of_json(kind: &Kind, bytes: &[u8], catalogue: &Catalogue) -> Result<Self, Fault> {
        let object = Object::parse(bytes)?;
        let (name, streamed) = match kind {
            Kind::Gemini { model, verb, .. } => {
                let streamed = matches!(verb, Verb::StreamEvents | Verb::StreamArray);
                (Cow::Borrowed(model.as_str()), streamed)
            }
            Kind::Moderations if object.get(&["model"])?.is_none() => {
                (USUAL_MODERATION.into(), false)
            }
            _ => {
                let model = object.get(&["model"])?.ok_or(Fault::MissingField("model"))?;
                let Name(name) = model.read().ok_or(Fault::WrongType("model"))?;
                (name, streams(kind, &object)?)
            }
        };
        let (model, spelling) = find(catalogue, &name)?;
        let target = Target::of(kind, &model)?;
        if target == Target::BatchEmbed {
            one_model(&object, &spelling)?;
        } else if target == Target::Embed {
            names_model(&object, &spelling)?;
        }
        let extent = Extent::of(bytes, target)?;
        if let Some(field) = extent.stored {
            return Err(fields::refused_stored(field));
        }
        if extent.ambiguous {
            return Err(Fault::DuplicateField("type"));
        }
        if extent.tool_defined {
            let why = "define the tool in `tools`, where it can be told who runs it";
            return Err(Fault::RefusedField { field: "tool_definition", why });
        }
        let tier = fields::tier(target, &object, &model)?;
        let edits = fields::apply(target, &object, streamed)?;
        let ask = Ask::of_json(target, &object, &model, extent, bytes.len())?;
        Ok(Self {
            wants_usage: fields::wants_usage(target, &object)?,
            streamed,
            spelling,
            target,
            tier,
            ask,
            content_type: None,
            endpoint_type: kind.endpoint_type(),
            edits,
            model,
        })
    }

    fn of_form(kind: &Kind, form: &Form<'_>, catalogue: &Catalogue) -> Result<Self, Fault> {
        let name = form.field("model")?.ok_or(Fault::MissingField("model"))?;
        let (model, spelling) = find(catalogue, &name)?;
        let target = Target::of(kind, &model)?;
        let dropped = fields::of_form(target, |name| form.field(name))?;
        let streamed = match form.field("stream")?.as_deref() {
            None | Some("" | "false" | "False" | "0") => false,
            Some("true" | "True" | "1") => true,
            Some(_) => return Err(Fault::WrongType("stream")),
        };
        Ok(Self {
            wants_usage: false,
            // Whisper writes no stream, whatever is asked.
            streamed: streamed && (model.max_output.is_some() || target == Target::ImageEdits),
            spelling,
            target,
            tier: Tier::Standard,
            ask: Ask::of_form(target, form)?,
            content_type: Some(form.content_type()),
            endpoint_type: kind.endpoint_type(),
            edits: dropped.into_iter().flat_map(|name| form.cut(name)).collect(),
            model,
        })
    }
}

/// Whether a stream of events is asked for.
fn streams(kind: &Kind, object: &Object<'_>) -> Result<bool, Fault> {
    if kind != &Kind::Speech {
        return object.flag(&["stream"]);
    }
    let Some(format) = object.get(&["stream_format"])? else { return Ok(false) };
    let Name(format) = format.read().ok_or(Fault::WrongType("stream_format"))?;
    Ok(format == "sse")
}

/// The model that a caller names, and the catalogue's spelling of that name.
fn find(catalogue: &Catalogue, name: &str) -> Result<(Arc<Model>, String), Fault> {
    // Google's own name for a model is `models/NAME`.
    let name = name.strip_prefix("models/").unwrap_or(name);
    let model = catalogue.find(name).ok_or(Fault::UnknownModel)?;
    let spelling = model.spelled(name).ok_or(Fault::UnknownModel)?.to_owned();
    Ok((Arc::clone(model), spelling))
}

/// Each request of a batch names its model, which must be the one in the path, by which all of
/// them are priced.
fn one_model(object: &Object<'_>, spelling: &str) -> Result<(), Fault> {
    let requests = object.get(&["requests"])?.ok_or(Fault::MissingField("requests"))?;
    let wrong = Fault::WrongType("requests");
    for (request, place) in requests.elements().ok_or(wrong.clone())? {
        let request = Object::read(request, place).ok_or(wrong.clone())?;
        names_model(&request, spelling)?;
    }
    Ok(())
}

/// Whether a request names the model in the path, or none.
fn names_model(request: &Object<'_>, spelling: &str) -> Result<(), Fault> {
    let Some(model) = request.get(&["model"])? else { return Ok(()) };
    let Name(name) = model.read().ok_or(Fault::WrongType("model"))?;
    if name.strip_prefix("models/").unwrap_or(&name) == spelling {
        return Ok(());
    }
    let why = "the model is named in the path, and every request goes to that one";
    Err(Fault::RefusedField { field: "model", why })
}
