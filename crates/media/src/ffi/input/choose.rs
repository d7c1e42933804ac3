//! Chooses among a container's video streams.

use std::ffi::c_int;
use std::fmt;
use std::ptr;

use ffmpeg_next::ffi;
use serde::{Deserialize, Serialize};

use super::{OpenError, streams};
use crate::ffi::string;
use crate::formats;

/// A stream of video as its container describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoStream {
    /// The container's number, from 0, in which streams of other kinds count.
    pub number: u32,
    /// The codec's short name.
    pub codec: String,
    /// Pixels across as stored.
    pub width: u32,
    /// Pixels down as stored.
    pub height: u32,
}

impl VideoStream {
    /// Lists several of them in a message.
    pub(crate) fn list(streams: &[Self]) -> String {
        streams.iter().map(Self::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for VideoStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, codec, width, height } = self;
        write!(f, "{number} ({codec}, {width}x{height})")
    }
}

/// The index of the video stream with the number `wanted`, or of the best one.
pub(super) fn choose(context: *mut ffi::AVFormatContext, wanted: Option<u32>) -> Result<usize, OpenError> {
    // A number out of range stays one that no stream has.
    let number = wanted.map_or(-1, |wanted| c_int::try_from(wanted).unwrap_or(c_int::MAX));
    // SAFETY: the context is open.
    let best = unsafe {
        let kind = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
        ffi::av_find_best_stream(context, kind, number, -1, ptr::null_mut(), 0)
    };
    usize::try_from(best).map_err(|_| match (wanted, video_streams(context)) {
        (Some(wanted), streams) if !streams.is_empty() => OpenError::NoSuchStream(wanted, streams),
        _ => no_video(context),
    })
}

/// The streams of video; attached pictures do not count.
pub(super) fn video_streams(context: *mut ffi::AVFormatContext) -> Vec<VideoStream> {
    let streams = (0..).zip(streams(context)).filter_map(|(number, stream)| {
        // SAFETY: streams of an open context are valid, and so are their parameters.
        let parameters = unsafe { &*(**stream).codecpar };
        (parameters.codec_type == ffi::AVMediaType::AVMEDIA_TYPE_VIDEO).then(|| VideoStream {
            number,
            // SAFETY: names are static strings.
            codec: unsafe { string(ffi::avcodec_get_name(parameters.codec_id)) },
            width: u32::try_from(parameters.width).unwrap_or(0),
            height: u32::try_from(parameters.height).unwrap_or(0),
        })
    });
    streams.collect()
}

/// Returns why there is no video: FFmpeg does not count streams of unknown codecs as video.
fn no_video(context: *mut ffi::AVFormatContext) -> OpenError {
    let tags = streams(context).iter().map(|stream| {
        // SAFETY: streams of an open context are valid, and so are their parameters.
        unsafe { (*(**stream).codecpar).codec_tag.to_le_bytes() }
    });
    match tags.map(formats::codec_by_tag).find(|name| *name != formats::UNKNOWN_CODEC) {
        Some(short) => OpenError::Codec(formats::codec_name(short).unwrap_or(short).to_owned()),
        None => OpenError::NoVideo,
    }
}
