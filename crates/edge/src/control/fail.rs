//! `POST /internal/jobs/{id}/fail`: a worker fails or releases a job.

use bytes::Bytes;
use framelift_contract::report::{Ending, FailReport};
use framelift_contract::video::Status;
use framelift_domain::{Failure as VideoFailure, FailureCode};
use http::{Response, StatusCode};

use super::REPORT;
use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, event};

pub(super) const ROUTE: Route = Route::post("/internal/jobs/{id}/fail");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "failJob", "Fail a job, or give it back; may be repeated")
        .json(typed(&FailReport {
            attempt: 1,
            worker_id: examples::worker(),
            code: FailureCode::NotAVideo,
            message: "no known container could be read".into(),
            ending: Ending::Failed,
            decoded_ms: 4_000,
        }))
        .answers(StatusCode::OK, "The video failed, or is pending again.", examples::report(Status::Failed))
        .or(REPORT)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn fail(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = incoming.video_id()?;
        let report: FailReport = incoming.json()?;
        let failure = VideoFailure::new(report.code, report.message);
        let (attempt, worker) = (report.attempt, report.worker_id);
        let video = match report.ending {
            Ending::Released => self.jobs().release(id, attempt, worker, failure).await?,
            Ending::Failed => self.jobs().fail(id, attempt, worker, failure, report.decoded_ms).await?,
        };
        if video.state.failure().is_some() {
            event("ProcessingFailed", &video);
        }
        json(StatusCode::OK, &view::report(&video))
    }
}
