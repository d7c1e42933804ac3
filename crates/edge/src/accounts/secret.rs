//! Keyed hashes: what stands in keys of the store instead of an e-mail address, and refresh tokens.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use framelift_domain::UserId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The variable `email_key`, as one key for each use.
#[derive(Clone)]
pub(super) struct Secrets {
    email: [u8; 32],
    refresh: [u8; 32],
    token_id: [u8; 32],
    counter: [u8; 32],
}

/// A refresh token's content: derived from these, so that the store never holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refresh {
    /// Whose session it is.
    pub(super) user: UserId,
    /// The login that it goes back to.
    pub(super) family: String,
    /// How often the family was rotated.
    pub(super) generation: u32,
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            for part in parts {
                mac.update(part);
            }
            mac.finalize().into_bytes().into()
        }
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

fn hex(bytes: [u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Secrets {
    pub(super) fn new(email_key: &str) -> Self {
        let derive = |label: &str| mac(email_key.as_bytes(), &[label.as_bytes()]);
        Self {
            email: derive("email"),
            refresh: derive("refresh"),
            token_id: derive("token-id"),
            counter: derive("counter"),
        }
    }

    /// What stands for an address (normalised) in keys: 64 hex digits.
    pub(super) fn email(&self, email: &str) -> String {
        hex(mac(&self.email, &[email.as_bytes()]))
    }

    /// What stands for one guesser at one account in the counts of failures: 64 hex digits.
    pub(super) fn counter(&self, account: &str, kind: &str, id: &str) -> String {
        hex(mac(&self.counter, &[account.as_bytes(), b"/", kind.as_bytes(), b"/", id.as_bytes()]))
    }

    /// The refresh token of that content.
    pub(super) fn seal(&self, refresh: &Refresh) -> String {
        let payload = format!("{}.{}.{}", refresh.user, refresh.family, refresh.generation);
        let tag = mac(&self.refresh, &[payload.as_bytes()]);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(payload), URL_SAFE_NO_PAD.encode(tag))
    }

    /// The content of a refresh token that we made.
    pub(super) fn open(&self, token: &str) -> Option<Refresh> {
        if token.len() > 512 {
            return None;
        }
        let (payload, tag) = token.split_once('.')?;
        let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let mut check = Hmac::<Sha256>::new_from_slice(&self.refresh).ok()?;
        check.update(&payload);
        check.verify_slice(&tag).ok()?;
        let payload = String::from_utf8(payload).ok()?;
        let mut parts = payload.split('.');
        let refresh = Refresh {
            user: parts.next()?.parse().ok()?,
            family: parts.next()?.to_owned(),
            generation: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(refresh)
    }

    /// The access token's id (`jti`) that goes with a refresh token.
    pub(super) fn token_id(&self, refresh: &Refresh) -> String {
        let parts = format!("{}.{}.{}", refresh.user, refresh.family, refresh.generation);
        URL_SAFE_NO_PAD.encode(&mac(&self.token_id, &[parts.as_bytes()])[..16])
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_token_is_read_back_and_cannot_be_changed() {
        let secrets = Secrets::new("0123456789abcdef");
        let refresh = Refresh { user: UserId::new(1, [1; 10]), family: "00ff".into(), generation: 7 };
        let token = secrets.seal(&refresh);
        assert_eq!(secrets.open(&token), Some(refresh.clone()));
        assert_eq!(Secrets::new("another key 9876").open(&token), None);
        let forged = Refresh { generation: 8, ..refresh };
        let (payload, tag) = (secrets.seal(&forged), token.split_once('.').unwrap().1.to_owned());
        let forged = format!("{}.{tag}", payload.split_once('.').unwrap().0);
        for bad in ["", ".", "a.b", &token[1..], &forged, &format!("{token}.x"), &"x".repeat(1000)] {
            assert_eq!(secrets.open(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_address_is_not_seen_in_its_key() {
        let secrets = Secrets::new("0123456789abcdef");
        let key = secrets.email("ada@example.com");
        assert_eq!(key.len(), 64);
        assert_ne!(key, Secrets::new("another key 9876").email("ada@example.com"));
        assert_eq!(format!("{secrets:?}"), "Secrets(redacted)");
    }
}
