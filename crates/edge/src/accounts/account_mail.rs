//! `POST /internal/users/{id}/mail`: recipient and link token of a mail about an account.

use bytes::Bytes;
use framelift_contract::account::{AccountMail, AccountMailRequest};
use framelift_contract::message::NoticeKind;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::{Response, StatusCode};

use super::record::User;
use super::secret::Purpose;
use super::{Accounts, map_update_error, user_key};
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
    /// Records the link as mailed and answers with its token, which is made only here: no queue and no log ever
    /// holds it.
    pub(super) async fn account_mail(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        incoming.worker(&self.config.worker_token)?;
        let nothing_to_mail = || Failure::new(Code::NotFound, "there is nothing to mail to this account");
        let body: AccountMailRequest = incoming.json()?;
        let purpose = Purpose::of(body.kind)
            .ok_or_else(|| Failure::field("/kind", "must be of an account, not of a video"))?;
        let id: UserId = incoming.param("id").parse().map_err(|_| nothing_to_mail())?;
        if !self.config.secrets.issued_link(purpose, id, body.link_id) {
            return Err(nothing_to_mail());
        }
        let now = self.ambient.now();
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let User::Active(mut profile) = user else { return Err(nothing_to_mail()) };
                let before = profile.clone();
                if !profile.set_mailed_link(purpose, body.link_id, now) {
                    return Err(nothing_to_mail());
                }
                let changed = profile != before;
                Ok((User::Active(profile.clone()), changed, profile))
            })
            .await;
        let profile = map_update_error(result, nothing_to_mail)?.output;
        json(StatusCode::OK, &self.link_mail(profile, purpose, id, body.link_id))
    }
}
