//! `POST /videos/upload`: forwards a file to the object store while it arrives.
//!
//! At most two parts are in memory: one that is being stored, one that is being read. A file of one part is one PUT.
//! The record is created before the first byte is stored, so that the sweep finds an interrupted upload. When the
//! client disconnects, the upload is aborted and the record deleted. [`super::once`] handles idempotency keys.

use bytes::Bytes;
use framelift_contract::options::OptionsBody;
use framelift_contract::problem::{FieldError, ProblemCode as Code};
use framelift_contract::rules::{FILE_NAME, MEDIA_TYPE, VIDEO_FILE_NAME};
use framelift_contract::video::Status;
use framelift_domain::video::{Multipart, State};
use framelift_domain::{Options, UserId, Video};
use http::header::CONTENT_LENGTH;
use http::{Response, StatusCode};
use utoipa::ToSchema as _;
use utoipa::openapi::Ref;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};

use super::form::{self, File};
use super::once::{self, LeasedSource, Sender};
use super::{incomplete, is_past_upload};
use crate::http::{Failure, Incoming, RequestBody, Route, declared_length};
use crate::jobs::{JobError, NewVideo, UploadClaim};
use crate::object_store::{Completion, DEFAULT_CONTENT_TYPE, ObjectStore};
use crate::openapi::{Auth, Operation, binary, examples, schema_of};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::plan::{MAX_PARTS, MIN_PART_BYTES, Plan};
use crate::service::request::request_of;
use crate::service::stream::{PartReader, RawBody, Source};
use crate::service::{IDEMPOTENCY_KEY, Service, file, upload_key};

pub(super) const ROUTE: Route = Route::post("/videos/upload");

pub(super) fn operation() -> Operation {
    let options = Ref::from_schema_name(OptionsBody::name());
    let form = ObjectBuilder::new()
        .property("file", binary())
        .property("options", options)
        .required("file")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    Operation::new(ROUTE, "uploadVideo", "videos", Auth::User, "Upload a video in one request")
        .about(
            "For clients that have only curl. Either a form with the field `file` (and, optionally, `options` as \
             JSON), or the file itself as the body with `?file_name=`.",
        )
        .query("file_name", "The file's name; needed when the body is the file itself.", schema_of(&VIDEO_FILE_NAME))
        .query_json::<OptionsBody>("options", "What to extract, when the body is the file itself.")
        .idempotent()
        .raw("multipart/form-data", form.into())
        .raw("application/octet-stream", binary())
        .answers(StatusCode::ACCEPTED, "The video is handed over.", examples::accepted(Status::Pending))
        .or(&[Code::BadRequest, Code::PayloadTooLarge, Code::UnsupportedMediaType])
        .or(&[Code::UnsupportedFileFormat, Code::FileTooLarge, Code::QuotaExceeded, Code::Unavailable])
        .or(&[Code::StorageQuotaExceeded, Code::EmailNotVerified])
        .or(&[Code::UploadIncomplete, Code::IdempotencyInProgress, Code::ProcessingAlreadyFinished])
}

/// The pointer of an error about the file's media type: a header.
const HEADER_POINTER: &str = "content-type";

/// Bytes of a part. An object has at most 10,000 of them.
const PART_BYTES: usize = MIN_PART_BYTES as usize;

/// The description of a file, known before its first byte.
struct Announced {
    file_name: String,
    content_type: Option<String>,
    options: Options,
    /// Its length, where the request declares one.
    length: Option<u64>,
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    pub(super) async fn upload(
        &self,
        incoming: &Incoming,
        body: impl RequestBody,
    ) -> Result<Response<Bytes>, Failure> {
        let user = self.uploader(incoming).await?;
        let query = incoming.query(&["file_name", "options"])?;
        let options = match query.get("options") {
            Some(text) if !text.is_empty() => form::options(text.as_bytes(), "?options")?,
            _ => Options::default(),
        };
        if let Err(JobError::PluginsRefused(errors)) = self.jobs().pin(user, &options).await {
            return Err(Failure::validation(errors).within("?options"));
        }
        let limit = self.stream_limit();
        incoming.check_not_coded()?;
        if let Some(boundary) = form::boundary(incoming)? {
            // The other fields of a form are small, so a form that is too large is refused at once.
            if declared_length(incoming.headers()).is_some_and(|length| length > form::most_bytes(limit)) {
                return Err(file::too_large(limit));
            }
            let form = form::form(body, boundary, limit);
            return self.upload_form(incoming, user, form, query.get("file_name"), options).await;
        }
        let length = content_length(incoming)?;
        let content_type = incoming.header(&http::header::CONTENT_TYPE)?.map(str::to_owned);
        let file_name = query
            .get("file_name")
            .ok_or_else(|| Failure::field("?file_name", "is needed when the body is the file itself"))?;
        let announced = Announced { file_name: file_name.to_owned(), content_type, options, length };
        announced.check("?file_name", limit)?;
        let video =
            self.receive(incoming, user, announced, File::Raw(RawBody(body)), async || Ok(None)).await?;
        self.hand_over(&video).await
    }

    /// Reads a form with its fields in any order. The file is stored while it arrives, options may follow it.
    async fn upload_form(
        &self,
        incoming: &Incoming,
        user: UserId,
        mut form: multer::Multipart<'static>,
        file_name: Option<&str>,
        mut options: Options,
    ) -> Result<Response<Bytes>, Failure> {
        let mut seen_options = false;
        loop {
            let field = form.next_field().await.map_err(|error| form::form_failure(&error))?;
            let Some(field) = field else { return Err(Failure::field("/file", "is missing in the form")) };
            match field.name() {
                Some("options") if !seen_options => {
                    let text = field.bytes().await.map_err(|error| form::form_failure(&error))?;
                    options = form::options(&text, "/options")?;
                    seen_options = true;
                }
                Some("file") => {
                    let name = match file_name {
                        Some(name) => name.to_owned(),
                        None => form::file_name(&field)?,
                    };
                    let content_type = field.content_type().map(ToString::to_string);
                    let announced = Announced { file_name: name, content_type, options, length: None };
                    announced.check("/file", self.stream_limit())?;
                    let file: File<http_body_util::Empty<Bytes>> = File::Field(Box::new(field));
                    let read_rest = async || options_after_file(&mut form, seen_options).await;
                    let video = self.receive(incoming, user, announced, file, read_rest).await?;
                    return self.hand_over(&video).await;
                }
                _ => return Err(form::unexpected(&field)),
            }
        }
    }

    /// Creates the record, stores the file, and records what is known only then: the size, and options that `read_rest`
    /// reads behind it. A failed upload leaves nothing.
    async fn receive<S: Source>(
        &self,
        incoming: &Incoming,
        user: UserId,
        announced: Announced,
        file: S,
        read_rest: impl AsyncFnOnce() -> Result<Option<Options>, Failure>,
    ) -> Result<Video, Failure> {
        let sender = Sender::new(self.jobs());
        let file = LeasedSource { source: file, sender: &sender };
        let keyed = incoming.headers().contains_key(IDEMPOTENCY_KEY);
        let mut part_reader =
            PartReader::new(file, PART_BYTES, self.stream_limit()).expecting(announced.length).hashing(keyed);
        let first_part = part_reader.next_part().await?;
        let Some(first_part) = first_part else { return Err(Failure::field("/file", "must not be empty")) };
        let length = announced.length.map(|length| length.to_string()).unwrap_or_default();
        let described = serde_json::to_vec(&OptionsBody::spelled_out(&announced.options));
        let described = described.map_err(Failure::internal)?;
        let request = request_of(incoming, &[announced.file_name.as_bytes(), &described, length.as_bytes()])?;
        let new = NewVideo {
            file_name: announced.file_name,
            // Corrected after the last byte.
            size_bytes: announced.length.unwrap_or(first_part.len() as u64),
            content_type: announced.content_type,
            options: announced.options.clone(),
            correlation_id: incoming.correlation_id().clone(),
            trace_parent: incoming.trace_parent(),
        };
        let video = self.jobs().create(user, new, request.as_ref()).await?;
        let past = is_past_upload(&video)?;
        if let Some(request) = &request {
            let claimed = if past {
                Err(self.jobs().stored_digest(user, request).await?)
            } else {
                match self.jobs().acquire_upload_lease(user, video.id, request).await? {
                    UploadClaim::Acquired(lease) => Ok(lease),
                    UploadClaim::Stored(digest) => Err(Some(digest)),
                }
            };
            match claimed {
                Ok(lease) => sender.set_lease(lease),
                Err(known) => {
                    return self.compare(video, known, part_reader, announced.options, read_rest).await;
                }
            }
        }
        let outcome = async {
            self.store(&video, first_part, &mut part_reader, &sender).await?;
            let (size_bytes, sha256) = (part_reader.bytes_read(), part_reader.sha256());
            // A form can be read on only after its last field was dropped.
            drop(part_reader);
            let options = read_rest().await?.unwrap_or(announced.options);
            sender.renew().await?;
            let video = self.jobs().measured(user, video.id, size_bytes, Some(&options)).await?;
            sender.complete(once::digest(sha256, size_bytes, &options)?).await?;
            Ok(video)
        };
        match outcome.await {
            Ok(video) => Ok(video),
            Err(failure) => {
                if !sender.release().await {
                    self.discard(&video).await;
                }
                Err(failure)
            }
        }
    }

    /// Stores a file whose first part was read.
    async fn store<S: Source>(
        &self,
        video: &Video,
        first_part: Bytes,
        part_reader: &mut PartReader<S>,
        sender: &Sender<'_, K, Q, ObjectStore<'_, H, A>, A>,
    ) -> Result<(), Failure> {
        let (objects, key) = (self.objects(), upload_key(video));
        let Some(second_part) = part_reader.next_part().await? else {
            let content_type = video.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
            sender.renew().await?;
            return Ok(objects.put(&key, content_type, first_part).await?);
        };
        // The number of parts is not known yet. Only this call uploads parts.
        let plan = Plan { part_size: MIN_PART_BYTES, part_count: MAX_PARTS as u32 };
        let multipart: Multipart = match video.state.multipart() {
            Some(known) => self.resume_multipart(video, known).await?,
            None => match self.begin(video, plan).await?.state {
                State::AwaitingUpload { multipart: Some(begun), .. } => begun,
                _ => return Err(JobError::AlreadyFinished.into()),
            },
        };
        let parts =
            self.send_parts(&key, &multipart.upload_id, [first_part, second_part], part_reader).await?;
        sender.renew().await?;
        match objects.complete_multipart(&key, &multipart.upload_id, &parts).await? {
            Completion::Done => Ok(()),
            Completion::NoSuchUpload => Err(incomplete("the upload was aborted by somebody else")),
            Completion::Refused(code) => Err(incomplete(format!("the store refused the parts: {code}"))),
        }
    }

    /// The multipart upload of an earlier attempt, or a new one if that has ended.
    async fn resume_multipart(&self, video: &Video, known: &Multipart) -> Result<Multipart, Failure> {
        let (objects, key) = (self.objects(), upload_key(video));
        if objects.list_parts(&key, &known.upload_id).await?.is_some() {
            return Ok(known.clone());
        }
        // The record keeps the id of the first one. If this call fails, the bucket's lifecycle rule aborts the new one.
        let content_type = video.content_type.as_deref().unwrap_or(DEFAULT_CONTENT_TYPE);
        let upload_id = objects.create_multipart(&key, content_type).await?;
        Ok(Multipart { upload_id, ..known.clone() })
    }

    /// Deletes the record of a failed upload. Errors are ignored, because the record also expires. Not called with an
    /// idempotency key: then the record is kept for the repeated request.
    async fn discard(&self, video: &Video) {
        let _ = self.jobs().delete(video.owner, video.id).await;
    }

    /// Maximum of bytes of a file.
    fn stream_limit(&self) -> u64 {
        self.config.limits.max_upload_bytes.min(MAX_PARTS * MIN_PART_BYTES)
    }
}

impl Announced {
    fn check(&self, pointer: &str, limit: u64) -> Result<(), Failure> {
        let mut errors: Vec<FieldError> = Vec::new();
        errors.extend(FILE_NAME.error(pointer, &self.file_name));
        if let Some(content_type) = &self.content_type {
            errors.extend(MEDIA_TYPE.error(HEADER_POINTER, content_type));
        }
        if !errors.is_empty() {
            return Err(Failure::validation(errors));
        }
        file::check_format(&self.file_name)?;
        match self.length {
            Some(length) if length > limit => Err(file::too_large(limit)),
            _ => Ok(()),
        }
    }
}

/// The request's `Content-Length`.
fn content_length(incoming: &Incoming) -> Result<Option<u64>, Failure> {
    let malformed = |_| Failure::new(Code::BadRequest, "Content-Length is not a number");
    incoming.header(&CONTENT_LENGTH)?.map(|value| value.parse().map_err(malformed)).transpose()
}

/// Reads the fields of a form behind its file: at most options.
async fn options_after_file(
    form: &mut multer::Multipart<'static>,
    seen_options: bool,
) -> Result<Option<Options>, Failure> {
    let mut options = None;
    while let Some(field) = form.next_field().await.map_err(|error| form::form_failure(&error))? {
        if field.name() != Some("options") || seen_options || options.is_some() {
            return Err(form::unexpected(&field));
        }
        let text = field.bytes().await.map_err(|error| form::form_failure(&error))?;
        options = Some(form::options(&text, "/options")?);
    }
    Ok(options)
}
