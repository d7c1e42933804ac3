//! A video's record as it lies in the store.

use framelift_contract::options::OptionsBody;
use framelift_domain::video::{Source, State};
use framelift_domain::{CorrelationId, Time, UserId, Video, VideoId};
use serde::{Deserialize, Serialize};

/// Most bytes that a record may have when it is made: what comes later (shared uploads,
/// warnings, failures) has its own bounds, and both together stay below what a value may have.
pub const MAX_NEW_BYTES: usize = 15 << 10;

/// A video and its position in its owner's index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct VideoRow {
    /// The video.
    pub video: Video,
    /// Its position; none for the tombstone of a video that never came to be.
    pub position: Option<u64>,
}

impl VideoRow {
    /// Whether a new record would be too large.
    pub fn is_too_large(&self) -> bool {
        // A record always serializes; the store says so otherwise.
        serde_json::to_vec(self).is_ok_and(|bytes| bytes.len() > MAX_NEW_BYTES)
    }
}

/// The spelling.
#[derive(Serialize, Deserialize)]
struct Stored {
    id: VideoId,
    owner: UserId,
    file_name: String,
    size_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    options: OptionsBody,
    correlation_id: CorrelationId,
    source: Source,
    created_at: Time,
    state: State,
    position: Option<u64>,
}

impl From<VideoRow> for Stored {
    fn from(row: VideoRow) -> Self {
        let Video {
            id,
            owner,
            file_name,
            size_bytes,
            content_type,
            options,
            correlation_id,
            source,
            created_at,
            state,
        } = row.video;
        Self {
            id,
            owner,
            file_name,
            size_bytes,
            content_type,
            options: OptionsBody::spelled_out(&options),
            correlation_id,
            source,
            created_at,
            state,
            position: row.position,
        }
    }
}

impl TryFrom<Stored> for VideoRow {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let options = stored.options.check("").map_err(|errors| {
            let texts: Vec<String> =
                errors.into_iter().map(|error| format!("{} {}", error.pointer, error.detail)).collect();
            format!("stored options are not valid: {}", texts.join(", "))
        })?;
        Ok(Self {
            video: Video {
                id: stored.id,
                owner: stored.owner,
                file_name: stored.file_name,
                size_bytes: stored.size_bytes,
                content_type: stored.content_type,
                options,
                correlation_id: stored.correlation_id,
                source: stored.source,
                created_at: stored.created_at,
                state: stored.state,
            },
            position: stored.position,
        })
    }
}
