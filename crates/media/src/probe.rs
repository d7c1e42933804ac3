//! Describes what a file contains, without extracting anything.

use framelift_domain::Rational;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::ffi::{StreamInfo, VideoStream};
use crate::view::View;
use crate::watch::Watch;
use crate::{EngineLimits, ExtractError, Source, open};

/// A video as its container describes it: claims, not measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoInfo {
    /// The container's short name (`mov` stands for MP4 too).
    pub container: String,
    /// The codec's short name.
    pub codec: String,
    /// Whether the engine can decode it.
    pub decodable: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Pixels across as stored; `None` if only the pictures give the size.
    pub width: Option<u32>,
    /// Pixels down as stored.
    pub height: Option<u32>,
    /// Pixels across as shown: cropping, pixel shape and rotation applied.
    pub shown_width: Option<u32>,
    /// Pixels down as shown.
    pub shown_height: Option<u32>,
    /// Seconds, as claimed.
    #[serde(serialize_with = "text", deserialize_with = "from_text")]
    pub duration: Option<Rational>,
    /// Frames a second, as claimed.
    #[serde(serialize_with = "text", deserialize_with = "from_text")]
    pub frame_rate: Option<Rational>,
    /// Frames, as claimed.
    pub frames: Option<u64>,
    /// Every stream of video; `stream` is the described one.
    pub streams: Vec<VideoStream>,
    /// The number of the stream that is chosen by default.
    pub stream: u32,
}

fn text<S: serde::Serializer>(value: &Option<Rational>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(|value| value.to_string()).serialize(serializer)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Rational>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    let value = match text.split_once('/') {
        Some((num, den)) => {
            num.parse().ok().zip(den.parse().ok()).and_then(|(num, den)| Rational::new(num, den))
        }
        None => text.strip_prefix('-').map_or_else(
            || Rational::parse_decimal(&text),
            |text| Rational::ZERO.checked_sub(Rational::parse_decimal(text)?),
        ),
    };
    value.map(Some).ok_or_else(|| D::Error::custom("neither a decimal nor a fraction"))
}

/// Higher values are not frame rates: if FFmpeg finds none, it returns the rate of the container's clock.
const MAX_RATE: f64 = 10_000.0;

/// Reads the header of what `source` holds.
pub fn probe(source: Box<dyn Source>) -> Result<VideoInfo, ExtractError> {
    let limits = EngineLimits::default();
    let watch = Watch::new(&(), &limits);
    let input = open::open(source, None, &limits, &watch)?;
    let info = input.info();
    let known = |side| (side > 0).then_some(side);
    let shown = View::announced(info, u64::MAX).geometry(None);
    let shown = shown.map_or((info.width, info.height), |(geometry, _)| geometry.size);
    Ok(VideoInfo {
        container: info.container.clone(),
        codec: info.codec.clone(),
        decodable: StreamInfo::is_decodable(&input),
        encrypted: info.encrypted,
        width: known(info.width),
        height: known(info.height),
        shown_width: known(shown.0),
        shown_height: known(shown.1),
        duration: info.claimed_duration,
        frame_rate: info.frame_rate.filter(|rate| rate.to_f64() <= MAX_RATE),
        frames: info.claimed_frames,
        streams: input.video_streams(),
        stream: input.stream_number(),
    })
}
