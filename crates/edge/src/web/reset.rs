//! `GET /reset`: the page, where a mailed link leads to set a new password.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::Web;
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, Payload, raw, text};

pub(super) const ROUTE: Route = Route::get("/reset");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "getReset",
        "service",
        Auth::Nobody,
        "The page, where a mailed link leads to set a new password",
    )
    .conditional()
    .answers_with(StatusCode::OK, "HTML.", raw("text/html", text()), &["ETag"])
    .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
}

impl Web {
    pub(super) async fn reset(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.index(incoming)
    }
}
