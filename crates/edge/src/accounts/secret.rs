//! Keyed hashes: pseudonyms of e-mail addresses in keys of the store, refresh tokens, and tokens of mailed links.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use framelift_domain::{EventId, Time, UserId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The keys that are derived from the variables `email_key` and `refresh_keys`, one for each use.
#[derive(Clone)]
pub(super) struct Secrets {
    email: [u8; 32],
    counter: [u8; 32],
    /// The first one makes tokens; tokens of all are accepted.
    refresh: Vec<RefreshKey>,
}

#[derive(Clone)]
struct RefreshKey {
    id: String,
    refresh: [u8; 32],
    token_id: [u8; 32],
    link: [u8; 32],
}

/// The purpose of a link in an e-mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To replace a forgotten password.
    ResetPassword,
    /// To confirm an address.
    VerifyEmail,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::ResetPassword => b"reset/",
            Self::VerifyEmail => b"verify/",
        }
    }
}

/// The content of a refresh token. The token is derived from it, so the store never holds one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refresh {
    /// The owner of the session.
    pub(super) user: UserId,
    /// The login that the token was issued for.
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

/// Maximum of refresh keys: the current one, the previous one and the next one.
const MAX_REFRESH_KEYS: usize = 3;
/// Minimum of characters of a key.
pub(super) const MIN_KEY_CHARS: usize = 16;

impl RefreshKey {
    /// Parses a key as the configuration has it: `id:key`.
    fn parse(text: &str) -> Result<Self, String> {
        let (id, key) = text.split_once(':').ok_or("each key must be spelled id:key")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=16).contains(&id.len()) || !id.bytes().all(plain) {
            return Err("an id must have 1 to 16 of A-Za-z0-9-_".into());
        }
        if key.len() < MIN_KEY_CHARS {
            return Err(format!("the key {id} is shorter than {MIN_KEY_CHARS} characters"));
        }
        let derive = |label: &str| mac(key.as_bytes(), &[label.as_bytes()]);
        let id = id.to_owned();
        Ok(Self { id, refresh: derive("refresh"), token_id: derive("token-id"), link: derive("link") })
    }

    fn link_id(&self, purpose: Purpose, user: UserId, unix_ms: u64) -> EventId {
        let (user, time) = (user.to_string(), unix_ms.to_be_bytes());
        let tag = mac(&self.link, &[b"id/", purpose.label(), user.as_bytes(), &time]);
        let mut random = [0; 10];
        random.copy_from_slice(&tag[..10]);
        EventId::new(unix_ms, random)
    }

    fn parse_all(text: &str) -> Result<Vec<Self>, String> {
        let keys = text.split_whitespace().map(Self::parse).collect::<Result<Vec<_>, _>>()?;
        let ids: BTreeSet<&str> = keys.iter().map(|key| key.id.as_str()).collect();
        if !(1..=MAX_REFRESH_KEYS).contains(&keys.len()) || ids.len() < keys.len() {
            return Err(format!("must be 1 to {MAX_REFRESH_KEYS} keys with different ids"));
        }
        Ok(keys)
    }
}

impl Secrets {
    /// Derives the keys from the two variables.
    pub(super) fn new(email_key: &str, refresh_keys: &str) -> Result<Self, String> {
        let derive = |label: &str| mac(email_key.as_bytes(), &[label.as_bytes()]);
        Ok(Self {
            email: derive("email"),
            counter: derive("counter"),
            refresh: RefreshKey::parse_all(refresh_keys)?,
        })
    }

    /// The pseudonym of a normalised address in keys of the store: 64 hex digits.
    pub(super) fn email(&self, email: &str) -> String {
        hex::encode(mac(&self.email, &[email.as_bytes()]))
    }

    /// The name of the counter of one client at one account: 64 hex digits.
    pub(super) fn counter(&self, account: &str, kind: &str, id: &str) -> String {
        hex::encode(mac(&self.counter, &[account.as_bytes(), b"/", kind.as_bytes(), b"/", id.as_bytes()]))
    }

    /// Makes a refresh token, and the id (`jti`) of the access token that is issued with it.
    pub(super) fn seal(&self, refresh: &Refresh) -> (String, String) {
        let payload = format!("{}.{}.{}", refresh.user, refresh.family, refresh.generation);
        // There is at least one, by construction.
        let Some(key) = self.refresh.first() else { return Default::default() };
        let signed = format!("{}.{}", key.id, URL_SAFE_NO_PAD.encode(&payload));
        let tag = mac(&key.refresh, &[signed.as_bytes()]);
        let token_id = mac(&key.token_id, &[payload.as_bytes()]);
        (format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag)), URL_SAFE_NO_PAD.encode(&token_id[..16]))
    }

    /// A new link's id: a timestamp and a keyed hash, so that a link id that was not issued here is
    /// recognised.
    pub(super) fn link_id(&self, purpose: Purpose, user: UserId, now: Time) -> EventId {
        let unix_ms = now.unix_ms().unsigned_abs();
        self.refresh.first().map_or(EventId::new(0, [0; 10]), |key| key.link_id(purpose, user, unix_ms))
    }

    /// Whether the id of a link was issued here.
    pub(super) fn issued_link(&self, purpose: Purpose, user: UserId, link: EventId) -> bool {
        let same = |key: &RefreshKey| {
            let expected = key.link_id(purpose, user, link.unix_ms()).to_string();
            bool::from(expected.as_bytes().ct_eq(link.to_string().as_bytes()))
        };
        self.refresh.iter().any(same)
    }

    /// The token of a link that is mailed to a user. It is derived, so that a repeated mail has the same token and the
    /// store holds none.
    pub(super) fn seal_link(&self, purpose: Purpose, user: UserId, id: EventId) -> String {
        let Some(key) = self.refresh.first() else { return String::new() };
        let signed = format!("{}.{}", key.id, URL_SAFE_NO_PAD.encode(format!("{user}.{id}")));
        let tag = mac(&key.link, &[purpose.label(), signed.as_bytes()]);
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
    }

    /// The user and the link of a valid token for this purpose. Compares in constant time.
    pub(super) fn open_link(&self, purpose: Purpose, token: &str) -> Option<(UserId, EventId)> {
        if token.len() > 512 {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let (id, encoded) = signed.split_once('.')?;
        let key = self.refresh.iter().find(|key| key.id == id)?;
        let mut check = Hmac::<Sha256>::new_from_slice(&key.link).ok()?;
        check.update(purpose.label());
        check.update(signed.as_bytes());
        check.verify_slice(&URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
        let (user, link) = payload.split_once('.')?;
        Some((user.parse().ok()?, link.parse().ok()?))
    }

    /// The content of a valid refresh token.
    pub(super) fn open(&self, token: &str) -> Option<Refresh> {
        if token.len() > 512 {
            return None;
        }
        let (signed, tag) = token.rsplit_once('.')?;
        let (id, encoded) = signed.split_once('.')?;
        let key = self.refresh.iter().find(|key| key.id == id)?;
        let mut check = Hmac::<Sha256>::new_from_slice(&key.refresh).ok()?;
        check.update(signed.as_bytes());
        check.verify_slice(&URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let payload = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
        let mut parts = payload.split('.');
        let refresh = Refresh {
            user: parts.next()?.parse().ok()?,
            family: parts.next()?.to_owned(),
            generation: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(refresh)
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

    const EMAIL_KEY: &str = "0123456789abcdef";

    fn secrets(refresh_keys: &str) -> Secrets {
        Secrets::new(EMAIL_KEY, refresh_keys).unwrap()
    }

    fn refresh() -> Refresh {
        Refresh { user: UserId::new(1, [1; 10]), family: "00ff".into(), generation: 7 }
    }

    #[test]
    fn a_refresh_token_is_read_back_and_cannot_be_changed() {
        let secrets = secrets("a:0123456789abcdef");
        let token = secrets.seal(&refresh()).0;
        assert_eq!(secrets.open(&token), Some(refresh()));
        let forged = secrets.seal(&Refresh { generation: 8, ..refresh() }).0;
        let forged = format!("{}.{}", forged.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().1);
        let without_id = token.split_once('.').unwrap().1;
        for bad in [
            "",
            ".",
            "a.b",
            "a.b.c",
            &token[1..],
            without_id,
            &forged,
            &format!("{token}.x"),
            &"x".repeat(1000),
        ] {
            assert_eq!(secrets.open(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_links_token_is_read_back_for_its_purpose_alone_and_cannot_be_changed() {
        let secrets = secrets("a:0123456789abcdef");
        let (user, link) = (refresh().user, EventId::new(2, [2; 10]));
        let token = secrets.seal_link(Purpose::ResetPassword, user, link);
        assert_eq!(secrets.open_link(Purpose::ResetPassword, &token), Some((user, link)));
        assert_eq!(secrets.open_link(Purpose::VerifyEmail, &token), None);
        let other = secrets.seal_link(Purpose::ResetPassword, user, EventId::new(3, [2; 10]));
        let forged = format!("{}.{}", other.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().1);
        let refresh = secrets.seal(&refresh()).0;
        for bad in ["", ".", "a..", "a.b.c", &token[1..], &forged, &refresh, &"x".repeat(1000)] {
            assert_eq!(secrets.open_link(Purpose::ResetPassword, bad), None, "{bad}");
        }
        assert_eq!(secrets.open(&token), None, "no refresh token");
        // The previous key still opens it during a rotation; another key does not.
        let both = self::secrets("b:fedcba9876543210 a:0123456789abcdef");
        assert_eq!(both.open_link(Purpose::ResetPassword, &token), Some((user, link)));
        assert_eq!(self::secrets("a:fedcba9876543210").open_link(Purpose::ResetPassword, &token), None);
    }

    #[test]
    fn an_issued_link_id_is_recognised() {
        let secrets = secrets("a:0123456789abcdef");
        let (user, now) = (refresh().user, Time::from_unix_ms(1_700_000_000_000));
        let link = secrets.link_id(Purpose::ResetPassword, user, now);
        let is_issued = |secrets: &Secrets, purpose, user, link| secrets.issued_link(purpose, user, link);
        assert!(is_issued(&secrets, Purpose::ResetPassword, user, link));
        assert!(is_issued(
            &self::secrets("b:fedcba9876543210 a:0123456789abcdef"),
            Purpose::ResetPassword,
            user,
            link
        ));
        assert!(!is_issued(&self::secrets("a:fedcba9876543210"), Purpose::ResetPassword, user, link));
        assert!(!is_issued(&secrets, Purpose::VerifyEmail, user, link));
        assert!(!is_issued(&secrets, Purpose::ResetPassword, UserId::new(1, [2; 10]), link));
        assert!(!is_issued(&secrets, Purpose::ResetPassword, user, EventId::new(link.unix_ms(), [1; 10])));
    }

    #[test]
    fn refresh_keys_rotate_with_two_of_them_good() {
        let (old, new) = ("2026a:0123456789abcdef", "2026b:another key 9876".replace(' ', "-"));
        let before = secrets(old);
        let token = before.seal(&refresh()).0;
        let both = secrets(&format!("{new} {old}"));
        assert_eq!(both.open(&token), Some(refresh()));
        let next = both.seal(&refresh()).0;
        assert!(next.starts_with("2026b."));
        assert_eq!(before.open(&next), None);
        let after = secrets(&new);
        assert_eq!((after.open(&token), after.open(&next)), (None, Some(refresh())));
        // Another key under the same id opens nothing.
        assert_eq!(secrets("2026b:0123456789abcdef").open(&next), None);
    }

    #[test]
    fn no_token_depends_on_the_email_key() {
        let keys = "a:fedcba9876543210";
        let other = Secrets::new("another key 9876", keys).unwrap();
        assert_eq!(secrets(keys).seal(&refresh()), other.seal(&refresh()));
        // A key that is derived from `email_key` opens nothing, with an id or without one.
        let key = mac(EMAIL_KEY.as_bytes(), &[b"refresh"]);
        let payload = URL_SAFE_NO_PAD.encode(format!("{}.00ff.7", refresh().user));
        for signed in [payload.clone(), format!("a.{payload}")] {
            let tag = URL_SAFE_NO_PAD.encode(mac(&key, &[signed.as_bytes()]));
            assert_eq!(secrets(keys).open(&format!("{signed}.{tag}")), None, "{signed}");
        }
        let tag = URL_SAFE_NO_PAD.encode(mac(&key, &[&URL_SAFE_NO_PAD.decode(&payload).unwrap()]));
        assert_eq!(secrets(keys).open(&format!("{payload}.{tag}")), None, "a tag over the payload alone");
    }

    #[test]
    fn refresh_keys_are_checked() {
        let good = "0123456789abcdef";
        for bad in [
            String::new(),
            good.into(),
            format!(":{good}"),
            format!("a.b:{good}"),
            "a:short".into(),
            format!("a:{good} a:{good}x"),
            format!("a:{good} b:{good} c:{good} d:{good}"),
        ] {
            assert!(Secrets::new(EMAIL_KEY, &bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_not_seen_in_its_key() {
        let secrets = secrets("a:0123456789abcdef");
        let key = secrets.email("ada@example.com");
        assert_eq!(key.len(), 64);
        let other = Secrets::new("another key 9876", "a:0123456789abcdef").unwrap();
        assert_ne!(key, other.email("ada@example.com"));
        assert_eq!(format!("{secrets:?}"), "Secrets(redacted)");
    }
}
