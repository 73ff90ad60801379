//! Every fault in every dialect: what a caller is told, reviewed as one text.

use std::{fmt::Write, time::Duration};

use shared::{
    content::Malformed,
    dialect::Dialect,
    fault::{Blame, Fault, Retry},
    id::CallId,
    money::Pico,
    period::Period,
    provider::Provider,
    rate::{Limited, Rate, Whose, whole_seconds},
    reply::refuse,
    time::Timestamp,
};

fn rate(what: Limited, whose: Whose) -> Rate {
    Rate { what, limit: 60, remaining: 3, reset: Duration::from_millis(360_500), whose }
}

/// One of each. A new variant does not compile until it stands in both lists.
pub(crate) fn all() -> Vec<Fault> {
    let all = vec![
        Fault::Malformed(Malformed { line: 1, column: 2 }),
        Fault::NotAnObject,
        Fault::TooDeep,
        Fault::MalformedForm { at: 7, flaw: "it is not" },
        Fault::NotAForm,
        Fault::MissingField("model"),
        Fault::WrongType("stream"),
        Fault::DuplicateField("model"),
        Fault::RefusedField { field: "store", why: "it is not" },
        Fault::UnknownModel,
        Fault::WrongEndpoint,
        Fault::Unpriced,
        Fault::UnknownPath,
        Fault::NotServed("it is not"),
        Fault::NoWebSocket,
        Fault::Compressed,
        Fault::MissingScope("inference"),
        Fault::KeyRevoked,
        Fault::KeyExpired,
        Fault::ModelNotAllowed,
        Fault::AccountClosed,
        Fault::AccountFrozen,
        Fault::ConsentMissing(Provider::Anthropic),
        Fault::InsufficientBalance,
        Fault::BudgetSpent(Period::Total),
        Fault::BudgetSpent(Period::Day),
        Fault::BudgetSpent(Period::Month),
        Fault::AccountLimit,
        Fault::RateLimited(rate(Limited::Requests, Whose::Key)),
        Fault::RateLimited(rate(Limited::Tokens, Whose::Account)),
        Fault::RateLimited(rate(Limited::Concurrency, Whose::Key)),
        Fault::CallInFlight(Duration::from_millis(2_001)),
        Fault::CallCharged {
            call: "call_20261124010123456789abcdefghijkl".parse().unwrap(),
            cost: Pico::new(1_234_500_000),
        },
        Fault::BadIdempotencyKey,
        Fault::AlreadyEntered,
        Fault::BalanceTooLow,
        Fault::UnknownAccount,
        Fault::UnknownReceipt,
        Fault::UnknownProvider,
        Fault::UnknownKey,
        Fault::RevokedKey,
        Fault::OwnKey,
        Fault::KeyRotating,
        Fault::InvalidCode,
        Fault::TooManyCodes(Duration::from_secs(1_800)),
        Fault::RegistrationClosed,
        Fault::OtherPolicy(2),
        Fault::PolicyInGrace(Timestamp::from_seconds(1_795_485_600)),
        Fault::UnknownPolicyVersion,
        Fault::EmailTaken,
        Fault::EmailJustChanged,
        Fault::EndingKey,
        Fault::MailUnavailable,
        Fault::UnknownField("label, models"),
        Fault::BadParameter { name: "limit", why: "must be 1 to 31 with bucket_width=1d" },
        Fault::UnknownParameter("start_time, limit"),
        Fault::QueryTooLarge,
        Fault::Unstated,
        Fault::TooManyKeys,
        Fault::Busy(Duration::from_secs(1)),
        Fault::StoreUnavailable,
        Fault::ProviderUnreachable,
        Fault::ProviderCut,
        Fault::ProviderTimedOut,
        Fault::ProviderRefused,
        Fault::ProviderBusy(Some(Duration::from_secs(7))),
        Fault::ProviderNotConfigured,
        Fault::Internal,
    ];
    for fault in &all {
        match fault {
            Fault::Malformed(_)
            | Fault::NotAnObject
            | Fault::TooDeep
            | Fault::MalformedForm { .. }
            | Fault::NotAForm
            | Fault::MissingField(_)
            | Fault::WrongType(_)
            | Fault::DuplicateField(_)
            | Fault::RefusedField { .. }
            | Fault::UnknownModel
            | Fault::WrongEndpoint
            | Fault::Unpriced
            | Fault::UnknownPath
            | Fault::NotServed(_)
            | Fault::NoWebSocket
            | Fault::Compressed
            | Fault::MissingScope(_)
            | Fault::KeyRevoked
            | Fault::KeyExpired
            | Fault::ModelNotAllowed
            | Fault::AccountClosed
            | Fault::AccountFrozen
            | Fault::ConsentMissing(_)
            | Fault::InsufficientBalance
            | Fault::BudgetSpent(Period::Total | Period::Day | Period::Month)
            | Fault::AccountLimit
            | Fault::RateLimited(_)
            | Fault::CallInFlight(_)
            | Fault::CallCharged { .. }
            | Fault::BadIdempotencyKey
            | Fault::AlreadyEntered
            | Fault::BalanceTooLow
            | Fault::UnknownAccount
            | Fault::UnknownReceipt
            | Fault::UnknownProvider
            | Fault::UnknownKey
            | Fault::RevokedKey
            | Fault::OwnKey
            | Fault::KeyRotating
            | Fault::InvalidCode
            | Fault::TooManyCodes(_)
            | Fault::RegistrationClosed
            | Fault::OtherPolicy(_)
            | Fault::PolicyInGrace(_)
            | Fault::UnknownPolicyVersion
            | Fault::EmailTaken
            | Fault::EmailJustChanged
            | Fault::EndingKey
            | Fault::MailUnavailable
            | Fault::UnknownField(_)
            | Fault::BadParameter { .. }
            | Fault::UnknownParameter(_)
            | Fault::QueryTooLarge
            | Fault::Unstated
            | Fault::TooManyKeys
            | Fault::Busy(_)
            | Fault::StoreUnavailable
            | Fault::ProviderUnreachable
            | Fault::ProviderCut
            | Fault::ProviderTimedOut
            | Fault::ProviderRefused
            | Fault::ProviderBusy(_)
            | Fault::ProviderNotConfigured
            | Fault::Internal => {}
        }
    }
    all
}

#[test]
fn every_fault_reads_well_in_every_dialect() {
    let mut text = String::new();
    for fault in all() {
        let retry = match fault.retry() {
            Retry::No => "no retry".to_owned(),
            Retry::After(after) => format!("retry after {} s", whole_seconds(after)),
        };
        let (status, blame) = (fault.status(), fault.blame());
        writeln!(text, "{status}, {retry}, {blame:?}").unwrap();
        for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
            let (status, body) = (dialect.status(&fault), dialect.body(&fault, "call_ID"));
            let body = String::from_utf8(body.to_vec()).unwrap();
            writeln!(text, "  {} {body}", status.as_u16()).unwrap();
        }
        assert!(status.as_u16() >= 400);
        assert!(blame != Blame::Caller || status.as_u16() < 500);
    }
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let event = dialect.event(&Fault::ProviderCut, "call_ID");
        writeln!(text, "{:?}", String::from_utf8(event.to_vec()).unwrap()).unwrap();
    }
    let event = Dialect::OpenAi.response_event(&Fault::ProviderCut, "call_ID", 7);
    writeln!(text, "{:?}", String::from_utf8(event.to_vec()).unwrap()).unwrap();
    insta::assert_snapshot!(text);
}

/// The headers of an answer that is `fault`, those apart that only say which call it was.
fn headers(fault: &Fault, dialect: Dialect) -> Vec<(String, String)> {
    let now = Timestamp::from_seconds(1_795_485_599);
    let reply = refuse(fault, dialect, &CallId::new(now).unwrap(), now);
    let mut headers: Vec<_> = reply
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .filter(|(name, _)| !name.ends_with("request-id") && name != "x-laozhang-call-id")
        .filter(|(name, _)| name != "content-type")
        .collect();
    headers.sort();
    headers
}

fn owned(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const RETRY: [(&str, &str); 2] = [("retry-after", "361"), ("x-should-retry", "true")];

#[test]
fn a_rate_limit_stands_in_the_headers_that_each_dialect_has() {
    for what in [Limited::Requests, Limited::Tokens] {
        let fault = Fault::RateLimited(rate(what, Whose::Key));
        let word = if what == Limited::Requests { "requests" } else { "tokens" };
        let expected = [
            ("retry-after", "361"),
            (&*format!("x-ratelimit-limit-{word}"), "60"),
            (&*format!("x-ratelimit-remaining-{word}"), "3"),
            (&*format!("x-ratelimit-reset-{word}"), "6m1s"),
            ("x-should-retry", "true"),
        ];
        assert_eq!(headers(&fault, Dialect::OpenAi), owned(&expected));
        let expected = [
            (&*format!("anthropic-ratelimit-{word}-limit"), "60"),
            (&*format!("anthropic-ratelimit-{word}-remaining"), "3"),
            (&*format!("anthropic-ratelimit-{word}-reset"), "2026-11-24T02:06:00Z"),
            ("retry-after", "361"),
            ("x-should-retry", "true"),
        ];
        assert_eq!(headers(&fault, Dialect::Anthropic), owned(&expected));
        // Google's stand in the body, which the snapshot shows.
        assert_eq!(headers(&fault, Dialect::Gemini), owned(&RETRY));
    }
    let fault = Fault::RateLimited(rate(Limited::Concurrency, Whose::Account));
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        assert_eq!(headers(&fault, dialect), owned(&RETRY));
    }
}

#[test]
fn a_wait_is_never_said_to_be_shorter_than_it_is() {
    for (millis, seconds) in [(0, "1"), (999, "1"), (1_000, "1"), (1_001, "2")] {
        let reset = Duration::from_millis(millis);
        let rate = Rate { reset, ..rate(Limited::Requests, Whose::Key) };
        for fault in [Fault::RateLimited(rate), Fault::CallInFlight(reset), Fault::Busy(reset)] {
            let found = headers(&fault, Dialect::Gemini);
            assert_eq!(found, owned(&[("retry-after", seconds), ("x-should-retry", "true")]));
            assert!(fault.to_string().contains(&format!("in {seconds} seconds.")), "{fault}");
        }
    }
}

#[test]
fn where_money_is_used_up_every_client_stops() {
    for fault in all().iter().filter(|fault| fault.status() == 402) {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
            assert_eq!(headers(fault, dialect), owned(&[("x-should-retry", "false")]));
        }
        assert_eq!(Dialect::OpenAi.status(fault), 429);
        let body = Dialect::OpenAi.body(fault, "call_ID");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["error"]["code"], "insufficient_quota");
        assert_eq!(body["error"]["type"], "insufficient_quota");
    }
}

#[test]
fn a_call_that_was_charged_is_named_with_its_cost() {
    let call: CallId = "call_20261124010123456789abcdefghijkl".parse().unwrap();
    let fault = Fault::CallCharged { call: call.clone(), cost: Pico::new(1_234_500_000) };
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let expected = [
            ("x-laozhang-charged-call-id", call.as_str()),
            ("x-laozhang-cost-usd", "0.001234500000"),
            ("x-should-retry", "false"),
        ];
        assert_eq!(headers(&fault, dialect), owned(&expected));
        let body = String::from_utf8(dialect.body(&fault, "call_ID").to_vec()).unwrap();
        assert!(body.contains(call.as_str()) && body.contains("0.001234500000 USD"), "{body}");
    }
}
