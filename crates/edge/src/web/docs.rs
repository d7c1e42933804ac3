//! `GET /docs`: the page to read and to try the API.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::{Web, reference, single_file};
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{self, Auth, Operation, raw, text};

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

/// The page, made once in the life of an instance.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let document = openapi::document();
    let about = reference::paragraph(&document["info"]["description"]);
    let page = include_str!("docs.html").replace("{{about}}", &about);
    page.replace("{{reference}}", &reference::html(&document))
});

impl Web {
    pub(super) async fn docs(&self, _: &Incoming) -> Result<Response<Bytes>, Failure> {
        single_file(&PAGE)
    }
}
