//! Access tokens: Ed25519-signed JWTs. Only `auth` signs them; every component verifies them with the public
//! keys.
//!
//! The verifier fixes the algorithm, the issuer and the audience. It reads only `kid` from the token's header, to
//! choose among the trusted keys.

mod key;

use std::collections::HashSet;

use framelift_domain::{Time, UserId};
use jwt_simple::prelude::{
    Audiences, Duration, Ed25519KeyPair, Ed25519PublicKey, EdDSAKeyPairLike, EdDSAPublicKeyLike, JWTClaims,
    Token, VerificationOptions,
};
use serde::{Deserialize, Serialize};

pub use key::{InvalidKey, seed_text};

/// The tokens' issuer (`iss`).
pub const ISSUER: &str = "framelift";
/// Their audience (`aud`).
pub const AUDIENCE: &str = "framelift-api";
/// How long an access token is valid, in seconds.
pub const ACCESS_TTL_S: u32 = 3600;
/// How far the issuer's clock may be ahead of ours, in seconds. Expiry is exact.
const CLOCK_SKEW_S: u64 = 60;
/// Maximum length of a token. Issued tokens have about 600 characters.
const MAX_TOKEN_CHARS: usize = 4096;

/// The claims of a valid token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    /// The account (`sub`).
    pub user: UserId,
    /// Its e-mail address when the token was made.
    pub email: String,
    /// When the token ends (`exp`), in seconds since 1970.
    pub expires_s: i64,
    /// The token's own id (`jti`).
    pub id: String,
    /// The login that the token was issued for (`sid`, as in OpenID Connect); missing in older tokens.
    pub session: Option<String>,
    /// Whether the account's address was confirmed, or need not be.
    pub email_verified: bool,
}

/// An invalid token, with the reason for the log.
#[derive(Debug, thiserror::Error)]
#[error("the access token is not good: {0}")]
pub struct InvalidToken(String);

/// The claims that JWT does not define.
#[derive(Serialize, Deserialize)]
struct CustomClaims {
    email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// As in OpenID Connect. Present only while the address must be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email_verified: Option<bool>,
}

/// Signs tokens. Holds the private key, which only `auth` has.
#[derive(Clone, Debug)]
pub struct Signer {
    pair: Ed25519KeyPair,
}

impl Signer {
    /// The signer with that seed as its private key.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, InvalidKey> {
        Ok(Self { pair: key::pair(seed)? })
    }

    /// The signer of a seed as configuration spells it (base64url, see [`seed_text`]).
    pub fn from_text(text: &str) -> Result<Self, InvalidKey> {
        Self::from_seed(&key::parse_seed(text)?)
    }

    /// The public key as a JWK Set, for the configuration of the other components.
    pub fn jwks(&self) -> String {
        format!("{{\"keys\":[{}]}}", self.public_key().to_jwk())
    }

    /// A token for a user. `id` is the token's id (`jti`), `session` the login that it is issued for.
    pub fn issue(
        &self,
        user: UserId,
        email: &str,
        id: &str,
        session: Option<&str>,
        now: Time,
    ) -> Result<String, InvalidKey> {
        self.sign(
            user,
            id,
            now,
            CustomClaims { email: email.to_owned(), sid: session.map(str::to_owned), email_verified: None },
        )
    }

    /// A token for a user whose address must be confirmed first: it does not allow uploads.
    pub fn issue_unverified(
        &self,
        user: UserId,
        email: &str,
        id: &str,
        session: Option<&str>,
        now: Time,
    ) -> Result<String, InvalidKey> {
        let (email, sid) = (email.to_owned(), session.map(str::to_owned));
        self.sign(user, id, now, CustomClaims { email, sid, email_verified: Some(false) })
    }

    fn sign(&self, user: UserId, id: &str, now: Time, custom: CustomClaims) -> Result<String, InvalidKey> {
        let now_s = now.unix_s().unsigned_abs();
        let claims = JWTClaims {
            issued_at: Some(Duration::from_secs(now_s)),
            expires_at: Some(Duration::from_secs(now_s + u64::from(ACCESS_TTL_S))),
            invalid_before: None,
            issuer: Some(ISSUER.to_owned()),
            subject: Some(user.to_string()),
            audiences: Some(Audiences::AsString(AUDIENCE.to_owned())),
            jwt_id: Some(id.to_owned()),
            nonce: None,
            custom,
        };
        self.pair.sign(claims).map_err(|error| InvalidKey(error.to_string()))
    }

    fn public_key(&self) -> Ed25519PublicKey {
        self.pair.public_key()
    }
}

/// Verifies tokens with the public keys.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: Vec<Ed25519PublicKey>,
}

impl Verifier {
    /// The verifier with a JWK Set; each key must be Ed25519 and have a `kid`.
    pub fn from_jwks(json: &str) -> Result<Self, InvalidKey> {
        Ok(Self { keys: key::parse_jwks(json)? })
    }

    /// Trusts the signer's key alone.
    pub fn of(signer: &Signer) -> Self {
        Self { keys: vec![signer.public_key()] }
    }

    /// The keys as a JWK Set.
    pub fn jwks(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(Ed25519PublicKey::to_jwk).collect();
        format!("{{\"keys\":[{}]}}", keys.join(","))
    }

    /// Trusts the signer's key, too.
    #[must_use]
    pub fn and(mut self, signer: &Signer) -> Self {
        let key = signer.public_key();
        if self.keys.iter().all(|known| known.key_id() != key.key_id()) {
            self.keys.push(key);
        }
        self
    }

    /// Returns the token's claims, if one of the keys signed it for us and it is valid now.
    pub fn verify(&self, token: &str, now: Time) -> Result<Claims, InvalidToken> {
        let refuse = |why: &dyn ToString| InvalidToken(why.to_string());
        if token.len() > MAX_TOKEN_CHARS {
            return Err(refuse(&"too long"));
        }
        let metadata = Token::decode_metadata(token).map_err(|error| refuse(&error))?;
        let kid = metadata.key_id().ok_or_else(|| refuse(&"no kid"))?;
        let key = self.keys.iter().find(|key| key.key_id().as_deref() == Some(kid));
        let key = key.ok_or_else(|| refuse(&"unknown kid"))?;
        let now_s = now.unix_s().unsigned_abs();
        let options = VerificationOptions {
            allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
            allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
            time_tolerance: Some(Duration::from_secs(CLOCK_SKEW_S)),
            artificial_time: Some(Duration::from_secs(now_s)),
            ..VerificationOptions::default()
        };
        let claims =
            key.verify_token::<CustomClaims>(token, Some(options)).map_err(|error| refuse(&error))?;
        let expires_s = claims.expires_at.ok_or_else(|| refuse(&"no exp"))?.as_secs();
        if expires_s <= now_s {
            return Err(refuse(&"expired"));
        }
        let user = claims.subject.as_deref().unwrap_or("").parse().map_err(|error| refuse(&error))?;
        Ok(Claims {
            user,
            id: claims.jwt_id.unwrap_or_default(),
            email: claims.custom.email,
            session: claims.custom.sid,
            email_verified: claims.custom.email_verified != Some(false),
            expires_s: i64::try_from(expires_s).map_err(|error| refuse(&error))?,
        })
    }
}

#[cfg(test)]
mod tests;
