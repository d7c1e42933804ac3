//! The stored form of an account.

use framelift_contract::account::{AccountResponse, NotificationSettings, WebhookContact};
use framelift_domain::{EventId, Time, UserId};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::store::Stored;

/// The value of `user/<uid>`: the state of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum User {
    /// The account can be used.
    Active(Profile),
    /// The owner deleted the account; its values and objects are being deleted.
    Deleting(Profile),
    /// Everything of the account is deleted.
    Gone,
}

impl Stored for User {
    const TAGS: &'static [&'static str] = &["state"];
}

/// The data of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Profile {
    pub(super) name: String,
    /// Normalised.
    pub(super) email: String,
    pub(super) created_at: Time,
    /// A PHC string.
    pub(super) password: String,
    /// When the password was changed last; none since sign-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password_set_at: Option<Time>,
    /// The id of the newest mailed link to reset the password, unless it was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reset_link: Option<EventId>,
    /// The id of the newest mailed link to confirm the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verification_link: Option<EventId>,
    /// When the address was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) email_verified_at: Option<Time>,
    /// Whether to send e-mails about failures.
    pub(super) notify_by_email: bool,
    /// Whether to send e-mails about completions.
    #[serde(default)]
    pub(super) notify_of_completion: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) webhook: Option<Webhook>,
}

/// A webhook and its signing secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Webhook {
    pub(super) url: Url,
    pub(super) secret: String,
    /// The secret that was replaced last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousSecret>,
}

/// A replaced secret, which signs together with its successor until a given time.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PreviousSecret {
    secret: String,
    until: Time,
}

impl Webhook {
    /// How long a replaced secret still signs, in seconds.
    pub(super) const OVERLAP_S: u32 = 24 * 3600;

    /// A webhook without a previous secret.
    pub(super) fn new(url: Url, secret: String) -> Self {
        Self { url, secret, previous: None }
    }

    /// Replaces the secret. The old one signs, too, until the given time.
    pub(super) fn rotated(self, secret: String, until: Time) -> Self {
        Self { previous: Some(PreviousSecret { secret: self.secret, until }), secret, ..self }
    }

    /// The URL and the secrets that a worker signs with.
    pub(super) fn contact(self, now: Time) -> WebhookContact {
        let previous = self.previous.filter(|previous| now < previous.until);
        WebhookContact {
            url: self.url,
            secret: self.secret,
            previous_secret: previous.map(|previous| previous.secret),
        }
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Profile(redacted)")
    }
}

/// The value of `email/<hash>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// The account that has the address; none after that account was deleted.
    pub(super) user: Option<UserId>,
}

impl Stored for Owner {}

impl Profile {
    /// Replaces the password, which invalidates mailed links.
    pub(super) fn with_password(self, password: String, now: Time) -> Self {
        Self { password, password_set_at: Some(now), reset_link: None, ..self }
    }

    /// The account as its owner sees it.
    pub(super) fn response(&self, id: UserId, webhook_secret: Option<String>) -> AccountResponse {
        AccountResponse {
            id,
            name: self.name.clone(),
            email: self.email.clone(),
            email_verified: self.email_verified_at.is_some(),
            created_at: self.created_at,
            notifications: NotificationSettings {
                email: self.notify_by_email,
                email_on_completion: self.notify_of_completion,
                webhook_url: self.webhook.as_ref().map(|webhook| webhook.url.clone()),
            },
            webhook_secret,
            quotas: None,
        }
    }
}
