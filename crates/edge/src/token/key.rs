//! Signing keys: an Ed25519 seed in the configuration of `auth`, a JWK Set for the other components.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jwt_simple::prelude::{Ed25519KeyPair, Ed25519PublicKey, EdDSAPublicKeyLike};
use serde::Deserialize;
use serde_json::Value;

/// An invalid key.
#[derive(Debug, thiserror::Error)]
#[error("the key cannot be used: {0}")]
pub struct InvalidKey(pub(super) String);

/// A seed as configuration spells it.
pub fn seed_text(seed: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(seed)
}

pub(super) fn parse_seed(text: &str) -> Result<[u8; 32], InvalidKey> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).unwrap_or_default();
    bytes.try_into().map_err(|_| InvalidKey("a signing key is 32 bytes in base64url".into()))
}

/// The key pair of a seed, its `kid` the thumbprint of RFC 7638.
pub(super) fn pair(seed: &[u8; 32]) -> Result<Ed25519KeyPair, InvalidKey> {
    // PKCS #8 (RFC 8410) is the one form of jwt-simple that takes a seed alone.
    const PREFIX: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let der = [PREFIX.as_slice(), seed].concat();
    let pair = Ed25519KeyPair::from_der(&der).map_err(|error| InvalidKey(error.to_string()))?;
    let kid = pair.jwk_thumbprint();
    Ok(pair.with_key_id(&kid))
}

pub(super) fn parse_jwks(json: &str) -> Result<Vec<Ed25519PublicKey>, InvalidKey> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let invalid = |error: &dyn ToString| InvalidKey(error.to_string());
    let set: Set = serde_json::from_str(json).map_err(|error| invalid(&error))?;
    let mut keys = Vec::with_capacity(set.keys.len());
    for value in set.keys {
        let key = Ed25519PublicKey::from_jwk(&value.to_string()).map_err(|error| invalid(&error))?;
        if key.key_id().is_none() {
            return Err(InvalidKey("a public key has no kid".into()));
        }
        keys.push(key);
    }
    if keys.is_empty() { Err(InvalidKey("there is no public key".into())) } else { Ok(keys) }
}
