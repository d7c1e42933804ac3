//! Idempotency keys: a request that is sent repeatedly is carried out once.
//!
//! A user's keys are stored in a fixed number of buckets, by their hash. Keys that are older than a day are removed
//! whenever their bucket is written. A request whose body is a file ([`super::upload_lease`]) is remembered before its
//! body is known: its entry also has the request that holds the lease to store the file, or the digest of the stored
//! file.

use std::collections::BTreeMap;

use framelift_domain::{Time, UserId, VideoId};
use serde::{Deserialize, Serialize};

use super::upload_lease::StreamState;
use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Objects, Queue};
use crate::store::Stored;
use crate::store::keys::{self, IdempotencyPlace};
use crate::store::update::UpdateError;

/// How long a key is remembered, in seconds.
const REMEMBERED_S: u32 = 24 * 3600;
/// Maximum of keys in a bucket, which has 32 KB. A further key replaces the oldest.
const MAX_KEYS: usize = 90;

/// A request with an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// A hash of the request: method, path and body.
    pub request_hash: String,
}

/// The entry of a request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) request_hash: String,
    pub(super) id: VideoId,
    pub(super) at: Time,
    /// The state of the file, for a request whose body is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<StreamState>,
}

impl Remembered {
    fn is_expired(&self, now: Time) -> bool {
        now >= self.at.plus_s(REMEMBERED_S) && !self.is_in_progress(now)
    }

    fn is_in_progress(&self, now: Time) -> bool {
        matches!(&self.stream, Some(StreamState::InProgress { until, .. }) if now < *until)
    }
}

/// Keys of a user whose hashes begin alike, by their hashes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Bucket {
    keys: BTreeMap<String, Remembered>,
}

impl Stored for Bucket {}

impl Bucket {
    fn put(&mut self, hash: &str, remembered: Remembered, now: Time) {
        self.keys.retain(|_, known| !known.is_expired(now));
        if self.keys.len() >= MAX_KEYS && !self.keys.contains_key(hash) {
            let idle = self.keys.iter().filter(|(_, known)| !known.is_in_progress(now));
            if let Some(oldest) = idle.min_by_key(|(_, known)| known.at).map(|(hash, _)| hash.clone()) {
                self.keys.remove(&oldest);
            }
        }
        self.keys.insert(hash.to_owned(), remembered);
    }
}

impl<K: Kv, Q: Queue, O: Objects, A: Ambient> Jobs<'_, K, Q, O, A> {
    /// Returns the video of the first request with this key, or `id` if this is the first.
    pub(super) async fn recall(&self, user: UserId, id: VideoId, request: &Idempotency) -> Result<VideoId> {
        let place = keys::idempotency(user, &request.key);
        let now = self.now();
        self.change_key(&place, |known| match known {
            Some(known) if known.request_hash != request.request_hash => Err(JobError::IdempotencyKeyReused),
            Some(known) => Ok((None, known.id)),
            None => Ok((Some(remembered(request, id, now)), id)),
        })
        .await
    }

    /// Assigns the key of a deleted video to a new one. Returns the video that has the key now: `id`, or that of a
    /// concurrent request.
    pub(super) async fn rebind(
        &self,
        user: UserId,
        request: &Idempotency,
        deleted: VideoId,
        id: VideoId,
    ) -> Result<VideoId> {
        let now = self.now();
        self.change_key(&keys::idempotency(user, &request.key), |known| match known {
            Some(known) if known.id != deleted => Ok((None, known.id)),
            _ => Ok((Some(remembered(request, id, now)), id)),
        })
        .await
    }

    /// Remembers a request about an existing video; refuses a key that was used for another one.
    pub async fn remember(&self, user: UserId, id: VideoId, request: &Idempotency) -> Result<()> {
        if self.recall(user, id, request).await? == id { Ok(()) } else { Err(JobError::IdempotencyKeyReused) }
    }

    /// The entry of a key, if it has one.
    pub(super) async fn remembered(&self, place: &IdempotencyPlace) -> Result<Option<Remembered>> {
        let bucket: Option<Bucket> = self.store.get(&place.bucket).await?;
        Ok(bucket.and_then(|mut bucket| bucket.keys.remove(&place.hash)))
    }

    /// Changes the entry of a key. `change` gets the entry unless it is older than a day, and returns the new
    /// entry, if it changes, and a value for the caller.
    pub(super) async fn change_key<R>(
        &self,
        place: &IdempotencyPlace,
        mut change: impl FnMut(Option<Remembered>) -> Result<(Option<Remembered>, R)>,
    ) -> Result<R> {
        let now = self.now();
        loop {
            let updated = self.store.update(&place.bucket, |mut bucket: Bucket| {
                let known = bucket.keys.get(&place.hash).filter(|known| !known.is_expired(now));
                let (next, output) = change(known.cloned())?;
                let changed = next.is_some();
                if let Some(next) = next {
                    bucket.put(&place.hash, next, now);
                }
                Ok::<_, JobError>((bucket, changed, output))
            });
            match updated.await {
                Ok(updated) => return Ok(updated.output),
                Err(UpdateError::Missing) => {
                    self.store.create(&place.bucket, &Bucket::default()).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn remembered(request: &Idempotency, id: VideoId, at: Time) -> Remembered {
    Remembered { request_hash: request.request_hash.clone(), id, at, stream: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_drops_expired_keys_and_the_oldest_when_it_is_full() {
        let at = |s: i64| Time::from_unix_ms(s * 1000);
        let id = VideoId::new(1, [1; 10]);
        let entry = |s| Remembered { request_hash: "ab".repeat(16), id, at: at(s), stream: None };
        let mut bucket = Bucket::default();
        let stream = Some(StreamState::InProgress { holder: id, until: at(200_000) });
        bucket.put("sending", Remembered { stream, ..entry(0) }, at(0));
        for n in 0..200 {
            bucket.put(&format!("{n:032}"), entry(1 + n), at(1 + n));
        }
        assert_eq!(bucket.keys.len(), MAX_KEYS);
        assert!(bucket.keys.contains_key("sending") && bucket.keys.contains_key(&format!("{:032}", 199)));
        assert!(serde_json::to_vec(&bucket).unwrap().len() < 24 << 10);
        bucket.put("next", entry(100_000), at(100_000));
        assert_eq!(bucket.keys.keys().collect::<Vec<_>>(), ["next", "sending"]);
    }
}
