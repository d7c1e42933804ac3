//! An upload as the engine's source: ranged GETs, pinned to one version, cut-off bodies resumed.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use aws_sdk_s3::Client;
use bytes::{Bytes, BytesMut};
use framelift_media::Source;
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::blocks::{BlockReader, Fetch};
use super::{ObjectStore, StoreError, retry};
use crate::health::Metrics;
use crate::retry::Retryable as _;

/// A body that brings fewer than [`MIN_BYTES`] bytes in this time is cut off.
const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// What a body must bring in each [`STALL_TIMEOUT`]: 16 KiB a second, so that a range does not take for ever.
const MIN_BYTES: u64 = 320 << 10;

/// Measures the throughput of a body.
struct Throughput {
    since: Instant,
    bytes: u64,
}

impl Throughput {
    fn new() -> Self {
        Self { since: Instant::now(), bytes: 0 }
    }

    /// Notes received bytes. Returns false if they come too slowly.
    fn is_enough_after(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        if self.since.elapsed() < STALL_TIMEOUT {
            return true;
        }
        let enough = self.bytes >= MIN_BYTES;
        *self = Self::new();
        enough
    }
}

/// An object as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    /// Its key.
    pub key: String,
    /// Its length in bytes.
    pub size: u64,
    /// The ETag that every later read must match, so that versions are never mixed.
    etag: String,
}

impl ObjectStore {
    /// Finds an object.
    pub(crate) async fn open(&self, key: &str, cancel: &CancellationToken) -> Result<Opened, StoreError> {
        retry(cancel, || async {
            let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
            let head = head.map_err(StoreError::of)?;
            let size = head.content_length().and_then(|n| u64::try_from(n).ok());
            match (size, head.e_tag()) {
                (Some(size), Some(etag)) => Ok(Opened { key: key.to_owned(), size, etag: etag.to_owned() }),
                _ => Err(StoreError::Unavailable("an object without length or etag".into())),
            }
        })
        .await
    }
}

/// One object that is read for one job.
struct Reading {
    store: ObjectStore,
    object: Opened,
    metrics: Arc<Metrics>,
    /// Bytes received for the job, those of cancelled fetches included.
    received_bytes: Arc<AtomicU64>,
    cancel: CancellationToken,
}

impl Reading {
    /// Reads a whole range of the object; a truncated body is resumed where it ended.
    async fn range(&self, range: Range<u64>) -> Result<Bytes, StoreError> {
        let length = usize::try_from(range.end - range.start)
            .map_err(|_| StoreError::Refused("a range beyond the address space".into()))?;
        let got = Mutex::new(BytesMut::with_capacity(length));
        retry(&self.cancel, || async {
            let mut got = got.lock().await;
            let from = range.start + got.len() as u64;
            let result = self.part(from..range.end, &mut got).await;
            if result.as_ref().is_err_and(|error| error.retry_after().is_some()) {
                self.metrics.read_retries.inc();
            }
            result
        })
        .await?;
        Ok(got.into_inner().freeze())
    }

    /// Makes one GET; `Ok` if the whole range was received. Received bytes are in `got` either way.
    async fn part(&self, range: Range<u64>, got: &mut BytesMut) -> Result<(), StoreError> {
        let wanted = got.len() as u64 + (range.end - range.start);
        let request = self.store.client.get_object().bucket(&self.store.bucket).key(&self.object.key);
        let request =
            request.range(format!("bytes={}-{}", range.start, range.end - 1)).if_match(&self.object.etag);
        let mut body = request.send().await.map_err(StoreError::of)?.body;
        let mut throughput = Throughput::new();
        loop {
            let chunk = tokio::time::timeout(STALL_TIMEOUT, body.next()).await;
            match chunk.map_err(|_| StoreError::Unavailable("a body that stalls".into()))? {
                Some(Ok(chunk)) if (got.len() + chunk.len()) as u64 <= wanted => {
                    self.received_bytes.fetch_add(chunk.len() as u64, Relaxed);
                    self.metrics.bytes_read.inc_by(chunk.len() as u64);
                    got.extend_from_slice(&chunk);
                    if got.len() as u64 != wanted && !throughput.is_enough_after(chunk.len() as u64) {
                        return Err(StoreError::Unavailable("a body that trickles".into()));
                    }
                }
                Some(Ok(_)) => return Err(StoreError::Refused("a store that ignores ranges".into())),
                Some(Err(error)) => return Err(StoreError::Unavailable(error.to_string())),
                None if got.len() as u64 == wanted => return Ok(()),
                None => return Err(StoreError::Unavailable("a body that is cut short".into())),
            }
        }
    }
}

/// The engine's view of an upload. Reads block the calling thread, which must not be one of
/// the runtime's own.
pub(crate) struct S3Source {
    blocks: BlockReader<Ranges>,
}

impl S3Source {
    /// Reads `object` with at most `buffer` bytes in memory, until `cancel`, and counts what it
    /// receives in `received_bytes`.
    pub(crate) fn new(
        store: ObjectStore,
        object: Opened,
        buffer: u64,
        metrics: Arc<Metrics>,
        received_bytes: Arc<AtomicU64>,
        handle: Handle,
        cancel: CancellationToken,
    ) -> Self {
        let size = object.size;
        let reading = Arc::new(Reading { store, object, metrics, received_bytes, cancel });
        Self { blocks: BlockReader::new(Ranges { reading, handle }, size, buffer) }
    }
}

/// Opens an object as the engine's source outside of a job, with at most `buffer` bytes in memory, and says how many
/// bytes it has received: for measuring. Needs the runtime that it is opened in until it is dropped.
///
/// # Errors
/// If there is no such object, or the store refuses or does not answer.
pub async fn open_object(
    client: Client,
    bucket: &str,
    key: &str,
    buffer: u64,
) -> Result<(impl Source, Arc<AtomicU64>), StoreError> {
    let (store, cancel) = (ObjectStore::new(client, bucket), CancellationToken::new());
    let object = store.open(key, &cancel).await?;
    let (metrics, received) = (Arc::new(Metrics::new("")), Arc::<AtomicU64>::default());
    let source = S3Source::new(store, object, buffer, metrics, received.clone(), Handle::current(), cancel);
    Ok((source, received))
}

impl Source for S3Source {
    fn size(&self) -> u64 {
        self.blocks.size()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.blocks.read_at(offset, buf)
    }

    fn prefetch(&mut self, ranges: &[Range<u64>]) {
        self.blocks.prefetch(ranges);
    }
}

/// Ranges of one object, fetched by tasks of the runtime.
struct Ranges {
    reading: Arc<Reading>,
    handle: Handle,
}

impl Fetch for Ranges {
    type Pending = AbortOnDropHandle<Result<Bytes, StoreError>>;

    fn start(&mut self, range: Range<u64>) -> Self::Pending {
        let reading = self.reading.clone();
        AbortOnDropHandle::new(self.handle.spawn(async move { reading.range(range).await }))
    }

    fn finish(&mut self, pending: Self::Pending) -> io::Result<Bytes> {
        match self.handle.block_on(pending) {
            Ok(result) => result.map_err(io::Error::other),
            Err(_) => Err(io::Error::other(StoreError::Cancelled)),
        }
    }
}

#[cfg(test)]
mod tests;
