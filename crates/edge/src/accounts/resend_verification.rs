//! `POST /auth/verify/resend`: mails another link to confirm the caller's address.

use bytes::Bytes;
use framelift_contract::message::NoticeKind;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::Accounts;
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/verify/resend");

pub(super) fn operation() -> Operation {
    let summary = "Have another link mailed that confirms the e-mail address";
    Operation::new(ROUTE, "resendVerification", "accounts", Auth::User, summary)
        .about("Older links are void. Of an address that is confirmed, nothing is mailed.")
        .answers(StatusCode::ACCEPTED, "An e-mail is on its way.", Payload::Empty)
        .or(&[Code::TooManyAttempts, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn resend_verification(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (caller, profile) = self.caller(incoming).await?;
        if profile.email_verified_at.is_none() {
            self.count_verification_mail(caller.id).await?;
            self.queue_link_mail(caller.id, NoticeKind::EmailVerification, incoming).await?;
        }
        Ok(empty(StatusCode::ACCEPTED))
    }
}
