//! `GET /docs`: the page to read and to try the API.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};

use super::Web;
use super::page::{DOCS, DOCS_POLICY};
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, Payload, raw, text};

pub(super) const ROUTE: Route = Route::get("/docs");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "getDocs",
        "service",
        Auth::Nobody,
        "A page to read this document and to try its operations",
    )
    .conditional()
    .answers_with(StatusCode::OK, "HTML.", raw("text/html", text()), &["ETag"])
    .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
}

impl Web {
    pub(super) async fn docs(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.html(DOCS, HeaderValue::from_static(DOCS_POLICY), incoming)
    }
}
