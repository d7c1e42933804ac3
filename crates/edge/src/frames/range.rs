//! The range of bytes that a request asks for (RFC 9110, section 14).

use std::ops::Range;

use http::HeaderMap;
use http::header::{IF_RANGE, RANGE};

use crate::http::Failure;

/// The requested range of `length` bytes, which is above 0; none for all bytes. Several ranges, and a range of another
/// version (`If-Range`), are answered with all bytes.
pub(super) fn requested(headers: &HeaderMap, tag: &str, length: u64) -> Result<Option<Range<u64>>, Failure> {
    let text = |name| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok())
    };
    let Some(range) = text(RANGE).and_then(|range| range.strip_prefix("bytes=")) else { return Ok(None) };
    if headers.contains_key(IF_RANGE) && text(IF_RANGE) != Some(tag) {
        return Ok(None);
    }
    let Some((first, last)) = range.trim().split_once('-') else { return Ok(None) };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return Ok(None);
    }
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(length),
        (Ok(first), Err(_)) if last.is_empty() => first..length,
        (Err(_), Ok(suffix)) if first.is_empty() => length.saturating_sub(suffix)..length,
        _ => return Ok(None),
    };
    if range.is_empty() { Err(Failure::range_not_satisfiable(length)) } else { Ok(Some(range)) }
}

#[cfg(test)]
mod tests {
    use framelift_contract::problem::ProblemCode;
    use http::HeaderValue;

    use super::*;

    fn of(range: &'static str, if_range: Option<&'static str>) -> Result<Option<Range<u64>>, ProblemCode> {
        let mut headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(range))]);
        if let Some(tag) = if_range {
            headers.insert(IF_RANGE, HeaderValue::from_static(tag));
        }
        requested(&headers, "\"a\"", 100).map_err(|failure| failure.code())
    }

    #[test]
    fn one_range_is_understood() {
        for (text, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=0-99", 0..100),
            ("bytes=10-1000000", 10..100),
            ("bytes=90-", 90..100),
            ("bytes=-5", 95..100),
            ("bytes=-500", 0..100),
        ] {
            assert_eq!(of(text, None), Ok(Some(range)), "{text}");
        }
    }

    #[test]
    fn a_malformed_range_is_ignored() {
        for text in
            ["bytes=5-1", "bytes=a-b", "bytes=", "bytes=-", "items=0-1", "bytes=0-1,5-6", "bytes=+1-2"]
        {
            assert_eq!(of(text, None), Ok(None), "{text}");
        }
        assert_eq!(requested(&HeaderMap::new(), "\"a\"", 100).unwrap(), None);
    }

    #[test]
    fn a_range_behind_the_end_is_refused() {
        for text in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
            assert_eq!(of(text, None), Err(ProblemCode::RangeNotSatisfiable), "{text}");
        }
    }

    #[test]
    fn a_range_of_another_version_is_ignored() {
        assert_eq!(of("bytes=0-0", Some("\"a\"")), Ok(Some(0..1)));
        assert_eq!(of("bytes=0-0", Some("\"b\"")), Ok(None));
        assert_eq!(of("bytes=0-0", Some("W/\"a\"")), Ok(None), "only strong tags count");
    }
}
