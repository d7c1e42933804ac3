//! The names of the keys in the store `videos`, and how long each of them lives.
//!
//! | key | what | removed by, when |
//! |---|---|---|
//! | `video/<id>` | a video's record | the sweep, a day after its owner deleted it, or closed the account |
//! | `slots/<user>` | a user's unfinished videos and bytes | the sweep, a day after the account was closed |
//! | `outbox/<user>` | what a user is still to be told | the sweep, a day after the account was closed |
//! | `delivery/<event>` | an event for a webhook, and its attempts | the same; or a day after 200 newer ones came |
//! | `index/<user>` | the newest page of a user's videos | the same |
//! | `index/<user>/<page>` | an older page | the same; or as soon as no record of its videos and of older ones is left |
//! | `idempotency/<user>/<bucket>` | idempotency keys; at most 256 buckets a user | a key: when its bucket is written, after a day; a bucket: with the account |
//! | `plugins/<user>` | all versions of a user's plugins | the sweep, a day after the account was closed |
//! | `schema/<plugin>` | what a version says of its configuration | together with the version |
//! | `streams/<user>` | the ids of a user's newest streams of events | the sweep, a day after the account was closed |
//! | `rate/<user>` | a user's requests in this minute and the one before | the sweep, a day after the account was closed |
//! | `work/<shard>/<page>`, `kept/<shard>/<page>`, `checks/<shard>/<page>`, `notices/<shard>/<page>` | users that the sweep looks after, in shards | never: there are as many pages as the most users at once needed |
//! | `expire/<hour>/<shard>/<page>` | what is to be removed in that hour | the sweep, when all of it is removed |
//! | `sweep/<list>` | where the sweep goes on, one for each list | never |
//! | `new/<key>`, `watch/<key>`, `new/<key>/<time>` | who creates a value ([`super::create`]) | together with the value ([`super::Store::forget`]) |
//!
//! The store `accounts` has its own table, in [`crate::accounts`]. What versions 0 and 1 left as
//! `idempotency/<user>/<hash>` stays.

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

/// What a user is still to be told.
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

/// What a version of a plugin says of its configuration.
pub fn plugin_schema(plugin: PluginId) -> String {
    format!("schema/{plugin}")
}

/// Values that the idempotency keys of one user are spread over.
pub const IDEMPOTENCY_BUCKETS: u32 = 256;

/// Where an idempotency key of a user is remembered; the key itself comes from a user and is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyPlace {
    /// The key of the bucket.
    pub bucket: String,
    /// The name in the bucket.
    pub hash: String,
    /// The key of the value of its own that older versions gave it.
    pub older: String,
}

/// Where an idempotency key is remembered.
pub fn idempotency(user: UserId, key: &str) -> IdempotencyPlace {
    let digest = Sha256::digest(key.as_bytes());
    let hash = hex::encode(&digest[..16]);
    IdempotencyPlace {
        bucket: idempotency_bucket(user, u64::from(digest[0])),
        older: format!("idempotency/{user}/{hash}"),
        hash,
    }
}

/// A bucket of a user's idempotency keys.
pub fn idempotency_bucket(user: UserId, bucket: u64) -> String {
    format!("idempotency/{user}/{bucket}")
}

/// A page of what is to be removed in an hour, counted from 1970.
pub fn expiry_page(hour: i64, shard: u32, page: u32) -> String {
    format!("expire/{hour}/{shard}/{page}")
}

/// The counter that says who creates a value.
pub fn creation(key: &str) -> String {
    format!("new/{key}")
}

/// Since when somebody waits for a value to be created.
pub fn watch(key: &str) -> String {
    format!("watch/{key}")
}

/// The counter that says who creates a value instead of those who died before that time.
pub fn take_over(key: &str, at: Time) -> String {
    format!("new/{key}/{}", at.unix_ms())
}

/// A page of one of the lists of users that the sweep goes through.
pub fn list_page(list: &str, shard: u32, page: u32) -> String {
    format!("{list}/{shard}/{page}")
}

/// Where the sweep goes on.
pub fn sweep_cursor(list: &str) -> String {
    format!("sweep/{list}")
}

/// The shard of a user, evenly spread.
pub fn shard(user: UserId, shards: u32) -> u32 {
    let digest = Sha256::digest(user.to_string().as_bytes());
    u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]) % shards
}
