//! `POST /auth/me/webhook-test`: sends an event of type `webhook.test` to the caller's webhook.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::webhook::{EventData, EventType};
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::post("/auth/me/webhook-test");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "testWebhook", "webhooks", Auth::User, "Send a test event to the webhook")
        .about("`GET /auth/me/webhook-deliveries` tells what came of it; without a webhook, it fails.")
        .answers(StatusCode::ACCEPTED, "It is on its way.", typed(&examples::delivery()))
        .or(&[Code::Unavailable])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn test_webhook(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let jobs = self.jobs();
        let (id, data) = (jobs.fresh_id().into(), EventData::Test { test: true });
        let correlation_id = incoming.correlation_id();
        let delivery = jobs.publish_event(user, id, EventType::WebhookTest, correlation_id, data).await?;
        json(StatusCode::ACCEPTED, &view::delivery(id, delivery))
    }
}
