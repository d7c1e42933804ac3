//! Bodies of the video calls.

use std::collections::BTreeMap;

use framelift_domain::video::{Extraction, Progress as StoredProgress, Stage};
use framelift_domain::{Checksum, Failure, Time, VideoId};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::options::OptionsBody;
use crate::rules::PERCENT;

/// A video's status.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    ToSchema,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    /// The upload has not arrived yet.
    AwaitingUpload,
    /// It waits because its owner has the maximum of videos in flight.
    Queued,
    /// In the queue that all accounts share, until a worker is free.
    Pending,
    /// A worker processes it.
    Processing,
    /// The result can be downloaded.
    Completed,
    /// There will be no result, and `failure` says why.
    Failed,
    /// The owner canceled it.
    Canceled,
    /// The upload did not arrive in time.
    Expired,
}

impl Status {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether it is a terminal status.
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

// Each variant is a named type with its own `method`: client generators cannot handle unnamed variants.
/// How to upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(discriminator(property_name = "method", mapping(
    ("PUT" = "#/components/schemas/PutUpload"),
    ("MULTIPART" = "#/components/schemas/MultipartUpload"),
)))]
pub enum Upload {
    /// In one request.
    Put(PutUpload),
    /// In parts.
    Multipart(MultipartUpload),
}

/// One presigned PUT of exactly the declared length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PutUpload {
    /// `PUT`.
    pub method: PutMethod,
    /// The URL.
    pub url: String,
    /// Headers that must be sent unchanged.
    pub headers: BTreeMap<String, String>,
    /// When the URL expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// The method of an upload in one request.
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
    /// When the URLs expire.
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
    /// The URL for the PUT.
    pub url: String,
    /// Its bytes, exactly.
    pub size: u64,
}

/// `GET /storage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageResponse {
    /// Bytes of the caller's uploads and results.
    pub used_bytes: u64,
    /// The account's limit.
    pub limit_bytes: u64,
}

/// `GET /videos/{id}/upload-parts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UploadPartsResponse {
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// Number of parts.
    pub part_count: u32,
    /// Fresh URLs of the requested parts, at most 100.
    pub parts: Vec<UploadPart>,
    /// The parts that have arrived.
    pub uploaded: Vec<UploadedPart>,
    /// When the URLs expire.
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

/// The answer of `complete`, `upload`, `runs` and `cancel`.
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

/// The progress of a video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// The current stage.
    #[schema(value_type = String)]
    pub stage: Stage,
    /// 0 to 100.
    #[serde(deserialize_with = "percent")]
    pub percent: u8,
    /// Frames written.
    pub frames_done: u64,
    /// The expected number of frames, once it is known.
    pub frames_expected: Option<u64>,
    /// Bytes read of the upload.
    pub bytes_read: u64,
}

/// Reads a percentage, and refuses more than 100.
fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    let value = i64::deserialize(deserializer)?;
    PERCENT.of(value).map(|value| value as u8).ok_or_else(|| D::Error::custom(PERCENT.must()))
}

impl From<StoredProgress> for Progress {
    fn from(progress: StoredProgress) -> Self {
        let StoredProgress { stage, percent, frames_done, frames_expected, bytes_read, .. } = progress;
        Self { stage, percent, frames_done, frames_expected, bytes_read }
    }
}

impl From<Progress> for StoredProgress {
    fn from(progress: Progress) -> Self {
        let Progress { stage, percent, frames_done, frames_expected, bytes_read } = progress;
        Self { stage, percent, frames_done, frames_expected, bytes_read, decoded_ms: 0 }
    }
}

/// The result of a completed video.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VideoResult {
    /// Bytes of the archive.
    pub size_bytes: u64,
    /// Frames in it.
    pub frames: u64,
    /// SHA-256 of the archive, in hexadecimal.
    #[schema(value_type = String)]
    pub sha256: Checksum,
    /// Warnings for the owner.
    pub warnings: Vec<String>,
    /// Whether single frames can be fetched (`GET /videos/{id}/frames`); older results have the archive alone,
    /// and this is absent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub indexed: bool,
}

impl From<&Extraction> for VideoResult {
    fn from(made: &Extraction) -> Self {
        Self {
            size_bytes: made.size_bytes,
            frames: made.frames,
            sha256: made.sha256,
            warnings: made.warnings.clone(),
            indexed: made.indexed,
        }
    }
}

/// The schema of [`Failure`] in the OpenAPI document.
#[derive(Clone, Debug, ToSchema)]
#[schema(as = Failure)]
pub struct FailureBody {
    /// `not-a-video`, `no-video-stream`, `unsupported-container`, `unsupported-codec`, `corrupt-input`,
    /// `limit-exceeded`, `drm-protected`, `timed-out`, `decoder-crashed`, `plugin-failed` or `internal`.
    #[schema(example = "not-a-video")]
    pub code: String,
    /// What went wrong.
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
    /// Its status.
    pub status: Status,
    /// The options, every default spelled out.
    pub options: OptionsBody,
    /// Its progress.
    pub progress: Progress,
    /// Attempts made so far.
    pub attempt: u32,
    /// The position among the owner's own `queued` videos, 1 for the next one; only while `queued`. A `pending` video waits
    /// in the queue that all accounts share, which serves them in turn, and has no position: none can be told that would be
    /// true, because the queue cannot be read.
    pub queue_position: Option<u32>,
    /// Only when `completed`.
    pub result: Option<VideoResult>,
    /// Only when `failed`.
    #[schema(value_type = Option<FailureBody>)]
    pub failure: Option<Failure>,
    /// When the record was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When a worker first claimed it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Time>,
    /// When it reached its terminal status.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Time>,
}

/// `GET /videos`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VideoPage {
    /// Newest first.
    pub items: Vec<VideoResponse>,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
}

/// `GET /videos/{id}/download` with `Accept: application/json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DownloadResponse {
    /// A presigned GET.
    pub url: String,
    /// When it expires.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
    /// Bytes of the archive.
    pub size_bytes: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use strum::VariantNames;

    use super::*;

    #[test]
    fn names_are_those_of_the_wire() {
        for name in Status::VARIANTS {
            let status: Status = serde_json::from_value(Value::from(*name)).unwrap();
            assert_eq!((status.as_str(), name.parse()), (*name, Ok(status)));
        }
        for name in Stage::VARIANTS {
            let stage: Stage = serde_json::from_value(Value::from(*name)).unwrap();
            assert_eq!((stage.as_str(), name.parse()), (*name, Ok(stage)));
        }
    }

    #[test]
    fn progress_is_read_strictly() {
        let read = |stage: &str, percent: i64| {
            serde_json::from_value::<Progress>(serde_json::json!({
                "stage": stage, "percent": percent, "frames_done": 0, "frames_expected": null, "bytes_read": 0
            }))
        };
        assert!(read("reading", 0).is_ok() && read("done", 100).is_ok());
        assert!(read("sleeping", 0).is_err() && read("done", 101).is_err() && read("done", -1).is_err());
    }
}
