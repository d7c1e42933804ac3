//! `GET /health/ready`: whether all that the app needs answers.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::service::{Health, HealthStatus};
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/health/ready");

pub(super) fn operation() -> Operation {
    let summary = "Whether the store, the queue and the object store answer";
    Operation::new(ROUTE, "getReadiness", "service", Auth::Nobody, summary)
        .answers(StatusCode::OK, "All of them answer.", typed(&Health::new(HealthStatus::Ready)))
        .or(&[Code::Unavailable])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn ready(&self, _: &Incoming) -> Result<Response<Bytes>, Failure> {
        // No value has this key: only whether the store answers matters.
        self.kv.get("ready").await?;
        self.queue.ready().await?;
        self.objects().ready().await?;
        json(StatusCode::OK, &Health::new(HealthStatus::Ready))
    }
}
