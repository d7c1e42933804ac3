//! `GET /`: what this service is, for whoever opens its address in a browser.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Web, page};
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, raw, text};

pub(super) const ROUTE: Route = Route::get("/");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "getHome", "service", Auth::Nobody, "A page that says what this is").answers(
        StatusCode::OK,
        "HTML.",
        raw("text/html", text()),
    )
}

impl Web {
    pub(super) async fn home(&self, _: &Incoming) -> Result<Response<Bytes>, Failure> {
        page(include_str!("home.html"))
    }
}
