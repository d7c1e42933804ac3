//! The states of a video, each with exactly the data that it needs.
//!
//! Their serde form is the layout in the edge's store, which its fixtures fix. It is used on no wire.

use serde::{Deserialize, Deserializer, Serialize};
use strum::{Display, EnumDiscriminants, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::{Checksum, Failure, Time, WorkerId, is_zero};

/// A multipart upload under way at the object store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multipart {
    /// Its id at the object store.
    pub upload_id: String,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// Number of parts.
    pub part_count: u32,
}

/// The attempts so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempts {
    /// Claims so far; the number of the last attempt.
    pub made: u32,
    /// How many of them were released by the worker or ended with their lease.
    pub releases: u32,
    /// When the first one began.
    pub first_claim: Option<Time>,
}

/// What a worker is doing.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    EnumString,
    IntoStaticStr,
    VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Stage {
    /// Nothing yet.
    #[default]
    Waiting,
    /// Looking at the file.
    Reading,
    /// Decoding and writing frames.
    Extracting,
    /// Finishing the archive.
    Storing,
    /// The result is published.
    Done,
}

impl Stage {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The progress of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is being done.
    #[serde(deserialize_with = "stored_stage")]
    pub stage: Stage,
    /// 0 to 100.
    pub percent: u8,
    /// Frames written.
    pub frames_done: u64,
    /// Frames that are expected, once that is known.
    pub frames_expected: Option<u64>,
    /// Bytes read of the upload.
    pub bytes_read: u64,
    /// Milliseconds of video that were decoded. Absent in records from before they were counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decoded_ms: u64,
}

/// Reads a stage of a stored record. A stage that this version does not know becomes [`Stage::Waiting`].
fn stored_stage<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stage, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(name.parse().unwrap_or_default())
}

/// A worker's lease on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The worker that holds it.
    pub worker: WorkerId,
    /// Distinguishes a claim that was sent again from another claim of the same worker.
    pub claim_id: Option<String>,
    /// Its end, unless a report renews it.
    pub expires_at: Time,
}

/// The result of a completed video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extraction {
    /// Bytes of the archive.
    pub size_bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// The archive's checksum.
    pub sha256: Checksum,
    /// Bytes read of the upload.
    pub bytes_read: u64,
    /// Milliseconds of video that were decoded. Absent in records from before they were counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decoded_ms: u64,
    /// Warnings for the owner.
    pub warnings: Vec<String>,
    /// Whether an index of its frames is stored beside the archive. Absent in old records.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indexed: bool,
}

/// The data of [`State::Pending`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The attempts so far.
    pub attempts: Attempts,
    /// From when on a worker is expected to claim it.
    pub since: Time,
}

/// The data of [`State::Processing`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processing {
    /// The attempts so far, the current one included.
    pub attempts: Attempts,
    /// When the first attempt began.
    pub started_at: Time,
    /// The current attempt's lease.
    pub lease: Lease,
    /// The progress.
    pub progress: Progress,
}

/// The data that every terminal state has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When it was reached.
    pub at: Time,
    /// The attempts.
    pub attempts: Attempts,
    /// The last progress.
    pub progress: Progress,
    /// Whether its objects were deleted after their retention.
    pub purged: bool,
}

/// The state of a video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, EnumDiscriminants)]
#[serde(tag = "name", rename_all = "snake_case")]
#[strum_discriminants(doc = "A state's name.", name(StateName), derive(Hash, Display, VariantArray))]
#[strum_discriminants(strum(serialize_all = "snake_case"))]
pub enum State {
    /// The upload has not arrived yet.
    AwaitingUpload {
        /// When it expires.
        expires_at: Time,
        /// The multipart upload, if there is one.
        multipart: Option<Multipart>,
    },
    /// It waits because its owner has enough videos in flight.
    Queued,
    /// In the queue.
    Pending(Pending),
    /// A worker processes it.
    Processing(Processing),
    /// The result is published.
    Completed {
        /// How it ended.
        end: End,
        /// The result.
        result: Extraction,
        /// Whether its notices were sent.
        notified: bool,
    },
    /// There will be no result.
    Failed {
        /// How it ended.
        end: End,
        /// Why.
        #[serde(deserialize_with = "crate::failure::stored")]
        failure: Failure,
        /// Whether its notices were sent.
        notified: bool,
    },
    /// The owner canceled it.
    Canceled {
        /// How it ended.
        end: End,
        /// Whether the upload had arrived by then.
        uploaded: bool,
        /// The multipart upload to abort, if one was under way.
        multipart: Option<Multipart>,
    },
    /// The upload did not come in time.
    Expired {
        /// How it ended.
        end: End,
        /// The multipart upload to abort, if one was under way.
        multipart: Option<Multipart>,
        /// Whether its notices were sent. Older versions sent none, so in their records it counts as true.
        #[serde(default = "already_notified")]
        notified: bool,
    },
    /// The owner deleted it; this tombstone is left.
    Deleted {
        /// How it ended.
        end: End,
        /// The multipart upload to abort, if one was under way.
        multipart: Option<Multipart>,
        /// Whether its objects were removed.
        removed: bool,
    },
}

const fn already_notified() -> bool {
    true
}

impl State {
    /// Its name.
    pub fn name(&self) -> StateName {
        self.into()
    }

    /// The end, in terminal states.
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

    /// Whether the state is terminal.
    pub const fn is_terminal(&self) -> bool {
        self.end().is_some()
    }

    /// Whether its owner still has to be notified of its end.
    pub const fn has_notice_due(&self) -> bool {
        matches!(
            self,
            Self::Completed { notified: false, .. }
                | Self::Failed { notified: false, .. }
                | Self::Expired { notified: false, .. }
        )
    }

    /// Whether its upload has arrived.
    pub const fn is_uploaded(&self) -> bool {
        match self {
            Self::AwaitingUpload { .. } | Self::Expired { .. } | Self::Deleted { .. } => false,
            Self::Canceled { uploaded, .. } => *uploaded,
            _ => true,
        }
    }

    /// The attempts so far.
    pub fn attempts(&self) -> Attempts {
        match self {
            Self::AwaitingUpload { .. } | Self::Queued => Attempts::default(),
            Self::Pending(pending) => pending.attempts,
            Self::Processing(processing) => processing.attempts,
            _ => self.end().map(|end| end.attempts).unwrap_or_default(),
        }
    }

    /// Its progress.
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
