//! Reads a message's text.

use framelift_contract::message::{InvalidMessage, JobMessage};
use framelift_domain::VideoId;

use crate::report::Trace;

/// What a message asks for.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// The video.
    pub video_id: VideoId,
    /// What follows it through every call.
    pub trace: Trace,
    /// Whether only a notice is to be sent.
    pub notice: bool,
}

impl Task {
    /// Reads a message. Only ids are taken from it.
    pub(crate) fn parse(body: &str) -> Result<Self, InvalidMessage> {
        let job = JobMessage::parse(body)?;
        Ok(Self {
            video_id: job.video_id,
            trace: Trace { correlation_id: job.correlation_id },
            notice: job.notice.is_some(),
        })
    }
}
