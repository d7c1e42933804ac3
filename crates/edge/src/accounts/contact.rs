//! `GET /internal/users/{id}/contact`: how a worker notifies the owner of a video.

use bytes::Bytes;
use framelift_contract::account::{Contact, WebhookContact};
use framelift_contract::problem::ProblemCode as Code;
use framelift_domain::UserId;
use http::{Response, StatusCode};

use super::Accounts;
use super::record::User;
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::get("/internal/users/{id}/contact");

pub(super) fn operation() -> Operation {
    Operation::for_workers(ROUTE, "getContact", "Whom to tell about a video, and how")
        .answers(
            StatusCode::OK,
            "The ways that the owner wants.",
            typed(&Contact {
                user_id: examples::user(),
                name: "Ada".into(),
                email: Some("ada@example.com".into()),
                completion_email: None,
                webhook: examples::webhook_url().map(|url| WebhookContact {
                    url,
                    secret: examples::WEBHOOK_SECRET.into(),
                    previous_secret: None,
                }),
            }),
        )
        .or(&[Code::NotFound])
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    pub(super) async fn contact(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        incoming.worker(&self.config.worker_token)?;
        let unknown = || Failure::new(Code::NotFound, "there is no account with this id");
        let user_id: UserId = incoming.param("id").parse().map_err(|_| unknown())?;
        let Some(User::Active(profile)) = self.user(user_id).await? else { return Err(unknown()) };
        let contact = Contact {
            user_id,
            name: profile.name,
            completion_email: profile.notify_of_completion.then(|| profile.email.clone()),
            email: profile.notify_by_email.then_some(profile.email),
            webhook: profile.webhook.map(|webhook| webhook.contact(self.ambient.now())),
        };
        json(StatusCode::OK, &contact)
    }
}
