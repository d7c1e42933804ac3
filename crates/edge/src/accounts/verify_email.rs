//! `POST /auth/verify`: confirms an e-mail address with a mailed link.

use bytes::Bytes;
use framelift_contract::account::VerifyEmailRequest;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::link::invalid_link;
use super::record::{Profile, User};
use super::secret::Purpose;
use super::{Accounts, map_update_error, user_key};
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/verify");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "verifyEmail",
        "accounts",
        Auth::Nobody,
        "Confirm the e-mail address by a mailed link",
    )
    .about("May be repeated. Access tokens from before say that the address is not confirmed: refresh them.")
    .json(typed(&VerifyEmailRequest { token: examples::LINK_TOKEN.into() }))
    .answers(StatusCode::NO_CONTENT, "The address is confirmed.", Payload::Empty)
    .or(&[Code::InvalidToken, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Confirms the address. If it is confirmed already, any link of its account succeeds: mail scanners follow links
    /// before the owner does.
    pub(super) async fn verify_email(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: VerifyEmailRequest = incoming.json()?;
        let purpose = Purpose::VerifyEmail;
        let opened = self.config.secrets.open_link(purpose, &body.token);
        let (id, link) = opened.ok_or_else(invalid_link)?;
        let now = self.ambient.now();
        let result = self
            .store()
            .update(&user_key(id), |user: User| match user {
                User::Active(profile) if profile.email_verified_at.is_some() => {
                    Ok((User::Active(profile), false, ()))
                }
                User::Active(profile) if profile.is_current(purpose, link, now) => {
                    let email_verified_at = Some(now);
                    let profile = Profile { email_verified_at, verification_link: None, ..profile };
                    Ok((User::Active(profile), true, ()))
                }
                _ => Err(invalid_link()),
            })
            .await;
        map_update_error(result, invalid_link)?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
