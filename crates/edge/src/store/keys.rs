//! The names of the keys in the store `videos`, and how long each of them lives.
//!
//! | key | what | removed by, when |
//! |---|---|---|
//! | `video/<id>` | a video's record | the sweep, a day after its owner deleted it, or closed the account |
//! | `slots/<user>` | a user's unfinished videos and bytes | the sweep, a day after the account was closed |
//! | `outbox/<user>` | the events of which a user is to be notified | the sweep, a day after the account was closed |
//! | `delivery/<event>` | an event for a webhook, and its attempts | the same; or a day after it was dropped from the outbox |
//! | `index/<user>` | the newest page of a user's videos | the same |
//! | `index/<user>/<page>` | an older page | the same; or as soon as the records of its videos and of all older ones are removed |
//! | `idempotency/<user>/<bucket>` | idempotency keys; at most 256 buckets a user | a key: by the first write of its bucket after a day; a bucket: with the account |
//! | `plugins/<user>` | all versions of a user's plugins | the sweep, a day after the account was closed |
//! | `schema/<plugin>` | the schema of a version's configuration | together with the version |
//! | `streams/<user>` | the ids of a user's newest streams of events | the sweep, a day after the account was closed |
//! | `rate/<user>` | a user's requests in this minute and the one before | the sweep, a day after the account was closed |
//! | `work/<shard>/<page>`, `kept/<shard>/<page>`, `checks/<shard>/<page>`, `notices/<shard>/<page>` | lists of users for the sweep, in shards | never: there are as many pages as the largest list needed |
//! | `expire/<hour>/<shard>/<page>` | what is to be removed in that hour | the sweep, when all its entries are removed |
//! | `sweep/<list>` | the cursor of the sweep, one for each list | never |
//! | `new/<key>`, `watch/<key>`, `new/<key>/<time>` | the election of a value's creator ([`super::create`]) | together with the value ([`super::Store::forget`]) |
//!
//! The store `accounts` has its own table, in [`crate::accounts`].

use framelift_domain::{EventId, PluginId, Time, UserId, VideoId};
use sha2::{Digest, Sha256};

/// A video's record.
pub fn video(id: VideoId) -> String {
    format!("video/{id}")
}

/// All of a user's unfinished videos.
pub fn slots(user: UserId) -> String {
    format!("slots/{user}")
}

/// The events of which a user is to be notified.
pub fn outbox(user: UserId) -> String {
    format!("outbox/{user}")
}

/// An event for a webhook.
pub fn delivery(event: EventId) -> String {
    format!("delivery/{event}")
}

/// The newest page of a user's videos.
pub fn index(user: UserId) -> String {
    format!("index/{user}")
}

/// An older page of a user's videos, from 0.
pub fn index_page(user: UserId, page: u64) -> String {
    format!("index/{user}/{page}")
}

/// All versions of a user's plugins.
pub fn plugins(user: UserId) -> String {
    format!("plugins/{user}")
}

/// The ids of a user's newest streams of events.
pub fn streams(user: UserId) -> String {
    format!("streams/{user}")
}

/// A user's requests in this minute and the one before.
pub fn rate(user: UserId) -> String {
    format!("rate/{user}")
}

/// The schema of the configuration of a plugin's version.
pub fn plugin_schema(plugin: PluginId) -> String {
    format!("schema/{plugin}")
}

/// Number of buckets for the idempotency keys of one user.
pub const IDEMPOTENCY_BUCKETS: u32 = 256;

/// Where an idempotency key is stored. The key itself is user input, and therefore hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyPlace {
    /// The key of the bucket.
    pub bucket: String,
    /// The name in the bucket.
    pub hash: String,
}

/// Where an idempotency key is stored.
pub fn idempotency(user: UserId, key: &str) -> IdempotencyPlace {
    let digest = Sha256::digest(key.as_bytes());
    IdempotencyPlace {
        bucket: idempotency_bucket(user, u64::from(digest[0])),
        hash: hex::encode(&digest[..16]),
    }
}

/// A bucket of a user's idempotency keys.
pub fn idempotency_bucket(user: UserId, bucket: u64) -> String {
    format!("idempotency/{user}/{bucket}")
}

/// A page of the removals of an hour, counted from 1970.
pub fn expiry_page(hour: i64, shard: u32, page: u32) -> String {
    format!("expire/{hour}/{shard}/{page}")
}

/// The counter that elects the creator of a value.
pub fn creation(key: &str) -> String {
    format!("new/{key}")
}

/// The time since when a caller waits for a value to be created.
pub fn watch(key: &str) -> String {
    format!("watch/{key}")
}

/// The counter that elects a new creator of a value after the earlier ones have died.
pub fn take_over(key: &str, at: Time) -> String {
    format!("new/{key}/{}", at.unix_ms())
}

/// A page of a list of users for the sweep.
pub fn list_page(list: &str, shard: u32, page: u32) -> String {
    format!("{list}/{shard}/{page}")
}

/// The cursor of the sweep in a list.
pub fn sweep_cursor(list: &str) -> String {
    format!("sweep/{list}")
}

/// The shard of a user, evenly spread.
pub fn shard(user: UserId, shards: u32) -> u32 {
    let digest = Sha256::digest(user.to_string().as_bytes());
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]) % shards
}
