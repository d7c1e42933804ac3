//! The object store: reads uploads by ranges and writes archives in parts.

pub(crate) mod blocks;
mod cleanup;
pub(crate) mod parts;
mod sink;
mod source;
mod upload;

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::retry::{self, Retryable};

pub use source::open_object;
pub(crate) use source::{Opened, S3Source};

/// How long one object call is retried; after a longer outage the job is released.
const RETRY_TIMEOUT: Duration = Duration::from_secs(90);

/// Why a call to the store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No such object.
    #[error("the object is not there")]
    NotFound,
    /// The object was replaced.
    #[error("the object has changed since it was opened")]
    Changed,
    /// The store refuses the call; a retry would not help.
    #[error("the object store refuses: {0}")]
    Refused(String),
    /// No answer, a server error or a truncated answer; a retry may help.
    #[error("the object store does not answer: {0}")]
    Unavailable(String),
    /// The caller cancelled it.
    #[error("cancelled")]
    Cancelled,
}

impl Retryable for StoreError {
    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Unavailable(_)).then_some(Duration::ZERO)
    }
}

impl StoreError {
    fn of<E>(error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let SdkError::ServiceError(service) = &error else {
            return Self::Unavailable(DisplayErrorContext(&error).to_string());
        };
        let code = service.err().code().unwrap_or_default().to_owned();
        match service.raw().status().as_u16() {
            404 => Self::NotFound,
            412 => Self::Changed,
            status @ (408 | 409 | 429 | 500..) => Self::Unavailable(format!("{status} {code}")),
            400 if matches!(code.as_str(), "RequestTimeout" | "SlowDown") => Self::Unavailable(code),
            status => Self::Refused(format!("{status} {code}")),
        }
    }
}

/// One bucket.
#[derive(Clone, Debug)]
pub(crate) struct ObjectStore {
    client: Client,
    bucket: String,
}

impl ObjectStore {
    /// The bucket of that name.
    pub(crate) fn new(client: Client, bucket: impl Into<String>) -> Self {
        Self { client, bucket: bucket.into() }
    }

    /// Whether the bucket answers.
    pub(crate) async fn ready(&self) -> Result<(), StoreError> {
        self.client.head_bucket().bucket(&self.bucket).send().await.map_err(StoreError::of)?;
        Ok(())
    }

    /// Returns a whole object, which must have exactly this many bytes. For small objects.
    pub(crate) async fn get(
        &self,
        key: &str,
        bytes: u64,
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, StoreError> {
        let length = usize::try_from(bytes).map_err(|_| StoreError::Changed)?;
        retry(cancel, || async {
            let object = self.client.get_object().bucket(&self.bucket).key(key).send().await;
            let mut body = object.map_err(StoreError::of)?.body;
            let mut got = Vec::with_capacity(length);
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(|error| StoreError::Unavailable(error.to_string()))?;
                if got.len() + piece.len() > length {
                    return Err(StoreError::Changed);
                }
                got.extend_from_slice(&piece);
            }
            if got.len() < length { Err(StoreError::Changed) } else { Ok(got) }
        })
        .await
    }

    /// Stores a whole object.
    pub(crate) async fn put(
        &self,
        key: &str,
        content_type: &str,
        bytes: Bytes,
        cancel: &CancellationToken,
    ) -> Result<(), StoreError> {
        retry(cancel, || async {
            let request = self.client.put_object().bucket(&self.bucket).key(key);
            let body = ByteStream::from(bytes.clone());
            request.content_type(content_type).body(body).send().await.map_err(StoreError::of)
        })
        .await?;
        Ok(())
    }

    /// Removes an object; one that is not there is no error.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), StoreError> {
        let never = CancellationToken::new();
        let removed = retry(&never, || async {
            self.client.delete_object().bucket(&self.bucket).key(key).send().await.map_err(StoreError::of)
        });
        match removed.await {
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// An object's length.
    async fn length(&self, key: &str) -> Result<u64, StoreError> {
        let head = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        let length = head.map_err(StoreError::of)?.content_length().and_then(|n| u64::try_from(n).ok());
        length.ok_or_else(|| StoreError::Unavailable("an object without a length".into()))
    }
}

/// Repeats `call` until it succeeds, fails permanently, [`RETRY_TIMEOUT`] has passed, or the caller cancels
/// it.
async fn retry<T, Call, Answer>(cancel: &CancellationToken, call: Call) -> Result<T, StoreError>
where
    Call: FnMut() -> Answer,
    Answer: Future<Output = Result<T, StoreError>>,
{
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(StoreError::Cancelled),
        result = retry::retry("object store", RETRY_TIMEOUT, cancel, call) => result,
    }
}
