//! `POST /auth/me/webhook-secret`: gives the caller's webhook a new signing secret.

use bytes::Bytes;
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::webhook::WebhookSecret;
use http::{Response, StatusCode};

use super::record::{Profile, User, Webhook};
use super::{Accounts, account_gone, map_update_error, user_key};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::post("/auth/me/webhook-secret");

pub(super) fn operation() -> Operation {
    let summary = "Give the webhook a new signing secret";
    Operation::new(ROUTE, "rotateWebhookSecret", "accounts", Auth::User, summary)
        .about(
            "For 24 hours, `webhook-signature` holds a signature by the new secret and one by the secret before it, \
             so that receivers change theirs without missing an event.",
        )
        .answers(
            StatusCode::OK,
            "The new secret, in this answer only.",
            typed(&WebhookSecret {
                webhook_secret: examples::WEBHOOK_SECRET.into(),
                previous_valid_until: examples::time().plus_s(Webhook::OVERLAP_S),
            }),
        )
        .or(&[Code::WebhookNotSet, Code::Unavailable])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Replaces the signing secret. The previous secret still signs for a day, an older one does not.
    pub(super) async fn webhook_secret(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let id = self.caller(incoming).await?.0.id;
        let secret = self.fresh_webhook_secret();
        let until = self.ambient.now().plus_s(Webhook::OVERLAP_S);
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let User::Active(profile) = user else { return Err(account_gone()) };
                let none = || Failure::new(Code::WebhookNotSet, "set notifications.webhook_url first");
                let webhook = profile.webhook.clone().ok_or_else(none)?;
                let rotated = webhook.rotated(secret.clone(), until);
                Ok((User::Active(Profile { webhook: Some(rotated), ..profile }), true, ()))
            })
            .await;
        map_update_error(result, account_gone)?;
        json(StatusCode::OK, &WebhookSecret { webhook_secret: secret, previous_valid_until: until })
    }
}
