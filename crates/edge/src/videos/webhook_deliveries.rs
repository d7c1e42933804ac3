//! `GET /auth/me/webhook-deliveries`: what was sent to the caller's webhook, and what is still to be sent.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::rules::{PAGE, UUID};
use framelift_contract::webhook::DeliveryPage;
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::view;
use crate::openapi::{Auth, Operation, examples, integer, schema_of, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

pub(super) const ROUTE: Route = Route::get("/auth/me/webhook-deliveries");

pub(super) fn operation() -> Operation {
    let summary = "The last deliveries to the caller's webhook, newest first";
    Operation::new(ROUTE, "listWebhookDeliveries", "webhooks", Auth::User, summary)
        .about("Of an account, the last 200 are kept.")
        .query("limit", "Deliveries on the page.", integer(PAGE, Some(20)))
        .query("cursor", "`next_cursor` of the page before.", schema_of(&UUID))
        .answers(
            StatusCode::OK,
            "A page.",
            typed(&DeliveryPage { items: vec![examples::delivery()], next_cursor: None }),
        )
        .or(&[Code::Unavailable])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn webhook_deliveries(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let query = incoming.query(&["limit", "cursor"])?;
        let limit = query.bounded("limit", PAGE, 20)?;
        let (items, next_cursor) = self.jobs().deliveries(user, query.get("cursor"), limit).await?;
        let items = items.into_iter().map(|(id, delivery)| view::delivery(id, delivery)).collect();
        json(StatusCode::OK, &DeliveryPage { items, next_cursor })
    }
}
