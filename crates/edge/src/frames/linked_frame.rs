//! `GET /f/{link}`: one frame, for anybody with its link.

use framelift_contract::problem::ProblemCode as Code;
use http::{HeaderValue, Response};

use super::frame::{image, of_frames};
use crate::http::{Body, Failure, Incoming, Route};
use crate::openapi::{Auth, Operation};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/f/{link}");

pub(super) fn operation() -> Operation {
    let operation = Operation::new(
        ROUTE,
        "getLinkedFrame",
        "videos",
        Auth::Nobody,
        "Get a frame by its link",
    )
    .path("link", "As `GET /videos/{id}/frames` answers it, signed and good for a while.")
    .about("Needs no token, for `<img>` and for caches, which may keep the answer until the link expires.");
    of_frames(operation).or(&[Code::InvalidLink, Code::ResultExpired, Code::ResultDamaged, Code::Unavailable])
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    pub(super) async fn linked_frame(&self, incoming: &Incoming) -> Result<Response<Body<'a>>, Failure> {
        let link = self.frames()?.links.open(incoming.param("link"), self.ambient.now())?;
        let gone = || Failure::new(Code::ResultExpired, "the frame is not kept any more");
        let video = self.jobs().find_linked(link.video).await?.ok_or_else(gone)?;
        let result = self.result_of(video).map_err(|_| gone())?;
        let row = self.row(&result, link.number).await?;
        let cache = format!("public, max-age={}, immutable", link.left_s);
        let cache = HeaderValue::try_from(cache).map_err(Failure::internal)?;
        self.part(incoming, image(&result, link.number, row, cache)).await
    }
}
