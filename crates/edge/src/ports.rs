//! The edge's ports, which are traits over key-value store, queue, object store, outbound HTTP, clock.
//!
//! The futures need not be `Send`: a Wasm guest runs on one thread.

use bytes::Bytes;
use framelift_contract::message::Message;
use framelift_domain::Time;
use framelift_domain::video::Lane;
use futures::future::join_all;

/// A store, a queue or an object store did not answer, or not as it should.
///
/// The operation may or may not have happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is unavailable: {detail}")]
pub struct Unavailable {
    /// Its name: `store`, `queue`, `object store`, `accounts`.
    pub what: &'static str,
    /// For the log; never shown to a client.
    pub detail: String,
}

/// The outcome of one round of compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new value is there.
    Written,
    /// The change function returned no new value.
    Unchanged,
    /// The store reports a concurrent write. This write may have taken effect all the same (by a retry inside the back
    /// end), which is why values carry the ids of their last writes.
    Conflict,
}

/// The function that [`Kv::swap`] calls with the current value. It returns the new value, or `None` for no write.
pub type Change<'a> = &'a mut dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>>;

/// A key-value store with the guarantees that all back ends of Spin give.
///
/// A key that is written by `swap` must be written by nothing else, and a key that is counted by `increment` must be
/// read by nothing else. Either may be removed, and is then like an unused key. `swap` on a *missing* key may overwrite
/// a value that was created concurrently; on an existing key it is exact.
#[expect(async_fn_in_trait, reason = "guests are single-threaded: no Send bound is wanted")]
pub trait Kv {
    /// Reads a value; none if it is missing.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Unavailable>;
    /// Reads values, in the order of their keys; none for each that is missing.
    async fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Unavailable> {
        join_all(keys.iter().map(|key| self.get(key))).await.into_iter().collect()
    }
    /// Writes the value. Idempotent.
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), Unavailable>;
    /// Removes the key. Idempotent.
    async fn delete(&self, key: &str) -> Result<(), Unavailable>;
    /// One round of compare-and-swap: reads the value, calls `change`, and writes unless there was a concurrent write.
    async fn swap(&self, key: &str, change: Change<'_>) -> Result<Swap, Unavailable>;
    /// Adds to a counter (missing is 0) and returns the sum. Not idempotent.
    async fn increment(&self, key: &str, delta: i64) -> Result<i64, Unavailable>;
}

/// The job queue.
#[expect(async_fn_in_trait, reason = "guests are single-threaded: no Send bound is wanted")]
pub trait Queue {
    /// Sends a message in a lane, where it becomes visible after `delay_s` seconds (at most 900), in the
    /// fair-queue group of its user. `Ok` means that it is queued; after an error it may be, too.
    async fn send(&self, lane: Lane, message: &Message, delay_s: u32) -> Result<(), Unavailable>;
    /// Whether the queue answers, in every lane.
    async fn ready(&self) -> Result<(), Unavailable>;
}

/// The object store's deletions. Deleting something that does not exist succeeds.
#[expect(async_fn_in_trait, reason = "guests are single-threaded: no Send bound is wanted")]
pub trait Objects {
    /// Aborts a multipart upload.
    async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<(), Unavailable>;
    /// Removes an object, and aborts the multipart uploads of its key.
    async fn remove(&self, key: &str) -> Result<(), Unavailable>;
    /// Removes all objects whose keys begin with `prefix`, and aborts their multipart uploads.
    async fn remove_all(&self, prefix: &str) -> Result<(), Unavailable>;
}

/// Outbound HTTP, bodies in memory. Object store, queue client and calls between components
/// are built on it.
#[expect(async_fn_in_trait, reason = "guests are single-threaded: no Send bound is wanted")]
pub trait Http {
    /// Sends a request; any status is `Ok`.
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Unavailable>;
}

/// Time and randomness.
#[expect(async_fn_in_trait, reason = "guests are single-threaded: no Send bound is wanted")]
pub trait Ambient {
    /// The current time.
    fn now(&self) -> Time;
    /// Fills the buffer with cryptographically secure random bytes.
    fn fill_random(&self, buffer: &mut [u8]);
    /// Waits. A test's clock advances at once.
    async fn pause(&self, milliseconds: u32);
}
