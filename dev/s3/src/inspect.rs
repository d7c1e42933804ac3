//! Lets tests read and write objects without a request, so without signatures and faults.

use bytes::Bytes;
use futures::StreamExt as _;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request};

use crate::S3Server;

/// An object with its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its media type.
    pub content_type: Option<String>,
}

fn request<T>(input: T) -> S3Request<T> {
    S3Request {
        input,
        method: http::Method::GET,
        uri: http::Uri::default(),
        headers: http::HeaderMap::new(),
        extensions: http::Extensions::new(),
        credentials: None,
        region: None,
        service: None,
        trailing_headers: None,
    }
}

impl S3Server {
    /// The first 1,000 keys that begin with `prefix`.
    ///
    /// # Errors
    /// There is no such bucket, or the store fails.
    pub async fn keys(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, S3Error> {
        let (bucket, prefix) = (bucket.to_owned(), Some(prefix.to_owned()));
        let input = ListObjectsV2Input { bucket, prefix, ..Default::default() };
        let found = self.api.list_objects_v2(request(input)).await?.output.contents;
        Ok(found.into_iter().flatten().filter_map(|object| object.key).collect())
    }

    /// Returns an object; `None` if it does not exist.
    ///
    /// # Errors
    /// The store fails.
    pub async fn object(&self, bucket: &str, key: &str) -> Result<Option<Object>, S3Error> {
        let input = GetObjectInput { bucket: bucket.to_owned(), key: key.to_owned(), ..Default::default() };
        let output = match self.api.get_object(request(input)).await {
            Ok(response) => response.output,
            Err(error) if error.code().as_str() == "NoSuchKey" => return Ok(None),
            Err(error) => return Err(error),
        };
        let (mut bytes, mut body) = (Vec::new(), output.body);
        while let Some(body) = &mut body
            && let Some(chunk) = body.next().await
        {
            let body_error =
                |error: s3s::StdError| S3Error::with_message(S3ErrorCode::InternalError, error.to_string());
            bytes.extend_from_slice(&chunk.map_err(body_error)?);
        }
        Ok(Some(Object { bytes: bytes.into(), content_type: output.content_type }))
    }

    /// Places an object.
    ///
    /// # Errors
    /// There is no such bucket, or the store fails.
    pub async fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> Result<(), S3Error> {
        let bytes = bytes.into();
        let input = PutObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            content_length: i64::try_from(bytes.len()).ok(),
            body: Some(StreamingBlob::from(s3s::Body::from(bytes))),
            ..Default::default()
        };
        self.api.put_object(request(input)).await.map(drop)
    }

    /// Begins a multipart upload; its id.
    ///
    /// # Errors
    /// There is no such bucket, or the store fails.
    pub async fn begin_upload(&self, bucket: &str, key: &str) -> Result<String, S3Error> {
        let input = CreateMultipartUploadInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            ..Default::default()
        };
        Ok(self.api.create_multipart_upload(request(input)).await?.output.upload_id.unwrap_or_default())
    }

    /// Keys and ids of the multipart uploads that were begun and neither completed nor aborted.
    ///
    /// # Errors
    /// There is no such bucket, or the store fails.
    pub async fn uploads(&self, bucket: &str) -> Result<Vec<(String, String)>, S3Error> {
        let input = ListMultipartUploadsInput { bucket: bucket.to_owned(), ..Default::default() };
        let found = self.api.list_multipart_uploads(request(input)).await?.output.uploads;
        Ok(found.into_iter().flatten().filter_map(|upload| upload.key.zip(upload.upload_id)).collect())
    }

    /// Aborts a multipart upload.
    ///
    /// # Errors
    /// There is none of that id, or the store fails.
    pub async fn abort_upload(&self, bucket: &str, key: &str, upload_id: &str) -> Result<(), S3Error> {
        let input = AbortMultipartUploadInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            upload_id: upload_id.to_owned(),
            ..Default::default()
        };
        self.api.abort_multipart_upload(request(input)).await.map(drop)
    }
}
