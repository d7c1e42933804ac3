//! `DELETE /auth/me`: deletes an account: marks it as `Deleting`, deletes everything that belongs to it, then marks it
//! as `Gone`.
//!
//! Every step may be repeated. The owner's next call, or a sign-up with the same address, continues a deletion that
//! was interrupted.

use bytes::Bytes;
use framelift_contract::account::DeleteAccountRequest;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};

use super::record::{Owner, User};
use super::session::Sessions;
use super::throttle::LoginClient;
use super::{
    Accounts, account_gone, email_key, invalid_credentials, map_update_error, sessions_key, user_key,
};
use crate::http::{CORRELATION_HEADER, Failure, Incoming, Route, empty};
use crate::openapi::{Auth, Operation, Payload, typed};
use crate::passwords::Verdict;
use crate::ports::{Ambient, Http, Kv, Unavailable};
use crate::store::keys;

pub(super) const ROUTE: Route = Route::delete("/auth/me");

pub(super) fn operation() -> Operation {
    let summary = "Delete the account and everything in it";
    Operation::new(ROUTE, "deleteAccount", "accounts", Auth::User, summary)
        .about(
            "Account, videos, uploads, results and tokens go. The account, its tokens and its links to frames are \
             closed at once. The uploads and results are gone before the answer, too, if 20 seconds are enough for \
             that; the rest goes after it, oldest first. Until its object is gone, a presigned URL that was handed out \
             before leads to it, for an hour at most. May be repeated until it is done.",
        )
        .json(typed(&DeleteAccountRequest { password: "correct horse battery".into() }))
        .answers(
            StatusCode::ACCEPTED,
            "It is closed: none of its tokens opens anything any more.",
            Payload::Empty,
        )
        .or(&[Code::InvalidCredentials, Code::TooManyAttempts, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Deletes the caller's account. A repeated call finishes an interrupted deletion.
    pub(super) async fn delete_me(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let caller = incoming.user(&self.config.verifier, self.ambient.now())?;
        let body: DeleteAccountRequest = incoming.json()?;
        let profile = match self.user(caller.id).await? {
            Some(User::Active(profile) | User::Deleting(profile)) => profile,
            // There is no password left to compare, and nothing to protect.
            Some(User::Gone) => return Ok(empty(StatusCode::ACCEPTED)),
            None => return Err(account_gone()),
        };
        self.config.rate_limiter.admit(&self.store(), self.ambient, caller.id, incoming).await?;
        let account = self.config.secrets.email(&profile.email);
        // Counted by the access token, so that failures of other clients cannot block the call.
        let (client, hash) = (LoginClient::AccessToken(&caller.token), Some(profile.password.as_str()));
        if self.check_password(&account, client, &body.password, hash).await? == Verdict::Mismatch {
            return Err(invalid_credentials());
        }
        let result = self
            .store()
            .update(&user_key(caller.id), |user: User| match user {
                User::Active(profile) => Ok((User::Deleting(profile), true, ())),
                other => Ok((other, false, ())),
            })
            .await;
        map_update_error(result, account_gone)?;
        self.close_videos(caller.id, Some(incoming)).await?;
        self.delete_account_values(caller.id, &account).await?;
        Ok(empty(StatusCode::ACCEPTED))
    }

    /// Continues an interrupted deletion.
    pub(super) async fn finish_deletion(&self, id: UserId, account: &str) -> Result<(), Failure> {
        self.close_videos(id, None).await?;
        self.delete_account_values(id, account).await
    }

    /// Asks `control` to close the user's videos: it refuses new ones and deletes the others.
    async fn close_videos(&self, id: UserId, incoming: Option<&Incoming>) -> Result<(), Failure> {
        let mut request = Request::post(format!("http://control.spin.internal/internal/users/{id}/close"))
            .header(AUTHORIZATION, self.config.worker_token.authorization());
        if let Some(incoming) = incoming {
            request = request.header(CORRELATION_HEADER, incoming.correlation_id().as_str());
        }
        let request = request.body(Bytes::new()).map_err(Failure::internal)?;
        let status = self.http.send(request).await?.status();
        if status.is_success() {
            return Ok(());
        }
        Err(Unavailable { what: "control", detail: format!("close answered {status}") }.into())
    }

    /// Deletes the logins, then frees the address, then deletes the account's other values.
    async fn delete_account_values(&self, id: UserId, account: &str) -> Result<(), Failure> {
        let store = self.store();
        let missing = || Failure::internal("a value of the account vanished");
        let closed = store.update(&sessions_key(id), |_: Sessions| Ok((Sessions::close(), true, ()))).await;
        map_update_error(closed, missing)?;
        let freed = store
            .update(&email_key(account), |owner: Owner| {
                let owned = owner.user == Some(id);
                Ok((if owned { Owner { user: None } } else { owner }, owned, ()))
            })
            .await;
        map_update_error(freed, missing)?;
        store.forget(&keys::rate(id)).await?;
        let updated = store.update(&user_key(id), |_: User| Ok((User::Gone, true, ()))).await;
        map_update_error(updated, missing).map(|_| ())
    }
}
