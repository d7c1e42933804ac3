//! `POST /auth/password/reset`: sets a new password with a mailed link.

use bytes::Bytes;
use framelift_contract::account::ResetPasswordRequest;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::link::invalid_link;
use super::record::{Profile, User};
use super::secret::Purpose;
use super::{Accounts, map_update_error, origin, user_key, validate};
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/password/reset");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "resetPassword", "accounts", Auth::Nobody, "Set a new password by a mailed link")
        .about(
            "All logins of the account end. Failed logins of unknown devices are forgotten. With the link's token as \
             `refresh_token`, a login is one of a known device until the link's hour is over.",
        )
        .json(typed(&ResetPasswordRequest {
            token: examples::LINK_TOKEN.into(),
            password: "staple in the correct battery".into(),
        }))
        .answers(StatusCode::NO_CONTENT, "The new password holds.", Payload::Empty)
        .or(&[Code::InvalidToken, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Ends all logins before and after the new password is written, as a change of the password does. Strangers'
    /// failures are forgotten, so that the owner can log in with the new password.
    pub(super) async fn reset_password(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: ResetPasswordRequest = incoming.json()?;
        validate::password(&body.password).map_err(|detail| Failure::field("/password", detail))?;
        let purpose = Purpose::ResetPassword;
        let opened = self.config.secrets.open_link(purpose, &body.token);
        let (id, link) = opened.ok_or_else(invalid_link)?;
        let check_link = |user, now| match user {
            User::Active(profile) if profile.is_current(purpose, link, now) => Ok(profile),
            _ => Err(invalid_link()),
        };
        let profile = check_link(self.user(id).await?.ok_or_else(invalid_link)?, self.ambient.now())?;
        let (fresh, now) = (self.hash(&body.password).await?, self.ambient.now());
        self.end_sessions(id, |_| true).await?;
        let network = origin::network(incoming.headers(), self.config.proxy_hops);
        self.forget_failures(&self.config.secrets.email(&profile.email), &network).await?;
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let profile = check_link(user, now)?;
                // The link was mailed, so the caller can read the mail of the address.
                let email_verified_at = profile.email_verified_at.or(Some(now));
                let profile = Profile { email_verified_at, ..profile.with_password(fresh.clone(), now) };
                Ok((User::Active(profile), true, ()))
            })
            .await;
        map_update_error(result, invalid_link)?;
        self.end_sessions(id, |_| true).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
