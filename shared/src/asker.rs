//! Who of the operator asks for something of an account, and for what: it is noted before it is
//! answered.

use lambda_http::{RequestExt, request::RequestContext};

use crate::{
    event::Request,
    fault::Fault,
    id::{AccountId, CallId},
    store::accesses::{Access, Deed, NoteAccess, Operator, Purpose},
    time::Timestamp,
};

/// Somebody of the operator's, and the id under which they ask.
pub struct Asker<'a> {
    /// Who.
    pub who: Operator,
    /// Under which id.
    pub call: &'a CallId,
}

impl<'a> Asker<'a> {
    /// Whoever IAM has let in.
    ///
    /// # Errors
    /// [`Fault::Internal`] where the request has not come through IAM.
    pub fn of(request: &Request, call: &'a CallId) -> Result<Self, Fault> {
        let context = request.request_context_ref();
        let arn = context.as_ref().and_then(|context| match context {
            RequestContext::ApiGatewayV1(context) => context.identity.user_arn.as_deref(),
            _ => None,
        });
        // Nothing is shown to nobody.
        let who = arn.and_then(Operator::from_arn).ok_or(Fault::Internal)?;
        Ok(Self { who, call })
    }

    /// Notes an access, before there is one.
    ///
    /// # Errors
    /// [`Fault::StoreUnavailable`]: then there is to be none.
    pub async fn note(
        &self,
        store: &impl NoteAccess,
        account: &AccountId,
        purpose: Purpose,
        what: Deed,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let access = self.access(account, purpose, what, now);
        store.note_access(&access, self.call).await.map_err(|_| Fault::StoreUnavailable)
    }

    /// An access of theirs.
    pub fn access(
        &self,
        account: &AccountId,
        purpose: Purpose,
        what: Deed,
        now: Timestamp,
    ) -> Access {
        Access { account: account.clone(), who: self.who.clone(), purpose, what, time: now }
    }
}

/// The purpose that is given, which there has to be.
///
/// # Errors
/// [`Fault::MissingField`] and [`Fault::WrongType`].
pub fn purpose(given: Option<&str>) -> Result<Purpose, Fault> {
    let given = given.ok_or(Fault::MissingField("purpose"))?;
    Purpose::named(given).ok_or(Fault::WrongType("purpose"))
}
