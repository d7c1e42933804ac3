//! `PATCH /auth/me`: changes the name or the notification settings of the caller's account.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use framelift_contract::account::{UpdateAccountRequest, UpdateNotifications};
use framelift_contract::problem::{FieldError, ProblemCode as Code};
use http::{Response, StatusCode};
use url::Url;

use super::record::{Profile, User, Webhook};
use super::{Accounts, account_gone, map_update_error, user_key, validate};
use crate::http::{Failure, Incoming, Route, json};
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv};

pub(super) const ROUTE: Route = Route::patch("/auth/me");

pub(super) fn operation() -> Operation {
    Operation::new(ROUTE, "updateAccount", "accounts", Auth::User, "Change the name or the notifications")
        .about(
            "What is missing stays as it is. Setting another webhook answers its signing secret (Standard \
             Webhooks), in this answer only; the same URL again keeps the secret. `null` removes the webhook.",
        )
        .json(typed(&UpdateAccountRequest {
            name: Some("Ada Lovelace".into()),
            notifications: Some(UpdateNotifications {
                email: Some(true),
                email_on_completion: Some(false),
                webhook_url: Some(examples::webhook_url().map(String::from)),
            }),
        }))
        .answers(
            StatusCode::OK,
            "The account as it is now.",
            typed(&examples::account(Some(examples::WEBHOOK_SECRET))),
        )
        .or(&[Code::Unavailable])
}

/// Checked changes. A field that is none is not changed.
struct Changes {
    name: Option<String>,
    notify_by_email: Option<bool>,
    notify_of_completion: Option<bool>,
    webhook_url: Option<Option<Url>>,
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// Changes the account. A new webhook gets a new secret, which only this answer contains.
    pub(super) async fn update_me(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let id = self.caller(incoming).await?.0.id;
        let changes = check(incoming.json()?, self.config.allow_private_webhooks)?;
        let secret = self.fresh_webhook_secret();
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let User::Active(profile) = user else { return Err(account_gone()) };
                let before = profile.clone();
                let (profile, issued) = changes.apply(profile, &secret);
                let changed = profile != before;
                let response = profile.response(id, issued.then(|| secret.clone()));
                Ok((User::Active(profile), changed, response))
            })
            .await;
        json(StatusCode::OK, &map_update_error(result, account_gone)?.output)
    }

    /// A signing secret as Standard Webhooks spells it: 24 random bytes.
    pub(super) fn fresh_webhook_secret(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.random::<24>()))
    }
}

impl Changes {
    /// Returns the changed profile, and whether it has a new webhook with this secret.
    fn apply(&self, mut profile: Profile, secret: &str) -> (Profile, bool) {
        if let Some(name) = &self.name {
            profile.name.clone_from(name);
        }
        if let Some(notify) = self.notify_by_email {
            profile.notify_by_email = notify;
        }
        if let Some(notify) = self.notify_of_completion {
            profile.notify_of_completion = notify;
        }
        let current = profile.webhook.as_ref().map(|webhook| &webhook.url);
        match &self.webhook_url {
            Some(Some(url)) if current != Some(url) => {
                profile.webhook = Some(Webhook::new(url.clone(), secret.to_owned()));
                return (profile, true);
            }
            Some(None) => profile.webhook = None,
            _ => {}
        }
        (profile, false)
    }
}

/// Checks the changes, or returns all errors.
fn check(body: UpdateAccountRequest, allow_private: bool) -> Result<Changes, Failure> {
    let mut errors = Vec::new();
    let mut note = |pointer: &str, detail: &str| errors.push(FieldError::new(pointer, detail));
    let name = body.name.and_then(|name| validate::name(&name).map_err(|detail| note("/name", detail)).ok());
    let notifications = body.notifications.unwrap_or_default();
    let webhook_url = notifications.webhook_url.map(|url| {
        url.and_then(|url| {
            let url = validate::webhook(&url, allow_private);
            url.map_err(|detail| note("/notifications/webhook_url", detail)).ok()
        })
    });
    if errors.is_empty() {
        Ok(Changes {
            name,
            notify_by_email: notifications.email,
            notify_of_completion: notifications.email_on_completion,
            webhook_url,
        })
    } else {
        Err(Failure::validation(errors))
    }
}
