//! `POST /auth/password/reset`: replaces a forgotten password by a mailed link.

use bytes::Bytes;
use framelift_contract::account::ResetPasswordRequest;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::link::invalid_link;
use super::record::{Profile, User};
use super::secret::Purpose;
use super::{Accounts, settle, user_key, validate};
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/password/reset");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "resetPassword", "accounts", Auth::Nobody, "Set a new password by a mailed link")
        .about("All logins of the account end.")
        .json(typed(&ResetPasswordRequest {
            token: examples::LINK_TOKEN.into(),
            password: "staple in the correct battery".into(),
        }))
        .answers(StatusCode::NO_CONTENT, "The new password holds.", Payload::Empty)
        .or(&[Code::InvalidToken, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Logins end before the new password is written and after it, as with a change of the password.
    pub(super) async fn reset_password(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: ResetPasswordRequest = incoming.json()?;
        validate::password(&body.password).map_err(|detail| Failure::field("/password", detail))?;
        let purpose = Purpose::ResetPassword;
        let opened = self.config.secrets.open_link(purpose, &body.token);
        let (id, link) = opened.ok_or_else(invalid_link)?;
        let good = |user, now| match user {
            User::Active(profile) if profile.holds(purpose, link, now) => Ok(profile),
            _ => Err(invalid_link()),
        };
        good(self.user(id).await?.ok_or_else(invalid_link)?, self.ambient.now())?;
        let (fresh, now) = (self.hash(&body.password).await?, self.ambient.now());
        self.end_sessions(id, |_| true).await?;
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let profile = good(user, now)?;
                // Whoever has the link reads the address's mail.
                let email_verified_at = profile.email_verified_at.or(Some(now));
                let profile = Profile { email_verified_at, ..profile.with_password(fresh.clone(), now) };
                Ok((User::Active(profile), true, ()))
            })
            .await;
        settle(result, invalid_link)?;
        self.end_sessions(id, |_| true).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
