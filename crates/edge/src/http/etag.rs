//! Entity tags of whole answers, and the 304 for a client that has the answer already.

use http::HeaderMap;
use http::header::IF_NONE_MATCH;
use sha2::{Digest, Sha256};

/// The entity tag of a body: it changes when a byte does.
pub(crate) fn entity_tag(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(&Sha256::digest(body)[..16]))
}

/// Whether `If-None-Match` names the tag (RFC 9110, section 13.1.2: weak comparison).
pub(crate) fn if_none_match(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == tag)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_compared_weakly() {
        let matches = |value: &'static str| {
            if_none_match(&HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_static(value))]), "\"a\"")
        };
        for yes in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(matches(yes), "{yes}");
        }
        for no in ["\"b\"", "a", ""] {
            assert!(!matches(no), "{no}");
        }
    }
}
