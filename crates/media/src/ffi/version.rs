//! Covers what FFmpeg 6 renamed; everything else that is used is the same since 5.1.

use std::ffi::c_int;
#[cfg(ffmpeg_6)]
use std::ffi::c_void;

use ffmpeg_next::ffi;

/// Lets a decoder's own threads ask for pictures, and lets labels of packets reach their pictures.
///
/// # Safety
/// The context is valid and not open yet.
pub(super) unsafe fn prepare(context: *mut ffi::AVCodecContext) {
    // SAFETY: as above.
    #[cfg(ffmpeg_6)]
    unsafe {
        (*context).flags |= ffi::AV_CODEC_FLAG_COPY_OPAQUE as c_int;
    }
    // SAFETY: as above.
    #[cfg(not(ffmpeg_6))]
    unsafe {
        (*context).thread_safe_callbacks = true as c_int;
    }
}

/// Sends a packet, or null for the end, with a label that its picture will have.
///
/// # Safety
/// The context is open; the packet is valid or null, and nothing else uses it meanwhile.
pub(super) unsafe fn send(
    context: *mut ffi::AVCodecContext,
    packet: *mut ffi::AVPacket,
    label: i64,
) -> c_int {
    // SAFETY: as above.
    unsafe {
        #[cfg(ffmpeg_6)]
        if !packet.is_null() {
            (*packet).opaque = label as usize as *mut c_void;
        }
        #[cfg(not(ffmpeg_6))]
        {
            (*context).reordered_opaque = label;
        }
        ffi::avcodec_send_packet(context, packet)
    }
}

/// The label of the packet that a picture came from.
pub(super) fn label(frame: &ffi::AVFrame) -> i64 {
    #[cfg(ffmpeg_6)]
    return frame.opaque as usize as i64;
    #[cfg(not(ffmpeg_6))]
    return frame.reordered_opaque;
}

/// How long a picture is shown in ticks of its stream, 0 if that is unknown.
pub(super) fn ticks(frame: &ffi::AVFrame) -> i64 {
    #[cfg(ffmpeg_6)]
    return frame.duration;
    #[cfg(not(ffmpeg_6))]
    return frame.pkt_duration;
}
