//! Callers and their credentials: a user's access token, or the workers' shared secret.

use std::fmt;

use framelift_domain::{Time, UserId};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The user whose access token came with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account's id.
    pub id: UserId,
    /// The e-mail address that the token names.
    pub email: String,
    /// The token's own id.
    pub token: String,
    /// The login that the token was issued for; older tokens do not name it.
    pub session: Option<String>,
    /// Whether the address was confirmed when the token was made, or need not be.
    pub email_verified: bool,
    /// When the token ends.
    pub expires_at: Time,
}

/// The secret that workers (and components among themselves) send as a bearer token. While it is changed there are two
/// of them, and either is good.
#[derive(Clone)]
pub struct WorkerToken(Vec<String>);

/// Secrets that work at the same time.
const MAX_WORKER_TOKENS: usize = 2;

/// A worker token that is too short to be a secret, or none, or too many.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one or two worker tokens with a space between, each of 16 to 512 visible ASCII characters")]
pub struct WeakWorkerToken;

impl WorkerToken {
    /// Checks the configured secrets: each of 16 to 512 visible ASCII characters, with spaces between.
    pub fn new(secrets: &str) -> Result<Self, WeakWorkerToken> {
        let good = |secret: &str| {
            secret.bytes().all(|byte| byte.is_ascii_graphic()) && (16..=512).contains(&secret.len())
        };
        let secrets: Vec<String> = secrets.split(' ').map(str::to_owned).collect();
        let all_good = secrets.len() <= MAX_WORKER_TOKENS && secrets.iter().all(|secret| good(secret));
        if all_good { Ok(Self(secrets)) } else { Err(WeakWorkerToken) }
    }

    /// Whether the text is one of the secrets, each compared in constant time.
    pub fn matches(&self, candidate: &str) -> bool {
        let candidate = Sha256::digest(candidate);
        self.0.iter().fold(false, |good, secret| bool::from(Sha256::digest(secret).ct_eq(&candidate)) | good)
    }

    /// The value of the `Authorization` header for a call of our own.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0.first().map_or("", String::as_str))
    }
}

impl fmt::Debug for WorkerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkerToken(redacted)")
    }
}
