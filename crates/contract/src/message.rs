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
    /// If there, only this notice is to be sent; there is nothing to extract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeKind>,
}

/// Why a message is not understood.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    /// Not JSON, or not of this form.
    #[error("not a job message: {0}")]
    Malformed(String),
    /// A later form.
    #[error("message version {0} is not supported")]
    Version(u64),
    /// The form of the worker before this one.
    #[error("a message of the older worker, which names s3_path: upload the video through the API")]
    Legacy,
}

impl JobMessage {
    /// Reads a message's body.
    pub fn parse(body: &str) -> Result<Self, InvalidMessage> {
        let malformed = |error: serde_json::Error| InvalidMessage::Malformed(error.to_string());
        let value: serde_json::Value = serde_json::from_str(body).map_err(malformed)?;
        match value.get("version").map(serde_json::Value::as_u64) {
            Some(Some(1)) => serde_json::from_value(value).map_err(malformed),
            Some(Some(version)) => Err(InvalidMessage::Version(version)),
            Some(None) => Err(InvalidMessage::Malformed("version is not a number".into())),
            None if value.get("s3_path").is_some() => Err(InvalidMessage::Legacy),
            None => Err(InvalidMessage::Malformed("version is missing".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = r#"{"version":1,"video_id":"018bcfe5-6800-7707-8707-070707070707","user_id":"018bcfe5-6800-7707-8707-070707070708","correlation_id":"c-1"}"#;

    #[test]
    fn the_golden_message() {
        let job = JobMessage::parse(JOB).unwrap();
        assert_eq!(serde_json::to_string(&job).unwrap(), JOB);
        let later = JOB.replace('}', r#","traceparent":"00-0af7-b7ad-01"}"#);
        assert_eq!(JobMessage::parse(&later).unwrap(), job, "what is added later is no reason to refuse");
    }

    #[test]
    fn the_older_form_is_refused_by_name() {
        let error = JobMessage::parse(r#"{"s3_path":"uploads/a/b","filename":"b.mp4"}"#).unwrap_err();
        assert!(matches!(error, InvalidMessage::Legacy));
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
        ] {
            assert!(JobMessage::parse(bad).is_err(), "{bad}");
        }
    }
}
