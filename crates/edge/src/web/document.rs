//! `GET /openapi.json`: the OpenAPI document.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderValue, Response, StatusCode};

use super::Web;
use crate::http::{Failure, Incoming, Route, bytes, empty, entity_tag, if_none_match};
use crate::openapi::{self, Auth, Operation, Payload, object, raw};

pub(super) const ROUTE: Route = Route::get("/openapi.json");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getOpenApi", "service", Auth::Nobody, "This document")
        .header("If-None-Match", "The `ETag` of an earlier answer.")
        .answers_with(StatusCode::OK, "OpenAPI 3.1.", raw("application/json", object()), &["ETag"])
        .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
}

/// The document as it is sent, and its `ETag`: made once in the life of an instance.
static DOCUMENT: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    // The document is strings, numbers and lists: writing it as JSON cannot fail.
    let body = serde_json::to_vec(&openapi::document()).unwrap_or_default();
    let tag = entity_tag(&body);
    (body.into(), tag)
});

impl Web {
    pub(super) async fn document(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (body, tag) = &*DOCUMENT;
        let mut response = if if_none_match(incoming.headers(), tag) {
            empty(StatusCode::NOT_MODIFIED)
        } else {
            bytes(StatusCode::OK, HeaderValue::from_static("application/json"), body.clone())
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(ETAG, HeaderValue::try_from(tag).map_err(Failure::internal)?);
        Ok(response)
    }
}
