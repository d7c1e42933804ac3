//! `POST /auth/me/password`: changes the password, and ends all other logins.

use bytes::Bytes;
use framelift_contract::account::ChangePasswordRequest;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use super::record::User;
use super::throttle::LoginClient;
use super::{Accounts, account_gone, invalid_credentials, map_update_error, user_key, validate};
use crate::http::{Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload, typed};
use crate::passwords::Verdict;
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/me/password");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "changePassword", "accounts", Auth::User, "Change the password")
        .about(
            "All other logins end: their refresh tokens are good no more, and their access tokens open nothing of \
             the account. On videos, an access token is good until it expires, an hour at most.",
        )
        .json(typed(&ChangePasswordRequest {
            password: "correct horse battery".into(),
            new_password: "staple in the correct battery".into(),
        }))
        .answers(StatusCode::NO_CONTENT, "The new password holds.", Payload::Empty)
        .or(&[Code::InvalidCredentials, Code::TooManyAttempts, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Ends other logins before the new password is written, so that a crash in between leaves none of them, and once
    /// more afterwards. A concurrent login with the old password reads the account again before it answers.
    pub(super) async fn change_password(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (caller, profile) = self.caller(incoming).await?;
        let body: ChangePasswordRequest = incoming.json()?;
        validate::password(&body.new_password).map_err(|detail| Failure::field("/new_password", detail))?;
        let account = self.config.secrets.email(&profile.email);
        let (client, hash) = (LoginClient::AccessToken(&caller.token), Some(profile.password.as_str()));
        if self.check_password(&account, client, &body.password, hash).await? == Verdict::Mismatch {
            return Err(invalid_credentials());
        }
        let (fresh, now) = (self.hash(&body.new_password).await?, self.ambient.now());
        let others = |session: &str| caller.session.as_deref() != Some(session);
        self.end_sessions(caller.id, others).await?;
        let result = self
            .store()
            .update(&user_key(caller.id), |user: User| {
                let User::Active(current) = user else { return Err(account_gone()) };
                // Another request changed the password since it was compared.
                if current.password_set_at != profile.password_set_at {
                    return Err(invalid_credentials());
                }
                let changed = current.with_password(fresh.clone(), now);
                Ok((User::Active(changed), true, ()))
            })
            .await;
        map_update_error(result, account_gone)?;
        self.end_sessions(caller.id, others).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
