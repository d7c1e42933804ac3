//! `GET /assets/{name}`: the files that the page names.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Response, StatusCode};

use super::Web;
use crate::http::{Failure, Incoming, Route};
use crate::openapi::{Auth, Operation, raw, text};

pub(super) const ROUTE: Route = Route::get("/assets/{name}");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "getAsset",
        "service",
        Auth::Nobody,
        "A script, a style sheet or a picture of the pages",
    )
    .about("A name holds a digest of the bytes: what it names never changes.")
    .path("name", "The name, as the page has it.")
    .answers(StatusCode::OK, "The file.", raw("*/*", text()))
    .or(&[ProblemCode::NotFound])
}

impl Web {
    pub(super) async fn asset(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let name = incoming.param("name");
        let Some(asset) = self.find(name).filter(|asset| !asset.name.ends_with(".html")) else {
            return Err(Failure::new(ProblemCode::NotFound, "the page has no such file"));
        };
        let mut response = asset.send(incoming.headers())?;
        let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
        response.headers_mut().insert(CACHE_CONTROL, forever);
        Ok(response)
    }
}
