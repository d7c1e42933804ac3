//! `POST /internal/users/{id}/webhook-gone`: turns off a webhook whose receiver answers 410.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::webhook::WebhookGone;
use framelift_domain::UserId;
use http::{Response, StatusCode};

use super::record::User;
use super::{Accounts, map_update_error, user_key};
use crate::http::{Failure, Incoming, Level, Route, empty, log};
use crate::openapi::{Operation, Payload, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/internal/users/{id}/webhook-gone");

pub(super) fn operation() -> Operation {
    let url = examples::webhook_url().unwrap_or_else(|| unreachable!("the example's URL is one"));
    Operation::for_workers(ROUTE, "webhookGone", "Turn off a webhook whose receiver is gone; may be repeated")
        .json(typed(&WebhookGone { url }))
        .answers(StatusCode::NO_CONTENT, "It is off.", Payload::Empty)
        .or(&[Code::NotFound])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Turns off the webhook, unless the owner has set another one.
    pub(super) async fn webhook_gone(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        incoming.worker(&self.config.worker_token)?;
        let unknown = || Failure::new(Code::NotFound, "there is no account with this id");
        let body: WebhookGone = incoming.json()?;
        let id: UserId = incoming.param("id").parse().map_err(|_| unknown())?;
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let User::Active(mut profile) = user else { return Err(unknown()) };
                let gone = profile.webhook.take_if(|webhook| webhook.url == body.url).is_some();
                Ok((User::Active(profile), gone, gone))
            })
            .await;
        if map_update_error(result, unknown)?.output {
            let fields = [("user.id", serde_json::json!(id))];
            log(
                Level::Warn,
                "a webhook was turned off: its receiver is gone",
                Some(incoming.correlation_id()),
                &fields,
            );
        }
        Ok(empty(StatusCode::NO_CONTENT))
    }
}
