//! A video: one upload with one set of options, and where it is in its life.

mod event;
mod source;
mod state;
mod transition;

use crate::{CorrelationId, Failure, FailureCode, Limits, Options, Time, UserId, VideoId};

pub use event::{Event, EventName, Reason, Refused};
pub use source::{MAX_REFS, Source, SourceError};
pub use state::{
    Attempts, End, Extraction, Lease, Multipart, Pending, Processing, Progress, Stage, State, StateName,
};

/// A video, as the store keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// Its id.
    pub id: VideoId,
    /// Whose it is.
    pub owner: UserId,
    /// The name that the owner gave the file.
    pub file_name: String,
    /// Bytes of the upload, as declared.
    pub size_bytes: u64,
    /// The media type that the upload is stored with.
    pub content_type: Option<String>,
    /// What to extract.
    pub options: Options,
    /// The id of the request that made it.
    pub correlation_id: CorrelationId,
    /// Where the upload is, and who else uses it.
    pub source: Source,
    /// When the record was made.
    pub created_at: Time,
    /// Where it is in its life.
    pub state: State,
}

impl Video {
    /// The video after the event, or why the event may not happen to it.
    pub fn apply(mut self, event: Event, now: Time) -> Result<Self, Refused> {
        self.state = self.state.apply(event, now)?;
        Ok(self)
    }

    /// The id under which the upload is kept: its own, or that of the video whose run it is.
    pub fn root(&self) -> VideoId {
        match self.source {
            Source::Own { .. } => self.id,
            Source::Of { root } => root,
        }
    }

    /// Whether anything of its result can still be had at this moment.
    pub fn result_kept(&self, now: Time, limits: &Limits) -> bool {
        matches!(&self.state, State::Completed { end, .. }
            if !end.purged && now < end.at.plus_s(limits.retention_s))
    }

    /// Bytes that the object store keeps for it, once it is finished: its upload, unless that is another
    /// video's or was given up, and its result.
    pub fn kept_bytes(&self) -> u64 {
        let Some(end) = self.state.end() else { return 0 };
        let upload = match &self.source {
            Source::Own { refs, gone: false } => {
                self.state.is_uploaded() || refs.iter().any(|id| *id != self.id)
            }
            _ => false,
        };
        let result = match &self.state {
            State::Completed { result, .. } if !end.purged => result.size_bytes,
            _ => 0,
        };
        result.saturating_add(if upload { self.size_bytes } else { 0 })
    }

    /// From when on the objects of a finished video may go; none while it is not finished.
    ///
    /// A deleted or expired video keeps them for an hour: a worker that has not heard of it yet
    /// may still write, and this is when what it wrote is cleared away.
    pub fn purge_at(&self, limits: &Limits) -> Option<Time> {
        let end = self.state.end()?;
        Some(match self.state {
            State::Deleted { .. } | State::Expired { .. } => end.at.plus_s(limits.retention_s.min(3600)),
            _ => end.at.plus_s(limits.retention_s),
        })
    }
}

impl FailureCode {
    /// Whether nobody can ever make anything of the upload, so that it need not be kept.
    pub const fn condemns_upload(self) -> bool {
        matches!(
            self,
            Self::NotAVideo
                | Self::NoVideoStream
                | Self::UnsupportedContainer
                | Self::UnsupportedCodec
                | Self::CorruptInput
                | Self::DrmProtected
        )
    }
}

impl State {
    /// The failure, in the state that has one.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
