//! `POST /videos`: creates a video and says how to upload it.

use bytes::Bytes;
use framelift_contract::options::OptionsBody;
use framelift_contract::problem::{FieldError, ProblemCode as Code};
use framelift_contract::rules;
use framelift_contract::video::{
    CreateVideoRequest, CreateVideoResponse, MultipartMethod, MultipartUpload, PutMethod, PutUpload, Status,
    Upload,
};
use framelift_domain::video::{Multipart, State};
use framelift_domain::{Limits, Video};
use http::{Response, StatusCode};

use crate::http::{Failure, Incoming, Route, json};
use crate::jobs::{NewVideo, view};
use crate::object_store::DEFAULT_CONTENT_TYPE;
use crate::openapi::{Auth, Operation, examples, typed};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::plan::{PARTS_PER_ANSWER, Plan};
use crate::service::request::request_of;
use crate::service::{Service, file, request, upload_key};

pub(super) const ROUTE: Route = Route::post("/videos");

pub(super) fn operation() -> Operation {
    Operation::new(
        ROUTE,
        "createVideo",
        "videos",
        Auth::User,
        "Create a video; the answer says how to upload it",
    )
    .idempotent()
    .json(typed(&CreateVideoRequest {
        file_name: "holiday.mp4".into(),
        size_bytes: 73_400_320,
        content_type: Some("video/mp4".into()),
        options: Some(examples::every_two_seconds()),
    }))
    .answers(
        StatusCode::CREATED,
        "The record is there; upload as `upload` says, then call `complete`.",
        typed(&CreateVideoResponse {
            id: examples::video(),
            status: Status::AwaitingUpload,
            upload: Upload::Multipart(MultipartUpload {
                method: MultipartMethod::Multipart,
                part_size: 16_777_216,
                part_count: 5,
                parts: vec![examples::part(1), examples::part(2)],
                expires_at: examples::time().plus_s(3600),
            }),
        }),
    )
    .or(&[Code::UnsupportedFileFormat, Code::FileTooLarge, Code::QuotaExceeded, Code::Unavailable])
    .or(&[Code::StorageQuotaExceeded, Code::EmailNotVerified])
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn create(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.uploader(incoming).await?;
        let idempotency = request_of(incoming, &[])?;
        let new = check(incoming.json()?, &self.config.limits, incoming)?;
        let mut video = self.jobs().create(user, new, idempotency.as_ref()).await?;
        let plan = Plan::of(video.size_bytes, &self.config.limits);
        if let (Some(plan), State::AwaitingUpload { multipart: None, .. }) = (plan, &video.state) {
            video = self.begin(&video, plan).await?;
        }
        let upload = self.upload_of(&video, plan);
        let status = view::accepted(&video).status;
        json(StatusCode::CREATED, &CreateVideoResponse { id: video.id, status, upload })
    }

    /// How to upload the video: by one PUT, or in parts if a multipart upload was begun.
    fn upload_of(&self, video: &Video, plan: Option<Plan>) -> Upload {
        let (objects, limits) = (self.objects(), &self.config.limits);
        let key = upload_key(video);
        let content_type = video.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
        let Some(plan) = plan else {
            let put = objects.presign_put(&key, content_type, video.size_bytes, limits.url_ttl_s);
            let (url, headers, expires_at) = (put.url, put.headers, put.expires_at);
            return Upload::Put(PutUpload { method: PutMethod::Put, url, headers, expires_at });
        };
        let method = MultipartMethod::Multipart;
        let State::AwaitingUpload { multipart: Some(multipart), .. } = &video.state else {
            // The request is repeated after the upload, or the video was canceled: there is nothing to upload.
            let Plan { part_size, part_count } = plan;
            let expires_at = self.ambient.now();
            let parts = Vec::new();
            return Upload::Multipart(MultipartUpload { method, part_size, part_count, parts, expires_at });
        };
        let Multipart { part_size, part_count, .. } = *multipart;
        let (parts, expires_at) = self.part_urls(video, multipart, 1, part_count.min(PARTS_PER_ANSWER));
        Upload::Multipart(MultipartUpload { method, part_size, part_count, parts, expires_at })
    }
}

/// Checks a request: first everything that does not validate, then the format, then the size.
fn check(request: CreateVideoRequest, limits: &Limits, incoming: &Incoming) -> Result<NewVideo, Failure> {
    let mut errors = Vec::new();
    errors.extend(rules::FILE_NAME.error("/file_name", &request.file_name));
    // A size above the limit of any deployment is `file-too-large`, not malformed.
    let size_bytes = u64::try_from(request.size_bytes).unwrap_or(0);
    if size_bytes < rules::SIZE_BYTES.min {
        errors.push(FieldError::new("/size_bytes", rules::SIZE_BYTES.must()));
    }
    if let Some(content_type) = &request.content_type {
        errors.extend(rules::MEDIA_TYPE.error("/content_type", content_type));
    }
    let options: Option<&OptionsBody> = request.options.as_ref();
    match request::options(options, "/options") {
        Ok(options) if errors.is_empty() => {
            file::check_format(&request.file_name)?;
            file::check_size(size_bytes, limits)?;
            Ok(NewVideo {
                file_name: request.file_name,
                size_bytes,
                content_type: request.content_type,
                options,
                correlation_id: incoming.correlation_id().clone(),
                trace_parent: incoming.trace_parent(),
            })
        }
        Ok(_) => Err(Failure::validation(errors)),
        Err(more) => {
            errors.extend(more);
            Err(Failure::validation(errors))
        }
    }
}
