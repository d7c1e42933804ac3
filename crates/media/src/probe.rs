//! What a file holds, without extracting anything.

use framelift_domain::Rational;
use serde::Serialize;

use crate::extract::open;
use crate::ffi::StreamInfo;
use crate::geometry::{Geometry, Orientation};
use crate::watch::Watch;
use crate::{EngineLimits, ExtractError, Source};

/// A video as its container describes it: claims, not measurements.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VideoInfo {
    /// The container's short name (`mov` stands for MP4 too).
    pub container: String,
    /// The codec's short name.
    pub codec: String,
    /// Whether the engine can decode it.
    pub decodable: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Pixels across as stored.
    pub width: u32,
    /// Pixels down as stored.
    pub height: u32,
    /// Pixels across as shown: cropping, pixel shape and rotation applied.
    pub shown_width: u32,
    /// Pixels down as shown.
    pub shown_height: u32,
    /// Seconds, as claimed.
    #[serde(serialize_with = "text")]
    pub duration: Option<Rational>,
    /// Frames a second, as claimed.
    #[serde(serialize_with = "text")]
    pub frame_rate: Option<Rational>,
    /// Frames, as claimed.
    pub frames: Option<u64>,
}

fn text<S: serde::Serializer>(value: &Option<Rational>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.to_string()).serialize(serializer)
}

/// Reads the header of what `source` holds.
pub fn probe(source: Box<dyn Source>) -> Result<VideoInfo, ExtractError> {
    let limits = EngineLimits::default();
    let watch = Watch::new(&(), &limits);
    let input = open::open(source, &limits, &watch)?;
    let info = input.info();
    let orientation = info.display_matrix.as_ref().map(Orientation::from_matrix).unwrap_or_default();
    let stored = (info.width, info.height);
    let (part, shape) = match info.aperture(stored) {
        Some(aperture) => ((aperture.part.width, aperture.part.height), aperture.shape),
        None => (stored, info.pixel_shape),
    };
    let shown =
        Geometry::new(part, shape, orientation, None, u64::MAX).map_or(stored, |geometry| geometry.size);
    Ok(VideoInfo {
        container: info.container.clone(),
        codec: info.codec.clone(),
        decodable: StreamInfo::is_decodable(&input),
        encrypted: info.encrypted,
        width: info.width,
        height: info.height,
        shown_width: shown.0,
        shown_height: shown.1,
        duration: info.claimed_duration,
        frame_rate: info.frame_rate,
        frames: info.claimed_frames,
    })
}
