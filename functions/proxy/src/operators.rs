//! What of a provider's errors is about the operator's account there. Such an error may name that
//! account, and the caller can do nothing about it, so it is answered in our own words.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use shared::fault::Fault;

/// Words by which a provider speaks of the account although the status is another's: Google
/// answers a wrong key with 400, Anthropic a spent balance.
const WORDS: [&[u8]; 6] = [
    b"API_KEY_INVALID",
    b"credit balance is too low",
    b"insufficient_quota",
    b"specified API usage limits",
    b"organization has been disabled",
    b"User location is not supported",
];

/// What stands before the id of an account, organization, project or key of somebody's.
const IDS: [&[u8]; 5] = [b"org-", b"proj_", b"projects/", b"project_number:", b"sk-"];

/// How much of an id there has to be behind that.
const ID_LENGTH: usize = 6;

/// Whether an error of this status is about the operator's account.
pub(crate) fn is_theirs(status: StatusCode) -> bool {
    matches!(status.as_u16(), 401 | 402 | 403 | 429) || status.is_redirection()
}

/// Whether the text of an error names that account.
pub(crate) fn names_account(error: &[u8]) -> bool {
    let found = |word: &&[u8]| memchr::memmem::find(error, word).is_some();
    WORDS.iter().any(found) || IDS.iter().any(|prefix| has_id(error, prefix))
}

fn has_id(error: &[u8], prefix: &[u8]) -> bool {
    memchr::memmem::find_iter(error, prefix).any(|at| {
        // Not at the end of a word, as in `task-1`.
        let before = at.checked_sub(1).and_then(|before| error.get(before));
        if before.is_some_and(u8::is_ascii_alphanumeric) {
            return false;
        }
        let rest = error.get(at.saturating_add(prefix.len())..).unwrap_or_default();
        let of_id = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_*".contains(byte);
        let id = || rest.iter().take_while(of_id);
        // A word in a sentence has no digits in it, and an id has.
        id().count() >= ID_LENGTH && id().any(u8::is_ascii_digit)
    })
}

/// Whether an error says that the operator's credential is not, or no longer, one. Google says so
/// with 400.
pub(crate) fn refuses_credential(status: StatusCode, error: &[u8]) -> bool {
    let invalid = || memchr::memmem::find(error, b"API_KEY_INVALID").is_some();
    matches!(status.as_u16(), 401 | 403) || (status == StatusCode::BAD_REQUEST && invalid())
}

/// What the caller is told in its place.
pub(crate) fn fault(status: StatusCode, headers: &HeaderMap) -> Fault {
    if status != StatusCode::TOO_MANY_REQUESTS {
        return Fault::ProviderRefused;
    }
    let after = headers.get("retry-after").and_then(|value| value.to_str().ok());
    Fault::ProviderBusy(after.and_then(|text| text.parse().ok()).map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_seen_by_its_id_and_nothing_else_is() {
        for error in [
            "Rate limit reached for gpt-4o in organization org-AbC123def456 on tokens per min",
            r#"{"consumer":"projects/123456789012"}"#,
            "Project `proj_a1b2c3d4e5` does not have access to model `gpt-6-astra`",
            "Incorrect API key provided: sk-proj-1234************wxyz",
            r#"{"reason":"API_KEY_INVALID"}"#,
        ] {
            assert!(names_account(error.as_bytes()), "{error}");
        }
        for error in [
            "max_tokens is too large: 99999",
            "The org-wide limit is not about you, nor are other proj_ names",
            "see projects/ in the documentation",
            "task-1 of the list sk-learn",
            "tool_call_id task-20240101 not found",
        ] {
            assert!(!names_account(error.as_bytes()), "{error}");
        }
    }
}
