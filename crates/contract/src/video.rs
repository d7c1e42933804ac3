//! Bodies of the video calls.

use std::collections::BTreeMap;

use framelift_domain::{Failure, Time, VideoId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::options::OptionsBody;

/// Where a video is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The record is there, the upload is not.
    AwaitingUpload,
    /// Held back by its owner's own limit.
    Queued,
    /// In the queue.
    Pending,
    /// A worker is at it.
    Processing,
    /// The result is there.
    Completed,
    /// There will be no result, and `failure` says why.
    Failed,
    /// The owner called it off.
    Canceled,
    /// The upload never came.
    Expired,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::AwaitingUpload,
        Self::Queued,
        Self::Pending,
        Self::Processing,
        Self::Completed,
        Self::Failed,
        Self::Canceled,
        Self::Expired,
    ];

    /// The spelling in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingUpload => "awaiting_upload",
            Self::Queued => "queued",
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing will change it any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled | Self::Expired)
    }
}

/// `POST /videos`.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateVideoRequest {
    /// The file's name; its extension decides whether the format is accepted.
    #[schema(example = "holiday.mp4")]
    pub file_name: String,
    /// Bytes of the file, exactly.
    pub size_bytes: i64,
    /// The media type to store it with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// What to extract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<OptionsBody>,
}

/// A new video, and how to upload it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CreateVideoResponse {
    /// The video's id.
    #[schema(value_type = String)]
    pub id: VideoId,
    /// `awaiting_upload`.
    pub status: Status,
    /// How to upload.
    pub upload: Upload,
}

// Each way is a type with a name and says its method itself: generators of clients make nothing of variants
// without a name.
/// How to upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(property_name = "method", mapping(
    ("PUT" = "#/components/schemas/PutUpload"),
    ("MULTIPART" = "#/components/schemas/MultipartUpload"),
)))]
pub enum Upload {
    /// In one piece.
    Put(PutUpload),
    /// In parts.
    Multipart(MultipartUpload),
}

/// One presigned PUT of exactly the declared length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PutUpload {
    /// `PUT`.
    pub method: PutMethod,
    /// Where to.
    pub url: String,
    /// Headers that must be sent as they are.
    pub headers: BTreeMap<String, String>,
    /// How long the URL is good for.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// The method of an upload in one piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum PutMethod {
    /// The only one.
    #[default]
    #[serde(rename = "PUT")]
    Put,
}

/// Parts, each a presigned PUT of exactly its length, in any order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MultipartUpload {
    /// `MULTIPART`.
    pub method: MultipartMethod,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// Number of parts.
    pub part_count: u32,
    /// The first parts; `GET /videos/{id}/upload-parts` has the rest, and fresh URLs.
    pub parts: Vec<UploadPart>,
    /// How long the URLs are good for.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// The method of an upload in parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum MultipartMethod {
    /// The only one.
    #[default]
    #[serde(rename = "MULTIPART")]
    Multipart,
}

/// One part of a multipart upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadPart {
    /// From 1.
    pub number: u32,
    /// Where to PUT it.
    pub url: String,
    /// Its bytes, exactly.
    pub size: u64,
}

/// `GET /storage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageResponse {
    /// Bytes of the caller's uploads and results.
    pub used_bytes: u64,
    /// As many as there may be.
    pub limit_bytes: u64,
}

/// `GET /videos/{id}/upload-parts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadPartsResponse {
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// Number of parts.
    pub part_count: u32,
    /// Fresh URLs of those of the asked parts that there are, at most 100.
    pub parts: Vec<UploadPart>,
    /// The parts that have arrived.
    pub uploaded: Vec<UploadedPart>,
    /// How long the URLs are good for.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadedPart {
    /// From 1.
    pub number: u32,
    /// Its bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: String,
}

/// What handing a video over answers (`complete`, `upload`, `runs`, `cancel`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcceptedResponse {
    /// The video's id.
    #[schema(value_type = String)]
    pub id: VideoId,
    /// Its status now.
    pub status: Status,
}

/// `POST /videos/{id}/runs`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// What to extract this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<OptionsBody>,
}

/// How far a worker is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What is being done: `waiting`, `reading`, `extracting`, `storing`, `done`.
    pub stage: String,
    /// 0 to 100.
    pub percent: u8,
    /// Frames written.
    pub frames_done: u64,
    /// Frames that are expected, once that is known.
    pub frames_expected: Option<u64>,
    /// Bytes read of the upload.
    pub bytes_read: u64,
}

/// What a completed video has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VideoResult {
    /// Bytes of the archive.
    pub size_bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// SHA-256 of the archive, in hex.
    pub sha256: String,
    /// What the owner should know.
    pub warnings: Vec<String>,
}

/// How [`Failure`] stands in the OpenAPI document.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = Failure)]
pub struct FailureBody {
    /// `not-a-video`, `no-video-stream`, `unsupported-container`, `unsupported-codec`, `corrupt-input`,
    /// `limit-exceeded`, `drm-protected`, `timed-out`, `decoder-crashed`, `plugin-failed` or `internal`.
    #[schema(example = "not-a-video")]
    pub code: String,
    /// What exactly went wrong.
    pub message: String,
    /// Whether running the same upload again may succeed.
    pub retryable: bool,
}

/// A video, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VideoResponse {
    /// Its id.
    #[schema(value_type = String)]
    pub id: VideoId,
    /// The name that the owner gave the file.
    pub file_name: String,
    /// Bytes of the upload.
    pub size_bytes: u64,
    /// Where it is in its life.
    pub status: Status,
    /// What was asked.
    pub options: OptionsBody,
    /// How far it is.
    pub progress: Progress,
    /// Attempts made so far.
    pub attempt: u32,
    /// 1 for the next one; only while `queued`.
    pub queue_position: Option<u32>,
    /// Only when `completed`.
    pub result: Option<VideoResult>,
    /// Only when `failed`.
    #[schema(value_type = Option<FailureBody>)]
    pub failure: Option<Failure>,
    /// When the record was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When a worker first took it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Time>,
    /// When its last state was reached.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Time>,
}

/// `GET /videos`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VideoPage {
    /// Newest first.
    pub items: Vec<VideoResponse>,
    /// For the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// `GET /videos/{id}/download` with `Accept: application/json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DownloadResponse {
    /// A presigned GET.
    pub url: String,
    /// How long it is good for.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
    /// Bytes of the archive.
    pub size_bytes: u64,
}
