//! Webhooks (Standard Webhooks 1.0): events for receivers, the log of deliveries, and workers' reports.

use framelift_domain::{CorrelationId, EventId, Time, UserId, VideoId, WorkerId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::video::{Status, VideoResult};

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum EventType {
    /// A video's frames are ready.
    #[serde(rename = "video.completed")]
    VideoCompleted,
    /// A video could not be processed.
    #[serde(rename = "video.failed")]
    VideoFailed,
    /// An upload did not arrive in time.
    #[serde(rename = "video.expired")]
    VideoExpired,
    /// A plugin was rejected by its check.
    #[serde(rename = "plugin.rejected")]
    PluginRejected,
    /// The owner requested a test.
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
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Time,
    /// The data of the event.
    pub data: EventData,
}

/// The fields that an event of its type has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EventData {
    /// A video has ended.
    Video(VideoEvent),
    /// A plugin was rejected.
    Plugin(PluginEvent),
    /// A test.
    Test {
        /// Always true.
        test: bool,
    },
}

/// A video that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VideoEvent {
    /// The video.
    #[schema(value_type = String)]
    pub video_id: VideoId,
    /// The name that its owner gave the file.
    pub file_name: String,
    /// `completed`, `failed` or `expired`.
    pub status: Status,
    /// The result, if it was completed.
    pub result: Option<VideoResult>,
    /// Why it failed, if it did.
    #[schema(value_type = Option<crate::video::FailureBody>)]
    pub failure: Option<framelift_domain::Failure>,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    pub completed_at: Time,
    /// The correlation id of the request that created it.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
}

/// A rejected plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PluginEvent {
    /// Its name.
    pub plugin: String,
    /// Why.
    pub reason: String,
}

/// The status of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It is still to be sent, or sent again.
    Pending,
    /// The receiver has accepted it.
    Delivered,
    /// All attempts failed.
    Failed,
}

/// One attempt to deliver an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryAttempt {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// The status that the receiver answered, if it did.
    #[schema(maximum = 65535)]
    pub status: Option<u16>,
    /// Why it was not accepted.
    pub error: Option<String>,
}

/// An event and the attempts to deliver it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookDelivery {
    /// The event's id, which is sent as `webhook-id`.
    #[schema(value_type = String)]
    pub id: EventId,
    /// The type of the event.
    pub event: EventType,
    /// The video of the event, if it has one.
    #[schema(value_type = Option<String>)]
    pub video_id: Option<VideoId>,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Its status.
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
    /// The cursor of the next page, if there is one.
    pub next_cursor: Option<String>,
}

/// `POST /auth/me/webhook-secret`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WebhookSecret {
    /// The new signing secret, in this answer only.
    pub webhook_secret: String,
    /// Until when the previous secret signs, too.
    #[schema(value_type = String, format = DateTime)]
    pub previous_valid_until: Time,
}

/// `POST /internal/deliveries/{id}/claim`: an event to send now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimedDelivery {
    /// The event's id.
    #[schema(value_type = String)]
    pub id: EventId,
    /// The owner of the webhook.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The type of the event.
    pub event: EventType,
    /// The correlation id of the request that caused it.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// The exact body.
    pub payload: String,
    /// The number of this attempt, from 1.
    pub attempt: u32,
}

/// The outcome of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryOutcome {
    /// The receiver has accepted it.
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
    /// The worker that reports.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// The outcome.
    pub outcome: DeliveryOutcome,
    /// The status that the receiver answered, if it did.
    #[serde(default)]
    #[schema(maximum = 65535)]
    pub status: Option<u16>,
    /// Why it was not accepted, at most 200 characters.
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
