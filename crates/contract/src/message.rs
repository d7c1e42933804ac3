//! The queue's messages. Nothing but the ids is trusted: `claim` returns the job.

use framelift_domain::{CorrelationId, UserId, VideoId};
use serde::{Deserialize, Serialize};

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The video failed.
    Failed,
    /// The video is done.
    Completed,
}

/// A job, or a notice to send, of version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// 1.
    pub version: u32,
    /// The video.
    pub video_id: VideoId,
    /// Its owner.
    pub user_id: UserId,
    /// The id of the request that it follows from.
    pub correlation_id: CorrelationId,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// If there, only this notice is to be sent; there is nothing to extract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeKind>,
}

/// The form of an older worker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegacyMessage {
    /// The object, as a key or as `s3://bucket/key`.
    pub s3_path: String,
    /// The file's name.
    pub filename: String,
}

/// A message, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The form of today.
    Job(JobMessage),
    /// The form of an older worker.
    Legacy(LegacyMessage),
}

/// Why a message is not understood.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    /// Not JSON, or not of either form.
    #[error("not a job message: {0}")]
    Malformed(String),
    /// A later form.
    #[error("message version {0} is not supported")]
    Version(u64),
}

impl Message {
    /// Reads a message's body.
    pub fn parse(body: &str) -> Result<Self, InvalidMessage> {
        let malformed = |error: serde_json::Error| InvalidMessage::Malformed(error.to_string());
        let value: serde_json::Value = serde_json::from_str(body).map_err(malformed)?;
        match value.get("version") {
            Some(serde_json::Value::Number(version)) if version.as_u64() == Some(1) => {
                serde_json::from_value(value).map(Message::Job).map_err(malformed)
            }
            Some(serde_json::Value::Number(version)) => {
                Err(InvalidMessage::Version(version.as_u64().unwrap_or(0)))
            }
            Some(_) => Err(InvalidMessage::Malformed("version is not a number".into())),
            None => serde_json::from_value(value).map(Message::Legacy).map_err(malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = r#"{"version":1,"video_id":"018bcfe5-6800-7707-8707-070707070707","user_id":"018bcfe5-6800-7707-8707-070707070708","correlation_id":"c-1","traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}"#;

    #[test]
    fn the_golden_message() {
        let Message::Job(job) = Message::parse(JOB).unwrap() else { panic!("not a job") };
        assert_eq!(serde_json::to_string(&job).unwrap(), JOB);
    }

    #[test]
    fn the_older_form() {
        let message = Message::parse(r#"{"s3_path":"uploads/a/b","filename":"b.mp4"}"#).unwrap();
        assert!(matches!(message, Message::Legacy(legacy) if legacy.s3_path == "uploads/a/b"));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "null",
            "[]",
            "{}",
            "\"x\"",
            r#"{"version":"1"}"#,
            r#"{"version":2}"#,
            r#"{"version":1}"#,
            &JOB.replace("018bcfe5-6800-7707-8707-070707070707", "../../x"),
            r#"{"s3_path":1,"filename":"x"}"#,
        ] {
            assert!(Message::parse(bad).is_err(), "{bad}");
        }
    }
}
