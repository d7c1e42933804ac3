//! `GET /internal/jobs/{id}/notice`: the notice of a finished video that is still to be sent.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/internal/jobs/{id}/notice");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "getNotice", "Get the unsent notice of a video")
        .answers(StatusCode::OK, "The notice.", typed(&examples::notice()))
        .or(&[Code::VideoNotFound, Code::JobFinished])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn notice(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        match self.jobs().notice(incoming.video_id()?).await? {
            Some(notice) => json(StatusCode::OK, &notice),
            None => Err(Failure::new(Code::JobFinished, "there is no notice to send")),
        }
    }
}
