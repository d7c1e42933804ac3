//! The caller's account, its notification settings, and what a worker may know of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use framelift_contract::account::{Contact, UpdateAccountRequest, WebhookContact};
use framelift_contract::problem::{FieldError, ProblemCode};
use framelift_domain::UserId;
use http::{Response, StatusCode};
use url::Url;

use super::record::{Profile, User, Webhook};
use super::{Accounts, gone, settle, user_key, validate};
use crate::http::{Failure, Incoming, json};
use crate::ports::{Ambient, Http, Kv};

/// Changes that were checked; none stays as it is.
struct Changes {
    name: Option<String>,
    notify_by_email: Option<bool>,
    notify_of_completion: Option<bool>,
    webhook_url: Option<Option<Url>>,
}

impl<K: Kv, H: Http, A: Ambient> Accounts<'_, K, H, A> {
    /// `GET /auth/me`.
    pub(super) async fn me(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (id, profile) = self.caller(incoming).await?;
        json(StatusCode::OK, &profile.response(id, None))
    }

    /// `PATCH /auth/me`. A new webhook gets a new secret, which is in this answer and in no other.
    pub(super) async fn update_me(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let (id, _) = self.caller(incoming).await?;
        let changes = check(incoming.json()?, self.config.allow_private_webhooks)?;
        let secret = format!("whsec_{}", STANDARD.encode(self.random::<24>()));
        let result = self
            .store()
            .update(&user_key(id), |user: User| {
                let User::Active(profile) = user else { return Err(gone()) };
                let before = profile.clone();
                let (profile, issued) = changes.apply(profile, &secret);
                let changed = profile != before;
                let response = profile.response(id, issued.then(|| secret.clone()));
                Ok((User::Active(profile), changed, response))
            })
            .await;
        json(StatusCode::OK, &settle(result, gone)?.output)
    }

    /// `GET /internal/users/{id}/contact`.
    pub(super) async fn contact(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        incoming.worker(&self.config.worker_token)?;
        let unknown = || Failure::new(ProblemCode::NotFound, "there is no account with this id");
        let user_id: UserId = incoming.param("id").parse().map_err(|_| unknown())?;
        let Some(User::Active(profile)) = self.user(user_id).await? else { return Err(unknown()) };
        let contact = Contact {
            user_id,
            name: profile.name,
            completion_email: profile.notify_of_completion.then(|| profile.email.clone()),
            email: profile.notify_by_email.then_some(profile.email),
            webhook: profile.webhook.map(|Webhook { url, secret }| WebhookContact { url, secret }),
        };
        json(StatusCode::OK, &contact)
    }
}

impl Changes {
    /// The changed profile, and whether the webhook is a new one that takes the secret.
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
                profile.webhook = Some(Webhook { url: url.clone(), secret: secret.to_owned() });
                return (profile, true);
            }
            Some(None) => profile.webhook = None,
            _ => {}
        }
        (profile, false)
    }
}

/// The changes, or all that is wrong with them.
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
