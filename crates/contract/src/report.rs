//! The reports of workers to component `control`, and its answers.

use framelift_domain::video::Extraction;
use framelift_domain::{Checksum, CorrelationId, FailureCode, Time, UserId, VideoId, WorkerId, is_zero};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::message::NoticeKind;
use crate::options::OptionsBody;
use crate::plugin::JobPlugin;
use crate::video::{Progress, Status};

/// `POST /internal/jobs/{id}/claim`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimRequest {
    /// The worker that claims.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// New for each received message. A repeated claim, after a lost answer, gets the same lease; another claim of the
    /// same worker does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_id: Option<String>,
    /// Not used, because the answer assigns the attempt. Accepted since every other report has it, and a body with an
    /// unknown field is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
}

/// The whole job, and a lease on it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// The video.
    #[schema(value_type = String)]
    pub video_id: VideoId,
    /// Its owner.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The correlation id of the request that caused the job.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// The name that the user gave the file.
    pub file_name: String,
    /// Bytes of the upload.
    pub size_bytes: u64,
    /// What to extract.
    pub options: OptionsBody,
    /// The code of the plugins of `options`, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plugins: Vec<JobPlugin>,
    /// The upload's key.
    pub source_key: String,
    /// The key to write the archive to.
    pub result_key: String,
    /// The key to write the index of the archive's frames to; absent where none is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_key: Option<String>,
    /// The prefix under which earlier attempts may have left archives or multipart uploads.
    pub result_prefix: String,
    /// This attempt, from 1.
    pub attempt: u32,
    /// The lease's end, unless a report renews it.
    #[schema(value_type = String, format = DateTime)]
    pub lease_expires_at: Time,
    /// The lease's length in seconds.
    pub lease_s: u32,
    /// When the job must be done.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Time,
}

/// `POST /internal/jobs/{id}/progress`: renews the lease, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProgressReport {
    /// The attempt of the claim.
    pub attempt: u32,
    /// The worker that reports.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// The attempt's progress.
    pub progress: Progress,
    /// Milliseconds of video that were decoded. Older workers do not count them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decoded_ms: u64,
}

/// `POST /internal/jobs/{id}/complete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteReport {
    /// The attempt of the claim.
    pub attempt: u32,
    /// The worker that reports.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// Bytes of the archive.
    pub size_bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// SHA-256 of the archive, in hexadecimal.
    #[schema(value_type = String)]
    pub sha256: Checksum,
    /// Bytes read of the upload.
    pub bytes_read: u64,
    /// Milliseconds of video that were decoded. Older workers do not count them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decoded_ms: u64,
    /// Warnings for the user, at most 100 of 500 characters.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Whether the index of the archive's frames is stored, at the job's `index_key`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indexed: bool,
}

impl From<CompleteReport> for Extraction {
    fn from(report: CompleteReport) -> Self {
        let CompleteReport { size_bytes, frames, sha256, bytes_read, decoded_ms, warnings, indexed, .. } =
            report;
        Self { size_bytes, frames, sha256, bytes_read, decoded_ms, warnings, indexed }
    }
}

/// `POST /internal/jobs/{id}/fail`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailReport {
    /// The attempt of the claim.
    pub attempt: u32,
    /// The worker that reports.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// The failure's code.
    #[schema(value_type = String)]
    pub code: FailureCode,
    /// What went wrong, at most 1,000 characters.
    pub message: String,
    /// `true` releases the job instead of failing it, because the fault is not the video's (the store, the network, a
    /// shutdown). `control` sends a new message for it, with a longer delay each time.
    #[serde(rename = "release", default)]
    #[schema(value_type = bool)]
    pub ending: Ending,
    /// Milliseconds of video that were decoded. Older workers do not count them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decoded_ms: u64,
}

/// The outcome of an attempt without a result; on the wire, whether the job is released.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "bool", into = "bool")]
pub enum Ending {
    /// The video has failed.
    #[default]
    Failed,
    /// The job is released, for another attempt.
    Released,
}

impl From<bool> for Ending {
    fn from(release: bool) -> Self {
        if release { Self::Released } else { Self::Failed }
    }
}

impl From<Ending> for bool {
    fn from(ending: Ending) -> Self {
        ending == Ending::Released
    }
}

/// `POST /internal/jobs/{id}/notified`: the notices of the terminal state were sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifiedReport {
    /// The attempt of the claim; 0 for a notice that came by its own message.
    pub attempt: u32,
    /// The worker that reports.
    #[schema(value_type = String)]
    pub worker_id: WorkerId,
    /// Whether the owner has a webhook, to which the event is to be delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub webhook: bool,
}

/// The answer to every report but `claim`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReportAnswer {
    /// The video's status now.
    pub status: Status,
    /// The lease's new end, while the job is processed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lease_expires_at: Option<Time>,
    /// The notice that the worker has to send, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
}

/// A notice to send; the answer of `GET /internal/jobs/{id}/notice`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Notice {
    /// Whether the video is done or failed.
    pub kind: NoticeKind,
    /// The video.
    #[schema(value_type = String)]
    pub video_id: VideoId,
    /// Its owner.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The correlation id of the request that caused it.
    #[schema(value_type = String)]
    pub correlation_id: CorrelationId,
    /// The name that the user gave the file.
    pub file_name: String,
    /// When the terminal state was reached.
    #[schema(value_type = String, format = DateTime)]
    pub completed_at: Time,
    /// Why it failed, if it did.
    #[schema(value_type = Option<crate::video::FailureBody>)]
    pub failure: Option<framelift_domain::Failure>,
}

/// `POST /notification`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationRequest {
    /// The user to notify.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// The kind of notice.
    pub kind: NoticeKind,
    /// The video.
    #[schema(value_type = String)]
    pub video_id: VideoId,
}

/// The answer of `POST /internal/sweep`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SweepAnswer {
    /// Users that were checked.
    pub users: u32,
    /// Videos whose upload did not arrive in time.
    pub expired_uploads: u32,
    /// Messages that were sent again.
    pub resent: u32,
    /// Leases that were reclaimed.
    pub lapsed_leases: u32,
    /// Results and uploads past their retention.
    pub expired_results: u32,
    /// Whether there is more to do for another call.
    pub more: bool,
}
