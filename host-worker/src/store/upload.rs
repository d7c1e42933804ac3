//! The upload of an archive: one PUT if it is small, else parts that are sent while the engine still decodes.
//! A failed upload leaves nothing.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::sink::{ArchiveSink, Part};
use super::{ObjectStore, StoreError, retry};

/// Parts that wait between the engine and the upload.
const QUEUED_PARTS: usize = 1;
/// Parts that are sent at the same time.
const CONCURRENT_PARTS: usize = 2;

/// An upload under way.
#[derive(Debug)]
pub(crate) struct Upload(AbortOnDropHandle<Result<u64, StoreError>>);

impl Upload {
    /// Waits for the upload. Returns the object's length, as the store reports it.
    pub(crate) async fn stored(self) -> Result<u64, StoreError> {
        self.0
            .await
            .unwrap_or_else(|error| Err(StoreError::Unavailable(format!("the upload ended: {error}"))))
    }
}

impl ObjectStore {
    /// Begins the upload of an archive; what is written to the sink is its content.
    pub(crate) fn upload(
        &self,
        key: &str,
        part_size: u64,
        cancel: &CancellationToken,
    ) -> (ArchiveSink, Upload) {
        let (sender, receiver) = mpsc::channel(QUEUED_PARTS);
        let writer = Writer {
            store: self.clone(),
            key: key.to_owned(),
            cancel: cancel.clone(),
            multipart: None,
            sending: JoinSet::new(),
            sent: Vec::new(),
            bytes: 0,
        };
        let span = tracing::info_span!("upload", otel.name = "upload of the archive");
        let task = tokio::spawn(writer.run(receiver).instrument(span));
        (ArchiveSink::new(part_size, sender), Upload(AbortOnDropHandle::new(task)))
    }

    /// Sends one part, with retries.
    async fn put_part(
        &self,
        key: &str,
        upload_id: &str,
        number: i32,
        bytes: Bytes,
        cancel: &CancellationToken,
    ) -> Result<CompletedPart, StoreError> {
        let sent = retry(cancel, || async {
            let request = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(upload_id);
            let body = ByteStream::from(bytes.clone());
            request.part_number(number).body(body).send().await.map_err(StoreError::of)
        })
        .await?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .build())
    }

    /// Aborts a multipart upload; one that no longer exists is no error.
    pub(super) async fn abort(&self, key: &str, upload_id: &str) -> Result<(), StoreError> {
        let never = CancellationToken::new();
        let aborted = retry(&never, || async {
            let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key);
            request.upload_id(upload_id).send().await.map_err(StoreError::of)
        });
        match aborted.await {
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A multipart upload that is aborted unless it was completed.
struct Multipart {
    store: ObjectStore,
    key: String,
    id: Option<String>,
}

impl Drop for Multipart {
    /// For a task that is itself dropped. What even this leaves, the next attempt removes.
    fn drop(&mut self) {
        if let (Some(id), Ok(handle)) = (self.id.take(), Handle::try_current()) {
            let (store, key) = (self.store.clone(), std::mem::take(&mut self.key));
            handle.spawn(async move { store.abort(&key, &id).await });
        }
    }
}

/// The task's state.
struct Writer {
    store: ObjectStore,
    key: String,
    cancel: CancellationToken,
    // Dropped before `sending`: an aborted upload refuses the parts that are still being sent.
    multipart: Option<Multipart>,
    sending: JoinSet<Result<CompletedPart, StoreError>>,
    sent: Vec<CompletedPart>,
    bytes: u64,
}

impl Writer {
    async fn run(mut self, mut parts: mpsc::Receiver<Part>) -> Result<u64, StoreError> {
        let result = self.receive(&mut parts).await;
        // From here on the engine's next write fails.
        drop(parts);
        if result.is_err() {
            self.sending.shutdown().await;
            if let Some(mut multipart) = self.multipart.take()
                && let Some(id) = multipart.id.take()
                && let Err(error) = self.store.abort(&self.key, &id).await
            {
                tracing::warn!(error = %error, key = self.key, "a multipart upload could not be aborted");
            }
        }
        result
    }

    async fn receive(&mut self, parts: &mut mpsc::Receiver<Part>) -> Result<u64, StoreError> {
        loop {
            let part = tokio::select! {
                () = self.cancel.cancelled() => return Err(StoreError::Cancelled),
                Some(ended) = self.sending.join_next(), if !self.sending.is_empty() => {
                    self.note(ended)?;
                    continue;
                }
                part = parts.recv(), if self.sending.len() < CONCURRENT_PARTS => part,
            };
            match part {
                Some(Part::Next(bytes)) => self.send(bytes).await?,
                Some(Part::Last(bytes)) => return self.finish(bytes).await,
                None => return Err(StoreError::Cancelled),
            }
        }
    }

    fn note(
        &mut self,
        ended: Result<Result<CompletedPart, StoreError>, tokio::task::JoinError>,
    ) -> Result<(), StoreError> {
        let part =
            ended.map_err(|error| StoreError::Unavailable(format!("a part's task ended: {error}")))??;
        self.sent.push(part);
        Ok(())
    }

    async fn send(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let id = self.upload_id().await?;
        self.bytes += bytes.len() as u64;
        let number = i32::try_from(self.sent.len() + self.sending.len() + 1)
            .map_err(|_| StoreError::Refused("too many parts".into()))?;
        let (store, key, cancel) = (self.store.clone(), self.key.clone(), self.cancel.clone());
        self.sending.spawn(async move { store.put_part(&key, &id, number, bytes, &cancel).await });
        Ok(())
    }

    async fn upload_id(&mut self) -> Result<String, StoreError> {
        if let Some(Multipart { id: Some(id), .. }) = &self.multipart {
            return Ok(id.clone());
        }
        let created = retry(&self.cancel, || async {
            let request = self.store.client.create_multipart_upload().bucket(&self.store.bucket);
            request.key(&self.key).content_type(ZIP).send().await.map_err(StoreError::of)
        })
        .await?;
        let id = created
            .upload_id
            .ok_or_else(|| StoreError::Refused("a multipart upload without an id".into()))?;
        self.multipart =
            Some(Multipart { store: self.store.clone(), key: self.key.clone(), id: Some(id.clone()) });
        Ok(id)
    }

    async fn finish(&mut self, last: Bytes) -> Result<u64, StoreError> {
        if self.multipart.is_none() {
            self.bytes = last.len() as u64;
            self.store.put(&self.key, ZIP, last, &self.cancel).await?;
        } else {
            if !last.is_empty() {
                self.send(last).await?;
            }
            while let Some(ended) = self.sending.join_next().await {
                self.note(ended)?;
            }
            self.complete().await?;
        }
        let stored = retry(&self.cancel, || self.store.length(&self.key)).await?;
        if stored == self.bytes {
            return Ok(stored);
        }
        Err(StoreError::Unavailable(format!("{} bytes were sent, {stored} are stored", self.bytes)))
    }

    async fn complete(&mut self) -> Result<(), StoreError> {
        let Some(multipart) = &mut self.multipart else { return Ok(()) };
        let Some(id) = multipart.id.clone() else { return Ok(()) };
        self.sent.sort_by_key(|part| part.part_number);
        let list =
            CompletedMultipartUpload::builder().set_parts(Some(std::mem::take(&mut self.sent))).build();
        let completed = retry(&self.cancel, || async {
            let request = self.store.client.complete_multipart_upload().bucket(&self.store.bucket);
            let request = request.key(&self.key).upload_id(&id).multipart_upload(list.clone());
            request.send().await.map_err(StoreError::of)
        })
        .await;
        match completed {
            Ok(_) => {}
            // The answer to an earlier try was lost: the caller checks the object.
            Err(StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
        multipart.id = None;
        Ok(())
    }
}

const ZIP: &str = "application/zip";
