//! The parameters of a query. What is wrong with one is told by its name, and no value is repeated.

use std::collections::BTreeMap;

use lambda_http::RequestExt;
use shared::{event::Request, fault::Fault, time::Timestamp};

/// Whether a moment is one that can be asked for.
fn is_written(moment: &Timestamp) -> bool {
    (Timestamp::from_seconds(0)..=Timestamp::LAST).contains(moment)
}

/// The parameters, each with all its values. A list may be given with brackets or without.
pub(crate) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    /// Reads the query of a request that may have `known` parameters, divided by commas, and no
    /// other: one that is misspelt may have been meant to narrow it. A key may stand beside them,
    /// which was for the authorizer, and an operator's purpose.
    pub(crate) fn read(request: &Request, known: &'static str) -> Result<Self, Fault> {
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let operator = request.raw_http_path().starts_with("/operator/");
        let besides = if operator { "purpose" } else { "key" };
        let given = request.query_string_parameters_ref();
        for (name, value) in given.into_iter().flat_map(|given| given.iter()) {
            let name = name.strip_suffix("[]").unwrap_or(name);
            if name == besides {
                continue;
            }
            if !known.split(", ").any(|known| known == name) {
                return Err(Fault::UnknownParameter(known));
            }
            parameters.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        Ok(Self(parameters))
    }

    /// Every value of a parameter.
    pub(crate) fn all(&self, name: &str) -> &[String] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The one value of a parameter, if it is given.
    pub(crate) fn one(&self, name: &'static str) -> Result<Option<&str>, Fault> {
        match self.all(name) {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(Fault::BadParameter { name, why: "appears more than once" }),
        }
    }

    /// Refuses parameters that would narrow a query by what is not kept.
    pub(crate) fn without(&self, names: &[&'static str]) -> Result<(), Fault> {
        let given = names.iter().find(|name| !self.all(name).is_empty());
        let why = "cannot narrow this: it is not kept";
        given.map_or(Ok(()), |name| Err(Fault::BadParameter { name, why }))
    }

    /// A moment in seconds since the epoch.
    pub(crate) fn seconds(&self, name: &'static str) -> Result<Option<Timestamp>, Fault> {
        let why = "must be a whole number of seconds since 1970-01-01T00:00:00Z";
        let read = |text: &str| {
            let moment = text.parse().ok().map(Timestamp::from_seconds);
            moment.filter(is_written).ok_or(Fault::BadParameter { name, why })
        };
        self.one(name)?.map(read).transpose()
    }

    /// A moment as RFC 3339 has it.
    pub(crate) fn moment(&self, name: &'static str) -> Result<Option<Timestamp>, Fault> {
        let why = "must be a moment of the form 2026-11-27T00:00:00Z";
        let read = |text: &str| {
            let moment = text.parse().ok();
            moment.filter(is_written).ok_or(Fault::BadParameter { name, why })
        };
        self.one(name)?.map(read).transpose()
    }

    /// How many are asked for: `usual` where nobody says, and at most `most`.
    pub(crate) fn limit(
        &self,
        usual: usize,
        most: usize,
        why: &'static str,
    ) -> Result<usize, Fault> {
        let Some(text) = self.one("limit")? else { return Ok(usual) };
        let limit = text.parse().ok().filter(|limit| (1..=most).contains(limit));
        limit.ok_or(Fault::BadParameter { name: "limit", why })
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(
        &self,
        name: &'static str,
        words: &[(&str, T)],
        why: &'static str,
    ) -> Result<Option<T>, Fault> {
        let Some(given) = self.one(name)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == given);
        found.map(|(_, value)| Some(*value)).ok_or(Fault::BadParameter { name, why })
    }
}

/// How every cursor begins.
pub(crate) const PAGE: &str = "page_";

/// A cursor that is none of the query's.
pub(crate) const BAD_CURSOR: Fault = Fault::BadParameter {
    name: "page",
    why: "is no cursor of this query: send it as `next_page` had it, beside the same parameters",
};
