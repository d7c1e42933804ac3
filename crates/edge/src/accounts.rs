//! Accounts, logins and their tokens: the calls of component `auth`.
//!
//! Layout of the store `accounts`: `user/<uid>` the account, `email/<hash>` whose an address
//! is (the commit point of sign-up), `sessions/<uid>` its logins, `attempts/<bucket>` failed
//! logins by account and by who tried. All are written by swap; an operation over several is an ordered list of steps,
//! each of which may be repeated.

mod attempts;
mod config;
mod gate;
mod login;
mod origin;
mod profile;
mod record;
mod register;
mod removal;
mod secret;
mod session;
mod throttle;
mod validate;

use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use framelift_domain::UserId;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

pub use self::config::{Config, InvalidConfig};
use self::record::{Profile, User};
use crate::http::{BodyError, Failure, Incoming, Route, Router, RouterOnce, answer};
use crate::ports::{Ambient, Http, Kv};
use crate::store::update::{UpdateError, Updated};
use crate::store::{Store, StoreError};

/// The calls of this component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A new account.
    Register,
    /// A new login.
    Login,
    /// The next tokens of a login.
    Refresh,
    /// The end of a login.
    Logout,
    /// Whether a token is good.
    Validate,
    /// The caller's account.
    Me,
    /// Changes to it.
    UpdateMe,
    /// Its end.
    DeleteMe,
    /// The public keys.
    Keys,
    /// Whom a worker tells, and how.
    Contact,
}

/// Where the calls are.
pub const ROUTES: &[Route<Call>] = &[
    Route::new(Method::POST, "/auth/register", Call::Register),
    Route::new(Method::POST, "/auth/login", Call::Login),
    Route::new(Method::POST, "/auth/refresh", Call::Refresh),
    Route::new(Method::POST, "/auth/logout", Call::Logout),
    Route::new(Method::POST, "/auth/validate", Call::Validate),
    Route::new(Method::GET, "/auth/me", Call::Me),
    Route::new(Method::PATCH, "/auth/me", Call::UpdateMe),
    Route::new(Method::DELETE, "/auth/me", Call::DeleteMe),
    Route::new(Method::GET, "/.well-known/jwks.json", Call::Keys),
    Route::new(Method::GET, "/internal/users/{id}/contact", Call::Contact),
];

/// The table, read once in the life of an instance.
static ROUTER: RouterOnce<Call> = RouterOnce::new(|| Router::new(ROUTES));

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

/// Answers one request. `service` is an error when the store or the configuration is not
/// there; unknown routes are told apart from that.
pub async fn serve<K: Kv, H: Http, A: Ambient>(
    service: Result<Accounts<'_, K, H, A>, Failure>,
    ambient: &A,
    parts: Parts,
    body: Result<Bytes, BodyError>,
) -> Response<Bytes> {
    let handler = async |call, incoming: &Incoming| service?.call(call, incoming).await;
    answer(&ROUTER, ambient, parts, body, handler).await
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// One call.
    pub async fn call(&self, call: Call, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        match call {
            Call::Register => self.register(incoming).await,
            Call::Login => self.login(incoming).await,
            Call::Refresh => self.refresh(incoming).await,
            Call::Logout => self.logout(incoming).await,
            Call::Validate => self.validate(incoming).await,
            Call::Me => self.me(incoming).await,
            Call::UpdateMe => self.update_me(incoming).await,
            Call::DeleteMe => self.delete_me(incoming).await,
            Call::Keys => self.keys(),
            Call::Contact => self.contact(incoming).await,
        }
    }

    /// The public keys, which may be cached: a new key is published before it signs.
    fn keys(&self) -> Result<Response<Bytes>, Failure> {
        let media_type = HeaderValue::from_static("application/json");
        let mut response = crate::http::bytes(StatusCode::OK, media_type, self.config.verifier.jwks());
        let cache = HeaderValue::from_static("public, max-age=300");
        response.headers_mut().insert(http::header::CACHE_CONTROL, cache);
        Ok(response)
    }

    /// The account of the request's access token, if it exists and is not being deleted.
    async fn caller(&self, incoming: &Incoming) -> Result<(UserId, Profile), Failure> {
        let caller = incoming.user(&self.config.verifier, self.ambient.now())?;
        match self.user(caller.id).await? {
            Some(User::Active(profile)) => Ok((caller.id, profile)),
            _ => Err(gone()),
        }
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
