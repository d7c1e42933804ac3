//! The configuration of component `auth`, read whole and checked before anything is answered.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::rc::Rc;

use framelift_domain::Limits;

use super::secret::{MIN_KEY_CHARS, Secrets};
use super::semaphore::Semaphore;
use crate::http::{Cors, WorkerToken};
use crate::service::rate::RateLimiter;
use crate::token::{Signer, Verifier};

/// The configuration of component `auth`.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) signer: Signer,
    pub(super) verifier: Verifier,
    pub(super) secrets: Secrets,
    pub(super) worker_token: WorkerToken,
    pub(super) allow_private_webhooks: bool,
    pub(super) verify_email: bool,
    pub(super) proxy_hops: u8,
    pub(super) hash_semaphore: Semaphore,
    /// Failed logins and sign-ups of one network in 15 minutes; 0 means no limit.
    pub(super) max_failed_logins_per_network: u32,
    pub(super) max_sign_ups_per_network: u32,
    /// The rate limit of users.
    pub(super) rate_limiter: Rc<RateLimiter>,
    /// The origins whose pages may call.
    pub cors: Cors,
}

impl Config {
    /// The names of the variables that are read.
    pub const VARIABLES: &'static [&'static str] = &[
        "signing_key",
        "public_keys",
        "email_key",
        "refresh_keys",
        "worker_token",
        "allow_private_webhooks",
        "verify_email",
        "proxy_hops",
        "hashes_at_once",
        "max_failed_logins_per_network",
        "max_sign_ups_per_network",
        "max_requests_per_minute",
        Cors::VARIABLE,
    ];

    /// Reads all variables, or returns everything that is wrong with them:
    /// - `signing_key`: Ed25519 seed, 32 bytes in base64url;
    /// - `public_keys`: optional JWK Set of further keys whose tokens are accepted (the previous and the next key
    ///   during a rotation);
    /// - `email_key`: at least 16 characters; never changes, or all accounts are lost;
    /// - `refresh_keys`: `id:key`, up to three, separated by spaces; the first one makes refresh tokens, the tokens of
    ///   all are accepted;
    /// - `worker_token`: the worker credential;
    /// - `allow_private_webhooks`: `true` or `false` (default);
    /// - `verify_email`: `true` or `false` (default): whether an address must be confirmed before uploads;
    /// - `proxy_hops`: how many proxies of ours append to `X-Forwarded-For`, 0 (default) to 10;
    /// - `hashes_at_once`: password hashes that one instance has computed at the same time, 1 to 64, default 2;
    /// - `max_failed_logins_per_network`: failed logins of unknown devices of one network in 15 minutes, 0 to 1,000,000,
    ///   default 100; 0 means no limit;
    /// - `max_sign_ups_per_network`: the same of sign-ups;
    /// - `max_requests_per_minute`: requests of one user, 0 to 1,000,000, default 1,200; 0 means no limit;
    /// - `cors_origins`: the origins whose pages may call, separated by spaces.
    pub fn read(variables: &BTreeMap<&'static str, String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let signer = checked(variables, "signing_key", &mut problems, Signer::from_text);
        let worker_token = checked(variables, "worker_token", &mut problems, WorkerToken::new);
        let email_key = checked(variables, "email_key", &mut problems, |key| match key.len() {
            MIN_KEY_CHARS.. => Ok(key.to_owned()),
            _ => Err(format!("is shorter than {MIN_KEY_CHARS} characters")),
        });
        let secrets = checked(variables, "refresh_keys", &mut problems, |keys| {
            Secrets::new(email_key.as_deref().unwrap_or_default(), keys)
        });
        let get = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let mut note = |name: &str, error: &dyn Display| problems.push(format!("{name}: {error}"));
        let further = get("public_keys").map(Verifier::from_jwks).transpose();
        let further = further.map_err(|error| note("public_keys", &error)).unwrap_or_default();
        let mut flag = |name: &str| match get(name) {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                note(name, &"must be true or false");
                false
            }
        };
        let (allow_private_webhooks, verify_email) = (flag("allow_private_webhooks"), flag("verify_email"));
        let mut number = |name: &str, from: u32, to: u32, default: u32| match get(name).map(str::parse) {
            None => default,
            Some(Ok(number)) if (from..=to).contains(&number) => number,
            Some(_) => {
                note(name, &format!("must be a whole number from {from} to {to}"));
                default
            }
        };
        let (proxy_hops, hashes_at_once) =
            (number("proxy_hops", 0, 10, 0), number("hashes_at_once", 1, 64, 2));
        let most = Limits::default().max_requests_per_minute;
        let per_minute = number("max_requests_per_minute", 0, 1_000_000, most);
        let max_failed_logins_per_network = number("max_failed_logins_per_network", 0, 1_000_000, 100);
        let max_sign_ups_per_network = number("max_sign_ups_per_network", 0, 1_000_000, 100);
        let cors = Cors::read(variables).map_err(|problem| problems.push(problem));
        match (signer, worker_token, secrets, cors) {
            (Some(signer), Some(worker_token), Some(secrets), Ok(cors)) if problems.is_empty() => Ok(Self {
                verifier: further.map_or_else(|| Verifier::of(&signer), |further| further.and(&signer)),
                signer,
                secrets,
                worker_token,
                allow_private_webhooks,
                verify_email,
                proxy_hops: u8::try_from(proxy_hops).unwrap_or(0),
                hash_semaphore: Semaphore::new(hashes_at_once),
                max_failed_logins_per_network,
                max_sign_ups_per_network,
                rate_limiter: Rc::new(RateLimiter::new(per_minute)),
                cors,
            }),
            _ => Err(problems),
        }
    }
}

/// Reads a required variable and checks it. Adds a problem if it is missing or invalid.
fn checked<T, E: Display>(
    variables: &BTreeMap<&'static str, String>,
    name: &'static str,
    problems: &mut Vec<String>,
    check: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    let Some(value) = variables.get(name).filter(|value| !value.is_empty()) else {
        problems.push(format!("{name}: is missing"));
        return None;
    };
    check(value).map_err(|error| problems.push(format!("{name}: {error}"))).ok()
}
