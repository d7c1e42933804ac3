//! The operations of the components `uploads`, `videos` and `downloads`.

use framelift_contract::options::{OptionsBody, SelectBody};
use framelift_contract::problem::ProblemCode as Code;
use framelift_contract::video::{
    AcceptedResponse, CreateVideoRequest, CreateVideoResponse, DownloadResponse, Progress, RunRequest,
    Status, Upload, UploadPart, UploadPartsResponse, UploadedPart, VideoPage, VideoResponse, VideoResult,
};
use framelift_domain::{Options, VideoId};
use http::{Method, StatusCode};
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::accounts::example_time;
use super::operation::{Auth, Operation, Payload, integer, text, typed};

pub(super) fn example_video() -> VideoId {
    VideoId::new(1_700_000_000_000, [9; 10])
}

const IDEMPOTENCY: &str = "1 to 64 characters; for 24 hours the same key and body give the same answer.";
/// What a call on one of the caller's own videos may be answered with.
const OWN: &[Code] = &[Code::VideoNotFound, Code::VideoNotOwned, Code::Unavailable];

fn signed_url(name: &str) -> String {
    format!("https://objects.example.com/framelift/uploads/{name}?X-Amz-Signature=…")
}

fn accepted(status: Status) -> Payload {
    typed(&AcceptedResponse { id: example_video(), status })
}

fn every_two_seconds() -> OptionsBody {
    let select = SelectBody { every: Some("2s".into()), ..SelectBody::default() };
    OptionsBody { select: Some(select), ..OptionsBody::default() }
}

fn record() -> VideoResponse {
    VideoResponse {
        id: example_video(),
        file_name: "holiday.mp4".into(),
        size_bytes: 73_400_320,
        status: Status::Completed,
        options: OptionsBody::spelled_out(&Options::default()),
        progress: Progress {
            stage: "done".into(),
            percent: 100,
            frames_done: 60,
            frames_expected: Some(60),
            bytes_read: 73_400_320,
        },
        attempt: 1,
        queue_position: None,
        result: Some(VideoResult {
            size_bytes: 9_437_184,
            frames: 60,
            sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
            warnings: Vec::new(),
        }),
        failure: None,
        created_at: example_time(),
        started_at: Some(example_time().plus_s(5)),
        completed_at: Some(example_time().plus_s(9)),
    }
}

/// A file's bytes.
fn bytes() -> Schema {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
        .into()
}

/// The table.
pub(super) fn operations() -> Vec<Operation> {
    [uploads(), records(), changes(), vec![download()]].concat()
}

fn op(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(method, path, id, "videos", Auth::User, summary)
}

fn uploads() -> Vec<Operation> {
    let part = |number| UploadPart { number, url: signed_url(&format!("part-{number}")), size: 16_777_216 };
    let form = ObjectBuilder::new().property("file", bytes()).property("options", text()).required("file");
    let new_upload = [
        Code::UnsupportedFileFormat,
        Code::FileTooLarge,
        Code::QuotaExceeded,
        Code::IdempotencyKeyReused,
        Code::Unavailable,
    ];
    vec![
        op(Method::POST, "/videos", "createVideo", "Announce a video and learn how to upload it")
            .header("Idempotency-Key", IDEMPOTENCY)
            .or(&[Code::BadRequest])
            .json(typed(&CreateVideoRequest {
                file_name: "holiday.mp4".into(),
                size_bytes: 73_400_320,
                content_type: Some("video/mp4".into()),
                options: Some(every_two_seconds()),
            }))
            .answers(
                StatusCode::CREATED,
                "The record is there; upload as `upload` says, then call `complete`.",
                typed(&CreateVideoResponse {
                    id: example_video(),
                    status: Status::AwaitingUpload,
                    upload: Upload::Multipart {
                        part_size: 16_777_216,
                        part_count: 5,
                        parts: vec![part(1), part(2)],
                        expires_at: example_time().plus_s(3600),
                    },
                }),
            )
            .or(&new_upload),
        op(Method::POST, "/videos/upload", "uploadVideo", "Upload a video in one request")
            .about(
                "For clients that have only curl. Either a form with the field `file` (and, optionally, `options` as \
                 JSON), or the file itself as the body with `?file_name=`.",
            )
            .query("file_name", "The file's name; needed when the body is the file itself.", text())
            .query("options", "The options as JSON.", text())
            .header("Idempotency-Key", IDEMPOTENCY)
            .or(&[Code::BadRequest])
            .raw("multipart/form-data", form.into())
            .raw("application/octet-stream", bytes())
            .answers(StatusCode::ACCEPTED, "The video is handed over.", accepted(Status::Pending))
            .or(&[Code::PayloadTooLarge, Code::UploadIncomplete, Code::IdempotencyInProgress])
            .or(&new_upload),
        op(Method::GET, "/videos/{id}/upload-parts", "getUploadParts", "Fresh URLs for the parts of a multipart upload")
            .query("from", "The first part, from 1.", integer(1, 10_000, Some(1)))
            .query("to", "The last part; at most 100 parts are answered.", integer(1, 10_000, None))
            .answers(
                StatusCode::OK,
                "The URLs, and the parts that have arrived.",
                typed(&UploadPartsResponse {
                    part_size: 16_777_216,
                    part_count: 5,
                    parts: vec![part(2)],
                    uploaded: vec![UploadedPart { number: 1, size: 16_777_216, etag: "\"5d41402a\"".into() }],
                    expires_at: example_time().plus_s(3600),
                }),
            )
            .or(OWN)
            .or(&[Code::NotFound, Code::ProcessingAlreadyFinished, Code::UploadIncomplete]),
        op(Method::POST, "/videos/{id}/complete", "completeUpload", "Hand an uploaded video over")
            .about("Checks that the object is there and has the declared size. May be repeated.")
            .header("Idempotency-Key", IDEMPOTENCY)
            .or(&[Code::BadRequest])
            .answers(StatusCode::ACCEPTED, "`pending`, or `queued` behind the caller's other videos.", accepted(Status::Pending))
            .or(OWN)
            .or(&[Code::UploadIncomplete, Code::ProcessingAlreadyFinished, Code::IdempotencyKeyReused]),
    ]
}

fn records() -> Vec<Operation> {
    vec![
        op(Method::GET, "/videos", "listVideos", "The caller's videos, newest first")
            .query("limit", "Videos on the page.", integer(1, 100, Some(20)))
            .query("cursor", "`next_cursor` of the page before.", text())
            .query("status", "Only videos of this status.", text())
            .header("If-None-Match", "The `ETag` of an earlier answer.")
            .answers_with(
                StatusCode::OK,
                "A page.",
                typed(&VideoPage { items: vec![record()], next_cursor: None }),
                &["ETag"],
            )
            .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
            .or(&[Code::Unavailable]),
        op(Method::GET, "/videos/{id}", "getVideo", "One video")
            .header("If-None-Match", "The `ETag` of an earlier answer.")
            .answers_with(StatusCode::OK, "The video.", typed(&record()), &["ETag"])
            .answers_with(StatusCode::NOT_MODIFIED, "As before.", Payload::Empty, &["ETag"])
            .or(OWN),
    ]
}

fn changes() -> Vec<Operation> {
    vec![
        op(Method::POST, "/videos/{id}/cancel", "cancelVideo", "Call a video off")
            .answers(StatusCode::ACCEPTED, "It is canceled.", accepted(Status::Canceled))
            .or(OWN)
            .or(&[Code::ProcessingAlreadyFinished]),
        op(Method::POST, "/videos/{id}/runs", "runAgain", "Process the same upload again with other options")
            .about("Makes a new video; a completed one is never processed again.")
            .header("Idempotency-Key", IDEMPOTENCY)
            .or(&[Code::BadRequest])
            .json(typed(&RunRequest { options: Some(every_two_seconds()) }))
            .body_optional()
            .answers(StatusCode::ACCEPTED, "The new video is handed over.", accepted(Status::Pending))
            .or(OWN)
            .or(&[
                Code::UploadIncomplete,
                Code::SourceExpired,
                Code::QuotaExceeded,
                Code::IdempotencyKeyReused,
            ]),
        op(Method::DELETE, "/videos/{id}", "deleteVideo", "Delete a video, its upload and its result")
            .answers(StatusCode::NO_CONTENT, "It is gone.", Payload::Empty)
            .or(OWN),
    ]
}

fn download() -> Operation {
    op(Method::GET, "/videos/{id}/download", "downloadResult", "The ZIP archive of the frames")
        .header("Accept", "`application/json` for the URL in a body instead of a redirect.")
        .answers(
            StatusCode::OK,
            "Where the archive is, when JSON was asked for.",
            typed(&DownloadResponse {
                url: "https://objects.example.com/framelift/results/1.zip?X-Amz-Signature=…".into(),
                expires_at: example_time().plus_s(3600),
                size_bytes: 9_437_184,
            }),
        )
        .answers_with(StatusCode::FOUND, "Where the archive is.", Payload::Empty, &["Location"])
        .or(OWN)
        .or(&[Code::ProcessingNotFinished, Code::ResultExpired])
}
