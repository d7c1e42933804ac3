//! Errors of the operations, and their problem documents.

use framelift_contract::problem::{FieldError, ProblemCode};
use framelift_domain::video::{EventName, Reason, Refused};

use crate::ports::Unavailable;
use crate::store::update::UpdateError;
use crate::store::{Damaged, StoreError};

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JobError {
    /// The video does not exist or was deleted.
    #[error("the video does not exist or was deleted")]
    VideoNotFound,
    /// The video belongs to another account.
    #[error("the video belongs to another account")]
    VideoNotOwned,
    /// The account was deleted.
    #[error("the account was deleted")]
    AccountClosed,
    /// The user has too many unfinished videos.
    #[error("at most {limit} videos may be unfinished at once")]
    QuotaExceeded {
        /// The limit.
        limit: u32,
    },
    /// The user has reached the daily limit of uploads.
    #[error("at most {limit} uploads may be begun in a day (UTC)")]
    DailyQuotaExceeded {
        /// The limit.
        limit: u32,
        /// Seconds until the next day.
        retry_after_s: u32,
    },
    /// The user's jobs have reached the daily limit of decoded video.
    #[error("at most {limit} minutes of video may be decoded in a day (UTC), and they are used up")]
    DecodingQuotaExceeded {
        /// The limit.
        limit: u32,
        /// Seconds until the next day.
        retry_after_s: u32,
    },
    /// The user's videos have reached the limit of bytes, or would exceed it with this one.
    #[error(
        "the videos of this account have {used} of {limit} bytes: delete some, or wait until they are no longer kept"
    )]
    StorageQuotaExceeded {
        /// Bytes of the existing uploads and results.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// Too many videos share the upload.
    #[error("at most {limit} videos may share an upload")]
    TooManyRuns {
        /// The limit.
        limit: usize,
    },
    /// The upload has not been checked yet.
    #[error("the upload is not complete")]
    UploadIncomplete,
    /// The upload was deleted, or never arrived.
    #[error("the upload is not kept any more")]
    SourceExpired,
    /// The same key with another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused,
    /// The same request is under way.
    #[error("a request with this idempotency key is under way")]
    IdempotencyInProgress {
        /// Seconds after which the request may be sent again.
        retry_after_s: u32,
    },
    /// The video is in a terminal state.
    #[error("the video is finished already")]
    AlreadyFinished,
    /// The job is in a terminal state.
    #[error("the job is finished")]
    JobFinished,
    /// The job is not in the queue yet.
    #[error("the job is not ready to be worked on")]
    JobNotReady,
    /// Another worker holds the job.
    #[error("another worker holds the job for {retry_after_s} s at most, unless it renews its lease")]
    LeaseHeld {
        /// Seconds to the lease's end.
        retry_after_s: u32,
    },
    /// The video's state does not allow it.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The options are too large to be kept.
    #[error("the options are too large: the record may have {limit} bytes")]
    OptionsTooLarge {
        /// Bytes of the record.
        limit: usize,
    },
    /// The plugin does not exist or was deleted.
    #[error("the plugin does not exist or was deleted")]
    PluginNotFound,
    /// The options name plugins that do not exist, or configure them wrongly. Pointers start in the options.
    #[error("the options name plugins that do not exist, or configure them wrongly")]
    PluginsRefused(Vec<FieldError>),
    /// The user has reached a limit of plugins.
    #[error("the account has the maximum of plugins: {0}")]
    PluginQuotaExceeded(String),
    /// The report is of an attempt that is no longer the current one.
    #[error("the attempt is not the current one")]
    StaleCheck,
    /// The delivery does not exist or is no longer kept.
    #[error("the delivery does not exist or is no longer kept")]
    DeliveryNotFound,
    /// The cursor was not made by this service.
    #[error("the cursor is not valid")]
    BadCursor,
    /// The store or the queue did not answer; the same request may safely be sent again.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A record cannot be read; a retry does not help.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

impl JobError {
    /// The code of its problem document.
    pub fn code(&self) -> ProblemCode {
        match self {
            Self::VideoNotFound => ProblemCode::VideoNotFound,
            Self::VideoNotOwned => ProblemCode::VideoNotOwned,
            Self::DeliveryNotFound => ProblemCode::DeliveryNotFound,
            Self::AccountClosed => ProblemCode::Unauthenticated,
            Self::QuotaExceeded { .. }
            | Self::DailyQuotaExceeded { .. }
            | Self::DecodingQuotaExceeded { .. }
            | Self::TooManyRuns { .. } => ProblemCode::QuotaExceeded,
            Self::StorageQuotaExceeded { .. } => ProblemCode::StorageQuotaExceeded,
            Self::UploadIncomplete => ProblemCode::UploadIncomplete,
            Self::SourceExpired => ProblemCode::SourceExpired,
            Self::IdempotencyKeyReused => ProblemCode::IdempotencyKeyReused,
            Self::IdempotencyInProgress { .. } => ProblemCode::IdempotencyInProgress,
            Self::AlreadyFinished => ProblemCode::ProcessingAlreadyFinished,
            Self::JobFinished => ProblemCode::JobFinished,
            Self::JobNotReady => ProblemCode::JobNotReady,
            Self::LeaseHeld { .. } => ProblemCode::LeaseHeld,
            Self::OptionsTooLarge { .. } | Self::BadCursor | Self::PluginsRefused(_) => {
                ProblemCode::ValidationFailed
            }
            Self::PluginNotFound => ProblemCode::PluginNotFound,
            Self::PluginQuotaExceeded(_) => ProblemCode::PluginQuotaExceeded,
            Self::StaleCheck => ProblemCode::StaleAttempt,
            Self::Unavailable(_) => ProblemCode::Unavailable,
            Self::Damaged(_) => ProblemCode::RecordDamaged,
            Self::Refused(refused) => refused_code(refused),
        }
    }

    /// Seconds after which a retry makes sense, if it does.
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::LeaseHeld { retry_after_s }
            | Self::IdempotencyInProgress { retry_after_s }
            | Self::DailyQuotaExceeded { retry_after_s, .. }
            | Self::DecodingQuotaExceeded { retry_after_s, .. } => Some(*retry_after_s),
            Self::QuotaExceeded { .. } | Self::TooManyRuns { .. } => Some(60),
            Self::JobNotReady => Some(5),
            Self::Unavailable(_) => Some(2),
            _ => None,
        }
    }
}

fn refused_code(refused: &Refused) -> ProblemCode {
    let by_owner = matches!(
        refused.event,
        EventName::MultipartBegun | EventName::Canceled | EventName::Deleted | EventName::Queued
    );
    match refused.reason {
        Reason::NotReady | Reason::TooEarly => ProblemCode::JobNotReady,
        Reason::Stale => ProblemCode::StaleAttempt,
        Reason::LeaseHeld { .. } => ProblemCode::LeaseHeld,
        Reason::AlreadyPast | Reason::DeadlinePassed | Reason::Finished if by_owner => {
            ProblemCode::ProcessingAlreadyFinished
        }
        Reason::AlreadyPast | Reason::DeadlinePassed | Reason::Finished => ProblemCode::JobFinished,
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(error) => Self::Unavailable(error),
            StoreError::Damaged(error) => Self::Damaged(error),
        }
    }
}

impl<E: Into<JobError>> From<UpdateError<E>> for JobError {
    fn from(error: UpdateError<E>) -> Self {
        match error {
            UpdateError::Missing => Self::VideoNotFound,
            UpdateError::Refused(error) => error.into(),
            UpdateError::Store(error) => error.into(),
        }
    }
}
