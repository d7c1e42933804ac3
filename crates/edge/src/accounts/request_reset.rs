//! `POST /auth/password/reset-request`: mails a link by which a forgotten password is replaced.

use bytes::Bytes;
use framelift_contract::account::ResetPasswordMailRequest;
use framelift_contract::message::NoticeKind;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::{Response, StatusCode};

use super::record::Owner;
use super::{Accounts, email_key, origin, validate};
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/password/reset-request");

pub(super) fn operation() -> Operation {
    let summary = "Have a link mailed that resets the password";
    Operation::new(ROUTE, "requestPasswordReset", "accounts", Auth::Nobody, summary)
        .about(
            "The answer is the same whether there is such an account. The link is good for one use within an \
             hour, until a newer one is mailed or the password is changed. Few mails are sent to one address \
             within 15 minutes.",
        )
        .json(typed(&ResetPasswordMailRequest { email: "ada@example.com".into() }))
        .answers(
            StatusCode::ACCEPTED,
            "If there is such an account, its owner gets an e-mail.",
            Payload::Empty,
        )
        .or(&[Code::TooManyAttempts, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Does the same, in the same time, for an address that nobody has: a mail to nobody is queued, and a worker
    /// finds that there is nothing to send.
    pub(super) async fn request_reset(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: ResetPasswordMailRequest = incoming.json()?;
        let account = self.config.secrets.email(&validate::normalize_email(&body.email));
        let network = origin::network(incoming.headers(), self.config.proxy_hops);
        self.count_reset(&account, &network).await?;
        let owner: Option<Owner> = self.store().get(&email_key(&account)).await?;
        let nobody = UserId::new(self.ambient.now().unix_ms().unsigned_abs(), self.random());
        let user = owner.and_then(|owner| owner.user).unwrap_or(nobody);
        self.queue_link(user, NoticeKind::PasswordReset, incoming).await?;
        Ok(empty(StatusCode::ACCEPTED))
    }
}
