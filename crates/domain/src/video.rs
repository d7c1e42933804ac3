//! A video: one upload with one set of options, and its state.

mod event;
mod lane;
mod source;
mod state;
mod transition;

use crate::{CorrelationId, Failure, FailureCode, Limits, Options, Time, TraceParent, UserId, VideoId};

pub use event::{Event, EventName, Reason, Refused};
pub use lane::Lane;
pub use source::{MAX_REFS, Source, SourceError};
pub use state::{
    Attempts, End, Extraction, Lease, Multipart, Pending, Processing, Progress, Stage, State, StateName,
};

/// A video.
#[derive(Clone, Debug, PartialEq)]
pub struct Video {
    /// Its id.
    pub id: VideoId,
    /// Its owner.
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
    /// The trace that the request belongs to, if it named one.
    pub trace_parent: Option<TraceParent>,
    /// Whether it has an upload or uses another video's, and which videos share it.
    pub source: Source,
    /// When the record was made.
    pub created_at: Time,
    /// Its state.
    pub state: State,
}

impl Video {
    /// Returns the video after the event, or why the event is refused.
    pub fn apply(mut self, event: Event, now: Time) -> Result<Self, Refused> {
        self.state = self.state.apply(event, now)?;
        Ok(self)
    }

    /// The trace that everything about the video belongs to.
    pub fn trace(&self) -> TraceParent {
        self.trace_parent.unwrap_or_else(|| TraceParent::of(&self.correlation_id))
    }

    /// The id under which the upload is stored: the video's own or, for a run, that of the original video.
    pub fn root(&self) -> VideoId {
        match self.source {
            Source::Own { .. } => self.id,
            Source::Of { root } => root,
        }
    }

    /// Whether its result can be downloaded at that time.
    pub fn result_kept(&self, now: Time, limits: &Limits) -> bool {
        matches!(&self.state, State::Completed { end, .. }
            if !end.purged && now < end.at.plus_s(limits.retention_s))
    }

    /// Bytes of its objects, once it is finished: its upload, unless it is shared from another video or was
    /// released, and its result.
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

    /// When the objects of a finished video are to be deleted; `None` while it is not finished.
    ///
    /// For a deleted or expired video it is an hour later, to also delete what a worker wrote that had not
    /// noticed yet.
    pub fn purge_at(&self, limits: &Limits) -> Option<Time> {
        let end = self.state.end()?;
        Some(match self.state {
            State::Deleted { .. } | State::Expired { .. } => end.at.plus_s(limits.retention_s.min(3600)),
            _ => end.at.plus_s(limits.retention_s),
        })
    }
}

impl FailureCode {
    /// Whether the upload fails with any options, so that it need not be kept.
    pub const fn makes_upload_useless(self) -> bool {
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
    /// The failure, if the video has failed.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed { failure, .. } => Some(failure),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
