//! `GET /docs`: the page to read and to try the API.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Web, page};
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, raw, text};

pub(super) const ROUTE: Route = Route::get("/docs");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "getDocs",
        "service",
        Auth::Nobody,
        "A page to read this document and to try its operations",
    )
    .answers(StatusCode::OK, "HTML.", raw("text/html", text()))
}

impl Web {
    pub(super) async fn docs(&self, _: &Incoming) -> Result<Response<Bytes>, Failure> {
        page(include_str!("docs.html"))
    }
}
