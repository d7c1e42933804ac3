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
    /// that the device logged in before, so that failures elsewhere do not count against it. After a reset
    /// by a mailed link, the link's token does the same for its hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// The answer to a login and to a refresh.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenResponse {
    /// A JWT, for `Authorization: Bearer`.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Seconds until the access token expires.
    pub expires_in: u32,
    /// Valid for one refresh.
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

/// Whether a token is valid, similar to RFC 7662.
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

/// The notifications that the owner receives.
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

/// The answer of `GET /auth/me` and `PATCH /auth/me`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountResponse {
    /// The account's id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// Whether the owner has confirmed the address by a mailed link. If the service requires that, nothing can be
    /// uploaded before.
    #[serde(default)]
    pub email_verified: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// The notifications that the owner receives.
    pub notifications: NotificationSettings,
    /// The webhook's signing secret, only in the answer to the call that set the webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_secret: Option<String>,
    /// The quotas, only in the answer to `GET`; absent while the service cannot determine them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quotas: Option<Quotas>,
}

/// A quota: the amount in use and the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quota {
    /// The amount in use.
    pub used: u64,
    /// The limit.
    pub limit: u64,
}

/// The quotas of an account; the answer of `GET /internal/users/{id}/usage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Quotas {
    /// Videos that are pending or processing; further ones are queued.
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
    /// The limit of requests in a minute; 0 means no limit.
    pub requests_per_minute: u32,
}

/// `PATCH /auth/me`: a missing field is not changed.
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

/// New notification settings: a missing field is not changed, `webhook_url: null` removes the webhook.
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
    /// The current password.
    #[schema(format = "password")]
    pub password: String,
    /// The new password.
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
    /// The value of `token=` in the mailed link.
    pub token: String,
    /// The new password.
    #[schema(format = "password")]
    pub password: String,
}

/// `POST /auth/verify`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyEmailRequest {
    /// The value of `token=` in the mailed link.
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

/// The recipient and the content of a mail with a link.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountMail {
    /// The name.
    pub name: String,
    /// The address.
    pub email: String,
    /// The value of `token=` in the link: a secret.
    pub token: String,
    /// When the link expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// One login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// When it began; null for logins of older versions.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub created_at: Option<Time>,
    /// When its tokens were refreshed last.
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Time,
    /// Whether it is the login of the call's access token.
    pub current: bool,
}

/// `GET /auth/me/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    /// The open logins.
    pub items: Vec<Session>,
}

/// `DELETE /auth/me`.
#[derive(Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteAccountRequest {
    /// The password, once more.
    pub password: String,
}

/// `GET /internal/users/{id}/contact` (worker credential): how to notify the owner.
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
    /// The URL to post to.
    #[schema(value_type = String, format = Uri)]
    pub url: Url,
    /// Standard Webhooks secret (`whsec_…`).
    pub secret: String,
    /// The previous secret, while it still signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_secret: Option<String>,
}

/// Distinguishes a field that is `null` from one that is missing.
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
