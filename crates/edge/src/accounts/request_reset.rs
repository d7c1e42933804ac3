//! `POST /auth/password/reset-request`: mails a link to reset a forgotten password.

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
    /// Does the same work for an address without an account, so that neither the answer nor its time tells them apart:
    /// it queues a mail for a made-up user, which the worker discards.
    pub(super) async fn request_reset(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: ResetPasswordMailRequest = incoming.json()?;
        let account = self.config.secrets.email(&validate::normalize_email(&body.email));
        let network = origin::network(incoming.headers(), self.config.proxy_hops);
        self.count_reset_mail(&account, &network).await?;
        let owner: Option<Owner> = self.store().get(&email_key(&account)).await?;
        let made_up = UserId::new(self.ambient.now().unix_ms().unsigned_abs(), self.random());
        let user = owner.and_then(|owner| owner.user).unwrap_or(made_up);
        self.queue_link_mail(user, NoticeKind::PasswordReset, incoming).await?;
        Ok(empty(StatusCode::ACCEPTED))
    }
}
