//! `POST /videos/{id}/cancel`: ends a video that is not finished yet.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::video::Status;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Auth, OWN_VIDEO, Operation, examples};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/videos/{id}/cancel");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "cancelVideo", "videos", Auth::User, "Cancel a video")
        .answers(StatusCode::ACCEPTED, "The video is canceled.", examples::accepted(Status::Canceled))
        .or(OWN_VIDEO)
        .or(&[Code::ProcessingAlreadyFinished])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn cancel(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let video = self.jobs().cancel(user, incoming.video_id()?).await?;
        json(StatusCode::ACCEPTED, &view::accepted(&video))
    }
}
