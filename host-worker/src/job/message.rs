//! Reads a message's text.

use framelift_contract::message::{InvalidMessage, JobMessage, Message, NoticeKind};
use framelift_contract::report::Job;
use framelift_domain::{PluginId, TraceParent, UserId, VideoId};

use crate::report::Trace;

/// What a message of the job queue asks for.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    /// To work on a video.
    Video(Task),
    /// To check a plugin.
    Plugin(PluginTask),
}

/// A plugin to check.
#[derive(Clone, Debug)]
pub(crate) struct PluginTask {
    /// The uploaded version.
    pub plugin_id: PluginId,
    /// Its owner.
    pub user_id: UserId,
    /// The correlation id and trace for every call.
    pub trace: Trace,
}

/// What a message about a video asks for.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The video, the event that is due at a webhook, or the link that is to be mailed.
    pub video_id: VideoId,
    /// Its owner.
    pub user_id: UserId,
    /// The correlation id and trace for every call.
    pub trace: Trace,
    /// The notice to send; `None` means to process the video.
    pub notice: Option<NoticeKind>,
}

impl Task {
    /// The remaining task for a job that has ended.
    pub(crate) fn of_notice(job: &Job, trace: &Trace) -> Self {
        let notice = Some(NoticeKind::Webhook);
        Self { video_id: job.video_id, user_id: job.user_id, trace: trace.clone(), notice }
    }

    fn of(job: JobMessage) -> Self {
        Self {
            video_id: job.video_id,
            user_id: job.user_id,
            trace: Trace {
                parent: job.traceparent.unwrap_or_else(|| TraceParent::of(&job.correlation_id)),
                correlation_id: job.correlation_id,
            },
            notice: job.notice,
        }
    }
}

impl Work {
    /// Reads a message. Only ids are taken from it.
    pub(crate) fn parse(body: &str) -> Result<Self, InvalidMessage> {
        Ok(match Message::parse(body)? {
            Message::Job(job) => Self::Video(Task::of(job)),
            Message::Plugin(check) => Self::Plugin(PluginTask {
                plugin_id: check.plugin_id,
                user_id: check.user_id,
                trace: Trace {
                    parent: TraceParent::of(&check.correlation_id),
                    correlation_id: check.correlation_id,
                },
            }),
        })
    }
}
