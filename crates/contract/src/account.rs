//! Bodies of the account calls.

use framelift_domain::{EventId, Time, UserId};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::message::NoticeKind;

/// `POST /auth/register`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// How the account's owner is addressed.
    #[schema(example = "Ada")]
    pub name: String,
    /// An e-mail address.
    #[schema(format = "email", example = "ada@example.com")]
    pub email: String,
    /// The password.
    #[schema(format = "password")]
    pub password: String,
}

/// A new account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisterResponse {
    /// The account's id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

/// `POST /auth/login`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// The e-mail address of the account.
    pub email: String,
    /// Its password.
    #[schema(format = "password")]
    pub password: String,
    /// The last refresh token that this device got for the account, if it has one, however old. It shows
    /// that the device logged in before, so that failures elsewhere do not count against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// What a login and a refresh answer.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenResponse {
    /// A JWT, for `Authorization: Bearer`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds that the access token is good for.
    pub expires_in: u32,
    /// Good for one refresh.
    pub refresh_token: String,
}

/// `POST /auth/refresh` and `POST /auth/logout`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// The refresh token.
    pub refresh_token: String,
}

/// `POST /auth/validate`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateRequest {
    /// An access token.
    pub token: String,
}

/// Whether a token is good, in the spirit of RFC 7662.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValidateResponse {
    /// Whether it is.
    pub active: bool,
    /// The account's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The account's e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

/// What the owner wants to be told, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotificationSettings {
    /// An e-mail when a video fails.
    pub email: bool,
    /// An e-mail when a video is done, too.
    #[serde(default)]
    pub email_on_completion: bool,
    /// A webhook (https), or none.
    #[schema(value_type = Option<String>, format = Uri)]
    pub webhook_url: Option<Url>,
}

/// `GET /auth/me`, and what `PATCH /auth/me` answers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountResponse {
    /// The account's id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Whether the owner has followed a link that was mailed to the address. Where the service asks for that,
    /// nothing can be uploaded before.
    #[serde(default)]
    pub email_verified: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// What the owner wants to be told.
    pub notifications: NotificationSettings,
    /// The webhook's signing secret, in the one answer to the call that set the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<String>,
    /// What is used of what may be, in the answer to `GET`; not there while the service cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
}

/// How much of something is used, and how much may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quota {
    /// As much is used.
    pub used: u64,
    /// As much may be.
    pub limit: u64,
}

/// What an account uses of what it may; what `GET /internal/users/{id}/usage` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quotas {
    /// Videos that are pending or processing; further ones wait in line.
    pub videos_in_flight: Quota,
    /// Videos that are not finished.
    pub open_videos: Quota,
    /// Uploads that were begun today (UTC).
    pub uploads_today: Quota,
    /// Seconds of video that were decoded today (UTC) in jobs that have ended.
    pub decoded_seconds_today: Quota,
    /// Bytes of uploads and results.
    pub stored_bytes: Quota,
    /// Plugins.
    pub plugins: Quota,
    /// Bytes of plugins.
    pub plugin_bytes: Quota,
    /// Requests that may be made in a minute; 0 is as many as one likes.
    pub requests_per_minute: u32,
}

/// `PATCH /auth/me`: what is missing stays.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAccountRequest {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<UpdateNotifications>,
}

/// New notification settings: what is missing stays, `webhook_url: null` removes the webhook.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateNotifications {
    /// Whether to send an e-mail when a video fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<bool>,
    /// Whether to send an e-mail when a video is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_on_completion: Option<bool>,
    /// The webhook: missing, null or an https URL.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uri)]
    pub webhook_url: Option<Option<String>>,
}

/// `POST /auth/me/password`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePasswordRequest {
    /// The password until now.
    #[schema(format = "password")]
    pub password: String,
    /// The password from now on.
    #[schema(format = "password")]
    pub new_password: String,
}

/// `POST /auth/password/reset-request`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordMailRequest {
    /// The e-mail address of the account.
    pub email: String,
}

/// `POST /auth/password/reset`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetPasswordRequest {
    /// What the link in the e-mail has behind `token=`.
    pub token: String,
    /// The password from now on.
    #[schema(format = "password")]
    pub password: String,
}

/// `POST /auth/verify`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmailRequest {
    /// What the link in the e-mail has behind `token=`.
    pub token: String,
}

/// `POST /internal/users/{id}/mail` (worker credential): a link is about to be mailed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountMailRequest {
    /// `password_reset` or `email_verification`.
    pub kind: NoticeKind,
    /// The link's id, as the message has it.
    #[schema(value_type = String)]
    pub link_id: EventId,
}

/// Whom to mail a link to, and what is in it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountMail {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// What the link has behind `token=`: a secret.
    pub token: String,
    /// When the link ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// One login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// When it began; null where that was not noted yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Time>,
    /// When its tokens were refreshed last.
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Time,
    /// Whether the call came with its access token.
    pub current: bool,
}

/// `GET /auth/me/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// The logins that are good.
    pub items: Vec<Session>,
}

/// `DELETE /auth/me`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteAccountRequest {
    /// The password, once more.
    pub password: String,
}

/// `GET /internal/users/{id}/contact` (worker credential): whom to tell, and how.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Contact {
    /// The account's id.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The name.
    pub name: String,
    /// The address for e-mails about failures and uploads that did not come; none if the owner wants none.
    pub email: Option<String>,
    /// The address for e-mails about completions; none unless the owner asked for them.
    #[serde(default)]
    pub completion_email: Option<String>,
    /// The webhook, if the owner set one.
    pub webhook: Option<WebhookContact>,
}

/// A webhook and its signing secrets.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct WebhookContact {
    /// Where to post.
    #[schema(value_type = String, format = Uri)]
    pub url: Url,
    /// Standard Webhooks secret (`whsec_…`).
    pub secret: String,
    /// The secret before it, while that signs, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<String>,
}

/// Tells a field that is `null` from one that is missing.
fn present<'de, D>(deserializer: D) -> Result<Option<Option<String>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Option::<String>::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_not_missing() {
        let update = |json| serde_json::from_str::<UpdateNotifications>(json).unwrap().webhook_url;
        assert_eq!(update("{}"), None);
        assert_eq!(update(r#"{"webhook_url":null}"#), Some(None));
        assert_eq!(update(r#"{"webhook_url":"https://x.example"}"#), Some(Some("https://x.example".into())));
    }
}
