//! Bodies of the calls over single frames of a finished video.

use framelift_domain::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /videos/{id}/frames`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FramePage {
    /// In the order of time.
    pub items: Vec<FrameItem>,
    /// The cursor of the next page; null at the end.
    pub next_cursor: Option<String>,
    /// The path of any frame of this video, `{n}` being its number. It needs no token.
    pub url_template: String,
    /// When the URLs expire.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FrameItem {
    /// Its number, from 1: that of the archive's member.
    pub n: u64,
    /// When it is shown: seconds on the video's timeline, to the nearest nanosecond, as a decimal.
    pub time: String,
    /// The same as a number.
    pub time_seconds: f64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Bytes of the image.
    pub bytes: u64,
    /// Whether the container marks it as a sync point.
    pub keyframe: bool,
    /// The path of this frame. It needs no token.
    pub url: String,
}
