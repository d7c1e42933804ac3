//! `POST /auth/me/webhook-deliveries/{id}/replay`: sends an event to the webhook once more.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::EventId;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::{JobError, view};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/auth/me/webhook-deliveries/{id}/replay");

pub(super) fn operation() -> Operation {
    let summary = "Send an event to the webhook once more";
    Operation::new(ROUTE, "replayWebhook", "webhooks", Auth::User, summary)
        .about("It goes to the webhook of now, with the same id and body, and is tried again like a new one.")
        .answers(StatusCode::ACCEPTED, "It is on its way.", typed(&examples::delivery()))
        .or(&[Code::DeliveryNotFound, Code::Unavailable])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn replay_webhook(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let id: EventId = incoming.param("id").parse().map_err(|_| JobError::DeliveryNotFound)?;
        let delivery = self.jobs().replay(user, id).await?;
        json(StatusCode::ACCEPTED, &view::delivery(id, delivery))
    }
}
