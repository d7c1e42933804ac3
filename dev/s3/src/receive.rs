//! Receives a request's body in bounded memory: written and hashed off the executor, checked at its end.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use http::HeaderMap;
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders, s3_error};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::checksum::{Algorithm, DeclaredChecksums, Digests, ObjectChecksum};
use crate::store::StoreError;
use crate::store::blobs::{Blobs, Pending};

/// Bytes of a batch that is written at once.
const BATCH: usize = 512 * 1024;

/// S3's largest single upload: 5 GiB.
const MAX_BODY_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// The length and checksums that a request declares for its body.
#[derive(Debug)]
pub(crate) struct IncomingBody {
    length: u64,
    declared: DeclaredChecksums,
    trailers: Option<TrailingHeaders>,
}

/// A body on disk, published and not yet in the index.
pub(crate) struct Received {
    pub(crate) file: Pending,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) sum: Option<ObjectChecksum>,
}

impl IncomingBody {
    /// `content_length` is the length without `aws-chunked` framing.
    pub(crate) fn new(
        headers: &HeaderMap,
        content_length: Option<i64>,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Self> {
        let decoded = || {
            let value = headers.get("x-amz-decoded-content-length")?.to_str().ok()?;
            value.parse().ok()
        };
        let length = content_length
            .or_else(decoded)
            .ok_or_else(|| {
                s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header.")
            })?
            .try_into()
            .map_err(|_| s3_error!(InvalidArgument, "the length is negative"))?;
        if length > MAX_BODY_BYTES {
            return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
        }
        Ok(Self { length, declared: DeclaredChecksums::from_headers(headers)?, trailers })
    }

    /// The checksum algorithm the body comes with.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        self.declared.algorithm()
    }

    /// Writes the body to a new file. On any error, and when the future is dropped, the file is removed.
    pub(crate) async fn receive(self, blobs: &Arc<Blobs>, body: Option<StreamingBlob>) -> S3Result<Received> {
        let digests = self.declared.digests();
        let owned = Arc::clone(blobs);
        let writing = spawn_blocking(move || Writer::create(&owned, digests));
        let (writer, size) = match body {
            Some(body) => write_batches(writing, body, self.length).await?,
            None => (join(writing).await?, 0),
        };
        if size < self.length {
            return Err(incomplete(
                "You did not provide the number of bytes specified by the Content-Length HTTP header.",
            ));
        }
        let (md5, computed, mut unpublished) = writer.finish();
        let trailers = self.trailers.and_then(|trailers| trailers.take());
        let sum = self.declared.verify(&md5, computed.as_deref(), trailers.as_ref())?;
        let publishing = spawn_blocking(move || {
            unpublished.1.publish(&unpublished.0)?;
            Ok(unpublished.1)
        });
        let file = join(publishing).await?;
        Ok(Received { file, size, md5, sum })
    }
}

/// Collects the next chunks into about one batch; `None` at the end.
async fn next_batch(body: &mut StreamingBlob) -> S3Result<Vec<Bytes>> {
    let mut batch = Vec::new();
    let mut size = 0;
    while size < BATCH {
        match body.next().await {
            None => break,
            Some(Ok(chunk)) if chunk.is_empty() => {}
            Some(Ok(chunk)) => {
                size += chunk.len();
                batch.push(chunk);
            }
            Some(Err(error)) => return Err(body_error(error.as_ref())),
        }
    }
    Ok(batch)
}

/// Writes the body in batches and returns its length; one batch is read while the one before is written.
async fn write_batches(
    mut writing: JoinHandle<io::Result<Writer>>,
    mut body: StreamingBlob,
    length: u64,
) -> S3Result<(Writer, u64)> {
    let mut size = 0_u64;
    let failure = loop {
        let batch = match next_batch(&mut body).await {
            Ok(batch) if batch.is_empty() => return Ok((join(writing).await?, size)),
            Ok(batch) => batch,
            Err(error) => break error,
        };
        size += batch.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        if size > length {
            break incomplete("The body is longer than declared.");
        }
        let writer = join(writing).await?;
        writing = spawn_blocking(move || writer.write(&batch));
    };
    // Waited for, so that the unfinished file is gone when the answer comes.
    drop(join(writing).await);
    Err(failure)
}

async fn join<T>(task: JoinHandle<io::Result<T>>) -> S3Result<T> {
    let result = task.await.map_err(io::Error::other).and_then(|done| done);
    Ok(result.map_err(StoreError::from)?)
}

/// Why a body ended early. The types of `s3s` behind these errors are private, so that only
/// their text tells a wrong signature from a lost connection.
fn body_error(error: &(dyn std::error::Error + Send + Sync + 'static)) -> S3Error {
    let text = error.to_string();
    if text.contains("Sha256Mismatch") {
        let code = S3ErrorCode::Custom("XAmzContentSHA256Mismatch".into());
        let mut error = S3Error::with_message(
            code,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        );
        error.set_status_code(http::StatusCode::BAD_REQUEST);
        return error;
    }
    if text.contains("SignatureMismatch") {
        return s3_error!(SignatureDoesNotMatch, "The signature of a chunk of the body does not match.");
    }
    incomplete("The body could not be read to its end.")
}

fn incomplete(message: &'static str) -> S3Error {
    S3Error::with_message(S3ErrorCode::IncompleteBody, message)
}

/// The file under way, handed from one blocking task to the next.
struct Writer {
    file: File,
    pending: Pending,
    digests: Digests,
}

impl Writer {
    fn create(blobs: &Arc<Blobs>, digests: Digests) -> io::Result<Self> {
        let (file, pending) = blobs.create()?;
        Ok(Self { file, pending, digests })
    }

    fn write(mut self, batch: &[Bytes]) -> io::Result<Self> {
        for chunk in batch {
            self.digests.update(chunk);
            self.file.write_all(chunk)?;
        }
        Ok(self)
    }

    fn finish(self) -> ([u8; 16], Option<Vec<u8>>, (File, Pending)) {
        let (md5, sum) = self.digests.finish();
        (md5, sum, (self.file, self.pending))
    }
}
