//! `POST /videos/{id}/runs`: processes the same upload again, as a new video.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::video::{RunRequest, Status};
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Auth, OWN_VIDEO, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::request::request_of;
use crate::service::{Service, request};

pub(super) const ROUTE: Route = Route::post("/videos/{id}/runs");

pub(super) fn operation() -> Operation {
    let summary = "Process the same upload again with other options";
    Operation::new(ROUTE, "runAgain", "videos", Auth::User, summary)
        .about("Makes a new video; a completed one is never processed again.")
        .idempotent()
        .json(typed(&RunRequest { options: Some(examples::every_two_seconds()) }))
        .body_optional()
        .answers(StatusCode::ACCEPTED, "The new video is handed over.", examples::accepted(Status::Pending))
        .or(OWN_VIDEO)
        .or(&[Code::UploadIncomplete, Code::SourceExpired, Code::QuotaExceeded, Code::StorageQuotaExceeded])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn run(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let id = incoming.video_id()?;
        let body: RunRequest = incoming.json_or_default()?;
        let options = request::options(body.options.as_ref(), "/options").map_err(Failure::validation)?;
        let idempotency = request_of(incoming, &[])?;
        let (correlation_id, trace) = (incoming.correlation_id().clone(), incoming.trace_parent());
        let jobs = self.jobs();
        let video = jobs.run(user, id, options, correlation_id, trace, idempotency.as_ref()).await?;
        json(StatusCode::ACCEPTED, &view::handed_over(&video))
    }
}
