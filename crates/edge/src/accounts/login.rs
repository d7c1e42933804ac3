//! `POST /auth/login`: trades a password for tokens.

use bytes::Bytes;
use framelift_contract::account::{LoginRequest, TokenResponse};
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::{Time, UserId};
use http::{Response, StatusCode};

use super::record::{Owner, Profile, User};
use super::secret::{Purpose, Refresh};
use super::session::Sessions;
use super::throttle::LoginClient;
use super::{
    Accounts, email_key, invalid_credentials, map_update_error, origin, sessions_key, user_key, validate,
    value_missing,
};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::passwords::Verdict;
use crate::ports::{Ambient, Http, Kv};
use crate::store::StoreError;
use crate::token::ACCESS_TTL_S;

pub(super) const ROUTE: Route = Route::post("/auth/login");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "login", "accounts", Auth::Nobody, "Log in")
        .about(
            "Ten failures at one account within 15 minutes refuse further logins from where they came until the \
             15 minutes are over, and a hundred from anywhere all those of unknown devices; so do, by default, a \
             hundred from one network at all accounts together. A device that sends the last refresh token that it \
             got, or the token of a mailed link that resets the password, within its hour, is known, and counted by \
             itself.",
        )
        .json(typed(&LoginRequest {
            email: "ada@example.com".into(),
            password: "correct horse battery".into(),
            refresh_token: None,
        }))
        .answers(StatusCode::OK, "An access token and a refresh token.", examples::tokens())
        .or(&[Code::InvalidCredentials, Code::TooManyAttempts, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Checks the password and begins a session. An unknown address costs a hash, too, and counts as a failure.
    pub(super) async fn login(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let body: LoginRequest = incoming.json()?;
        let account = self.config.secrets.email(&validate::normalize_email(&body.email));
        let found = self.active(&account).await?;
        let hash = found.as_ref().map(|(_, profile)| profile.password.as_str());
        let network = origin::network(incoming.headers(), self.config.proxy_hops);
        let device = body.refresh_token.as_deref().and_then(|token| self.known_device(token));
        let client = match (&found, &device) {
            (Some((id, _)), Some((user, device))) if user == id => LoginClient::KnownDevice(device),
            _ => LoginClient::Unknown(&network),
        };
        let verdict = self.check_password(&account, client, &body.password, hash).await?;
        let Some((id, profile)) = found.filter(|_| verdict != Verdict::Mismatch) else {
            return Err(invalid_credentials());
        };
        if verdict == Verdict::MatchWithOldCost {
            self.rehash(id, &profile.password, &body.password).await?;
        }
        let now = self.ambient.now();
        let family = hex::encode(self.random::<8>());
        let result = self
            .store()
            .update(&sessions_key(id), |sessions: Sessions| {
                sessions
                    .open(&family, now)
                    .map(|sessions| (sessions, true, ()))
                    .ok_or_else(invalid_credentials)
            })
            .await;
        map_update_error(result, value_missing)?;
        // A change of the password ends all logins, also one that started concurrently with the old password.
        let current = self.active(&account).await?;
        if current.is_none_or(|(_, current)| current.password_set_at != profile.password_set_at) {
            self.end_sessions(id, |session| session == family).await?;
            return Err(invalid_credentials());
        }
        self.tokens(&Refresh { user: id, family, generation: 0 }, &profile, now)
    }

    /// The account and the name of a device that proves that it is known: by a refresh token of this account, however
    /// old, because the device logged in before; by the token of a link to reset the password, because who holds it
    /// reads the owner's mail.
    fn known_device(&self, token: &str) -> Option<(UserId, String)> {
        let of_link = || {
            let (user, link) = self.config.secrets.open_link(Purpose::ResetPassword, token)?;
            Purpose::ResetPassword.is_fresh(link, self.ambient.now()).then(|| (user, format!("link/{link}")))
        };
        let refresh = self.config.secrets.open(token);
        refresh.map(|refresh| (refresh.user, refresh.family)).or_else(of_link)
    }

    /// The active account of an address.
    pub(super) async fn active(&self, account: &str) -> Result<Option<(UserId, Profile)>, StoreError> {
        let owner: Option<Owner> = self.store().get(&email_key(account)).await?;
        let Some(id) = owner.and_then(|owner| owner.user) else { return Ok(None) };
        Ok(match self.user(id).await? {
            Some(User::Active(profile)) => Some((id, profile)),
            _ => None,
        })
    }

    /// Replaces a hash that was made with an old cost, unless the password has changed.
    async fn rehash(&self, id: UserId, old_hash: &str, password: &str) -> Result<(), Failure> {
        let fresh = self.hash(password).await?;
        let result = self
            .store()
            .update(&user_key(id), |user: User| match user {
                User::Active(profile) if profile.password == old_hash => {
                    Ok((User::Active(Profile { password: fresh.clone(), ..profile }), true, ()))
                }
                other => Ok((other, false, ())),
            })
            .await;
        map_update_error(result, value_missing).map(|_| ())
    }

    /// The tokens of one rotation. Called again with the same arguments, it gives the same refresh token and an access
    /// token with the same claims.
    pub(super) fn tokens(
        &self,
        refresh: &Refresh,
        profile: &Profile,
        since: Time,
    ) -> Result<Response<Bytes>, Failure> {
        let (refresh_token, id) = self.config.secrets.seal(refresh);
        let (signer, email) = (&self.config.signer, &profile.email);
        let access_token = if self.config.verify_email && profile.email_verified_at.is_none() {
            signer.issue_unverified(refresh.user, email, &id, Some(&refresh.family), since)
        } else {
            signer.issue(refresh.user, email, &id, Some(&refresh.family), since)
        };
        let access_token = access_token.map_err(Failure::internal)?;
        let age_s = self.ambient.now().unix_s().saturating_sub(since.unix_s());
        let expires_in = ACCESS_TTL_S.saturating_sub(u32::try_from(age_s).unwrap_or(0));
        json(
            StatusCode::OK,
            &TokenResponse { access_token, token_type: "Bearer".to_owned(), expires_in, refresh_token },
        )
    }
}
