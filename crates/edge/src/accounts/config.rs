//! The configuration of component `auth`, read whole and checked before anything is answered.

use std::collections::BTreeMap;

use super::password::Hashing;
use super::secret::Secrets;
use crate::http::WorkerToken;
use crate::token::{Signer, Verifier};

/// What the component is configured with.
#[derive(Clone, Debug)]
pub struct Config {
    pub(super) signer: Signer,
    pub(super) verifier: Verifier,
    pub(super) secrets: Secrets,
    pub(super) worker_token: WorkerToken,
    pub(super) hashing: Hashing,
    pub(super) allow_private_webhooks: bool,
}

/// Everything that is wrong with the variables.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is not usable: {}", .0.join("; "))]
pub struct InvalidConfig(Vec<String>);

impl Config {
    /// The names of the variables that are read.
    pub const VARIABLES: &'static [&'static str] =
        &["signing_key", "public_keys", "email_key", "worker_token", "allow_private_webhooks"];

    /// Reads the variables:
    /// - `signing_key`: Ed25519 seed, 32 bytes in base64url;
    /// - `public_keys`: optional JWK Set of further keys whose tokens are good (the keys before
    ///   and after this one, while keys are changed);
    /// - `email_key`: at least 16 characters; never changes, or all accounts are lost;
    /// - `worker_token`: the worker credential;
    /// - `allow_private_webhooks`: `true` or `false` (default).
    pub fn read(variables: &BTreeMap<&'static str, String>) -> Result<Self, InvalidConfig> {
        let mut problems = Vec::new();
        let get = |name: &str| variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let mut required = |name: &'static str| {
            get(name).unwrap_or_else(|| {
                problems.push(format!("{name} is not set"));
                ""
            })
        };
        let (signing_key, email_key, worker_token) =
            (required("signing_key"), required("email_key"), required("worker_token"));
        if !email_key.is_empty() && email_key.len() < 16 {
            problems.push("email_key is shorter than 16 characters".into());
        }
        let mut note = |name: &str, error: &dyn std::fmt::Display| problems.push(format!("{name}: {error}"));
        let signer = Signer::from_text(signing_key).map_err(|error| note("signing_key", &error)).ok();
        let worker_token = WorkerToken::new(worker_token).map_err(|error| note("worker_token", &error)).ok();
        let further = get("public_keys").map(Verifier::from_jwks).transpose();
        let further = further.map_err(|error| note("public_keys", &error)).unwrap_or_default();
        let allow_private_webhooks = match get("allow_private_webhooks") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                note("allow_private_webhooks", &"must be true or false");
                false
            }
        };
        match (signer, worker_token) {
            (Some(signer), Some(worker_token)) if problems.is_empty() => Ok(Self {
                verifier: further.map_or_else(|| Verifier::of(&signer), |further| further.and(&signer)),
                signer,
                secrets: Secrets::new(email_key),
                worker_token,
                hashing: Hashing::default(),
                allow_private_webhooks,
            }),
            _ => Err(InvalidConfig(problems)),
        }
    }

    /// Hashes passwords at another cost; for tests.
    #[must_use]
    pub fn with_hashing(mut self, hashing: Hashing) -> Self {
        self.hashing = hashing;
        self
    }
}
