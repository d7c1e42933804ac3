//! Queue messages. Workers trust only the ids in them: `claim` returns the job.

use framelift_domain::{CorrelationId, PluginId, TraceParent, UserId, VideoId};
use serde::{Deserialize, Serialize};

/// The kind of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// The video failed.
    Failed,
    /// The video is done.
    Completed,
    /// The upload did not arrive in time.
    Expired,
    /// No e-mail: an event whose webhook is due. In a message, `video_id` is the event's id.
    Webhook,
    /// A link to reset a forgotten password. `video_id` is the link's id.
    PasswordReset,
    /// A link to confirm an address. `video_id` is the link's id.
    EmailVerification,
}

impl NoticeKind {
    /// Whether it is about an account, and not about a video.
    pub const fn is_of_account(self) -> bool {
        matches!(self, Self::PasswordReset | Self::EmailVerification)
    }
}

/// A message of version 1: a job, or a notice to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobMessage {
    /// 1.
    pub version: u32,
    /// The video.
    pub video_id: VideoId,
    /// Its owner.
    pub user_id: UserId,
    /// The correlation id of the request that caused it.
    pub correlation_id: CorrelationId,
    /// The trace that the video belongs to. Older senders have none. A malformed one is ignored.
    #[serde(default, deserialize_with = "well_formed", skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<TraceParent>,
    /// The notice to send; without one, the message is a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeKind>,
}

/// A plugin to check, of version 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginMessage {
    /// 1.
    pub version: u32,
    /// The uploaded version of the plugin.
    pub plugin_id: PluginId,
    /// Its owner.
    pub user_id: UserId,
    /// The correlation id of the request that caused it.
    pub correlation_id: CorrelationId,
}

/// A message of the job queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Message {
    /// A video, or a notice about one.
    Job(JobMessage),
    /// A plugin to check.
    Plugin(PluginMessage),
}

impl Message {
    /// The owner, whose group of the fair queue the message belongs to.
    pub fn user_id(&self) -> UserId {
        match self {
            Self::Job(message) => message.user_id,
            Self::Plugin(message) => message.user_id,
        }
    }

    /// Reads a message's body. A body with a plugin's id is a message about a plugin.
    pub fn parse(body: &str) -> Result<Self, InvalidMessage> {
        let value = read(body)?;
        let malformed = |error: serde_json::Error| InvalidMessage::Malformed(error.to_string());
        if value.get("plugin_id").is_some() {
            return serde_json::from_value(value).map(Self::Plugin).map_err(malformed);
        }
        serde_json::from_value(value).map(Self::Job).map_err(malformed)
    }
}

impl From<JobMessage> for Message {
    fn from(message: JobMessage) -> Self {
        Self::Job(message)
    }
}

/// A message that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidMessage {
    /// Not JSON, or not of this form.
    #[error("not a job message: {0}")]
    Malformed(String),
    /// A later version.
    #[error("message version {0} is not supported")]
    Version(u64),
    /// A message in the form of an older worker.
    #[error("a message of the older worker, which names s3_path: upload the video through the API")]
    Legacy,
}

impl JobMessage {
    /// Reads the body of a message about a video.
    pub fn parse(body: &str) -> Result<Self, InvalidMessage> {
        match Message::parse(body)? {
            Message::Job(message) => Ok(message),
            Message::Plugin(_) => Err(InvalidMessage::Malformed("it is about a plugin".into())),
        }
    }
}

fn well_formed<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<TraceParent>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(value.as_str().and_then(|text| text.parse().ok()))
}

/// The JSON of a message whose version is known.
fn read(body: &str) -> Result<serde_json::Value, InvalidMessage> {
    let malformed = |error: serde_json::Error| InvalidMessage::Malformed(error.to_string());
    let value: serde_json::Value = serde_json::from_str(body).map_err(malformed)?;
    match value.get("version").map(serde_json::Value::as_u64) {
        Some(Some(1)) => Ok(value),
        Some(Some(version)) => Err(InvalidMessage::Version(version)),
        Some(None) => Err(InvalidMessage::Malformed("version is not a number".into())),
        None if value.get("s3_path").is_some() => Err(InvalidMessage::Legacy),
        None => Err(InvalidMessage::Malformed("version is missing".into())),
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
        for more in [r#""later":1"#, r#""traceparent":"00-0af7-b7ad-01""#, r#""traceparent":7"#] {
            let message = JOB.replace('}', &format!(",{more}}}"));
            assert_eq!(JobMessage::parse(&message).unwrap(), job, "{more} is no reason to refuse");
        }
    }

    #[test]
    fn a_plugin_to_check_is_told_from_a_job() {
        let message = JOB.replace("video_id", "plugin_id");
        let Ok(Message::Plugin(check)) = Message::parse(&message) else { panic!("{message}") };
        assert_eq!(serde_json::to_string(&Message::Plugin(check)).unwrap(), message);
        assert!(matches!(Message::parse(JOB), Ok(Message::Job(_))));
        assert!(JobMessage::parse(&message).is_err() && Message::parse(&message.replace("07", "x")).is_err());
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
