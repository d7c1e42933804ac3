//! The lease to store the file of a request with an idempotency key.
//!
//! One request at a time holds it, for [`UPLOAD_LEASE_S`] seconds that it renews while bytes arrive. It completes the
//! upload with a digest, with which repeated requests are compared. If it releases the lease, or the lease expires,
//! another request may store the file.

use framelift_domain::{Time, UserId, VideoId};
use serde::{Deserialize, Serialize};

use super::idempotency::Remembered;
use super::{Idempotency, JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::keys::{self, IdempotencyPlace};

/// The lease, in seconds: without a byte for so long, another request may take over.
pub const UPLOAD_LEASE_S: u32 = 60;

/// The state of the file of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StreamState {
    /// A request holds the lease.
    #[serde(rename = "under_way")]
    InProgress { holder: VideoId, until: Time },
    /// The file is stored.
    Stored { digest: String },
}

/// How a request must handle its file.
#[derive(Debug)]
pub enum UploadClaim {
    /// Store the file.
    Acquired(UploadLease),
    /// Compare it with the file that was stored before, which has this digest.
    Stored(String),
}

/// A lease to store the file of a request.
#[derive(Clone, Debug)]
pub struct UploadLease {
    place: IdempotencyPlace,
    holder: VideoId,
    renewed_at: Time,
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Acquires the lease for a request whose video [`Self::create`] made, or returns the digest of the stored file.
    pub async fn acquire_upload_lease(
        &self,
        user: UserId,
        id: VideoId,
        request: &Idempotency,
    ) -> Result<UploadClaim> {
        let place = keys::idempotency(user, &request.key);
        let (holder, now) = (self.fresh_id(), self.now());
        let stored = self.change_key(&place, |known| {
            let known = known.filter(|known| known.id == id && known.request_hash == request.request_hash);
            let mut known = known.ok_or(JobError::IdempotencyKeyReused)?;
            match &known.stream {
                Some(StreamState::Stored { digest }) => return Ok((None, Some(digest.clone()))),
                Some(StreamState::InProgress { until, .. }) if now < *until => {
                    return Err(in_progress(now, *until));
                }
                _ => {}
            }
            known.stream = Some(StreamState::InProgress { holder, until: now.plus_s(UPLOAD_LEASE_S) });
            Ok((Some(known), None))
        });
        Ok(match stored.await? {
            Some(digest) => UploadClaim::Stored(digest),
            None => UploadClaim::Acquired(UploadLease { place, holder, renewed_at: now }),
        })
    }

    /// The digest of the file that the request has stored, if it is known.
    pub async fn stored_digest(&self, user: UserId, request: &Idempotency) -> Result<Option<String>> {
        let known = self.remembered(&keys::idempotency(user, &request.key)).await?;
        Ok(match known.and_then(|known| known.stream) {
            Some(StreamState::Stored { digest }) => Some(digest),
            _ => None,
        })
    }

    /// Renews the lease. Fails if another request has acquired it.
    pub async fn renew_upload_lease(&self, lease: &mut UploadLease) -> Result<()> {
        let now = self.now();
        if now < lease.renewed_at.plus_s(UPLOAD_LEASE_S / 3) {
            return Ok(());
        }
        let until = now.plus_s(UPLOAD_LEASE_S);
        self.update_upload_lease(lease, Some(StreamState::InProgress { holder: lease.holder, until }))
            .await?;
        lease.renewed_at = now;
        Ok(())
    }

    /// Ends the lease, and records the digest of the stored file.
    pub async fn complete_upload(&self, lease: &UploadLease, digest: String) -> Result<()> {
        self.update_upload_lease(lease, Some(StreamState::Stored { digest })).await
    }

    /// Ends the lease without a file, so that another request may acquire it at once.
    pub async fn release_upload_lease(&self, lease: &UploadLease) -> Result<()> {
        self.update_upload_lease(lease, None).await
    }

    async fn update_upload_lease(&self, lease: &UploadLease, next: Option<StreamState>) -> Result<()> {
        self.change_key(&lease.place, |known| match known {
            Some(Remembered {
                stream: Some(StreamState::InProgress { holder, .. }),
                request_hash,
                id,
                at,
            }) if holder == lease.holder => {
                Ok((Some(Remembered { stream: next.clone(), request_hash, id, at }), ()))
            }
            _ => Err(JobError::IdempotencyInProgress { retry_after_s: UPLOAD_LEASE_S }),
        })
        .await
    }
}

fn in_progress(now: Time, until: Time) -> JobError {
    let seconds = until.ms_since(now).unsigned_abs().div_ceil(1000);
    JobError::IdempotencyInProgress { retry_after_s: u32::try_from(seconds).unwrap_or(UPLOAD_LEASE_S).max(1) }
}
