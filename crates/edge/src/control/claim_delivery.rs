//! `POST /internal/deliveries/{id}/claim`: a worker claims the delivery of an event to its webhook.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::webhook::{ClaimedDelivery, EventType};
use http::{Response, StatusCode};

use super::deliveries::{delivery_id, finished};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/internal/deliveries/{id}/claim");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "claimDelivery", "Take an event that is to be sent to its webhook")
        .answers(
            StatusCode::OK,
            "What to send, within a minute.",
            typed(&ClaimedDelivery {
                id: examples::video().into(),
                user_id: examples::user(),
                event: EventType::VideoCompleted,
                correlation_id: examples::correlation(),
                payload: examples::event_body(),
                attempt: 1,
            }),
        )
        .or(&[Code::LeaseHeld, Code::JobFinished])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn claim_delivery(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        self.worker(incoming)?;
        let id = delivery_id(incoming).ok_or_else(finished)?;
        let delivery = self.jobs().claim_delivery(id).await?;
        let claimed = ClaimedDelivery {
            id,
            user_id: delivery.owner,
            event: delivery.event.into(),
            correlation_id: delivery.correlation_id,
            payload: delivery.payload,
            attempt: delivery.made + 1,
        };
        json(StatusCode::OK, &claimed)
    }
}
