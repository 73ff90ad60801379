//! Stands where API Gateway stands: takes the template's routes, turns a request into the event
//! API Gateway would send, asks the authorizer, then calls the function.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Request, StatusCode, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use lambda_http::{Context, RequestExt};
use serde_json::Value;
use shared::{
    content::Content,
    event::HttpEvent,
    id::random_base62,
    lambda::guarded,
    reply::{self, Reply},
    store::Store,
    time::Timestamp,
};

use crate::{
    event,
    template::{Authorizer, HeaderSource, Route, Template},
};

/// API Gateway's own limit on a request.
const LARGEST_REQUEST: usize = 10 * 1_024 * 1_024;

/// Lambda's own limit on an event, with everything in it.
const LARGEST_EVENT: usize = 6 * 1_024 * 1_024;

/// How long API Gateway waits for an answer.
const LONGEST_CALL: Duration = Duration::from_secs(900);

/// The functions, as Lambda would run them.
pub struct Functions {
    /// Finds out who asks.
    pub authorizer: Arc<authorizer::App<Store>>,
    /// Carries calls.
    pub proxy: Arc<proxy::App<Store>>,
    /// Answers finance.
    pub usage: Arc<usage::App<Store>>,
    /// Answers owners and the operator.
    pub account: Arc<account::App<Store>>,
}

/// The front door.
pub struct Gateway {
    template: Template,
    functions: Functions,
    operator_token: String,
}

/// Why the gateway itself answers, by API Gateway's name for it.
#[derive(Clone, Copy)]
enum Refusal {
    MissingAuthenticationToken,
    AccessDenied,
    InvalidSignature,
    RequestTooLarge,
    AuthorizerFailure,
    IntegrationFailure,
}

impl Refusal {
    const fn name(self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MISSING_AUTHENTICATION_TOKEN",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::InvalidSignature => "INVALID_SIGNATURE",
            Self::RequestTooLarge => "REQUEST_TOO_LARGE",
            Self::AuthorizerFailure => "AUTHORIZER_FAILURE",
            Self::IntegrationFailure => "INTEGRATION_FAILURE",
        }
    }

    /// What answers where the template says nothing about this refusal.
    const fn default(self) -> &'static str {
        match self {
            Self::AuthorizerFailure | Self::IntegrationFailure => "DEFAULT_5XX",
            Self::MissingAuthenticationToken
            | Self::AccessDenied
            | Self::InvalidSignature
            | Self::RequestTooLarge => "DEFAULT_4XX",
        }
    }
}

impl Gateway {
    /// Makes the front door. `operator_token` stands where IAM stands in the cloud.
    pub const fn new(template: Template, functions: Functions, operator_token: String) -> Self {
        Self { template, functions, operator_token }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Reply {
        match self.route(request).await {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(refusal),
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Reply, Refusal> {
        let (parts, body) = request.into_parts();
        let route = self.template.route(parts.method.as_str(), parts.uri.path());
        let route = route.ok_or(Refusal::MissingAuthenticationToken)?;
        let context = match route.authorizer {
            Authorizer::Key => Some(self.authorize(route, &parts).await?),
            Authorizer::Iam => self.is_operator(&parts).map(|()| None)?,
            Authorizer::None => None,
        };
        let body = Limited::new(body, LARGEST_REQUEST).collect().await.map_err(|error| {
            // Reading fails otherwise only when the caller has gone.
            if error.is::<LengthLimitError>() {
                Refusal::RequestTooLarge
            } else {
                Refusal::IntegrationFailure
            }
        })?;
        let body = Content::new(body.to_bytes());
        let event = event::proxy(route, &parts, body, context, &self.template.binary_media_types);
        if event.len() > LARGEST_EVENT {
            return Err(Refusal::RequestTooLarge);
        }
        self.invoke(&route.binary, &event).await
    }

    async fn authorize(&self, route: &Route, parts: &Parts) -> Result<Value, Refusal> {
        let event = serde_json::from_value(event::authorizer(route, parts));
        let event = event.map_err(|_| Refusal::AuthorizerFailure)?;
        let decision = Arc::clone(&self.functions.authorizer).authorize(event).await;
        let decision = decision.map_err(|_| Refusal::AuthorizerFailure)?;
        let mut context: HashMap<&str, String> =
            decision.context().ok_or(Refusal::AccessDenied)?.clone();
        context.insert("principalId", decision.principal().to_owned());
        serde_json::to_value(context).map_err(|_| Refusal::AuthorizerFailure)
    }

    fn is_operator(&self, parts: &Parts) -> Result<(), Refusal> {
        let header = parts.headers.get(http::header::AUTHORIZATION);
        let header = Some(header.ok_or(Refusal::MissingAuthenticationToken)?);
        let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        (token == Some(&self.operator_token)).then_some(()).ok_or(Refusal::InvalidSignature)
    }

    async fn invoke(&self, binary: &str, event: &str) -> Result<Reply, Refusal> {
        let event = HttpEvent::parse(event.as_bytes()).map_err(|_| Refusal::IntegrationFailure)?;
        let mut context = Context::default();
        let deadline = Timestamp::now().plus(LONGEST_CALL).millis();
        context.deadline = u64::try_from(deadline).unwrap_or(0);
        let request = event.request().with_lambda_context(context);
        let Functions { proxy, usage, account, .. } = &self.functions;
        Ok(match binary {
            "proxy" => guarded(Box::pin(Arc::clone(proxy).handle(request))).await,
            "usage" => guarded(Box::pin(Arc::clone(usage).handle(request))).await,
            "account" => guarded(Box::pin(Arc::clone(account).handle(request))).await,
            _ => return Err(Refusal::IntegrationFailure),
        })
    }

    /// The answer that the template gives for a refusal.
    fn refuse(&self, refusal: Refusal) -> Reply {
        let responses = &self.template.gateway_responses;
        let response = responses.get(refusal.name()).or_else(|| responses.get(refusal.default()));
        match response {
            Some(response) => {
                let status = StatusCode::from_u16(response.status);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut reply = reply::json(status, response.body.clone());
                for (name, source) in &response.headers {
                    let value = match source {
                        HeaderSource::Literal(text) => text.clone(),
                        // API Gateway's is a UUID, and as random.
                        HeaderSource::RequestId => random_base62(22).unwrap_or_default(),
                    };
                    if let (Ok(name), Ok(value)) =
                        (HeaderName::try_from(name), HeaderValue::try_from(value))
                    {
                        reply.headers_mut().insert(name, value);
                    }
                }
                reply
            }
            None => reply::json(StatusCode::INTERNAL_SERVER_ERROR, "{}"),
        }
    }
}
