//! Reads what a container says about its streams into plain values.

use std::ffi::CStr;
use std::ptr;

use ffmpeg_next::ffi;
use framelift_domain::Rational;

use super::super::{Light, frame, rational, string, timestamp};
use super::{HAVE_INDEX, StreamInfo, streams, trial};
use crate::formats;

pub(super) fn describe(context: *mut ffi::AVFormatContext, video: usize, container: String) -> StreamInfo {
    let stream = streams(context)[video];
    // SAFETY: the context is open and the stream is one of its streams; everything is copied out.
    unsafe {
        let parameters = &*(*stream).codecpar;
        let time_base = rational((*stream).time_base).unwrap_or(Rational::whole(1));
        let own = timestamp((*stream).duration)
            .filter(|ticks| *ticks > 0)
            .and_then(|ticks| time_base.checked_mul(Rational::whole(ticks)))
            .or_else(|| tagged_duration(stream));
        let whole = timestamp((*context).duration)
            .filter(|micros| *micros > 0)
            // Some muxers of Matroska give the end's timestamp, which is later for a late start.
            .map(|micros| match timestamp((*context).start_time) {
                Some(start) if container == "matroska" && start > 0 && start < micros => micros - start,
                _ => micros,
            })
            .and_then(|micros| Rational::new(micros.into(), 1_000_000));
        let side_data = |kind| {
            let mut size = 0;
            let data = ffi::av_stream_get_side_data(stream, kind, &mut size);
            (!data.is_null()).then_some((data, size))
        };
        let display_matrix = side_data(ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX)
            .filter(|(_, size)| *size >= 36)
            .map(|(data, _)| data.cast::<[i32; 9]>().read_unaligned());
        let init = ffi::AVPacketSideDataType::AV_PKT_DATA_ENCRYPTION_INIT_INFO;
        let tag = parameters.codec_tag.to_le_bytes();
        let metadata =
            |dictionary, key: &CStr| !ffi::av_dict_get(dictionary, key.as_ptr(), ptr::null(), 0).is_null();
        let encrypted = side_data(init).is_some()
            || [*b"encv", *b"drmi"].contains(&tag)
            || metadata((*stream).metadata, c"enc_key_id")
            || metadata((*context).metadata, c"ASF_Protection_Type");
        let whole_pictures = ["mov", "matroska", "flv", "asf"].contains(&container.as_str());
        // In a transport stream each field of an interlaced picture may be a packet.
        let progressive = parameters.field_order == ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE;
        let timed_pictures = ["mov", "matroska", "flv"].contains(&container.as_str())
            || (container == "mpegts" && progressive);
        // FFmpeg invents a timestamp for the first packet of a bare stream.
        let timeless = formats::is_timeless(&container);
        let untimed = timeless || ["mpegvideo", "m4v"].contains(&container.as_str());
        let palette = frame::pixel_format(parameters.format) == ffi::AVPixelFormat::AV_PIX_FMT_PAL8;
        let extradata = match usize::try_from(parameters.extradata_size) {
            Ok(size) if !parameters.extradata.is_null() => {
                std::slice::from_raw_parts(parameters.extradata, size).to_vec()
            }
            _ => Vec::new(),
        };
        let samples = frame::descriptor(parameters.format).and_then(|descriptor| {
            let planes = i32::from(descriptor.log2_chroma_w) + i32::from(descriptor.log2_chroma_h);
            let is_420 = descriptor.nb_components == 3 && planes == 2 && descriptor.log2_chroma_w == 1;
            is_420.then(|| u8::try_from(descriptor.comp[0].depth).unwrap_or(0))
        });
        StreamInfo {
            bits_of_420: samples.or_else(|| trial::bits_by_header(parameters.codec_id, &extradata)),
            profile: parameters.profile,
            codec: match parameters.codec_id {
                ffi::AVCodecID::AV_CODEC_ID_NONE => formats::codec_by_tag(tag).to_owned(),
                id => string(ffi::avcodec_get_name(id)),
            },
            width: u32::try_from(parameters.width).unwrap_or(0),
            height: u32::try_from(parameters.height).unwrap_or(0),
            time_base,
            frame_rate: rational(ffi::av_guess_frame_rate(context, stream, ptr::null_mut())),
            claimed_duration: own.or(whole),
            claim_is_own: own.is_some(),
            claimed_frames: u64::try_from((*stream).nb_frames).ok().filter(|n| *n > 0),
            display_matrix,
            container_shape: rational((*stream).sample_aspect_ratio),
            pixel_shape: rational(ffi::av_guess_sample_aspect_ratio(context, stream, ptr::null_mut())),
            whole_pictures,
            timed_pictures,
            reorders: parameters.video_delay > 0,
            untimed,
            palette,
            encrypted,
            has_index: HAVE_INDEX.contains(&container.as_str()),
            extradata,
            light: Light::of(stream),
            apertures: Vec::new(),
            timeless,
            container,
        }
    }
}

/// The `DURATION` tag that muxers of Matroska give each track: the end's timestamp.
///
/// # Safety
/// `stream` belongs to an open context.
unsafe fn tagged_duration(stream: *mut ffi::AVStream) -> Option<Rational> {
    // SAFETY: the caller's promise; an entry is valid until the dictionary changes.
    let (text, start) = unsafe {
        let find = |key: &CStr, flags| ffi::av_dict_get((*stream).metadata, key.as_ptr(), ptr::null(), flags);
        let entry = find(c"DURATION", ffi::AV_DICT_IGNORE_SUFFIX).as_ref()?;
        (string(entry.value), timestamp((*stream).start_time).unwrap_or(0).max(0))
    };
    let mut seconds = Rational::ZERO;
    for part in text.split(':') {
        let part = Rational::parse_decimal(part)?;
        seconds = seconds.checked_mul(Rational::whole(60))?.checked_add(part)?;
    }
    // SAFETY: the caller's promise.
    let start = rational(unsafe { (*stream).time_base })?.checked_mul(Rational::whole(start))?;
    seconds.checked_sub(start).filter(|duration| duration.is_positive())
}

/// The number that the container gives a stream.
pub(super) fn stream_id(context: *mut ffi::AVFormatContext, stream: usize) -> Option<u32> {
    // SAFETY: streams of an open context are valid.
    u32::try_from(unsafe { (*streams(context)[stream]).id }).ok()
}

/// How many streams of video come before one.
pub(super) fn video_number(context: *mut ffi::AVFormatContext, stream: usize) -> usize {
    let kind = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
    // SAFETY: streams of an open context are valid, and so are their parameters.
    streams(context)[..stream]
        .iter()
        .filter(|stream| unsafe { (*(***stream).codecpar).codec_type } == kind)
        .count()
}
