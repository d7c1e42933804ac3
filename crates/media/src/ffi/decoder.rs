//! A decoder for one stream, in software or on a GPU.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use ffmpeg_next::ffi;

use super::hardware::{self, Device};
use super::{AvError, Frame, Packet, log, png, string, version};
use crate::bitstream::{Framing, h264, has_many_units, hevc, mjpeg};
use crate::components::DECODERS;
use crate::pictures::{Charge, Excess, Pictures};

/// Codecs whose decoders are not deterministic with several threads.
const RACY_CODECS: &[ffi::AVCodecID] = &[ffi::AVCodecID::AV_CODEC_ID_THEORA, ffi::AVCodecID::AV_CODEC_ID_VP3];

/// `AVERROR(EAGAIN)`: a packet must be sent, or a frame received, first.
const EAGAIN: c_int = -11;

/// Why there is no decoder.
#[derive(Debug)]
pub(crate) enum DecoderError {
    /// FFmpeg has no decoder for this codec, or none that is on the list.
    Unsupported,
    Failed(AvError),
}

/// State shared with the frame allocator.
struct Guard {
    max_pixels: u64,
    too_large: AtomicBool,
    damaged: AtomicBool,
    /// What the pictures are charged to; `None` for a GPU, whose pictures are not in main memory.
    pictures: Option<Arc<Pictures>>,
    excess: OnceLock<Excess>,
}

/// An open `AVCodecContext`.
pub(crate) struct Decoder {
    context: *mut ffi::AVCodecContext,
    guard: Box<Guard>,
    name: String,
    on_gpu: bool,
    is_jpeg: bool,
    /// The framing of units in packets of H.264 and HEVC.
    framing: Option<Framing>,
    pictures: Arc<Pictures>,
    /// What the GPU's driver said when it last failed.
    driver_message: Option<String>,
    /// Parameter sets to send with the next packet.
    renewed: Option<Vec<u8>>,
}

/// Where a decoder works.
#[derive(Clone, Copy)]
pub(crate) enum Processor<'a> {
    /// Threads of the processor.
    Cpu(usize, Threading),
    /// A GPU, with surfaces for this many pictures in addition to the codec's references. Without a device it
    /// refuses every stream.
    Gpu(Option<&'a Device>, u32),
}

// SAFETY: a decoder may be used from one thread after another; its own threads are FFmpeg's.
unsafe impl Send for Decoder {}

/// What the threads of a decoder share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threading {
    /// Pictures that follow each other, as well as one picture.
    Pictures,
    /// One picture at a time, for callers that wait for each one.
    OnePicture,
}

/// What came out of the decoder.
pub(crate) enum Decoded {
    Frame(Frame),
    /// It needs another packet.
    NeedsPacket,
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
        processor: Processor<'_>,
        max_pixels: u64,
        pictures: &Arc<Pictures>,
    ) -> Result<Self, DecoderError> {
        let on_gpu = matches!(processor, Processor::Gpu(..));
        // SAFETY: the caller's promise.
        let id = unsafe { (*parameters).codec_id };
        let codec =
            find(id, |codec| !on_gpu || hardware::has_cuda(codec)).ok_or(DecoderError::Unsupported)?;
        // SAFETY: a codec's name is a static string.
        let name = unsafe { string(codec.name) } + if on_gpu { "_nvdec" } else { "" };
        // SAFETY: null is checked; `decoder` owns the context from here on and frees it.
        let context = unsafe { ffi::avcodec_alloc_context3(codec) };
        if context.is_null() {
            return Err(DecoderError::Failed(AvError::NO_MEMORY));
        }
        let guard = Box::new(Guard {
            max_pixels,
            too_large: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
            pictures: (!on_gpu).then(|| Arc::clone(pictures)),
            excess: OnceLock::new(),
        });
        let is_jpeg = id == ffi::AVCodecID::AV_CODEC_ID_MJPEG;
        let mut decoder = Self {
            context,
            guard,
            name,
            on_gpu,
            is_jpeg,
            framing: None,
            pictures: Arc::clone(pictures),
            driver_message: None,
            renewed: None,
        };
        // SAFETY: the context is valid and not open yet, so its fields are ours to set; the
        // guard is boxed, so its address stays, and it is dropped after the context.
        unsafe {
            AvError::check(ffi::avcodec_parameters_to_context(context, parameters))
                .map_err(DecoderError::Failed)?;
            decoder.framing = framing(&*context);
            (*context).pkt_timebase = time_base;
            (*context).framerate = frame_rate;
            match processor {
                Processor::Cpu(threads, threading) => {
                    let threads = if RACY_CODECS.contains(&codec.id) { 1 } else { threads };
                    (*context).thread_count = c_int::try_from(threads).unwrap_or(1);
                    (*context).thread_type = match threading {
                        Threading::Pictures => ffi::FF_THREAD_FRAME | ffi::FF_THREAD_SLICE,
                        Threading::OnePicture => ffi::FF_THREAD_SLICE,
                    };
                }
                Processor::Gpu(device, surfaces) => {
                    // Threads would only wait for each other and hold surfaces.
                    (*context).thread_count = 1;
                    (*context).get_format = Some(hardware::pick);
                    (*context).extra_hw_frames = c_int::try_from(surfaces).unwrap_or(c_int::MAX);
                    if let Some(device) = device {
                        (*context).hw_device_ctx = device.reference().map_err(DecoderError::Failed)?;
                    }
                }
            }
            version::prepare(context);
            // Without it a crop on the left is rounded down for SIMD alignment.
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
    pub(crate) fn has_refused_too_large(&self) -> bool {
        self.guard.too_large.load(Relaxed)
    }

    /// Whether pictures that it returned, or will return, may contain concealed damage. The pictures' own
    /// flags are not enough: one may be returned while another thread still decodes it.
    pub(crate) fn has_damage(&self) -> bool {
        self.guard.damaged.load(Relaxed)
    }

    /// Why a picture was refused, if one was refused for its cost.
    pub(crate) fn excess(&self) -> Option<Excess> {
        self.guard.excess.get().copied()
    }

    /// Whether it decodes on a GPU: its pictures lie there.
    pub(crate) fn is_on_gpu(&self) -> bool {
        self.on_gpu
    }

    /// Treats the decoder as one on a GPU, so that its errors and pictures are handled like a GPU's.
    #[cfg(test)]
    pub(crate) fn pretend_on_gpu(mut self) -> Self {
        self.on_gpu = true;
        self
    }

    /// What the GPU's driver, or FFmpeg for it, said when a call failed.
    pub(crate) fn driver_message(&self) -> Option<&str> {
        self.driver_message.as_deref()
    }

    /// Sends a packet with a label, which the picture will carry. The last result must have been
    /// [`Decoded::NeedsPacket`].
    pub(crate) fn send(&mut self, packet: &Packet, label: i64) -> Result<(), AvError> {
        if self.is_jpeg {
            self.admit(packet.data())?;
        }
        if self.framing.is_some_and(|framing| has_many_units(packet.data(), framing)) {
            return Err(AvError::INVALID_DATA);
        }
        let renewed = match self.renewed.take() {
            Some(extradata) => Some(packet.with_extradata(&extradata)?),
            None => None,
        };
        let packet = renewed.as_ref().unwrap_or(packet);
        let plain = if self.name == "png" { png::without_texts(packet)? } else { None };
        let packet = plain.as_ref().unwrap_or(packet).0;
        let context = self.context;
        // SAFETY: both are valid, and nothing else uses the packet meanwhile.
        let code = self.capture_log(|| unsafe { version::send(context, packet, label) });
        AvError::check(code).map(drop)
    }

    /// Refuses a JPEG picture with too many scans, and counts the work of those after the first one.
    fn admit(&self, picture: &[u8]) -> Result<(), AvError> {
        let (scans, pixels) = mjpeg::passes(picture);
        self.pictures.scans(pixels.min(self.guard.max_pixels), scans).map_err(|excess| {
            let _ = self.guard.excess.set(excess);
            AvError::NO_MEMORY
        })
    }

    /// Says that no packet will follow.
    pub(crate) fn send_end(&mut self) -> Result<(), AvError> {
        let context = self.context;
        // SAFETY: the context is valid; a null packet is the end.
        let code = self.capture_log(|| unsafe { ffi::avcodec_send_packet(context, std::ptr::null()) });
        AvError::check(code).map(drop)
    }

    /// Calls FFmpeg; for a GPU, the log message of a failure is kept.
    fn capture_log(&mut self, call: impl FnOnce() -> c_int) -> c_int {
        if !self.on_gpu {
            return call();
        }
        let (code, lines) = log::listen(call);
        if code < 0 && code != ffi::AVERROR_EOF && code != EAGAIN {
            self.driver_message = Some(log::describe(&lines, AvError(code)));
        }
        code
    }

    /// Prepares it for another stream of the same parameters: pictures are dropped, and parameter sets from
    /// the last stream's packets are overwritten.
    pub(crate) fn renew(&mut self, extradata: &[u8]) {
        self.flush();
        self.driver_message = None;
        self.renewed = (!extradata.is_empty()).then(|| extradata.to_vec());
    }

    /// Drops its pictures, and accepts packets again after the end.
    pub(crate) fn flush(&mut self) {
        // SAFETY: the context is valid and open.
        unsafe { ffi::avcodec_flush_buffers(self.context) };
        self.guard.damaged.store(false, Relaxed);
    }

    /// How long a picture is shown by its ticks, or else by the frame rate; 0 if that is unknown.
    fn seconds(&self, ticks: i64) -> f64 {
        // SAFETY: the context is valid.
        let (base, rate) = unsafe { ((*self.context).pkt_timebase, (*self.context).framerate) };
        let ratio = |num: c_int, den: c_int| if den == 0 { 0.0 } else { f64::from(num) / f64::from(den) };
        if ticks > 0 { ticks as f64 * ratio(base.num, base.den) } else { ratio(rate.den, rate.num) }
    }

    /// The next picture in presentation order.
    pub(crate) fn receive(&mut self) -> Result<Decoded, AvError> {
        let frame = Frame::new()?;
        let context = self.context;
        // SAFETY: both are valid.
        match self.capture_log(|| unsafe { ffi::avcodec_receive_frame(context, frame.0) }) {
            code if code >= 0 => {
                self.pictures.count_time(self.seconds(frame.ticks()));
                Ok(Decoded::Frame(match &self.guard.pictures {
                    Some(pictures) => frame.counted(pictures),
                    None => frame,
                }))
            }
            ffi::AVERROR_EOF => Ok(Decoded::End),
            EAGAIN => Ok(Decoded::NeedsPacket),
            code => Err(AvError(code)),
        }
    }
}

/// The framing of units in packets of H.264 and HEVC.
fn framing(context: &ffi::AVCodecContext) -> Option<Framing> {
    let length = usize::try_from(context.extradata_size).unwrap_or(0);
    let header = if context.extradata.is_null() {
        &[][..]
    } else {
        // SAFETY: the header of a codec is so many bytes long.
        unsafe { std::slice::from_raw_parts(context.extradata, length) }
    };
    match context.codec_id {
        ffi::AVCodecID::AV_CODEC_ID_H264 => Some(h264::framing(header)),
        ffi::AVCodecID::AV_CODEC_ID_HEVC => Some(hevc::framing(header)),
        _ => None,
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: ours to free, once; its threads end here, before the guard goes.
        unsafe { ffi::avcodec_free_context(&mut self.context) };
    }
}

/// Decoders with which FFmpeg may probe streams: those of sound, and those of video except PNG's, which
/// inflates chunks that are not needed; see [`png`].
pub(super) fn for_trials() -> String {
    let mut state = std::ptr::null_mut();
    let mut names: Vec<String> =
        DECODERS.iter().filter(|name| **name != "png").map(|name| (*name).to_owned()).collect();
    // SAFETY: iteration over static codecs, with the state that it asks for.
    unsafe {
        while let Some(codec) = ffi::av_codec_iterate(&mut state).as_ref() {
            if codec.type_ != ffi::AVMediaType::AVMEDIA_TYPE_VIDEO && ffi::av_codec_is_decoder(codec) != 0 {
                names.push(string(codec.name));
            }
        }
    }
    names.join(",")
}

/// The decoder for a codec, if FFmpeg has one that is on the list and `suits`.
pub(super) fn find(
    id: ffi::AVCodecID,
    suits: impl Fn(&ffi::AVCodec) -> bool,
) -> Option<&'static ffi::AVCodec> {
    // FFmpeg's first choice may be a library that is not on the list (libaom for AV1, say).
    let mut state = std::ptr::null_mut();
    // SAFETY: iteration over static codecs, with the state that it asks for.
    unsafe {
        while let Some(codec) = ffi::av_codec_iterate(&mut state).as_ref() {
            let listed = DECODERS.contains(&string(codec.name).as_str());
            if codec.id == id && ffi::av_codec_is_decoder(codec) != 0 && listed && suits(codec) {
                return Some(codec);
            }
        }
    }
    None
}

/// Notes what a decoder's log says of damage; see [`Decoder::has_damage`].
///
/// # Safety
/// `context` is what FFmpeg gave its log's callback, and `format` a string.
pub(super) unsafe fn note_damage(context: *mut c_void, format: &[u8]) {
    // What FFmpeg's error concealment says, and decoders of slices before it.
    let tells = |words: &[u8]| format.windows(words.len()).any(|part| part == words);
    if context.is_null() || !(tells(b"concealing ") || tells(b"error while decoding MB")) {
        return;
    }
    // SAFETY: whatever logs begins with a pointer to its class; one of this class is a codec
    // context, and where it has a value of the caller's, that is a guard: see `Decoder::open`.
    unsafe {
        if *context.cast::<*const ffi::AVClass>() == ffi::avcodec_get_class()
            && let Some(guard) = (*context.cast::<ffi::AVCodecContext>()).opaque.cast::<Guard>().as_ref()
        {
            guard.damaged.store(true, Relaxed);
        }
    }
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
        let code = ffi::avcodec_default_get_buffer2(context, frame, flags);
        let Some(pictures) = guard.pictures.as_ref().filter(|_| code >= 0) else { return code };
        let pixels = side((*frame).width) * side((*frame).height);
        let bytes = (*frame).buf.iter().filter_map(|buffer| buffer.as_ref()).map(|buffer| buffer.size as u64);
        let charged = pictures.charge(pixels, bytes.sum()).map(|charge| Box::into_raw(Box::new(charge)));
        let charge = match charged {
            Ok(charge) => charge,
            Err(excess) => {
                let _ = guard.excess.set(excess);
                ffi::av_frame_unref(frame);
                return -12;
            }
        };
        // Attached to the picture, and freed with its last reference.
        let byte = ffi::av_mallocz(1).cast::<u8>();
        (*frame).opaque_ref = if byte.is_null() {
            std::ptr::null_mut()
        } else {
            ffi::av_buffer_create(byte, 1, Some(uncharge), charge.cast(), 0)
        };
        if (*frame).opaque_ref.is_null() {
            ffi::av_free(byte.cast());
            drop(Box::from_raw(charge));
            ffi::av_frame_unref(frame);
            return -12;
        }
        0
    }
}

/// Frees the buffer that represents a picture's charge.
unsafe extern "C" fn uncharge(charge: *mut c_void, byte: *mut u8) {
    // SAFETY: both are as `allocate` has made them, and this is called once.
    unsafe {
        ffi::av_free(byte.cast());
        drop(Box::from_raw(charge.cast::<Charge>()));
    }
}
