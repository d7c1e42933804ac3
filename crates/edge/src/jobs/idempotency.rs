//! Requests that are sent twice under the same key and done once.
//!
//! A request whose body is a whole file ([`super::turn`]) is remembered before its body is known:
//! the record says, too, who is sending the file just now, or what came of it.

use framelift_domain::{Time, UserId, VideoId};
use serde::{Deserialize, Serialize};

use super::turn::Stream;
use super::{JobError, Jobs, Result};
use crate::ports::{Ambient, Kv, Queue};
use crate::store::{Stored, keys};

/// How long a key is remembered, in seconds.
const REMEMBERED_S: u32 = 24 * 3600;

/// A request that may be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The key that the client made up.
    pub key: String,
    /// A hash of the request: method, path and body.
    pub request_hash: String,
}

/// What is remembered of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Remembered {
    pub(super) request_hash: String,
    pub(super) id: VideoId,
    at: Time,
    /// Of a request whose body is a file: how far that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<Stream>,
}

impl Stored for Remembered {}

impl<K: Kv, Q: Queue, A: Ambient> Jobs<'_, K, Q, A> {
    /// The video that the request is about: the one it was about the first time, or `id`.
    pub(super) async fn recall(&self, user: UserId, id: VideoId, request: &Idempotency) -> Result<VideoId> {
        let key = keys::idempotency(user, &request.key);
        let fresh =
            Remembered { request_hash: request.request_hash.clone(), id, at: self.now(), stream: None };
        if self.store.create(&key, &fresh).await? {
            return Ok(id);
        }
        let updated = self
            .store
            .update(&key, |known: Remembered| {
                if fresh.at >= known.at.plus_s(REMEMBERED_S) {
                    Ok((fresh.clone(), true, id))
                } else if known.request_hash == fresh.request_hash {
                    let id = known.id;
                    Ok((known, false, id))
                } else {
                    Err(JobError::IdempotencyKeyReused)
                }
            })
            .await?;
        Ok(updated.output)
    }

    /// Gives the key of a request whose video was deleted to a new video. Which one has it now: `id`, or
    /// that of the same request under way elsewhere.
    pub(super) async fn rebind(
        &self,
        user: UserId,
        request: &Idempotency,
        deleted: VideoId,
        id: VideoId,
    ) -> Result<VideoId> {
        let at = self.now();
        let key = keys::idempotency(user, &request.key);
        let updated = self.store.update(&key, |known: Remembered| {
            if known.id != deleted {
                let id = known.id;
                return Ok::<_, JobError>((known, false, id));
            }
            Ok((Remembered { id, at, stream: None, ..known }, true, id))
        });
        Ok(updated.await?.output)
    }

    /// Remembers a request about an existing video; refuses a key that was used for another one.
    pub async fn remember(&self, user: UserId, id: VideoId, request: &Idempotency) -> Result<()> {
        if self.recall(user, id, request).await? == id { Ok(()) } else { Err(JobError::IdempotencyKeyReused) }
    }
}
