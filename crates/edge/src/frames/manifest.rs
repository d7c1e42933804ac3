//! `GET /videos/{id}/manifest`: the archive's `manifest.json`.

use http::Response;

use super::frame::of_parts;
use super::index::damaged;
use super::part::Part;
use super::{PRIVATE, RESULT};
use crate::http::{Body, Failure, Incoming, Route};
use crate::openapi::{Auth, OWN_VIDEO, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, file};

pub(super) const ROUTE: Route = Route::get("/videos/{id}/manifest");

pub(super) fn operation() -> Operation {
    let summary =
        "Get the archive's `manifest.json`: what was asked, what was done, and a record of every frame";
    let operation = Operation::new(ROUTE, "getManifest", "videos", Auth::User, summary);
    of_parts(operation, "application/json", "The manifest.").or(OWN_VIDEO).or(RESULT)
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn manifest(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let result = self.own_result(incoming).await?;
        let extent = self.header(&result).await?.manifest;
        if extent.length == 0 {
            return Err(damaged("the index has no manifest"));
        }
        let part = Part {
            archive: result.archive,
            extent,
            media_type: "application/json",
            name: file::manifest_name(&result.video.file_name),
            cache: PRIVATE,
            location: None,
        };
        self.part(incoming, part).await
    }
}
