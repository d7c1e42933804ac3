//! `POST /internal/users/{id}/mail`: what a worker mails to the owner of an account, with a link.

use bytes::Bytes;
use framelift_contract::account::{AccountMail, AccountMailRequest};
use framelift_contract::message::NoticeKind;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::{Response, StatusCode};

use super::record::User;
use super::secret::Purpose;
use super::{Accounts, settle, user_key};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/internal/users/{id}/mail");

pub(super) fn operation() -> Operation {
    Operation::for_workers(
        ROUTE,
        "accountMail",
        "Get the link that is to be mailed to the owner of an account",
    )
    .about("May be repeated: the same link has the same token. A link makes older ones of its kind void.")
    .json(typed(&AccountMailRequest { kind: NoticeKind::PasswordReset, link_id: examples::video().into() }))
    .answers(
        StatusCode::OK,
        "Whom to mail to, and the link's token.",
        typed(&AccountMail {
            name: "Ada".into(),
            email: "ada@example.com".into(),
            token: examples::LINK_TOKEN.into(),
            expires_at: examples::time().plus_s(3600),
        }),
    )
    .or(&[Code::NotFound])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// From here on the link is good, so that it is never in any queue or log.
    pub(super) async fn account_mail(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        incoming.worker(&self.config.worker_token)?;
        let void = || Failure::new(Code::NotFound, "there is nothing to mail to this account");
        let body: AccountMailRequest = incoming.json()?;
        let purpose = Purpose::of(body.kind)
            .ok_or_else(|| Failure::field("/kind", "must be of an account, not of a video"))?;
        let id: UserId = incoming.param("id").parse().map_err(|_| void())?;
        if !self.config.secrets.made_link(purpose, id, body.link_id) {
            return Err(void());
        }
        let now = self.ambient.now();
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let User::Active(mut profile) = user else { return Err(void()) };
                let before = profile.clone();
                if !profile.mail(purpose, body.link_id, now) {
                    return Err(void());
                }
                let changed = profile != before;
                Ok((User::Active(profile.clone()), changed, profile))
            })
            .await;
        let profile = settle(result, void)?.output;
        json(StatusCode::OK, &self.mail_of(profile, purpose, id, body.link_id))
    }
}
