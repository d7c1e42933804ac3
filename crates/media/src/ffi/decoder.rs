//! A software decoder for one stream.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ffmpeg_next::ffi;

use super::{AvError, Frame, Packet, string};

/// Decoders that may see a stranger's bytes: FFmpeg's own and dav1d.
const DECODERS: &[&str] = &[
    "h264",
    "hevc",
    "vp8",
    "vp9",
    "libdav1d",
    "av1",
    "mpeg1video",
    "mpeg2video",
    "mpegvideo",
    "mpeg4",
    "msmpeg4v1",
    "msmpeg4",
    "msmpeg4v2",
    "h261",
    "h263",
    "h263i",
    "h263p",
    "flv",
    "flashsv",
    "vp3",
    "vp5",
    "vp6",
    "vp6a",
    "vp6f",
    "wmv1",
    "wmv2",
    "wmv3",
    "vc1",
    "wmv3image",
    "vc1image",
    "mss1",
    "mss2",
    "mjpeg",
    "prores",
    "dnxhd",
    "cfhd",
    "theora",
    "rawvideo",
    "v210",
    "v410",
    "ffv1",
    "huffyuv",
    "ffvhuff",
    "utvideo",
    "magicyuv",
    "cinepak",
    "svq1",
    "svq3",
    "indeo2",
    "indeo3",
    "indeo4",
    "indeo5",
    "rpza",
    "qtrle",
    "msvideo1",
    "msrle",
    "dvvideo",
    "png",
    "zmbv",
    "tscc",
    "camtasia",
    "fraps",
    "lagarith",
    "cavs",
    "snow",
    "dirac",
];

/// Why there is no decoder.
#[derive(Debug)]
pub(crate) enum DecoderError {
    /// FFmpeg has none for this codec, or none that is on the list.
    Unsupported,
    Failed(AvError),
}

/// What the frame allocator is told and tells.
struct Guard {
    max_pixels: u64,
    too_large: AtomicBool,
}

/// An open `AVCodecContext`.
pub(crate) struct Decoder {
    context: *mut ffi::AVCodecContext,
    guard: Box<Guard>,
    name: String,
}

// SAFETY: a decoder may be used from one thread after another; its own threads are FFmpeg's.
unsafe impl Send for Decoder {}

/// What the threads of a decoder share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threading {
    /// Pictures that follow each other, as well as one picture.
    Pictures,
    /// One picture at a time: nothing is gained where each is waited for.
    OnePicture,
}

/// What came out of the decoder.
pub(crate) enum Decoded {
    Frame(Frame),
    /// It wants more packets.
    Hungry,
    /// Nothing more will come.
    End,
}

impl Decoder {
    /// A decoder for the stream that `parameters` describe.
    ///
    /// # Safety
    /// `parameters` is valid during the call, `time_base` that of its stream.
    pub(super) unsafe fn open(
        parameters: *const ffi::AVCodecParameters,
        time_base: ffi::AVRational,
        frame_rate: ffi::AVRational,
        threads: usize,
        threading: Threading,
        max_pixels: u64,
    ) -> Result<Self, DecoderError> {
        // SAFETY: the caller's promise; a codec is static.
        let codec = unsafe { find((*parameters).codec_id) }.ok_or(DecoderError::Unsupported)?;
        // SAFETY: a codec's name is a static string.
        let name = unsafe { string(codec.name) };
        // SAFETY: null is checked; `decoder` owns the context from here on and frees it.
        let context = unsafe { ffi::avcodec_alloc_context3(codec) };
        if context.is_null() {
            return Err(DecoderError::Failed(AvError::NO_MEMORY));
        }
        let guard = Box::new(Guard { max_pixels, too_large: AtomicBool::new(false) });
        let decoder = Self { context, guard, name };
        // SAFETY: the context is valid and not open yet, so its fields are ours to set; the
        // guard is boxed, so its address stays, and it is dropped after the context.
        unsafe {
            AvError::check(ffi::avcodec_parameters_to_context(context, parameters))
                .map_err(DecoderError::Failed)?;
            (*context).pkt_timebase = time_base;
            (*context).framerate = frame_rate;
            (*context).thread_count = c_int::try_from(threads).unwrap_or(1);
            (*context).thread_type = match threading {
                Threading::Pictures => ffi::FF_THREAD_FRAME | ffi::FF_THREAD_SLICE,
                Threading::OnePicture => ffi::FF_THREAD_SLICE,
            };
            (*context).thread_safe_callbacks = 1;
            // Without it a crop on the left is rounded down to what SIMD likes.
            (*context).flags |= ffi::AV_CODEC_FLAG_UNALIGNED as c_int;
            (*context).opaque = std::ptr::from_ref::<Guard>(&decoder.guard).cast_mut().cast::<c_void>();
            (*context).get_buffer2 = Some(allocate);
            AvError::check(ffi::avcodec_open2(context, codec, std::ptr::null_mut()))
                .map_err(DecoderError::Failed)?;
        }
        Ok(decoder)
    }

    /// FFmpeg's name of the decoder.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether a picture was refused for its size.
    pub(crate) fn met_too_large(&self) -> bool {
        self.guard.too_large.load(Relaxed)
    }

    /// Gives it a packet, with a label that comes back on the picture. The decoder must be
    /// [`Decoded::Hungry`].
    pub(crate) fn send(&mut self, packet: &Packet, label: i64) -> Result<(), AvError> {
        // SAFETY: both are valid; the field is read by this call alone.
        let code = unsafe {
            (*self.context).reordered_opaque = label;
            ffi::avcodec_send_packet(self.context, packet.0)
        };
        AvError::check(code).map(drop)
    }

    /// Says that no packet will follow.
    pub(crate) fn send_end(&mut self) -> Result<(), AvError> {
        // SAFETY: the context is valid; a null packet is the end.
        AvError::check(unsafe { ffi::avcodec_send_packet(self.context, std::ptr::null()) }).map(drop)
    }

    /// Forgets the pictures that it has, and takes packets again after the end.
    pub(crate) fn flush(&mut self) {
        // SAFETY: the context is valid and open.
        unsafe { ffi::avcodec_flush_buffers(self.context) };
    }

    /// The next picture in presentation order.
    pub(crate) fn receive(&mut self) -> Result<Decoded, AvError> {
        let frame = Frame::new()?;
        // SAFETY: both are valid.
        match unsafe { ffi::avcodec_receive_frame(self.context, frame.0) } {
            code if code >= 0 => Ok(Decoded::Frame(frame)),
            ffi::AVERROR_EOF => Ok(Decoded::End),
            -11 => Ok(Decoded::Hungry),
            code => Err(AvError(code)),
        }
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: ours to free, once; its threads end here, before the guard goes.
        unsafe { ffi::avcodec_free_context(&mut self.context) };
    }
}

/// The decoder for a codec, if FFmpeg has one that is on the list.
///
/// # Safety
/// None beyond the id's being one of FFmpeg's.
pub(super) unsafe fn find(id: ffi::AVCodecID) -> Option<&'static ffi::AVCodec> {
    // FFmpeg's first choice may be a library that is not on the list (libaom for AV1, say).
    let mut state = std::ptr::null_mut();
    // SAFETY: iteration over static codecs, with the state that it asks for.
    unsafe {
        while let Some(codec) = ffi::av_codec_iterate(&mut state).as_ref() {
            let listed = DECODERS.contains(&string(codec.name).as_str());
            if codec.id == id && ffi::av_codec_is_decoder(codec) != 0 && listed {
                return Some(codec);
            }
        }
    }
    None
}

/// `get_buffer2`: refuses pictures beyond the limit, else FFmpeg's own allocation.
unsafe extern "C" fn allocate(
    context: *mut ffi::AVCodecContext,
    frame: *mut ffi::AVFrame,
    flags: c_int,
) -> c_int {
    // SAFETY: FFmpeg calls with a valid context and frame; `opaque` is the guard, also in the
    // copies of the context that frame threads use, and outlives them.
    unsafe {
        let guard = &*(*context).opaque.cast::<Guard>();
        let side = |value: c_int| u64::try_from(value).unwrap_or(0);
        if side((*frame).width) * side((*frame).height) > guard.max_pixels {
            guard.too_large.store(true, Relaxed);
            return -12;
        }
        ffi::avcodec_default_get_buffer2(context, frame, flags)
    }
}
