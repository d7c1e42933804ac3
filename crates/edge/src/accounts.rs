//! Accounts, logins and their tokens: the calls of component `auth`.
//!
//! Layout of the store `accounts`: `user/<uid>` is the account, `email/<hash>` names the owner of an address (the
//! commit point of sign-up), `sessions/<uid>` has the account's logins, `attempts/<bucket>` the failed logins by
//! account and client. All are written by swap. An operation that writes several of them is an ordered list of
//! repeatable steps.
//!
//! | key | removed by, when |
//! |---|---|
//! | `user/<uid>`, `sessions/<uid>` | never: a deleted account leaves a tombstone of some 100 bytes |
//! | `email/<hash>` | never: an address that is free again leaves a tombstone of some 100 bytes, because sign-ups race for it |
//! | `rate/<uid>` | with the account: requests of a user in this minute and the one before |
//! | `attempts/<bucket>` | never: there are 4096 at most; a count in them is removed by the first write of its bucket after 15 minutes |
//! | `new/<key>`, `watch/<key>`, `new/<key>/<time>` | never: they belong to the values above |

mod account_mail;
mod attempts;
mod change_password;
mod config;
mod contact;
mod delete_me;
mod end_session;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod keys;
mod link;
mod login;
mod logout;
mod me;
mod origin;
mod record;
mod refresh;
mod register;
mod request_reset;
mod resend_verification;
mod reset_password;
mod secret;
mod semaphore;
mod session;
mod sessions;
mod throttle;
mod update_me;
mod validate;
mod validate_token;
mod verify_email;
mod webhook_gone;
mod webhook_secret;

use framelift_contract::problem::ProblemCode;
use framelift_domain::UserId;

pub use self::config::Config;
use self::record::{Profile, User};
use self::session::{Family, Sessions};
use crate::http::{Caller, Failure, Incoming, Router, component};
use crate::ports::{Ambient, Http, Kv};
use crate::store::update::{UpdateError, Updated};
use crate::store::{Store, StoreError};

/// The account service for one request, over its ports.
#[derive(Debug)]
pub struct Accounts<'a, K, H, A> {
    /// The store `accounts`.
    pub kv: &'a K,
    /// For the calls to `passwords`, and to `control` when an account is deleted.
    pub http: &'a H,
    /// Time and randomness.
    pub ambient: &'a A,
    /// The configuration.
    pub config: &'a Config,
}

component! {
    Accounts<'_, K, H, A> where [K: Kv, H: Http, A: Ambient];
    router: Router::new(ROUTES);
    call: [
        register, login, refresh, logout, validate_token, me, update_me, delete_me, change_password, sessions,
        end_session, keys, contact, webhook_secret, webhook_gone, request_reset, reset_password, verify_email,
        resend_verification, account_mail,
    ]
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// The account of the request's access token, if it exists and is not being deleted.
    async fn owner(&self, incoming: &Incoming) -> Result<(Caller, Profile), Failure> {
        let caller = incoming.user(&self.config.verifier, self.ambient.now())?;
        let Some(User::Active(profile)) = self.user(caller.id).await? else { return Err(account_gone()) };
        self.config.rate_limiter.admit(&self.store(), self.ambient, caller.id, incoming).await?;
        Ok((caller, profile))
    }

    /// The account of the request's access token, if the login that the token was issued for is still open.
    async fn caller(&self, incoming: &Incoming) -> Result<(Caller, Profile), Failure> {
        let (caller, profile) = self.owner(incoming).await?;
        if let Some(session) = &caller.session {
            let open = self.current_sessions(caller.id).await?;
            if open.iter().all(|family| family.id != *session) {
                return Err(Failure::unauthenticated("the login of this access token is over: log in again"));
            }
        }
        Ok((caller, profile))
    }

    /// The open logins of an account.
    async fn current_sessions(&self, id: UserId) -> Result<Vec<Family>, StoreError> {
        let sessions: Option<Sessions> = self.store().get(&sessions_key(id)).await?;
        Ok(sessions.unwrap_or_default().all(self.ambient.now()))
    }

    /// Ends the logins of an account whose ids satisfy `condition`. Returns whether there was one.
    async fn end_sessions(&self, id: UserId, condition: impl Fn(&str) -> bool) -> Result<bool, Failure> {
        let result = self
            .store()
            .update(&sessions_key(id), |sessions: Sessions| {
                let (sessions, ended) = sessions.end(&condition);
                Ok((sessions, ended, ended))
            })
            .await;
        Ok(map_update_error(result, value_missing)?.output)
    }

    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.store().get(&user_key(id)).await
    }

    fn store(&self) -> Store<'_, K, A> {
        Store::new(self.kv, self.ambient)
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut random = [0; N];
        self.ambient.fill_random(&mut random);
        random
    }
}

/// Maps an error of a store update to the failure of the request; a missing value gives `missing`.
fn map_update_error<T, R>(
    result: Result<Updated<T, R>, UpdateError<Failure>>,
    missing: impl FnOnce() -> Failure,
) -> Result<Updated<T, R>, Failure> {
    result.map_err(|error| match error {
        UpdateError::Missing => missing(),
        UpdateError::Refused(failure) => failure,
        UpdateError::Store(error) => error.into(),
    })
}

fn value_missing() -> Failure {
    Failure::internal("a value of the account vanished")
}

/// The failure of a request whose access token belongs to a deleted account.
fn account_gone() -> Failure {
    Failure::unauthenticated("the account of this access token does not exist any more")
}

/// The same failure for a wrong password and an unknown address.
fn invalid_credentials() -> Failure {
    Failure::new(ProblemCode::InvalidCredentials, "check the e-mail address and the password")
}

fn user_key(id: UserId) -> String {
    format!("user/{id}")
}

fn sessions_key(id: UserId) -> String {
    format!("sessions/{id}")
}

fn email_key(account: &str) -> String {
    format!("email/{account}")
}

#[cfg(test)]
mod tests;
