//! Reads the body of a request with a limit.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;

/// The largest JSON body.
pub const MAX_JSON_BYTES: usize = 64 * 1024;

/// The body of a request as it arrives.
pub trait RequestBody:
    http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + Unpin + 'static
{
}

impl<B> RequestBody for B where
    B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static
{
}

/// A failure to read a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It, or its declared length, is larger than the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection broke before its end.
    #[error("the body ended early")]
    Broken,
}

/// Reads the body of a request with these headers, at most `limit` bytes. Refuses a larger `Content-Length` before it
/// reads a byte, and holds at most `limit` bytes.
pub async fn collect<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: http_body::Body,
{
    // A body in a guest has no size hint, so the header is checked.
    if declared_length(headers).unwrap_or(body.size_hint().lower()) > limit as u64 {
        return Err(BodyError::TooLarge(limit));
    }
    let mut body = std::pin::pin!(body);
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        // Trailers are ignored.
        let Ok(mut data) = frame.map_err(|_| BodyError::Broken)?.into_data() else { continue };
        if data.remaining() > limit - collected.len() {
            return Err(BodyError::TooLarge(limit));
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            let length = chunk.len();
            collected.extend_from_slice(chunk);
            data.advance(length);
        }
    }
    Ok(collected.freeze())
}

/// The request's declared length. The host has checked that it is a number.
pub(crate) fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
