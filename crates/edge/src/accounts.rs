//! Accounts, logins and their tokens: the calls of component `auth`.
//!
//! Layout of the store `accounts`: `user/<uid>` the account, `email/<hash>` whose an address
//! is (the commit point of sign-up), `sessions/<uid>` its logins, `attempts/<bucket>` failed
//! logins by account and by who tried. All are written by swap; an operation over several is an ordered list of steps,
//! each of which may be repeated.
//!
//! | key | removed by, when |
//! |---|---|
//! | `user/<uid>`, `sessions/<uid>` | never: of a deleted account, a mark of some 100 bytes stays |
//! | `email/<hash>` | never: of an address that is free again, a mark of some 100 bytes stays, because sign-ups race for it |
//! | `rate/<uid>` | with the account: requests of a user in this minute and the one before |
//! | `attempts/<bucket>` | never: there are 4096 at most; counts in them go after 15 minutes, when the bucket is written |
//! | `new/<key>`, `watch/<key>`, `new/<key>/<time>` | never: they belong to the values above |

mod account_mail;
mod attempts;
mod change_password;
mod config;
mod contact;
mod delete_me;
mod end_session;
mod gate;
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

/// The service, over its ports, for one request.
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
        let Some(User::Active(profile)) = self.user(caller.id).await? else { return Err(gone()) };
        self.config.rates.admit(&self.store(), self.ambient, caller.id, incoming).await?;
        Ok((caller, profile))
    }

    /// As [`Self::owner`], if the login that the token goes back to was not ended.
    async fn caller(&self, incoming: &Incoming) -> Result<(Caller, Profile), Failure> {
        let (caller, profile) = self.owner(incoming).await?;
        if let Some(session) = &caller.session {
            let open = self.open_sessions(caller.id).await?;
            if open.iter().all(|family| family.id != *session) {
                return Err(Failure::unauthenticated("the login of this access token is over: log in again"));
            }
        }
        Ok((caller, profile))
    }

    /// The logins of an account that are good.
    async fn open_sessions(&self, id: UserId) -> Result<Vec<Family>, StoreError> {
        let sessions: Option<Sessions> = self.store().get(&sessions_key(id)).await?;
        Ok(sessions.unwrap_or_default().all(self.ambient.now()))
    }

    /// Ends the logins of an account whose id the condition holds for; whether there was one.
    async fn end_sessions(&self, id: UserId, condition: impl Fn(&str) -> bool) -> Result<bool, Failure> {
        let result = self
            .store()
            .update(&sessions_key(id), |sessions: Sessions| {
                let (sessions, ended) = sessions.end(&condition);
                Ok((sessions, ended, ended))
            })
            .await;
        Ok(settle(result, no_value)?.output)
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

/// What a change gave, or the failure that it is answered with; `missing` if there is no such value.
fn settle<T, R>(
    result: Result<Updated<T, R>, UpdateError<Failure>>,
    missing: impl FnOnce() -> Failure,
) -> Result<Updated<T, R>, Failure> {
    result.map_err(|error| match error {
        UpdateError::Missing => missing(),
        UpdateError::Refused(failure) => failure,
        UpdateError::Store(error) => error.into(),
    })
}

fn no_value() -> Failure {
    Failure::internal("a value of the account vanished")
}

/// An access token whose account is no more.
fn gone() -> Failure {
    Failure::unauthenticated("the account of this access token does not exist any more")
}

/// The one answer to a wrong password and to an unknown address.
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
