//! Idempotency of `POST /videos/upload`: a file that is sent repeatedly is stored once.
//!
//! While one request stores the file, another one with the same key gets 409 `idempotency-in-progress`, so that two
//! never write the same object: the request holds a lease. It releases the lease when it fails, and loses it when no
//! byte arrives for [`crate::jobs::UPLOAD_LEASE_S`] seconds; then the file can be sent again from its start. Once the
//! file is stored, a digest of its bytes, size and options is kept. A repeated request is read to its end and compared
//! with it, and answered 422 `idempotency-key-reused` if it differs. Until the file is stored, only what precedes it in
//! the request (name, options, announced length) can be compared.

use std::cell::Cell;

use bytes::Bytes;
use framelift_contract::options::OptionsBody;
use framelift_domain::video::State;
use framelift_domain::{Checksum, Options, Video};

use crate::http::Failure;
use crate::jobs::{JobError, Jobs, UploadLease};
use crate::ports::{Ambient, Http, Kv, Objects, Queue};
use crate::service::stream::{PartReader, Source};
use crate::service::{Service, request};

/// The request that stores a file, with its lease. A request without an idempotency key needs none.
pub(super) struct Sender<'a, K, Q, O, A> {
    jobs: Jobs<'a, K, Q, O, A>,
    lease: Cell<Option<UploadLease>>,
}

impl<'a, K: Kv, Q: Queue, O: Objects, A: Ambient> Sender<'a, K, Q, O, A> {
    pub(super) fn new(jobs: Jobs<'a, K, Q, O, A>) -> Self {
        Self { jobs, lease: Cell::new(None) }
    }

    /// Sets the lease.
    pub(super) fn set_lease(&self, lease: UploadLease) {
        self.lease.set(Some(lease));
    }

    /// Renews the lease if it is due. Fails if another request has acquired it.
    pub(super) async fn renew(&self) -> Result<(), Failure> {
        let Some(mut lease) = self.lease.take() else { return Ok(()) };
        let renewed = self.jobs.renew_upload_lease(&mut lease).await;
        self.lease.set(Some(lease));
        Ok(renewed?)
    }

    /// Ends the lease, and records the digest of the stored file.
    pub(super) async fn complete(&self, digest: String) -> Result<(), Failure> {
        let Some(lease) = self.lease.take() else { return Ok(()) };
        let ended = self.jobs.complete_upload(&lease, digest).await;
        self.lease.set(Some(lease));
        Ok(ended?)
    }

    /// Releases the lease after a failure. Returns whether there was one. Errors are ignored, because a lease also
    /// expires.
    pub(super) async fn release(&self) -> bool {
        let Some(lease) = self.lease.take() else { return false };
        let _ = self.jobs.release_upload_lease(&lease).await;
        true
    }
}

/// A source that renews its sender's lease while bytes arrive.
pub(super) struct LeasedSource<'s, 'a, S, K, Q, O, A> {
    pub(super) source: S,
    pub(super) sender: &'s Sender<'a, K, Q, O, A>,
}

impl<S: Source, K: Kv, Q: Queue, O: Objects, A: Ambient> Source for LeasedSource<'_, '_, S, K, Q, O, A> {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let piece = self.source.next().await?;
        self.sender.renew().await?;
        Ok(piece)
    }
}

/// The digest of an upload: its bytes, size and options, wherever the request has these.
pub(super) fn digest(sha256: Checksum, size_bytes: u64, options: &Options) -> Result<String, Failure> {
    let options = serde_json::to_vec(&OptionsBody::spelled_out(options)).map_err(Failure::internal)?;
    Ok(request::digest(&[sha256.as_bytes().as_slice(), &size_bytes.to_le_bytes(), &options]))
}

impl<K: Kv, Q: Queue, H: Http, A: Ambient> Service<'_, K, Q, H, A> {
    /// Reads a repeated file to its end and compares it with the stored one, by its digest `known`. Without a digest
    /// (the upload was finished by `complete`), compares size and options.
    pub(super) async fn compare<S: Source>(
        &self,
        video: Video,
        known: Option<String>,
        mut part_reader: PartReader<S>,
        options: Options,
        read_rest: impl AsyncFnOnce() -> Result<Option<Options>, Failure>,
    ) -> Result<Video, Failure> {
        while part_reader.next_part().await?.is_some() {}
        let (size_bytes, sha256) = (part_reader.bytes_read(), part_reader.sha256());
        // The next field of a form can be read only after the last one is dropped.
        drop(part_reader);
        let options = read_rest().await?.unwrap_or(options);
        let same = match known {
            Some(known) => known == digest(sha256, size_bytes, &options)?,
            None => video.size_bytes == size_bytes && video.options.unpinned() == options,
        };
        if !same {
            return Err(JobError::IdempotencyKeyReused.into());
        }
        let video = self.jobs().find(video.owner, video.id).await?.video;
        if matches!(video.state, State::AwaitingUpload { .. }) {
            self.verify(&video).await?;
        }
        Ok(video)
    }
}
