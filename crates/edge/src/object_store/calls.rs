//! The calls that the edge makes to the object store itself.
//!
//! All of them may be repeated: a `CreateMultipartUpload` whose answer was lost leaves an upload without parts, which
//! is aborted with all others of its key when the video is deleted.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use rusty_s3::Method;
use rusty_s3::actions::{CreateMultipartUpload, ListObjectsV2, ListParts};

use super::{Endpoint, ObjectStore, Signed, xml};
use crate::ports::{Ambient, Http, Unavailable};
use crate::retry;

/// How long the edge's own presigned URLs are valid, in seconds: an upload of one part may be slow.
const OWN_TTL_S: u32 = 900;
/// Maximum of pages of a listing that are read, so that a faulty store cannot keep the edge in a loop.
const MAX_PAGES: usize = 20;

/// Size and tag of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: Option<String>,
}

/// A part that has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// From 1.
    pub number: u32,
    /// Its bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: String,
}

/// A multipart upload in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnfinishedUpload {
    /// The object's key.
    pub key: String,
    /// The upload's id.
    pub upload_id: String,
}

/// The outcome of completing a multipart upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The object is there.
    Done,
    /// There is no such upload: it was already completed, or aborted.
    NoSuchUpload,
    /// The store does not accept these parts.
    Refused(String),
}

fn unavailable(detail: impl Into<String>) -> Unavailable {
    Unavailable { what: "object store", detail: detail.into() }
}

fn text(answer: &http::Response<Bytes>) -> Result<&str, Unavailable> {
    std::str::from_utf8(answer.body()).map_err(|_| unavailable("an answer is not UTF-8"))
}

impl<H: Http, A: Ambient> ObjectStore<'_, H, A> {
    /// Size and ETag of an object; none if there is no such object.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectHead>, Unavailable> {
        let answer = self.call(Method::Head, Some(key), &[], &[], Bytes::new()).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        self.expect_success(&answer, "HeadObject")?;
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let size = header(CONTENT_LENGTH).and_then(|value| value.parse().ok());
        Ok(Some(ObjectHead {
            size: size.ok_or_else(|| unavailable("HeadObject answered without a length"))?,
            etag: header(ETAG).map(str::to_owned),
        }))
    }

    /// A range of an object; none if there is no such object, or it is too short.
    pub async fn get_range(&self, key: &str, from: u64, length: u64) -> Result<Option<Bytes>, Unavailable> {
        let range = format!("bytes={from}-{}", from + length.saturating_sub(1));
        let answer = self.call(Method::Get, Some(key), &[], &[("range", &range)], Bytes::new()).await?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::RANGE_NOT_SATISFIABLE) {
            return Ok(None);
        }
        self.expect_success(&answer, "GetObject")?;
        Ok(Some(answer.into_body()).filter(|bytes| bytes.len() as u64 == length))
    }

    /// Begins a multipart upload and returns its id.
    pub async fn create_multipart(&self, key: &str, content_type: &str) -> Result<String, Unavailable> {
        let headers = [("content-type", content_type)];
        let answer = self.call(Method::Post, Some(key), &[("uploads", "")], &headers, Bytes::new()).await?;
        self.expect_success(&answer, "CreateMultipartUpload")?;
        let parsed = CreateMultipartUpload::parse_response(text(&answer)?)
            .map_err(|error| unavailable(format!("CreateMultipartUpload: {error}")))?;
        Ok(parsed.upload_id().to_owned())
    }

    /// The parts that have arrived, by number; none if there is no such upload.
    pub async fn list_parts(
        &self,
        key: &str,
        upload_id: &str,
    ) -> Result<Option<Vec<StoredPart>>, Unavailable> {
        let mut parts = Vec::new();
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = Vec::new();
            if let Some(marker) = &marker {
                query.push(("part-number-marker", marker.as_str()));
            }
            query.push(("uploadId", upload_id));
            let answer = self.call(Method::Get, Some(key), &query, &[], Bytes::new()).await?;
            if answer.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            self.expect_success(&answer, "ListParts")?;
            // Some object stores use another name for the root element; Amazon's own clients ignore it.
            let body = text(&answer)?.replace("ListPartsResponse", "ListPartsResult");
            let page = ListParts::parse_response(&body)
                .map_err(|error| unavailable(format!("ListParts: {error}")))?;
            parts.extend(page.parts.into_iter().map(|part| StoredPart {
                number: u32::from(part.number),
                size: part.size,
                etag: part.etag,
            }));
            // The marker of the next page is present even on the last page.
            let truncated = body.contains("<IsTruncated>true</IsTruncated>");
            match page.next_part_number_marker.filter(|_| truncated) {
                Some(next) => marker = Some(next.to_string()),
                None => return Ok(Some(parts)),
            }
        }
        Err(unavailable("ListParts does not end"))
    }

    /// Completes a multipart upload of these parts, given in ascending order.
    pub async fn complete_multipart(
        &self,
        key: &str,
        upload_id: &str,
        parts: &[StoredPart],
    ) -> Result<Completion, Unavailable> {
        let parts = parts.iter().map(|part| xml::Part { number: part.number, etag: part.etag.clone() });
        let body = instant_xml::to_string(&xml::Complete { parts: parts.collect() })
            .map_err(|error| unavailable(format!("CompleteMultipartUpload: {error}")))?;
        let query = [("uploadId", upload_id)];
        let answer = self.call(Method::Post, Some(key), &query, &[], body.into()).await?;
        let code = text(&answer).ok().and_then(xml::error_code);
        match (answer.status(), code) {
            // An error may come with status 200: S3 sends the status before it has completed the upload.
            (status, None) if status.is_success() => Ok(Completion::Done),
            (StatusCode::NOT_FOUND, _) | (_, Some("NoSuchUpload")) => Ok(Completion::NoSuchUpload),
            (status, Some(code)) if status.is_client_error() && status != StatusCode::FORBIDDEN => {
                Ok(Completion::Refused(code.to_owned()))
            }
            (status, code) => Err(unavailable(format!("CompleteMultipartUpload: {status} {code:?}"))),
        }
    }

    /// Aborts a multipart upload. Succeeds if there is none.
    pub async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<(), Unavailable> {
        let query = [("uploadId", upload_id)];
        let answer = self.call(Method::Delete, Some(key), &query, &[], Bytes::new()).await?;
        self.expect_success_or_missing(&answer, "AbortMultipartUpload")
    }

    /// Aborts every multipart upload of an object.
    pub async fn abort_all(&self, key: &str) -> Result<(), Unavailable> {
        for upload in self.list_multipart_uploads(key).await? {
            self.abort_multipart(&upload.key, &upload.upload_id).await?;
        }
        Ok(())
    }

    /// The multipart uploads whose keys begin with `prefix`.
    pub async fn list_multipart_uploads(&self, prefix: &str) -> Result<Vec<UnfinishedUpload>, Unavailable> {
        let mut uploads = Vec::new();
        let mut marker: Option<(String, String)> = None;
        for _ in 0..MAX_PAGES {
            let mut query = Vec::new();
            if let Some((key, _)) = &marker {
                query.push(("key-marker", key.as_str()));
            }
            query.push(("prefix", prefix));
            if let Some((_, upload)) = &marker {
                query.push(("upload-id-marker", upload.as_str()));
            }
            query.push(("uploads", ""));
            let answer = self.call(Method::Get, None, &query, &[], Bytes::new()).await?;
            self.expect_success(&answer, "ListMultipartUploads")?;
            let page: xml::ListUploads = instant_xml::from_str(text(&answer)?)
                .map_err(|error| unavailable(format!("ListMultipartUploads: {error}")))?;
            uploads.extend(
                page.uploads
                    .into_iter()
                    .filter(|upload| upload.key.starts_with(prefix))
                    .map(|upload| UnfinishedUpload { key: upload.key, upload_id: upload.upload_id }),
            );
            match (page.is_truncated, page.next_key_marker, page.next_upload_id_marker) {
                (Some(true), Some(key), Some(upload)) => marker = Some((key, upload)),
                _ => return Ok(uploads),
            }
        }
        Err(unavailable("ListMultipartUploads does not end"))
    }

    /// The keys that begin with `prefix`.
    pub async fn list_objects(&self, prefix: &str) -> Result<Vec<String>, Unavailable> {
        let mut keys = Vec::new();
        let mut token: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = Vec::new();
            if let Some(token) = &token {
                query.push(("continuation-token", token.as_str()));
            }
            query.push(("list-type", "2"));
            query.push(("prefix", prefix));
            let answer = self.call(Method::Get, None, &query, &[], Bytes::new()).await?;
            self.expect_success(&answer, "ListObjectsV2")?;
            let page = ListObjectsV2::parse_response(text(&answer)?)
                .map_err(|error| unavailable(format!("ListObjectsV2: {error}")))?;
            keys.extend(page.contents.into_iter().map(|object| object.key));
            match page.next_continuation_token {
                Some(next) => token = Some(next),
                None => return Ok(keys),
            }
        }
        Err(unavailable("ListObjectsV2 does not end"))
    }

    /// Deletes an object. Succeeds if there is none.
    pub async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        let answer = self.call(Method::Delete, Some(key), &[], &[], Bytes::new()).await?;
        self.expect_success_or_missing(&answer, "DeleteObject")
    }

    /// Stores a whole object.
    pub async fn put(&self, key: &str, content_type: &str, body: Bytes) -> Result<(), Unavailable> {
        let headers = [("content-type", content_type)];
        let answer = self.call(Method::Put, Some(key), &[], &headers, body).await?;
        self.expect_success(&answer, "PutObject")
    }

    /// Stores one part and returns its tag.
    pub async fn upload_part(
        &self,
        key: &str,
        upload_id: &str,
        number: u32,
        body: Bytes,
    ) -> Result<StoredPart, Unavailable> {
        let size = body.len() as u64;
        let number_text = number.to_string();
        let query = [("partNumber", number_text.as_str()), ("uploadId", upload_id)];
        let answer = self.call(Method::Put, Some(key), &query, &[], body).await?;
        self.expect_success(&answer, "UploadPart")?;
        let etag = answer.headers().get(ETAG).and_then(|value| value.to_str().ok());
        let etag = etag.ok_or_else(|| unavailable("UploadPart answered without a tag"))?;
        Ok(StoredPart { number, size, etag: etag.to_owned() })
    }

    /// Whether the bucket answers.
    pub async fn ready(&self) -> Result<(), Unavailable> {
        let answer = self.call(Method::Head, None, &[], &[], Bytes::new()).await?;
        self.expect_success(&answer, "HeadBucket")
    }

    /// Sends a request, with retries.
    async fn call(
        &self,
        method: Method,
        key: Option<&str>,
        query: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<http::Response<Bytes>, Unavailable> {
        let request = || {
            let url = self.sign(Endpoint::Internal, Signed { method, key, query, headers }, OWN_TTL_S);
            let mut request = http::Request::builder().method(method.to_str()).uri(url.as_str());
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if headers.is_empty() && matches!(method, Method::Put | Method::Post) {
                // Without it, some HTTP clients send the media type of a form, which stores reject.
                request = request.header(CONTENT_TYPE, super::DEFAULT_CONTENT_TYPE);
            }
            request.body(body.clone()).map_err(|error| unavailable(format!("a request: {error}")))
        };
        let answer = retry::send(self.http, self.ambient, request).await;
        answer.map_err(|error| unavailable(error.detail))
    }

    fn expect_success(&self, answer: &http::Response<Bytes>, call: &str) -> Result<(), Unavailable> {
        if answer.status().is_success() {
            return Ok(());
        }
        let code = text(answer).ok().and_then(xml::error_code).unwrap_or("no code");
        Err(unavailable(format!("{call}: {} {code}", answer.status())))
    }

    fn expect_success_or_missing(
        &self,
        answer: &http::Response<Bytes>,
        call: &str,
    ) -> Result<(), Unavailable> {
        if answer.status() == StatusCode::NOT_FOUND { Ok(()) } else { self.expect_success(answer, call) }
    }
}
