//! Callers and their credentials: a user's access token, or the workers' shared secret.

use std::fmt;

use framelift_domain::UserId;
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
}

/// The secret that workers (and components among themselves) send as a bearer token.
#[derive(Clone)]
pub struct WorkerToken(String);

/// A worker token that is too short to be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker token must be 16 to 512 visible ASCII characters")]
pub struct WeakWorkerToken;

impl WorkerToken {
    /// Checks the configured secret: 16 to 512 visible ASCII characters.
    pub fn new(secret: impl Into<String>) -> Result<Self, WeakWorkerToken> {
        let secret = secret.into();
        let visible = secret.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (16..=512).contains(&secret.len()) { Ok(Self(secret)) } else { Err(WeakWorkerToken) }
    }

    /// Whether the text is this secret, compared in constant time.
    pub fn matches(&self, candidate: &str) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(candidate)).into()
    }

    /// The value of the `Authorization` header for a call of our own.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for WorkerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WorkerToken(redacted)")
    }
}
