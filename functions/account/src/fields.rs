//! A body as it is asked for: an object, whose fields are read by name. What is wrong with one is
//! told by the name, and no value is repeated.

use serde_json::{Map, Value};
use shared::{content::Malformed, fault::Fault};

/// The fields of a body.
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body that has `known` fields, divided by commas, and no other: one that is misspelt
    /// may have been meant to limit something.
    pub(crate) fn read(body: &[u8], known: &'static str) -> Result<Self, Fault> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Fault::Malformed(Malformed::from(error)))?;
        let Value::Object(fields) = value else { return Err(Fault::NotAnObject) };
        let is_known = |name: &String| known.split(", ").any(|known| known == name);
        if fields.keys().all(is_known) { Ok(Self(fields)) } else { Err(Fault::UnknownField(known)) }
    }

    /// The same, where there need not be one.
    pub(crate) fn read_if_any(body: &[u8], known: &'static str) -> Result<Self, Fault> {
        if body.is_empty() { Ok(Self(Map::new())) } else { Self::read(body, known) }
    }

    /// A field, if it is there; `null` is there.
    pub(crate) fn get(&self, name: &'static str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text, if there is one.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<&str>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value.as_str().map(Some).ok_or(Fault::WrongType(name))
    }

    /// A text that has to be there.
    pub(crate) fn required_text(&self, name: &'static str) -> Result<&str, Fault> {
        self.text(name)?.ok_or(Fault::MissingField(name))
    }

    /// A list of texts, if there is one.
    pub(crate) fn texts(&self, name: &'static str) -> Result<Option<Vec<&str>>, Fault> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let texts = value.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
        texts.map(Some).ok_or(Fault::WrongType(name))
    }

    /// A whole number, if there is one.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, Fault> {
        let number = |value: &Value| value.as_u64().ok_or(Fault::WrongType(name));
        self.get(name).map(number).transpose()
    }
}
