//! How S3 looks when it goes wrong on purpose.

use bytes::Bytes;
use futures::StreamExt as _;
use http::StatusCode;
use s3s::dto::StreamingBlob;
use s3s::{Body, HttpError, HttpResponse, S3Error, S3ErrorCode};

/// The error that is answered in place of the work.
pub(crate) fn refusal(status: u16, code: &'static str) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), "This fails on purpose.");
    error.set_status_code(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    error
}

#[derive(Debug, thiserror::Error)]
#[error("the connection was closed on purpose")]
struct ClosedOnPurpose;

/// Closes the connection without an answer.
pub(crate) fn reset() -> HttpError {
    HttpError::new(Box::new(ClosedOnPurpose))
}

/// Lets `after` bytes of the body through and then fails, which closes the connection.
pub(crate) fn truncate(response: HttpResponse, after: u64) -> HttpResponse {
    let (mut parts, body) = response.into_parts();
    // The length stays announced, so that the client can tell the cut from the end.
    if let Some(length) = http_body::Body::size_hint(&body).exact()
        && parts.status != StatusCode::NO_CONTENT
    {
        parts.headers.entry(http::header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    let mut left = usize::try_from(after).unwrap_or(usize::MAX);
    let stream = body.map(move |chunk| {
        let mut chunk: Bytes = chunk.map_err(|_| ClosedOnPurpose)?;
        if left == 0 {
            return Err(ClosedOnPurpose);
        }
        chunk.truncate(left);
        left -= chunk.len();
        Ok(chunk)
    });
    // A body that ends before the cut is cut at its end.
    let stream = stream.chain(futures::stream::once(async { Err(ClosedOnPurpose) }));
    http::Response::from_parts(parts, Body::from(StreamingBlob::wrap(stream)))
}
