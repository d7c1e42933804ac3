//! `POST /internal/jobs/{id}/progress`: a worker reports its progress and renews its lease.

use bytes::Bytes;
use framelift_contract::report::ProgressReport;
use framelift_contract::video::{Progress, Status};
use framelift_domain::video::{Progress as StoredProgress, Stage};
use http::{Response, StatusCode};

use super::REPORT;
use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/jobs/{id}/progress");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "reportProgress", "Report progress; renews the lease")
        .json(typed(&ProgressReport {
            attempt: 1,
            worker_id: examples::worker(),
            progress: Progress {
                stage: Stage::Extracting,
                percent: 40,
                frames_done: 24,
                frames_expected: Some(60),
                bytes_read: 29_360_128,
            },
            decoded_ms: 24_000,
        }))
        .answers(StatusCode::OK, "The lease is renewed.", examples::report(Status::Processing))
        .or(REPORT)
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn progress(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = incoming.video_id()?;
        let report: ProgressReport = incoming.json()?;
        let progress = StoredProgress { decoded_ms: report.decoded_ms, ..report.progress.into() };
        let video = self.jobs().progress(id, report.attempt, report.worker_id, progress).await?;
        json(StatusCode::OK, &view::report(&video))
    }
}
