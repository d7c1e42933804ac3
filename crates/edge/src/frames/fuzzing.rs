//! Entry points for the fuzz targets in `dev/fuzz`.

use framelift_domain::{Time, VideoId};
use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};

use super::{LinkKeys, range};

/// Reads a request's range of `length` bytes, above 0. A range that is answered lies within them. Returns whether one is.
///
/// # Panics
/// If it does not.
pub fn range(asked: &[u8], if_range: Option<&[u8]>, length: u64) -> bool {
    let mut headers = HeaderMap::new();
    for (name, value) in [(RANGE, Some(asked)), (IF_RANGE, if_range)] {
        if let Some(Ok(value)) = value.map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
    let Ok(Some(range)) = range::requested(&headers, "\"a\"", length) else { return false };
    assert!(range.start < range.end && range.end <= length, "{range:?} of {length}");
    true
}

/// The signed links that [`link`] knows, without their prefix: to frame 7, and to all frames.
pub fn links() -> [String; 2] {
    let (keys, video, expires_at) = signed();
    let all = keys.all(video, expires_at).replace("{n}", "7");
    [keys.one(video, 7, expires_at), all].map(|link| link.trim_start_matches("/f/").to_owned())
}

/// Opens a link. Returns whether it is good.
///
/// # Panics
/// If it opens what was not signed.
pub fn link(text: &str) -> bool {
    let (keys, video, expires_at) = signed();
    let Ok(link) = keys.open(text, Time::from_unix_ms(0)) else { return false };
    assert_eq!((link.video, link.left_s), (video, expires_at.unix_s()), "{text}");
    assert!(link.number == 7 || text.contains(".all."), "{text}");
    true
}

fn signed() -> (LinkKeys, VideoId, Time) {
    let Ok(keys) = LinkKeys::parse("known-to-nobody-but-this-target") else {
        unreachable!("it is long enough")
    };
    (keys, VideoId::new(1, [1; 10]), Time::from_unix_ms(7_200_000))
}
