//! Links to frames, which need no token: video, number, expiry, and a signature.
//!
//! `<video>.<number>.<expiry>.<signature>` opens one frame, `<video>.<number>.<expiry>.all.<signature>` any frame of
//! the video: there the signature does not cover the number.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use framelift_contract::problem::ProblemCode;
use framelift_domain::{Time, VideoId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::http::Failure;

/// Where the paths of links begin.
const PREFIX: &str = "/f/";
/// Bytes of a signature.
const TAG_BYTES: usize = 16;
/// Maximum of keys: the current one, the previous one and the next one.
const MAX_KEYS: usize = 3;
/// Minimum of characters of a key.
const MIN_KEY_CHARS: usize = 16;

/// The keys of links. The first one signs, links of all are accepted.
#[derive(Clone)]
pub struct LinkKeys(Vec<String>);

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys(redacted)")
    }
}

/// A valid link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) video: VideoId,
    pub(super) number: u64,
    /// Seconds until it expires.
    pub(super) left_s: i64,
}

/// The frames that a link opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    One(u64),
    All,
}

impl LinkKeys {
    /// Reads the variable: one to three keys, separated by spaces.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if !(1..=MAX_KEYS).contains(&keys.len()) {
            return Err(format!("must be 1 to {MAX_KEYS} keys"));
        }
        if keys.iter().any(|key| key.chars().count() < MIN_KEY_CHARS) {
            return Err(format!("each key must have at least {MIN_KEY_CHARS} characters"));
        }
        Ok(Self(keys))
    }

    /// The path of a link to one frame.
    pub(super) fn one(&self, video: VideoId, number: u64, expires_at: Time) -> String {
        let tag = self.sign(video, Scope::One(number), expires_at.unix_s());
        format!("{PREFIX}{video}.{number}.{}.{tag}", expires_at.unix_s())
    }

    /// The path of links to all frames, with `{n}` for the number.
    pub(super) fn all(&self, video: VideoId, expires_at: Time) -> String {
        let tag = self.sign(video, Scope::All, expires_at.unix_s());
        format!("{PREFIX}{video}.{{n}}.{}.all.{tag}", expires_at.unix_s())
    }

    /// Checks a link without its prefix.
    pub(super) fn open(&self, text: &str, now: Time) -> Result<Link, Failure> {
        let invalid = |detail: &'static str| Failure::new(ProblemCode::InvalidLink, detail);
        let forged = || invalid("the link was not made by this service");
        let mut parts = text.split('.');
        let (video, number, expiry) = (parts.next(), parts.next(), parts.next());
        let video: VideoId = video.and_then(|text| text.parse().ok()).ok_or_else(forged)?;
        let number: u64 = number.and_then(|text| text.parse().ok()).ok_or_else(forged)?;
        let expiry: i64 = expiry.and_then(|text| text.parse().ok()).ok_or_else(forged)?;
        let (scope, tag) = match (parts.next(), parts.next(), parts.next()) {
            (Some("all"), Some(tag), None) => (Scope::All, tag),
            (Some(tag), None, None) => (Scope::One(number), tag),
            _ => return Err(forged()),
        };
        let tag = URL_SAFE_NO_PAD.decode(tag).ok().filter(|tag| tag.len() == TAG_BYTES).ok_or_else(forged)?;
        let good = |key: &String| mac(key, video, scope, expiry).verify_truncated_left(&tag).is_ok();
        if !self.0.iter().any(good) {
            return Err(forged());
        }
        let left_s = expiry - now.unix_s();
        if left_s <= 0 {
            return Err(invalid("the link has expired; list the frames again for a new one"));
        }
        Ok(Link { video, number, left_s })
    }

    fn sign(&self, video: VideoId, scope: Scope, expiry: i64) -> String {
        // There is at least one key.
        let key = self.0.first().map(String::as_str).unwrap_or_default();
        let tag = mac(key, video, scope, expiry).finalize().into_bytes();
        URL_SAFE_NO_PAD.encode(&tag[..TAG_BYTES])
    }
}

/// The expiry of a new link, `ttl_s` to twice `ttl_s` from now. All links of the same period have the same expiry, so
/// that a frame keeps its URL and stays cached.
pub(super) fn expiry(now: Time, ttl_s: u32) -> Time {
    let ttl_s = i64::from(ttl_s.max(1));
    Time::from_unix_ms((now.unix_s().div_euclid(ttl_s) + 2) * ttl_s * 1000)
}

fn mac(key: &str, video: VideoId, scope: Scope, expiry: i64) -> Hmac<Sha256> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        unreachable!("HMAC takes keys of any length")
    };
    let scope = match scope {
        Scope::One(number) => number.to_string(),
        Scope::All => "*".to_owned(),
    };
    mac.update(format!("frame 1/{video}/{scope}/{expiry}").as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> LinkKeys {
        LinkKeys::parse(text).unwrap()
    }

    fn video(n: u8) -> VideoId {
        VideoId::new(1, [n; 10])
    }

    fn open(keys: &LinkKeys, path: &str, now_s: i64) -> Option<Link> {
        keys.open(path.strip_prefix(PREFIX).unwrap(), Time::from_unix_ms(now_s * 1000)).ok()
    }

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_link_opens_its_frame_until_it_expires() {
        let keys = keys("0123456789abcdef");
        let expires_at = expiry(Time::from_unix_ms(NOW * 1000), 3600);
        let left = expires_at.unix_s() - NOW;
        assert!((3600..=7200).contains(&left) && expires_at.unix_s() % 3600 == 0, "{left}");
        let path = keys.one(video(1), 7, expires_at);
        let link = open(&keys, &path, NOW).unwrap();
        assert_eq!(link, Link { video: video(1), number: 7, left_s: left });
        assert!(open(&keys, &path, expires_at.unix_s() - 1).is_some());
        assert!(open(&keys, &path, expires_at.unix_s()).is_none());
    }

    #[test]
    fn a_changed_link_is_refused() {
        let keys = keys("0123456789abcdef");
        let expires_at = Time::from_unix_ms((NOW + 60) * 1000);
        let good = keys.one(video(1), 7, expires_at);
        let expiry = expires_at.unix_s().to_string();
        let later = (NOW + 61).to_string();
        for bad in [
            good.replace(".7.", ".8."),
            good.replace(&expiry, &later),
            good.replace(&video(1).to_string(), &video(2).to_string()),
            good.replace(&format!("{expiry}."), &format!("{expiry}.all.")),
            format!("{good}A"),
            format!("{good}.x"),
            good[..good.len() - 4].to_owned(),
            format!("{PREFIX}x"),
            PREFIX.to_owned(),
        ] {
            assert!(open(&keys, &bad, NOW).is_none(), "{bad}");
        }
        let all = keys.all(video(1), expires_at);
        for number in [1, 8, 1_000_000] {
            let link = open(&keys, &all.replace("{n}", &number.to_string()), NOW).unwrap();
            assert_eq!((link.video, link.number), (video(1), number));
        }
        assert!(open(&keys, &all.replace("{n}", "8").replace(".all.", "."), NOW).is_none());
        let other = super::LinkKeys::parse("another-key-of-16").unwrap();
        assert!(open(&other, &good, NOW).is_none());
    }

    #[test]
    fn links_of_the_previous_key_are_accepted_during_a_rotation() {
        let (old, new) = ("0123456789abcdef", "fedcba9876543210");
        let expires_at = Time::from_unix_ms((NOW + 60) * 1000);
        let path = keys(old).one(video(1), 1, expires_at);
        assert!(open(&keys(&format!("{new} {old}")), &path, NOW).is_some());
        assert!(open(&keys(new), &path, NOW).is_none());
        for bad in ["", "short", "0123456789abcdef short", &[old; 4].join(" ")] {
            assert!(LinkKeys::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(format!("{:?}", keys(old)), "LinkKeys(redacted)");
    }
}
