//! What a caller may be told. One table: fault to status, code, message and whose fault it is.
//!
//! No variant holds text that a caller or a provider wrote: field names come from our own tables,
//! places are line and column.

use std::time::Duration;

use http::StatusCode;

use crate::{
    content::Malformed,
    id::CallId,
    money::Pico,
    period::Period,
    provider::Provider,
    rate::{Rate, whole_seconds},
    time::Timestamp,
};

/// Why a call is refused or broken off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The body is not JSON.
    #[error("The body is not valid JSON: see line {}, column {}.", .0.line, .0.column)]
    Malformed(Malformed),
    /// The body is JSON, but not an object.
    #[error("The body must be a JSON object.")]
    NotAnObject,
    /// The body is nested too deeply.
    #[error("The body is nested too deeply: 512 levels are the most.")]
    TooDeep,
    /// The body is no form as it stands in `multipart/form-data`.
    #[error("The multipart body is not well-formed at byte {at}: {flaw}.")]
    MalformedForm {
        /// Where, from 0.
        at: usize,
        /// What is wrong there.
        flaw: &'static str,
    },
    /// The endpoint takes a form and got something else.
    #[error("This endpoint takes multipart/form-data with a boundary in the content type.")]
    NotAForm,
    /// A field that every such call has is missing.
    #[error("The field `{0}` is required.")]
    MissingField(&'static str),
    /// A field that we read has another type than the API says.
    #[error("The field `{0}` has the wrong type or an impossible value.")]
    WrongType(&'static str),
    /// A field that we read stands there twice: it could be metered as one thing and served as
    /// another.
    #[error("The field `{0}` appears more than once. Send it once.")]
    DuplicateField(&'static str),
    /// A field or value that this gateway does not carry.
    #[error("The field `{field}` is not accepted here: {why}.")]
    RefusedField {
        /// The field, as the provider spells it.
        field: &'static str,
        /// The reason, and what to do.
        why: &'static str,
    },
    /// The model is not in the catalogue.
    #[error(
        "The model does not exist or is not offered here. GET /v1/models lists those that are."
    )]
    UnknownModel,
    /// The model is offered, but not at this endpoint.
    #[error("The model is not offered at this endpoint: it is for another kind of call.")]
    WrongEndpoint,
    /// Something the call could use has no price in the catalogue.
    #[error("This use of the model has no listed price, so it cannot be billed and is refused.")]
    Unpriced,
    /// No such path or method.
    #[error("There is no such endpoint here. Check the base URL and the path.")]
    UnknownPath,
    /// The provider has such an endpoint, and it is not served here.
    #[error("This endpoint is not served here: {0}.")]
    NotServed(&'static str),
    /// A client asks for a WebSocket. Codex goes on over HTTP at once if told so with this status.
    #[error("There are no WebSockets here. Send a POST to the same path.")]
    NoWebSocket,
    /// The body is compressed.
    #[error("The body is compressed. Send it as it is, without a content encoding.")]
    Compressed,
    /// The key does not have the scope this endpoint wants.
    #[error("This key may not be used here: it lacks the scope `{0}`.")]
    MissingScope(&'static str),
    /// The key was revoked since it was looked up.
    #[error("This key has been revoked. Ask the owner of the account for another.")]
    KeyRevoked,
    /// The key has an end, and it is past.
    #[error("This key has expired. Ask the owner of the account for another.")]
    KeyExpired,
    /// The key is for other models.
    #[error(
        "This key may not call this model. Call another, or ask the owner of the account to allow \
         it."
    )]
    ModelNotAllowed,
    /// The account has no wallet: it was closed.
    #[error("This account is closed.")]
    AccountClosed,
    /// The operator has frozen the account.
    #[error(
        "This account is frozen. Ask the operator of this platform, whom GET /v1/policy names."
    )]
    AccountFrozen,
    /// The account has not agreed that its calls may go to this provider.
    #[error(
        "This account has not agreed to send requests to {0}. Its owner can agree with PUT \
         /v1/account/consents/{0} and the management key; until then nothing is sent."
    )]
    ConsentMissing(Provider),
    /// The balance does not cover the hold.
    #[error(
        "The balance does not cover this call. Add credit, or ask for less with a lower output \
         limit."
    )]
    InsufficientBalance,
    /// The key's budget does not cover the hold.
    #[error("{}", budget_spent(*.0))]
    BudgetSpent(Period),
    /// The account's limit for the month does not cover the hold.
    #[error(
        "This account's monthly limit does not cover this call. Ask the account's owner or the \
         operator of this platform, whom GET /v1/policy names, to raise it; a new month begins on \
         the first, at 00:00 UTC."
    )]
    AccountLimit,
    /// A rate limit of the key or the account.
    #[error("{0}. Try again in {wait} seconds.", wait = .0.wait())]
    RateLimited(Rate),
    /// A call with the same idempotency key has not ended yet.
    #[error(
        "A call with this Idempotency-Key may still be running. Nothing was sent. Try again in {} \
         seconds.", whole_seconds(*.0)
    )]
    CallInFlight(Duration),
    /// A call with the same idempotency key was carried. Its answer is kept nowhere.
    #[error(
        "A call with this Idempotency-Key was already carried: {call} was charged {cost} USD. \
         Nothing was sent now, and its answer was not kept. To make the call once more, send \
         another Idempotency-Key."
    )]
    CallCharged {
        /// The call that was carried.
        call: CallId,
        /// What it cost.
        cost: Pico,
    },
    /// The idempotency key is none.
    #[error("The header Idempotency-Key must be 1 to 255 printable ASCII characters.")]
    BadIdempotencyKey,
    /// An entry of the ledger has the same kind and reference, and another amount.
    #[error(
        "This reference was used for an entry of another amount. Nothing was entered. If this is \
         another payment, send it with a reference of its own."
    )]
    AlreadyEntered,
    /// The balance does not cover an entry that lowers it.
    #[error(
        "The balance does not cover this debit. Nothing was entered. Enter less; what calls in \
         flight hold and do not spend returns as they end."
    )]
    BalanceTooLow,
    /// The operator names an account that there is not.
    #[error("There is no such account. Check its id.")]
    UnknownAccount,
    /// There is no receipt of this id, or not any more.
    #[error("There is no such receipt. Check its id; one is shown for eight days.")]
    UnknownReceipt,
    /// The provider is none that is served here.
    #[error("There is no such provider here. GET /v1/providers lists those that are.")]
    UnknownProvider,
    /// The account has no key of this id.
    #[error("There is no such key in this account. Check its id.")]
    UnknownKey,
    /// The key is revoked, and cannot be changed any more.
    #[error("This key is revoked and cannot be changed. Make another.")]
    RevokedKey,
    /// A key would revoke or end itself.
    #[error(
        "A key cannot revoke or end itself. Use another management key, or rotate this one with \
         an overlap."
    )]
    OwnKey,
    /// The secret before the newest has not ended yet.
    #[error(
        "This key was rotated, and the secret before has not ended yet. Wait for its end, or \
         rotate with `overlap_seconds` 0, which ends every earlier secret at once."
    )]
    KeyRotating,
    /// A code that is not known, used, too old or for another address.
    #[error(
        "This code is not known, used already, too old, or was sent to another address. Ask for \
         another where you have asked for it."
    )]
    InvalidCode,
    /// Codes were asked for too often.
    #[error(
        "Codes were asked for too often. One that has come is good for two hours. Ask again in {} \
         seconds.", whole_seconds(*.0)
    )]
    TooManyCodes(Duration),
    /// The address may not have an account.
    #[error(
        "Accounts are not open to this address. Use one of a domain that is admitted, or ask the \
         operator of this platform, whom GET /v1/policy names."
    )]
    RegistrationClosed,
    /// The policy agreed to is not the newest.
    #[error("The newest policy has the version {0}. GET /v1/policy shows it. Send that number.")]
    OtherPolicy(u32),
    /// A major policy version would come before the one before it is in force.
    #[error(
        "A major version of the policy is published already and in force from {0} on. Nothing was \
         published. Until then there are minor versions of it alone."
    )]
    PolicyInGrace(Timestamp),
    /// There is no such policy version.
    #[error("There is no such policy version. GET /v1/policy/versions lists those that there are.")]
    UnknownPolicyVersion,
    /// The operator gives an address to an account that another has.
    #[error("This address is another account's, and was given to none.")]
    EmailTaken,
    /// The address was changed a while ago, which the one before may still undo.
    #[error(
        "The address of this account was changed less than seven days ago, which the one before \
         can undo by a recovery. Until then it is not changed again."
    )]
    EmailJustChanged,
    /// A key that ends would end one that manages the account and does not.
    #[error(
        "This key has an end itself, and cannot end one that manages the account and has none. \
         Use a management key without an end."
    )]
    EndingKey,
    /// A message could not be sent.
    #[error(
        "The message could not be sent. Try again, and ask the operator, whom GET /v1/policy names, \
         if it stays so."
    )]
    MailUnavailable,
    /// A field that is not known here, and might have been meant to limit something.
    #[error("There is a field that is not known here. Known are: {0}.")]
    UnknownField(&'static str),
    /// A parameter of a query is missing, or cannot be what it is.
    #[error("The parameter `{name}` {why}.")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// What it has to be, or why it cannot be this.
        why: &'static str,
    },
    /// A parameter that is not known here, and might have been meant to narrow a query.
    #[error("There is a parameter that is not known here. Known are: {0}.")]
    UnknownParameter(&'static str),
    /// A query is about more than one answer can have.
    #[error(
        "This is more than one answer can sum. Ask for less time, group by less, or end before the \
         hours that are not closed yet, which are the last two."
    )]
    QueryTooLarge,
    /// A day's statement is not written yet, and its hours are forgotten.
    #[error(
        "The statement of a day that was asked for is not written yet. Ask for later days, or again \
         in an hour, and tell the operator of this platform, whom GET /v1/policy names, if it stays so."
    )]
    Unstated,
    /// The account has as many keys as it may have.
    #[error("This account has 500 keys, which are the most. Revoke some.")]
    TooManyKeys,
    /// Too many calls at once for one wallet, or the store asks us to slow down.
    #[error("Too many calls at once. Try again in {} seconds.", whole_seconds(*.0))]
    Busy(Duration),
    /// The store did not answer. A call was not forwarded; an entry sent again is entered once.
    #[error("The platform's store did not answer. Nothing was sent to a provider. Try again.")]
    StoreUnavailable,
    /// The provider could not be reached.
    #[error("The provider could not be reached. Try again.")]
    ProviderUnreachable,
    /// The provider's answer broke off.
    #[error("The provider's answer broke off before its end.")]
    ProviderCut,
    /// The provider did not finish in the time a call has.
    #[error("The provider did not finish in the time a call has. Use streaming or ask for less.")]
    ProviderTimedOut,
    /// The provider refused the operator's credentials or account.
    #[error(
        "The provider refused this platform's account. Its operator, whom GET /v1/policy names, has \
         to look into it."
    )]
    ProviderRefused,
    /// The provider limits the operator's rate.
    #[error("The provider limits the rate of this platform. Try again later.")]
    ProviderBusy(Option<Duration>),
    /// The operator has set no credential for this provider.
    #[error("This platform has no credential for the provider of this model.")]
    ProviderNotConfigured,
    /// A defect of the gateway.
    #[error(
        "The platform failed. Try again, and tell its operator, whom GET /v1/policy names, if it \
         stays so."
    )]
    Internal,
}

/// Whose fault it is. It decides what is alarmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller can do something about it.
    Caller,
    /// The platform or its operator has to.
    Gateway,
    /// The provider has to.
    Provider,
}

impl Fault {
    /// The table.
    const fn row(&self) -> (u16, &'static str, Blame) {
        match self {
            Self::Malformed(_) => (400, "malformed_json", Blame::Caller),
            Self::NotAnObject => (400, "not_an_object", Blame::Caller),
            Self::TooDeep => (400, "nested_too_deeply", Blame::Caller),
            Self::MalformedForm { .. } => (400, "malformed_form", Blame::Caller),
            Self::NotAForm => (400, "not_a_form", Blame::Caller),
            Self::MissingField(_) => (400, "missing_field", Blame::Caller),
            Self::WrongType(_) => (400, "invalid_value", Blame::Caller),
            Self::DuplicateField(_) => (400, "duplicate_field", Blame::Caller),
            Self::RefusedField { .. } => (400, "field_not_accepted", Blame::Caller),
            Self::UnknownModel => (404, "model_not_found", Blame::Caller),
            Self::WrongEndpoint => (400, "wrong_endpoint", Blame::Caller),
            Self::Unpriced => (400, "no_price", Blame::Caller),
            Self::UnknownPath => (404, "unknown_endpoint", Blame::Caller),
            Self::NotServed(_) => (404, "endpoint_not_served", Blame::Caller),
            Self::NoWebSocket => (426, "no_websocket", Blame::Caller),
            Self::Compressed => (415, "compressed_body", Blame::Caller),
            Self::MissingScope(_) => (403, "missing_scope", Blame::Caller),
            Self::KeyRevoked => (401, "invalid_api_key", Blame::Caller),
            Self::KeyExpired => (401, "invalid_api_key", Blame::Caller),
            Self::ModelNotAllowed => (403, "model_not_allowed", Blame::Caller),
            Self::AccountClosed => (403, "account_closed", Blame::Caller),
            Self::AccountFrozen => (403, "account_frozen", Blame::Caller),
            Self::ConsentMissing(_) => (403, "consent_required", Blame::Caller),
            Self::InsufficientBalance => (402, "insufficient_quota", Blame::Caller),
            Self::BudgetSpent(_) => (402, "budget_exceeded", Blame::Caller),
            Self::AccountLimit => (402, "account_limit_exceeded", Blame::Caller),
            Self::RateLimited(_) => (429, "rate_limit_exceeded", Blame::Caller),
            Self::CallInFlight(_) => (409, "idempotency_in_flight", Blame::Caller),
            Self::CallCharged { .. } => (409, "idempotency_charged", Blame::Caller),
            Self::BadIdempotencyKey => (400, "invalid_idempotency_key", Blame::Caller),
            Self::AlreadyEntered => (409, "already_entered", Blame::Caller),
            Self::BalanceTooLow => (409, "balance_too_low", Blame::Caller),
            Self::UnknownAccount => (404, "unknown_account", Blame::Caller),
            Self::UnknownReceipt => (404, "unknown_receipt", Blame::Caller),
            Self::UnknownProvider => (404, "unknown_provider", Blame::Caller),
            Self::UnknownKey => (404, "unknown_key", Blame::Caller),
            Self::RevokedKey => (409, "key_revoked", Blame::Caller),
            Self::OwnKey => (409, "own_key", Blame::Caller),
            Self::KeyRotating => (409, "key_rotating", Blame::Caller),
            Self::InvalidCode => (400, "invalid_code", Blame::Caller),
            Self::TooManyCodes(_) => (429, "too_many_codes", Blame::Caller),
            Self::RegistrationClosed => (403, "registration_closed", Blame::Caller),
            Self::OtherPolicy(_) => (409, "other_policy", Blame::Caller),
            Self::PolicyInGrace(_) => (409, "policy_in_grace", Blame::Caller),
            Self::UnknownPolicyVersion => (404, "unknown_policy_version", Blame::Caller),
            Self::EmailTaken => (409, "email_taken", Blame::Caller),
            Self::EmailJustChanged => (409, "email_just_changed", Blame::Caller),
            Self::EndingKey => (409, "ending_key", Blame::Caller),
            Self::MailUnavailable => (503, "mail_unavailable", Blame::Gateway),
            Self::UnknownField(_) => (400, "unknown_field", Blame::Caller),
            Self::BadParameter { .. } => (400, "invalid_parameter", Blame::Caller),
            Self::UnknownParameter(_) => (400, "unknown_parameter", Blame::Caller),
            Self::QueryTooLarge => (400, "query_too_large", Blame::Caller),
            Self::Unstated => (503, "not_stated_yet", Blame::Gateway),
            Self::TooManyKeys => (409, "too_many_keys", Blame::Caller),
            Self::Busy(_) => (429, "rate_limit_exceeded", Blame::Caller),
            Self::StoreUnavailable => (503, "store_unavailable", Blame::Gateway),
            Self::ProviderUnreachable => (502, "provider_unreachable", Blame::Provider),
            Self::ProviderCut => (502, "provider_cut", Blame::Provider),
            Self::ProviderTimedOut => (504, "provider_timed_out", Blame::Provider),
            Self::ProviderRefused => (502, "provider_refused", Blame::Gateway),
            Self::ProviderBusy(_) => (429, "provider_busy", Blame::Provider),
            Self::ProviderNotConfigured => (503, "provider_not_configured", Blame::Gateway),
            Self::Internal => (500, "internal_error", Blame::Gateway),
        }
    }

    /// The HTTP status, never below 400.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The stable code that programs may rely on.
    pub const fn code(&self) -> &'static str {
        self.row().1
    }

    /// Whose fault it is.
    pub const fn blame(&self) -> Blame {
        self.row().2
    }

    /// The field it is about, if it is about one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most faults are about no field")]
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::MissingField(field)
            | Self::WrongType(field)
            | Self::DuplicateField(field)
            | Self::RefusedField { field, .. }
            | Self::BadParameter { name: field, .. } => Some(field),
            Self::UnknownModel | Self::WrongEndpoint | Self::ModelNotAllowed => Some("model"),
            _ => None,
        }
    }

    /// Whether the same call may succeed if it is sent again, and after how long at the earliest.
    ///
    /// A call whose answer broke off may have been charged, so an SDK must not repeat it unasked.
    #[expect(clippy::wildcard_enum_match_arm, reason = "no call is repeated unless it is safe")]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Busy(after) | Self::CallInFlight(after) | Self::TooManyCodes(after) => {
                Retry::After(*after)
            }
            Self::RateLimited(rate) => Retry::After(rate.reset.max(Duration::from_secs(1))),
            Self::ProviderBusy(Some(after)) => Retry::After(*after),
            Self::StoreUnavailable | Self::ProviderUnreachable | Self::ProviderBusy(None) => {
                Retry::After(Duration::from_secs(1))
            }
            _ => Retry::No,
        }
    }
}

/// Whose budget is spent, and when there is more.
const fn budget_spent(period: Period) -> &'static str {
    match period {
        Period::Total => {
            "This key's total budget does not cover this call. Ask the owner of the account to \
             raise it, or ask for less with a lower output limit."
        }
        Period::Day => {
            "This key's budget for the day does not cover this call. It begins anew at 00:00 UTC. \
             Ask the owner of the account to raise it, or ask for less with a lower output limit."
        }
        Period::Month => {
            "This key's budget for the month does not cover this call. It begins anew on the \
             first, at 00:00 UTC. Ask the owner of the account to raise it, or ask for less with \
             a lower output limit."
        }
    }
}

/// What an SDK should do with a refused call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Give it to its caller.
    No,
    /// Send it again, no sooner than this.
    After(Duration),
}
