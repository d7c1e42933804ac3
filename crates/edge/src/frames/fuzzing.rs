//! What fuzz targets in `fuzz/` call.

use framelift_domain::Time;
use http::header::{IF_RANGE, RANGE};
use http::{HeaderMap, HeaderValue};

use super::{LinkKeys, range};

/// Reads a request's range of `length` bytes, above 0. A range that is answered lies within them.
///
/// # Panics
/// If it does not.
pub fn range(asked: &[u8], if_range: Option<&[u8]>, length: u64) {
    let mut headers = HeaderMap::new();
    for (name, value) in [(RANGE, Some(asked)), (IF_RANGE, if_range)] {
        if let Some(Ok(value)) = value.map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
    if let Ok(Some(range)) = range::requested(&headers, "\"a\"", length) {
        assert!(range.start < range.end && range.end <= length, "{range:?} of {length}");
    }
}

/// Opens a link that nobody has signed.
///
/// # Panics
/// If it is good.
pub fn link(text: &str) {
    let keys = LinkKeys::parse("known-to-nobody-but-this-target");
    let opened = keys.map(|keys| keys.open(text, Time::from_unix_ms(0)).is_ok());
    assert_eq!(opened, Ok(false), "{text}");
}
