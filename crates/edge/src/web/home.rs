//! `GET /`: the page that people use.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::Web;
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, Payload, raw, text};

pub(super) const ROUTE: Route = Route::get("/");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getHome", "service", Auth::Nobody, "The page to use all of this in a browser")
        .conditional()
        .answers_with(StatusCode::OK, "HTML.", raw("text/html", text()), &["ETag"])
        .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
}

impl Web {
    pub(super) async fn home(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.index(incoming)
    }
}
