//! The names of the keys in the store `videos`.

use framelift_domain::{UserId, VideoId};
use sha2::{Digest, Sha256};

/// A video's record.
pub fn video(id: VideoId) -> String {
    format!("video/{id}")
}

/// All of a user's unfinished videos.
pub fn slots(user: UserId) -> String {
    format!("slots/{user}")
}

/// The newest page of a user's videos.
pub fn index(user: UserId) -> String {
    format!("index/{user}")
}

/// An older page of a user's videos, from 0.
pub fn index_page(user: UserId, page: u64) -> String {
    format!("index/{user}/{page}")
}

/// What was done under an idempotency key; the key itself comes from a user and is hashed.
pub fn idempotency(user: UserId, key: &str) -> String {
    format!("idempotency/{user}/{}", hex::encode(&Sha256::digest(key.as_bytes())[..16]))
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
