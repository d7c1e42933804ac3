//! Answers with a part of an archive: conditional requests, ranges, and pieces of bounded size.

use bytes::Bytes;
use framelift_contract::frame_index::Extent;
use framelift_domain::CorrelationId;
use futures::StreamExt as _;
use futures::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE,
    CONTENT_TYPE, ETAG,
};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::json;

use super::index::damaged;
use super::range;
use crate::http::{Body, BodyAborted, Failure, Incoming, Level, if_none_match, log};
use crate::object_store::{ObjectStore, inline};
use crate::ports::{Ambient, Http, Kv, Queue};
use crate::service::Service;

/// Maximum of bytes in memory for a request. A part that is no larger is checked before it is sent.
const PIECE_BYTES: u64 = 512 << 10;

/// A part of an archive, with its headers.
pub(super) struct Part {
    /// The archive's key.
    pub(super) archive: String,
    pub(super) extent: Extent,
    pub(super) media_type: &'static str,
    /// The name for saving.
    pub(super) name: String,
    pub(super) cache: HeaderValue,
    /// Its canonical path, if it was requested by another one.
    pub(super) location: Option<String>,
}

/// Reads a part of an archive piece by piece.
struct PieceReader<'a, H, A> {
    objects: ObjectStore<'a, H, A>,
    archive: String,
    at: u64,
    end: u64,
    /// Read before the answer began.
    first: Option<Bytes>,
    /// If the whole part is sent: the CRC-32 so far, and the expected one.
    sum: Option<(crc32fast::Hasher, u32)>,
    correlation_id: CorrelationId,
}

impl<'a, K: Kv, Q: Queue, H: Http, A: Ambient> Service<'a, K, Q, H, A> {
    /// Answers with a part. With a wrong checksum, a part of one piece is answered 502; a larger one is aborted before
    /// its last piece, because its status is already sent.
    pub(super) async fn part(&self, incoming: &Incoming, part: Part) -> Result<Response<Body<'a>>, Failure> {
        let Extent { offset, length, crc } = part.extent;
        let length = u64::from(length);
        let tag = format!("\"{crc:08x}-{length:x}\"");
        let mut response = Response::new(Body::Whole(Bytes::new()));
        let headers = response.headers_mut();
        headers.insert(ETAG, HeaderValue::try_from(tag.as_str()).map_err(Failure::internal)?);
        headers.insert(CACHE_CONTROL, part.cache);
        if let Some(location) = part.location {
            headers.insert(CONTENT_LOCATION, HeaderValue::try_from(location).map_err(Failure::internal)?);
        }
        if if_none_match(incoming.headers(), &tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(part.media_type));
        let disposition = HeaderValue::try_from(inline(&part.name)).map_err(Failure::internal)?;
        headers.insert(CONTENT_DISPOSITION, disposition);
        if incoming.method() == Method::HEAD {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            return Ok(response);
        }
        let range = range::requested(incoming.headers(), &tag, length)?;
        if let Some(range) = &range {
            let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            headers.insert(CONTENT_RANGE, HeaderValue::try_from(text).map_err(Failure::internal)?);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        let all = range.is_none();
        let range = range.unwrap_or(0..length);
        let (at, end) = (offset + range.start, offset + range.end);
        let objects = self.objects();
        let first = objects.get_range(&part.archive, at, PIECE_BYTES.min(end - at)).await?;
        let first = first.ok_or_else(|| damaged("the archive is missing or too short"))?;
        let mut sum = all.then(|| (crc32fast::Hasher::new(), crc));
        if let Some((sum, _)) = &mut sum {
            sum.update(&first);
        }
        let at = at + first.len() as u64;
        if at == end {
            if sum.is_some_and(|(sum, crc)| sum.finalize() != crc) {
                return Err(damaged("a member of the archive does not fit its checksum"));
            }
            *response.body_mut() = Body::Whole(first);
            return Ok(response);
        }
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
        let correlation_id = incoming.correlation_id().clone();
        let archive = part.archive;
        let reader = PieceReader { objects, archive, at, end, first: Some(first), sum, correlation_id };
        let pieces = stream::try_unfold(reader, |mut reader| async move {
            let piece = reader.next().await?;
            Ok(piece.map(|piece| (piece, reader)))
        });
        *response.body_mut() = Body::Pieces(pieces.boxed_local());
        Ok(response)
    }
}

impl<H: Http, A: Ambient> PieceReader<'_, H, A> {
    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, BodyAborted> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.at == self.end {
            return Ok(None);
        }
        let length = PIECE_BYTES.min(self.end - self.at);
        let piece = match self.objects.get_range(&self.archive, self.at, length).await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Err(self.aborted("the archive is missing or too short")),
            Err(error) => return Err(self.aborted(&error.to_string())),
        };
        self.at += length;
        if let Some((sum, _)) = &mut self.sum {
            sum.update(&piece);
        }
        if self.at == self.end
            && let Some((sum, crc)) = self.sum.take()
            && sum.finalize() != crc
        {
            return Err(self.aborted("a member of the archive does not fit its checksum"));
        }
        Ok(Some(piece))
    }

    fn aborted(&self, cause: &str) -> BodyAborted {
        let fields = [("archive", json!(self.archive)), ("cause", json!(cause))];
        log(Level::Error, "an answer breaks off", Some(&self.correlation_id), &fields);
        BodyAborted(cause.to_owned())
    }
}
