//! `GET /forgot`: the page, where somebody asks for a link by which to set a new password.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::Web;
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, Payload, raw, text};

pub(super) const ROUTE: Route = Route::get("/forgot");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getForgot", "service", Auth::Nobody, "The page, where a new password is asked for")
        .conditional()
        .answers_with(StatusCode::OK, "HTML.", raw("text/html", text()), &["ETag"])
        .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
}

impl Web {
    pub(super) async fn forgot(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.index(incoming)
    }
}
