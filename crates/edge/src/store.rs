//! The records of the edge in a key-value store, and the few operations that all of them share.
//!
//! Each value that is written by compare-and-swap carries a revision and the ids of its last
//! writes ([`update`]); it is created by exactly one writer ([`create`]); user input in a key
//! is hashed ([`keys`]).

pub mod create;
pub mod index;
pub mod keys;
pub mod listing;
#[cfg(not(target_family = "wasm"))]
pub mod memory;
pub mod records;
pub mod slots;
pub mod suite;
pub mod update;

use framelift_domain::VideoId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ports::{Ambient, Kv, Unavailable};
use records::VideoRow;
use update::{UpdateError, Updated, Versioned};

/// Most bytes of a value: what every back end takes.
pub const MAX_VALUE_BYTES: usize = 32 << 10;

/// A key-value store and what its operations need of the world.
#[derive(Debug)]
pub struct Store<'a, K, A> {
    kv: &'a K,
    ambient: &'a A,
}

impl<'a, K: Kv, A: Ambient> Store<'a, K, A> {
    /// The records in that store.
    pub fn new(kv: &'a K, ambient: &'a A) -> Self {
        Self { kv, ambient }
    }

    /// The store itself, for keys that are set or counted.
    pub fn kv(&self) -> &'a K {
        self.kv
    }

    /// Reads a value that is written by [`Self::update`] and [`Self::create`].
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Unavailable> {
        let Some(bytes) = self.kv.get(key).await? else { return Ok(None) };
        let versioned: Versioned<T> = decode(key, &bytes)?;
        Ok(Some(versioned.value))
    }

    /// Reads a value that is written by [`Self::set_plain`].
    pub async fn get_plain<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Unavailable> {
        self.kv.get(key).await?.map(|bytes| decode(key, &bytes)).transpose()
    }

    /// Sets a value whole; for keys that are never swapped.
    pub async fn set_plain<T: Serialize>(&self, key: &str, value: &T) -> Result<(), Unavailable> {
        self.kv.set(key, encode(key, value)?).await
    }

    /// A video's record.
    pub async fn video(&self, id: VideoId) -> Result<Option<VideoRow>, Unavailable> {
        self.get(&keys::video(id)).await
    }

    /// Changes a video's record.
    pub async fn update_video<R, E>(
        &self,
        id: VideoId,
        change: impl FnMut(VideoRow) -> Result<(VideoRow, bool, R), E>,
    ) -> Result<Updated<VideoRow, R>, UpdateError<E>> {
        self.update(&keys::video(id), change).await
    }

    /// Waits a little, longer with each round, and never as long as another one in the same place.
    async fn back_off(&self, round: u32) {
        let mut random = [0; 2];
        self.ambient.fill_random(&mut random);
        let most = 5_u32 << round.min(6);
        self.ambient.pause(1 + u32::from(u16::from_le_bytes(random)) % most).await;
    }

    /// Text that no other writer comes up with.
    fn op_id(&self) -> String {
        let mut random = [0; 8];
        self.ambient.fill_random(&mut random);
        format!("{:016x}", u64::from_le_bytes(random))
    }
}

/// A failure of the store for a reason found here.
fn broken(key: &str, detail: impl std::fmt::Display) -> Unavailable {
    Unavailable { what: "store", detail: format!("{key}: {detail}") }
}

fn decode<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, Unavailable> {
    serde_json::from_slice(bytes).map_err(|error| broken(key, error))
}

fn encode<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, Unavailable> {
    let bytes = serde_json::to_vec(value).map_err(|error| broken(key, error))?;
    if bytes.len() > MAX_VALUE_BYTES {
        return Err(broken(key, format_args!("a value of {} bytes is too large", bytes.len())));
    }
    Ok(bytes)
}
