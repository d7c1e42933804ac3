//! `POST /internal/jobs/{id}/complete`: a worker publishes a result.

use bytes::Bytes;
use framelift_contract::report::CompleteReport;
use framelift_contract::video::Status;
use http::{Response, StatusCode};

use super::REPORT;
use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::{Service, event};

pub(super) const ROUTE: Route = Route::post("/internal/jobs/{id}/complete");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "completeJob", "Publish a result; may be repeated")
        .json(typed(&CompleteReport {
            attempt: 1,
            worker_id: examples::worker(),
            size_bytes: 9_437_184,
            frames: 60,
            sha256: examples::checksum(),
            bytes_read: 73_400_320,
            decoded_ms: 60_000,
            warnings: Vec::new(),
            indexed: true,
        }))
        .answers(StatusCode::OK, "The video is completed.", examples::report(Status::Completed))
        .or(REPORT)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn complete_job(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = incoming.video_id()?;
        let report: CompleteReport = incoming.json()?;
        let (attempt, worker) = (report.attempt, report.worker_id.clone());
        let video = self.jobs().complete(id, attempt, worker, report.into()).await?;
        for name in ["FramesExtracted", "ZipGenerated", "ProcessingCompleted"] {
            event(name, &video);
        }
        json(StatusCode::OK, &view::report(&video))
    }
}
