//! The stored form of a video's record.

mod options;

use framelift_domain::video::{Source, State};
use framelift_domain::{CorrelationId, Time, TraceParent, UserId, Video, VideoId};
use serde::{Deserialize, Serialize};

use super::{Counted, Stored};
use options::StoredOptions;

/// Maximum of bytes of a new record. What is added later (shared uploads, warnings, failures) has its own bounds,
/// and both together stay below the maximum of a value.
pub const MAX_NEW_BYTES: usize = 15 << 10;

/// A video and its position in its owner's index.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Record", into = "Record")]
pub struct VideoRow {
    /// The video.
    pub video: Video,
    /// The position; none for the tombstone of a video whose creation was abandoned.
    pub position: Option<u64>,
    /// Whether all options are understood. Otherwise newer code wrote them, and the video can be read and deleted but
    /// not processed.
    pub understood: bool,
    /// The bytes that are counted.
    pub counted: Counted,
}

/// Tags of [`State`] and of [`Source`]. Version 2 counts bytes, version 3 records whether the owner of an expired
/// upload was notified, version 4 counts decoded time.
impl Stored for VideoRow {
    const VERSION: u32 = 4;
    const TAGS: &'static [&'static str] = &["name", "kind"];
}

impl VideoRow {
    /// The record of a new video.
    pub fn new(video: Video, position: Option<u64>) -> Self {
        Self { video, position, understood: true, counted: Counted::default() }
    }

    /// Whether a new record would be too large.
    pub fn is_too_large(&self) -> bool {
        // A record that does not serialize is refused when it is written.
        serde_json::to_vec(self).is_ok_and(|bytes| bytes.len() > MAX_NEW_BYTES)
    }
}

/// The stored layout.
#[derive(Serialize, Deserialize)]
struct Record {
    id: VideoId,
    owner: UserId,
    file_name: String,
    size_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    options: StoredOptions,
    correlation_id: CorrelationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace_parent: Option<TraceParent>,
    source: Source,
    created_at: Time,
    state: State,
    position: Option<u64>,
    #[serde(default, skip_serializing_if = "Counted::is_default")]
    counted: Counted,
}

impl From<VideoRow> for Record {
    fn from(row: VideoRow) -> Self {
        let Video {
            id,
            owner,
            file_name,
            size_bytes,
            content_type,
            options,
            correlation_id,
            trace_parent,
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
            options: StoredOptions::from(&options),
            correlation_id,
            trace_parent,
            source,
            created_at,
            state,
            position: row.position,
            counted: row.counted,
        }
    }
}

impl From<Record> for VideoRow {
    fn from(record: Record) -> Self {
        let (options, understood) = record.options.read();
        Self {
            video: Video {
                id: record.id,
                owner: record.owner,
                file_name: record.file_name,
                size_bytes: record.size_bytes,
                content_type: record.content_type,
                options,
                correlation_id: record.correlation_id,
                trace_parent: record.trace_parent,
                source: record.source,
                created_at: record.created_at,
                state: record.state,
            },
            position: record.position,
            understood,
            counted: record.counted,
        }
    }
}
