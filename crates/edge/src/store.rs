//! The layout of the edge's values in a key-value store, and the operations on them.
//!
//! Each value that is written by compare-and-swap carries a revision and the ids of its last
//! writes ([`update`]); it is created by exactly one writer ([`create`]); user input in a key
//! is hashed ([`keys`]).

pub mod create;
pub mod expiry;
#[cfg(test)]
pub(crate) mod golden;
pub mod index;
pub mod keys;
pub mod listing;
#[cfg(all(feature = "testing", not(target_family = "wasm")))]
pub mod memory;
pub mod outbox;
pub mod plugins;
pub mod records;
mod recount;
pub mod slots;
#[cfg(feature = "testing")]
pub mod suite;
pub mod update;
pub mod value;

use std::cell::RefCell;
use std::collections::BTreeSet;

use framelift_domain::{CorrelationId, UserId, VideoId};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::http::{Level, log};
use crate::ports::{Ambient, Kv, Unavailable};
pub use expiry::Expiring;
use records::VideoRow;
pub use recount::{Counted, Recount};
use update::{UpdateError, Updated};
pub use value::Stored;
use value::{Envelope, decode};

/// A failure to read or write a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store did not answer, or there were too many concurrent writes.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The value cannot be read; a retry does not help.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// A value that does not decode, or that would be too large to be written. It is not changed, so that an operator can
/// inspect it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record {key_hash} is damaged: {detail} (docs/operations.md, \"Damaged records\")")]
pub struct Damaged {
    /// The first 16 hex digits of the SHA-256 of its key.
    key_hash: String,
    /// The error, without any of the content.
    detail: String,
}

/// Maximum of damaged records that an instance remembers to have logged.
const MAX_LOGGED: usize = 1_000;

thread_local! {
    /// The key hashes of the damaged records that [`Damaged::log_once`] has logged in this instance.
    static LOGGED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

impl Damaged {
    fn new(key: &str, detail: impl std::fmt::Display) -> Self {
        let hash = Sha256::digest(key.as_bytes());
        Self { key_hash: hex::encode(&hash[..8]), detail: detail.to_string() }
    }

    /// Logs the record, unless this instance has logged it. For callers that skip the record and will read it again:
    /// lists, streams and the sweep. A request that fails because of it is logged each time, with its path.
    pub(crate) fn log_once(
        &self,
        message: &str,
        user: Option<UserId>,
        correlation_id: Option<&CorrelationId>,
    ) {
        let is_new = LOGGED.with_borrow_mut(|logged| {
            if logged.len() >= MAX_LOGGED {
                logged.clear();
            }
            logged.insert(self.key_hash.clone())
        });
        if is_new {
            let mut fields = vec![("cause", json!(self.to_string()))];
            fields.extend(user.map(|user| ("user.id", json!(user))));
            log(Level::Error, message, correlation_id, &fields);
        }
    }
}

/// A key-value store, a clock and a random source.
#[derive(Debug)]
pub struct Store<'a, K, A> {
    kv: &'a K,
    ambient: &'a A,
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// A store over a key-value store, a clock and a random source.
    pub fn new(kv: &'a K, ambient: &'a A) -> Self {
        Self { kv, ambient }
    }

    /// The key-value store itself, for keys that are set or counted.
    pub fn kv(&self) -> &'a K {
        self.kv
    }

    /// Reads a value.
    pub async fn get<T: Stored>(&self, key: &str) -> Result<Option<T>, StoreError> {
        Ok(self.kv.get(key).await?.map(|bytes| decode(key, &bytes)).transpose()?)
    }

    /// Reads a value that is swapped, and its revision, which each write raises.
    pub async fn get_revised<T: Stored>(&self, key: &str) -> Result<Option<(T, u64)>, StoreError> {
        let Some(bytes) = self.kv.get(key).await? else { return Ok(None) };
        let mut envelope = Envelope::read(key, &bytes)?;
        Ok(Some((envelope.open(key)?, envelope.rev)))
    }

    /// Writes a value; for keys that are never swapped.
    pub async fn set_plain<T: Stored>(&self, key: &str, value: &T) -> Result<(), StoreError> {
        Ok(self.kv.set(key, Envelope::new(key, value)?.write(key)?).await?)
    }

    /// A video's record.
    pub async fn video(&self, id: VideoId) -> Result<Option<VideoRow>, StoreError> {
        self.get(&keys::video(id)).await
    }

    /// Records of videos, in the order of their ids.
    pub async fn videos(
        &self,
        ids: &[VideoId],
    ) -> Result<Vec<Result<Option<VideoRow>, Damaged>>, Unavailable> {
        let keys: Vec<String> = ids.iter().map(|&id| keys::video(id)).collect();
        let values = self.kv.get_many(&keys).await?;
        let read =
            |(key, value): (&String, Option<Vec<u8>>)| value.map(|bytes| decode(key, &bytes)).transpose();
        Ok(keys.iter().zip(values).map(read).collect())
    }

    /// Changes a video's record.
    pub async fn update_video<R, E>(
        &self,
        id: VideoId,
        change: impl FnMut(VideoRow) -> Result<(VideoRow, bool, R), E>,
    ) -> Result<Updated<VideoRow, R>, UpdateError<E>> {
        self.update(&keys::video(id), change).await
    }

    /// Waits with a random backoff that grows with each round.
    async fn back_off(&self, round: u32) {
        let mut random = [0; 2];
        self.ambient.fill_random(&mut random);
        let most = 5_u32 << round.min(6);
        self.ambient.pause(1 + u32::from(u16::from_le_bytes(random)) % most).await;
    }

    /// A random text, unique to this writer.
    pub(crate) fn op_id(&self) -> String {
        let mut random = [0; 8];
        self.ambient.fill_random(&mut random);
        format!("{:016x}", u64::from_le_bytes(random))
    }
}

/// An error that this module found, not the key-value store.
fn unavailable(key: &str, detail: impl std::fmt::Display) -> StoreError {
    Unavailable { what: "store", detail: format!("{key}: {detail}") }.into()
}
