//! Component `videos`: making, listing, showing, calling off, running again and deleting videos.

use bytes::Bytes;
use framelift_contract::options::OptionsBody;
use framelift_contract::video::{
    CreateVideoRequest, CreateVideoResponse, RunRequest, Status, Upload, VideoPage,
};
use framelift_domain::video::{Multipart, State};
use framelift_domain::{Limits, Video};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::plan::{PARTS_PER_ANSWER, Plan};
use super::{Videos, file, request, upload_key};
use crate::http::{BodyError, Failure, Incoming, Route, Router, RouterOnce, answer, empty, json};
use crate::jobs::{Idempotency, NewVideo, view};
use crate::object_store::DEFAULT_CONTENT_TYPE;
use crate::ports::{Ambient, Http, Kv, Queue};

/// The calls of this component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// A new video.
    Create,
    /// The caller's videos.
    List,
    /// One of them.
    Get,
    /// Its end.
    Delete,
    /// Calls it off.
    Cancel,
    /// Processes its upload again.
    Run,
}

/// Where the calls are.
pub const ROUTES: &[Route<Call>] = &[
    Route::new(Method::POST, "/videos", Call::Create),
    Route::new(Method::GET, "/videos", Call::List),
    Route::new(Method::GET, "/videos/{id}", Call::Get),
    Route::new(Method::DELETE, "/videos/{id}", Call::Delete),
    Route::new(Method::POST, "/videos/{id}/cancel", Call::Cancel),
    Route::new(Method::POST, "/videos/{id}/runs", Call::Run),
];

/// The table, read once in the life of an instance.
static ROUTER: RouterOnce<Call> = RouterOnce::new(|| Router::new(ROUTES));

/// Answers one request. `service` is an error when the store or the configuration is not
/// there.
pub async fn serve<K: Kv, Q: Queue, H: Http, A: Ambient>(
    service: Result<Videos<'_, K, Q, H, A>, Failure>,
    ambient: &A,
    parts: Parts,
    body: Result<Bytes, BodyError>,
) -> Response<Bytes> {
    let handler = async |call, incoming: &Incoming| {
        let service = service?;
        match call {
            Call::Create => service.create(incoming).await,
            Call::List => service.list(incoming).await,
            Call::Get => service.get(incoming).await,
            Call::Delete => service.delete(incoming).await,
            Call::Cancel => service.cancel(incoming).await,
            Call::Run => service.run(incoming).await,
        }
    };
    answer(&ROUTER, ambient, parts, body, handler).await
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Videos<'_, K, Q, H, A> {
    async fn create(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let idempotency = request_of(incoming, &[])?;
        let new = check(incoming.json()?, &self.config.limits, incoming)?;
        let video = self.jobs().create(user, new, idempotency.as_ref()).await?;
        let upload = self.upload_of(&video).await?;
        let status = view::accepted(&video).status;
        json(StatusCode::CREATED, &CreateVideoResponse { id: video.id, status, upload })
    }

    /// How the video is uploaded; begins the multipart upload of a large one.
    async fn upload_of(&self, video: &Video) -> Result<Upload, Failure> {
        let (objects, limits) = (self.objects(), &self.config.limits);
        let key = upload_key(video);
        let content_type = video.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
        let Some(plan) = Plan::of(video.size_bytes, limits) else {
            let put = objects.presign_put(&key, content_type, video.size_bytes, limits.url_ttl_s);
            return Ok(Upload::Put { url: put.url, headers: put.headers, expires_at: put.expires_at });
        };
        let multipart = match &video.state {
            State::AwaitingUpload { multipart: Some(known), .. } => Some(known.clone()),
            State::AwaitingUpload { multipart: None, .. } => Some(self.begin(video, plan).await?),
            // The same request once more, after the upload: there is nothing to send any more.
            _ => None,
        };
        let Some(multipart) = multipart else {
            return Ok(Upload::Multipart {
                part_size: plan.part_size,
                part_count: plan.part_count,
                parts: Vec::new(),
                expires_at: self.ambient.now(),
            });
        };
        let last = multipart.part_count.min(PARTS_PER_ANSWER);
        let (parts, expires_at) = self.part_urls(video, &multipart, 1, last);
        Ok(Upload::Multipart {
            part_size: multipart.part_size,
            part_count: multipart.part_count,
            parts,
            expires_at,
        })
    }

    /// Begins a multipart upload, or finds the one that somebody else began meanwhile.
    pub(super) async fn begin(&self, video: &Video, plan: Plan) -> Result<Multipart, Failure> {
        let (objects, key) = (self.objects(), upload_key(video));
        let content_type = video.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
        let upload_id = objects.create_multipart(&key, content_type).await?;
        let ours = Multipart { upload_id, part_size: plan.part_size, part_count: plan.part_count };
        let kept = self.jobs().multipart_begun(video.owner, video.id, ours.clone()).await;
        let kept = kept.map(|video| video.state.multipart().cloned().unwrap_or_else(|| ours.clone()));
        if !matches!(&kept, Ok(kept) if *kept == ours) {
            objects.abort_multipart(&key, &ours.upload_id).await?;
        }
        Ok(kept?)
    }

    async fn list(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let query = incoming.query(&["limit", "cursor", "status"])?;
        let limit = query.bounded("limit", 1, 100, 20)?;
        let status = match query.get("status") {
            None => None,
            Some(text) => Some(status(text)?),
        };
        let page = self.jobs().list(user, query.get("cursor"), limit, status).await?;
        let items = page.items.iter().map(view::video).collect();
        request::tagged(incoming.headers(), &VideoPage { items, next_cursor: page.next_cursor })
    }

    async fn get(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let found = self.jobs().find(user, incoming.video_id()?).await?;
        request::tagged(incoming.headers(), &view::video(&found))
    }

    async fn delete(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let cleanup = self.jobs().delete(user, incoming.video_id()?).await?;
        self.remove(&cleanup).await?;
        self.jobs().removed(cleanup.video).await?;
        Ok(empty(StatusCode::NO_CONTENT))
    }

    async fn cancel(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let reported = self.jobs().cancel(user, incoming.video_id()?).await?;
        self.try_remove(reported.cleanup.as_ref(), incoming.correlation_id()).await;
        json(StatusCode::ACCEPTED, &view::accepted(&reported.video))
    }

    async fn run(&self, incoming: &Incoming) -> Result<Response<Bytes>, Failure> {
        let user = self.caller(incoming).await?;
        let id = incoming.video_id()?;
        let body: RunRequest = incoming.json_or_default()?;
        let options = request::options(body.options.as_ref(), "/options").map_err(Failure::validation)?;
        let idempotency = request_of(incoming, &[])?;
        let correlation_id = incoming.correlation_id().clone();
        let video = self.jobs().run(user, id, options, correlation_id, idempotency.as_ref()).await?;
        json(StatusCode::ACCEPTED, &view::handed_over(&video))
    }
}

/// The request as its idempotency key remembers it, if it has one.
pub(super) fn request_of(incoming: &Incoming, more: &[&[u8]]) -> Result<Option<Idempotency>, Failure> {
    let Some(key) = request::idempotency_key(incoming)? else { return Ok(None) };
    let mut parts = vec![incoming.method().as_str().as_bytes(), incoming.path().as_bytes(), incoming.body()];
    parts.extend_from_slice(more);
    Ok(Some(Idempotency { key: key.to_owned(), request_hash: request::digest(&parts) }))
}

/// The new video that a request asks for: first everything that does not validate, then the
/// format, then the size.
fn check(request: CreateVideoRequest, limits: &Limits, incoming: &Incoming) -> Result<NewVideo, Failure> {
    let mut errors = Vec::new();
    errors.extend(file::name_error("/file_name", &request.file_name));
    let size_bytes = u64::try_from(request.size_bytes).unwrap_or(0);
    if size_bytes == 0 {
        errors.push(framelift_contract::problem::FieldError::new("/size_bytes", "must be at least 1"));
    }
    if let Some(content_type) = &request.content_type {
        errors.extend(file::content_type_error("/content_type", content_type));
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
            })
        }
        Ok(_) => Err(Failure::validation(errors)),
        Err(more) => {
            errors.extend(more);
            Err(Failure::validation(errors))
        }
    }
}

fn status(text: &str) -> Result<Status, Failure> {
    let found = Status::ALL.into_iter().find(|status| status.as_str() == text);
    let names = || Status::ALL.map(Status::as_str).join(", ");
    found.ok_or_else(|| Failure::field("?status", format!("must be one of {}", names())))
}
