//! Runs FFmpeg's probing of streams, whose trial decoders' memory is not counted, and reads codec headers
//! where probing is not allowed.

use std::ptr;

use ffmpeg_next::ffi;

use super::streams;
use crate::EngineLimits;
use crate::ffi::AvError;

/// The most pixels of pictures that FFmpeg decodes while probing: 4K, or, if the size is not known
/// beforehand, the largest that a level of a codec allows.
const MAX_TRIED: i64 = 4096 * 2304;
const MAX_TRIED_UNKNOWN: i64 = 36_000_000;

/// Lets FFmpeg probe the streams, with the pixel limit in its trial decoders.
pub(super) fn find_stream_info(
    context: *mut ffi::AVFormatContext,
    limits: &EngineLimits,
) -> Result<(), AvError> {
    let count = streams(context).len();
    let mut options: Vec<*mut ffi::AVDictionary> = vec![ptr::null_mut(); count];
    for (dictionary, stream) in options.iter_mut().zip(streams(context)) {
        // SAFETY: streams of an open context are valid, and so are their parameters.
        let (width, height) = unsafe { ((*(**stream).codecpar).width, (*(**stream).codecpar).height) };
        // The memory of FFmpeg's trial decoders is not counted: if the header gives a large size, the video
        // is left to the engine's own decoders.
        let known = i64::from(width) * i64::from(height) > MAX_TRIED;
        let most = if known { MAX_TRIED } else { MAX_TRIED_UNKNOWN };
        let pixels = i64::try_from(limits.max_pixels).unwrap_or(i64::MAX).min(most);
        // SAFETY: a null dictionary is an empty one, which the call creates.
        unsafe { ffi::av_dict_set_int(dictionary, c"max_pixels".as_ptr(), pixels, 0) };
    }
    // SAFETY: the context is open; there is one dictionary for each stream there is now.
    let code = unsafe { ffi::avformat_find_stream_info(context, options.as_mut_ptr()) };
    for dictionary in &mut options {
        // SAFETY: ours to free.
        unsafe { ffi::av_dict_free(dictionary) };
    }
    AvError::check(code).map(drop)
}

/// Reads the bits of a sample from the codec's header, for 4:2:0 pictures of which none was decoded.
pub(super) fn bits_by_header(codec: ffi::AVCodecID, header: &[u8]) -> Option<u8> {
    match (codec, header) {
        // `avcC`: of the profiles below High 10 (ITU-T H.264, A.2).
        (ffi::AVCodecID::AV_CODEC_ID_H264, [1, 66 | 77 | 88 | 100, ..]) => Some(8),
        // `hvcC`: chroma format and depth (ISO/IEC 14496-15, 8.3.3.1).
        (ffi::AVCodecID::AV_CODEC_ID_HEVC, [1, ..]) => {
            (header.get(16)? & 3 == 1).then_some((header.get(17)? & 7) + 8)
        }
        // `av1C`: seq_profile 0 is 4:2:0 unless it is monochrome.
        (ffi::AVCodecID::AV_CODEC_ID_AV1, [0x81, profile, flags, ..])
            if profile >> 5 == 0 && flags & 0x10 == 0 =>
        {
            Some(if flags & 0x40 == 0 { 8 } else { 10 })
        }
        _ => None,
    }
}
