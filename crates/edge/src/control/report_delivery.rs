//! `POST /internal/deliveries/{id}/report`: a worker reports the outcome of an attempt to deliver an event.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::webhook::{DeliveryOutcome, DeliveryReport};
use http::{Response, StatusCode};

use super::deliveries::{delivery_id, finished};
use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/deliveries/{id}/report");

pub(super) fn operation() -> Operation {
    let summary = "Say what came of sending an event; may be repeated";
    Operation::for_workers(ROUTE, "reportDelivery", summary)
        .json(typed(&DeliveryReport {
            attempt: 1,
            worker_id: examples::worker(),
            outcome: DeliveryOutcome::Retry,
            status: Some(503),
            error: Some("the receiver answered 503".into()),
        }))
        .answers(StatusCode::OK, "Noted.", typed(&examples::delivery()))
        .or(&[Code::JobFinished])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn report_delivery(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let report: DeliveryReport = incoming.json()?;
        let id = delivery_id(incoming).ok_or_else(finished)?;
        let delivery = self.jobs().record_attempt(id, &report).await?;
        json(StatusCode::OK, &view::delivery(id, delivery))
    }
}
