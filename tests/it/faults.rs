//! Every fault in every dialect: what a caller is told, reviewed as one text.

use std::{fmt::Write, time::Duration};

use shared::{
    content::Malformed,
    dialect::Dialect,
    fault::{Blame, Fault, Retry},
    provider::Provider,
};

/// One of each. A new variant does not compile until it stands in both lists.
fn all() -> Vec<Fault> {
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
        Fault::AccountClosed,
        Fault::AccountFrozen,
        Fault::ConsentMissing(Provider::Anthropic),
        Fault::InsufficientBalance,
        Fault::NotCredited,
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
            | Fault::AccountClosed
            | Fault::AccountFrozen
            | Fault::ConsentMissing(_)
            | Fault::InsufficientBalance
            | Fault::NotCredited
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
            Retry::After(after) => format!("retry after {} s", after.as_secs()),
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
