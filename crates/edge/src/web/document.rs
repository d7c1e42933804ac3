//! `GET /openapi.json`: the OpenAPI document.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::Web;
use crate::http::{Failure, Incoming, Route, bytes, empty, entity_tag, if_none_match};
use crate::openapi::{self, Auth, Operation, Payload, object, raw_with_example};

pub(super) const ROUTE: Route = Route::get("/openapi.json");

pub(super) fn operation() -> Operation {
    let example =
        json!({ "openapi": "3.1.0", "info": { "title": "Framelift", "version": "0.1.0" }, "paths": {} });
    let document = raw_with_example("application/json", object(), example);
    Operation::new(ROUTE, "getOpenApi", "service", Auth::Nobody, "This document")
        .conditional()
        .answers_with(StatusCode::OK, "OpenAPI 3.1.", document, &["ETag"])
        .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
}

/// The document as it is sent, and its `ETag`: made once in the life of an instance.
static DOCUMENT: LazyLock<(Bytes, String)> = LazyLock::new(|| {
    let body = openapi::document().to_string();
    let tag = entity_tag(body.as_bytes());
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
