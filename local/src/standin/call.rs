//! A request as it reached the stand-in. Its text is counted here and never kept or repeated.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method};

/// Tokens every prompt costs before its first word, as a chat template's own tokens do.
const TEMPLATE_TOKENS: u64 = 7;

/// Bytes to a token of prompt: what English comes to, near enough.
const BYTES_PER_TOKEN: usize = 4;

/// One request, read whole.
pub(super) struct Call {
    pub(super) head: Parts,
    pub(super) body: Bytes,
    /// Which call this is, counted from one; ids are made of it.
    pub(super) serial: u64,
}

impl Call {
    /// Whether this is a POST to `wanted`, given the path below the provider's prefix.
    pub(super) fn posts(&self, path: &str, wanted: &str) -> bool {
        self.head.method == Method::POST && path == wanted
    }

    /// Whether the query has exactly this `name=value`.
    pub(super) fn asks(&self, pair: &str) -> bool {
        self.head.uri.query().is_some_and(|query| query.split('&').any(|part| part == pair))
    }

    /// A header's value, unless it is empty or not ASCII.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head.headers, name)
    }

    /// Whether a bearer credential came along. Any will do.
    pub(super) fn has_bearer(&self) -> bool {
        self.header(AUTHORIZATION.as_str())
            .and_then(|value| value.split_once(' '))
            .is_some_and(|(scheme, key)| scheme.eq_ignore_ascii_case("bearer") && !key.is_empty())
    }

    /// The prompt's size: the same for the same bytes, and larger for more of them.
    pub(super) fn prompt_tokens(&self) -> u64 {
        tokens(self.body.len())
    }

    /// The id that providers send in a header, and Anthropic also in an error's body.
    pub(super) fn request_id(&self) -> String {
        self.id("req_")
    }

    /// An id of this call under a provider's prefix.
    pub(super) fn id(&self, prefix: &str) -> String {
        format!("{prefix}standin{:08}", self.serial)
    }
}

/// What a prompt of so many bytes comes to.
pub(super) fn tokens(bytes: usize) -> u64 {
    let tokens = u64::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u64::MAX);
    tokens.saturating_add(TEMPLATE_TOKENS)
}

/// Numbers the calls of one server.
#[derive(Clone, Default)]
pub(super) struct Serials(Arc<AtomicU64>);

impl Serials {
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
impl Call {
    /// The first call of a server: a POST with these headers.
    pub(super) fn post(path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Self {
        let request = headers
            .iter()
            .fold(http::Request::post(path), |request, (name, value)| request.header(*name, *value))
            .body(())
            .unwrap();
        Self { head: request.into_parts().0, body: body.into(), serial: 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prompt_is_counted_from_its_bytes_and_rounded_up() {
        assert_eq!(Call::post("/", &[], "").prompt_tokens(), 7);
        assert_eq!(Call::post("/", &[], "12345").prompt_tokens(), 9);
    }

    #[test]
    fn an_empty_credential_is_none() {
        assert!(Call::post("/", &[("authorization", "bearer key")], "").has_bearer());
        assert!(!Call::post("/", &[("authorization", "Bearer ")], "").has_bearer());
        assert!(!Call::post("/", &[("authorization", "Basic key")], "").has_bearer());
        assert!(!Call::post("/", &[], "").has_bearer());
    }
}
