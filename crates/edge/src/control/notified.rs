//! `POST /internal/jobs/{id}/notified`: a worker reports that the notices of a finished video were sent.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::report::NotifiedReport;
use framelift_contract::video::Status;
use http::{Response, StatusCode};

use super::REPORT;
use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/jobs/{id}/notified");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "reportNotified", "Report that the notices were sent")
        .json(typed(&NotifiedReport { attempt: 1, worker_id: examples::worker(), webhook: false }))
        .answers(StatusCode::OK, "The notices are recorded as sent.", examples::report(Status::Failed))
        .or(REPORT)
        .or(&[Code::JobNotReady])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn notified(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = incoming.video_id()?;
        let report: NotifiedReport = incoming.json()?;
        json(StatusCode::OK, &view::report(&self.jobs().notified(id, report.attempt, report.webhook).await?))
    }
}
