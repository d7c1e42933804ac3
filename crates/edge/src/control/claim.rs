//! `POST /internal/jobs/{id}/claim`: a worker claims a job.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::report::ClaimRequest;
use framelift_contract::rules::CLAIM_ID;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, event};

pub(super) const ROUTE: Route = Route::post("/internal/jobs/{id}/claim");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "claimJob", "Claim a job")
        .json(typed(&ClaimRequest {
            worker_id: examples::worker(),
            claim_id: Some("m-1".into()),
            attempt: None,
        }))
        .answers(StatusCode::OK, "The whole job and a lease on it.", typed(&examples::job()))
        .or(&[Code::VideoNotFound, Code::LeaseHeld, Code::JobFinished, Code::JobNotReady])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn claim(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = incoming.video_id()?;
        let request: ClaimRequest = incoming.json()?;
        if let Some(error) = request.claim_id.as_ref().and_then(|id| CLAIM_ID.error("/claim_id", id)) {
            return Err(Failure::validation(vec![error]));
        }
        let video = self.jobs().claim(id, request.worker_id, request.claim_id).await?;
        let job = view::job(&video, &self.config.limits)
            .ok_or_else(|| Failure::internal("a claimed video is not being processed"))?;
        event("ProcessingStarted", &video);
        json(StatusCode::OK, &job)
    }
}
