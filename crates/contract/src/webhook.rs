//! Webhooks (Standard Webhooks 1.0): what receivers get, the log of deliveries, and what workers report of them.

use framelift_domain::{CorrelationId, EventId, Time, UserId, VideoId, WorkerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::video::{Status, VideoResult};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum EventType {
    /// A video's frames are ready.
    #[serde(rename = "video.completed")]
    VideoCompleted,
    /// A video could not be processed.
    #[serde(rename = "video.failed")]
    VideoFailed,
    /// An upload did not come in time.
    #[serde(rename = "video.expired")]
    VideoExpired,
    /// A plugin was checked and is not taken.
    #[serde(rename = "plugin.rejected")]
    PluginRejected,
    /// The owner asked for a test.
    #[serde(rename = "webhook.test")]
    WebhookTest,
}

impl EventType {
    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VideoCompleted => "video.completed",
            Self::VideoFailed => "video.failed",
            Self::VideoExpired => "video.expired",
            Self::PluginRejected => "plugin.rejected",
            Self::WebhookTest => "webhook.test",
        }
    }
}

/// The body of a webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookEvent {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Time,
    /// Whom it happened to.
    pub data: EventData,
}

/// The fields that an event of its type has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EventData {
    /// A video came to its end.
    Video(VideoEvent),
    /// A plugin was rejected.
    Plugin(PluginEvent),
    /// Nothing happened.
    Test {
        /// Always true.
        test: bool,
    },
}

/// A video that came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VideoEvent {
    /// The video.
    #[schema(value_type = String)]
    pub video_id: VideoId,
    /// The name that its owner gave the file.
    pub file_name: String,
    /// `completed`, `failed` or `expired`.
    pub status: Status,
    /// What there is to download, if it was completed.
    pub result: Option<VideoResult>,
    /// Why it failed, if it did.
    #[schema(value_type = Option<crate::video::FailureBody>)]
    pub failure: Option<framelift_domain::Failure>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it came to its end.
    #[schema(value_type = String, format = DateTime)]
    pub completed_at: Time,
    /// The id of the request that made it.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
}

/// A plugin that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginEvent {
    /// Its name.
    pub plugin: String,
    /// Why.
    pub reason: String,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is still to be sent, or sent again.
    Pending,
    /// The receiver took it.
    Delivered,
    /// It was given up.
    Failed,
}

/// One time that an event was sent, or could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryAttempt {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// What the receiver answered, if it did.
    #[schema(maximum = 65535)]
    pub status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
}

/// An event and the attempts to deliver it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// The event's id, which is sent as `webhook-id`.
    #[schema(value_type = String)]
    pub id: EventId,
    /// What it is about.
    pub event: EventType,
    /// The video that it is about, if it is about one.
    #[schema(value_type = Option<String>)]
    pub video_id: Option<VideoId>,
    /// When it was noted.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// How far it is.
    pub status: DeliveryStatus,
    /// The last 20 attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// When the next one is due, while it is pending.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_attempt_at: Option<Time>,
}

/// `GET /auth/me/webhook-deliveries`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryPage {
    /// The deliveries, newest first.
    pub items: Vec<WebhookDelivery>,
    /// For the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// `POST /auth/me/webhook-secret`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSecret {
    /// The new signing secret, in this answer only.
    pub webhook_secret: String,
    /// Until when the one before signs, too.
    #[schema(value_type = String, format = DateTime)]
    pub previous_valid_until: Time,
}

/// `POST /internal/deliveries/{id}/claim`: an event to send now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimedDelivery {
    /// The event's id.
    #[schema(value_type = String)]
    pub id: EventId,
    /// Whose event it is.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// What it is about.
    pub event: EventType,
    /// The id of the request that it follows from.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// The body, byte by byte.
    pub payload: String,
    /// Which attempt this is, from 1.
    pub attempt: u32,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The receiver took it.
    Delivered,
    /// It is to be sent again.
    Retry,
    /// It is not to be sent again: the webhook is gone.
    GiveUp,
}

/// `POST /internal/deliveries/{id}/report`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryReport {
    /// The attempt of the claim.
    pub attempt: u32,
    /// Who reports.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// What came of it.
    pub outcome: DeliveryOutcome,
    /// What the receiver answered, if it did.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub status: Option<u16>,
    /// Why it was not taken, at most 200 characters.
    #[serde(default)]
    pub error: Option<String>,
}

/// `POST /internal/users/{id}/webhook-gone`: the receiver answered 410.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookGone {
    /// The webhook that is gone; another one stays.
    #[schema(value_type = String, format = Uri)]
    pub url: url::Url,
}
