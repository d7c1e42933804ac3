//! Common parts of users' requests: options, idempotency keys, entity tags.

use bytes::Bytes;
use framelift_contract::options::OptionsBody;
use framelift_contract::problem::{FieldError, ProblemCode};
use framelift_contract::rules;
use framelift_domain::Options;
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::IDEMPOTENCY_KEY;
use crate::http::{Failure, Incoming, entity_tag, if_none_match, json};
use crate::jobs::Idempotency;

/// Checks options, or returns everything that is wrong with them. Their plugins' names are resolved only when the video
/// is created.
pub(crate) fn options(body: Option<&OptionsBody>, prefix: &str) -> Result<Options, Vec<FieldError>> {
    body.cloned().unwrap_or_default().check_new(prefix)
}

/// The idempotency key, if there is one; 400 for one that is malformed.
fn idempotency_key(incoming: &Incoming) -> Result<Option<&str>, Failure> {
    let Some(key) = incoming.header(&IDEMPOTENCY_KEY)? else { return Ok(None) };
    if rules::IDEMPOTENCY_KEY.allows(key) {
        Ok(Some(key))
    } else {
        let detail = format!("Idempotency-Key {}", rules::IDEMPOTENCY_KEY.must());
        Err(Failure::new(ProblemCode::BadRequest, detail))
    }
}

/// The idempotency key with a digest of the request, if it has a key.
pub(crate) fn request_of(incoming: &Incoming, more: &[&[u8]]) -> Result<Option<Idempotency>, Failure> {
    let Some(key) = idempotency_key(incoming)? else { return Ok(None) };
    let mut parts = vec![incoming.method().as_str().as_bytes(), incoming.path().as_bytes(), incoming.body()?];
    parts.extend_from_slice(more);
    Ok(Some(Idempotency { key: key.to_owned(), request_hash: digest(&parts) }))
}

/// A digest of the parts of a request.
pub(crate) fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Each part is preceded by its length, so that different lists of parts have different digests.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..16])
}

/// A JSON answer with its entity tag, or 304 if the client has it already.
pub(crate) fn tagged(headers: &HeaderMap, body: &impl Serialize) -> Result<Response<Bytes>, Failure> {
    let mut response = json(StatusCode::OK, body)?;
    let tag = entity_tag(response.body());
    if if_none_match(headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
        response.headers_mut().remove(http::header::CONTENT_TYPE);
    }
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::try_from(tag).map_err(Failure::internal)?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_keep_parts_apart() {
        assert_ne!(digest(&[b"ab", b"c"]), digest(&[b"a", b"bc"]));
        assert_eq!(digest(&[b"ab"]), digest(&[b"ab"]));
    }
}
