//! The states of a video, each with exactly the data that it needs.
//!
//! Their serde form is what the edge's store keeps (its fixtures hold it), and stands on no wire.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Failure, Time, WorkerId};

/// A multipart upload under way at the object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multipart {
    /// The object store's id of it.
    pub upload_id: String,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// Number of parts.
    pub part_count: u32,
}

/// What was tried so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Claims so far; the number of the last attempt.
    pub made: u32,
    /// How many of them ended without a verdict: given back, or their lease was taken back.
    pub releases: u32,
    /// When the first one began.
    pub first_claim: Option<Time>,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Looking at the file.
    Reading,
    /// Decoding and writing frames.
    Extracting,
    /// Finishing the archive.
    Storing,
    /// All is there.
    Done,
    /// Nothing yet; or what newer code stored.
    #[default]
    #[serde(other)]
    Waiting,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Reading, Self::Extracting, Self::Storing, Self::Done];

    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Extracting => "extracting",
            Self::Storing => "storing",
            Self::Done => "done",
        }
    }
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// 0 to 100.
    pub percent: u8,
    /// Frames written.
    pub frames_done: u64,
    /// Frames that are expected, once that is known.
    pub frames_expected: Option<u64>,
    /// Bytes read of the upload.
    pub bytes_read: u64,
}

/// A worker's hold on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Who holds it.
    pub worker: WorkerId,
    /// Tells a claim sent again from another claim of the same worker.
    pub claim_id: Option<String>,
    /// Its end, unless a report renews it.
    pub expires_at: Time,
}

/// What a completed video has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extraction {
    /// Bytes of the archive.
    pub size_bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// SHA-256 of the archive, in hex.
    pub sha256: String,
    /// Bytes read of the upload.
    pub bytes_read: u64,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// What [`State::Pending`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What was tried so far.
    pub attempts: Attempts,
    /// From when on a worker is expected to take it.
    pub since: Time,
}

/// What [`State::Processing`] holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processing {
    /// What was tried so far, the current attempt included.
    pub attempts: Attempts,
    /// When the first attempt began.
    pub started_at: Time,
    /// The current attempt's hold.
    pub lease: Lease,
    /// How far it is.
    pub progress: Progress,
}

/// What every terminal state holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When it was reached.
    pub at: Time,
    /// What was tried.
    pub attempts: Attempts,
    /// How far it came.
    pub progress: Progress,
    /// Whether its objects are gone, after their retention.
    pub purged: bool,
}

/// Where a video is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum State {
    /// The record is there, the upload is not.
    AwaitingUpload {
        /// When it is given up.
        expires_at: Time,
        /// The multipart upload, where there is one.
        multipart: Option<Multipart>,
    },
    /// Held back by its owner's own limit.
    Queued,
    /// In the queue.
    Pending(Pending),
    /// A worker is at it.
    Processing(Processing),
    /// The result is there.
    Completed {
        /// How it ended.
        end: End,
        /// The result.
        result: Extraction,
        /// Whether its notices are out.
        notified: bool,
    },
    /// There will be no result.
    Failed {
        /// How it ended.
        end: End,
        /// Why.
        #[serde(deserialize_with = "crate::failure::stored")]
        failure: Failure,
        /// Whether its notices are out.
        notified: bool,
    },
    /// The owner called it off.
    Canceled {
        /// How it ended.
        end: End,
        /// Whether the upload was there by then.
        uploaded: bool,
        /// The multipart upload to abort, where there was one under way.
        multipart: Option<Multipart>,
    },
    /// The upload never came.
    Expired {
        /// How it ended.
        end: End,
        /// The multipart upload to abort, where there was one under way.
        multipart: Option<Multipart>,
    },
    /// The owner deleted it; what is left is this tombstone.
    Deleted {
        /// How it ended.
        end: End,
        /// The multipart upload to abort, where there was one under way.
        multipart: Option<Multipart>,
        /// Whether its objects were removed.
        removed: bool,
    },
}

/// A state's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateName {
    /// See [`State::AwaitingUpload`].
    AwaitingUpload,
    /// See [`State::Queued`].
    Queued,
    /// See [`State::Pending`].
    Pending,
    /// See [`State::Processing`].
    Processing,
    /// See [`State::Completed`].
    Completed,
    /// See [`State::Failed`].
    Failed,
    /// See [`State::Canceled`].
    Canceled,
    /// See [`State::Expired`].
    Expired,
    /// See [`State::Deleted`].
    Deleted,
}

impl StateName {
    /// Every state's name.
    pub const ALL: [Self; 9] = [
        Self::AwaitingUpload,
        Self::Queued,
        Self::Pending,
        Self::Processing,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
        Self::Expired,
        Self::Deleted,
    ];
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AwaitingUpload => "awaiting_upload",
            Self::Queued => "queued",
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
            Self::Deleted => "deleted",
        })
    }
}

impl State {
    /// Its name.
    pub const fn name(&self) -> StateName {
        match self {
            Self::AwaitingUpload { .. } => StateName::AwaitingUpload,
            Self::Queued => StateName::Queued,
            Self::Pending(_) => StateName::Pending,
            Self::Processing(_) => StateName::Processing,
            Self::Completed { .. } => StateName::Completed,
            Self::Failed { .. } => StateName::Failed,
            Self::Canceled { .. } => StateName::Canceled,
            Self::Expired { .. } => StateName::Expired,
            Self::Deleted { .. } => StateName::Deleted,
        }
    }

    /// How it ended, in the terminal states.
    pub const fn end(&self) -> Option<&End> {
        match self {
            Self::Completed { end, .. }
            | Self::Failed { end, .. }
            | Self::Canceled { end, .. }
            | Self::Expired { end, .. }
            | Self::Deleted { end, .. } => Some(end),
            _ => None,
        }
    }

    /// Whether no work on it is left.
    pub const fn is_terminal(&self) -> bool {
        self.end().is_some()
    }

    /// Whether its upload is known to have arrived.
    pub const fn is_uploaded(&self) -> bool {
        match self {
            Self::AwaitingUpload { .. } | Self::Expired { .. } | Self::Deleted { .. } => false,
            Self::Canceled { uploaded, .. } => *uploaded,
            _ => true,
        }
    }

    /// What was tried so far.
    pub fn attempts(&self) -> Attempts {
        match self {
            Self::AwaitingUpload { .. } | Self::Queued => Attempts::default(),
            Self::Pending(pending) => pending.attempts,
            Self::Processing(processing) => processing.attempts,
            _ => self.end().map(|end| end.attempts).unwrap_or_default(),
        }
    }

    /// How far it is, or came.
    pub fn progress(&self) -> Progress {
        match self {
            Self::Processing(processing) => processing.progress,
            _ => self.end().map(|end| end.progress).unwrap_or_default(),
        }
    }

    /// The multipart upload that may still be under way.
    pub const fn multipart(&self) -> Option<&Multipart> {
        match self {
            Self::AwaitingUpload { multipart, .. }
            | Self::Canceled { multipart, .. }
            | Self::Expired { multipart, .. }
            | Self::Deleted { multipart, .. } => multipart.as_ref(),
            _ => None,
        }
    }
}
