//! Preconditions of reads, in the order of RFC 9110, section 13.2.2.

use http::{HeaderMap, HeaderValue};
use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::ambient::timestamp;
use crate::store::objects::{Object, etag_is, precondition_failed};

/// The conditions of one request.
#[derive(Default)]
pub(super) struct ReadCondition {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

impl ReadCondition {
    /// Answers `PreconditionFailed` or `NotModified` when the object is not to be read.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        // HTTP dates have no fractions.
        let modified = timestamp(object.modified_ms / 1000 * 1000);
        if let Some(condition) = &self.if_match {
            let holds = match condition {
                ETagCondition::Any => true,
                ETagCondition::ETag(etag) => etag_is(etag, &object.etag),
            };
            if !holds {
                return Err(precondition_failed());
            }
        } else if self.if_unmodified_since.as_ref().is_some_and(|since| modified > *since) {
            return Err(precondition_failed());
        }
        let unchanged = match &self.if_none_match {
            Some(ETagCondition::Any) => true,
            Some(ETagCondition::ETag(etag)) => etag.value() == object.etag,
            None => self.if_modified_since.as_ref().is_some_and(|since| modified <= *since),
        };
        if unchanged {
            return Err(not_modified(object));
        }
        Ok(())
    }

    /// The same, for the source of a copy, where nothing is answered with 304.
    pub(super) fn check_source(&self, object: &Object) -> S3Result<()> {
        self.check(object).map_err(|_| precondition_failed())
    }
}

fn not_modified(object: &Object) -> S3Error {
    let mut headers = HeaderMap::new();
    if let Ok(value) = ETag::Strong(object.etag.clone()).to_http_header() {
        headers.insert(http::header::ETAG, value);
    }
    if let Some(value) =
        object.attributes.cache_control.as_deref().and_then(|value| HeaderValue::from_str(value).ok())
    {
        headers.insert(http::header::CACHE_CONTROL, value);
    }
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}
