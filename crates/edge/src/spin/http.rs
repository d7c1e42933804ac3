//! Outbound HTTP through Spin, with time and size limits.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use http_body_util::{BodyExt, Limited, StreamBody};
use spin_sdk::wasip3::http::types::RequestOptions;
use spin_sdk::wasip3::http_compat::RequestOptionsExtension;

use crate::ports::{Http, Unavailable};

/// Maximum of bytes of an answer. Listings of the object store are well below.
const MAX_ANSWER_BYTES: usize = 8 << 20;
/// Bytes of the pieces in which a body is sent. Each piece is copied, so that the whole body is not.
const PIECE_BYTES: usize = 256 << 10;
const SECOND_NS: u64 = 1_000_000_000;
/// Time to connect.
const CONNECT_NS: u64 = 5 * SECOND_NS;
/// Time until the answer begins, the upload of one part included.
const FIRST_BYTE_NS: u64 = 60 * SECOND_NS;
/// Time between two pieces of the answer.
const BETWEEN_BYTES_NS: u64 = 30 * SECOND_NS;

/// Spin's HTTP client.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpinHttp;

fn unavailable(detail: impl Into<String>) -> Unavailable {
    Unavailable { what: "network", detail: detail.into() }
}

/// Sets the timeouts; a host that does not support one of them goes without it.
fn options() -> RequestOptionsExtension {
    let options = RequestOptions::new();
    let _ = options.set_connect_timeout(Some(CONNECT_NS));
    let _ = options.set_first_byte_timeout(Some(FIRST_BYTE_NS));
    let _ = options.set_between_bytes_timeout(Some(BETWEEN_BYTES_NS));
    RequestOptionsExtension(options)
}

/// The body in pieces.
fn pieces(body: Bytes) -> impl http_body::Body<Data = Bytes, Error = Infallible> {
    let pieces = (0..body.len()).step_by(PIECE_BYTES).map(move |begin| {
        let end = body.len().min(begin + PIECE_BYTES);
        Ok(Frame::data(body.slice(begin..end)))
    });
    StreamBody::new(stream::iter(pieces))
}

impl Http for SpinHttp {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Unavailable> {
        let length = HeaderValue::from(request.body().len());
        let mut request = request.map(pieces);
        // Without it the body, even an empty one, is sent in chunks, which S3 refuses.
        request.headers_mut().insert(CONTENT_LENGTH, length);
        request.extensions_mut().insert(options());
        let place = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let answer =
            spin_sdk::http::send(request).await.map_err(|error| unavailable(format!("{place}: {error}")))?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(|error| unavailable(format!("{place}: {error}")))?;
        Ok(http::Response::from_parts(parts, body.to_bytes()))
    }
}
