//! The GPU that FFmpeg decodes on: NVIDIA's, through the `cuda` hwaccel, which loads the driver's libraries
//! at run time. Nothing is linked, and without them opening fails.

use std::ffi::{CStr, c_int};
use std::ptr;

use ffmpeg_next::ffi;
use ffmpeg_next::ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_CUDA;
use ffmpeg_next::ffi::AVPixelFormat::{AV_PIX_FMT_CUDA, AV_PIX_FMT_NONE};

use super::frame::descriptor;
use super::{AvError, decoder, log, string};

/// A GPU with a context of this process on it.
pub(crate) struct Device(*mut ffi::AVBufferRef);

// SAFETY: the reference count is atomic, and FFmpeg makes the CUDA context current around each
// call of its own, on whatever thread that is.
unsafe impl Send for Device {}
// SAFETY: as above; the reference itself is only copied, never changed.
unsafe impl Sync for Device {}

impl Device {
    /// Opens the first GPU that the driver lists, or returns FFmpeg's message.
    pub(crate) fn open() -> Result<Self, String> {
        log::capture();
        let mut device = ptr::null_mut();
        // SAFETY: the reference is written on success alone, and is ours then.
        let (code, lines) = log::listen(|| unsafe {
            ffi::av_hwdevice_ctx_create(&mut device, AV_HWDEVICE_TYPE_CUDA, c"0".as_ptr(), ptr::null_mut(), 0)
        });
        match AvError::check(code) {
            Ok(_) => Ok(Self(device)),
            Err(error) => Err(log::describe(&lines, error)),
        }
    }

    /// The pixel formats of its surfaces, by FFmpeg's names.
    pub(crate) fn surface_formats(&self) -> Vec<String> {
        let mut names = Vec::new();
        // SAFETY: the device is valid; the lists end with `NONE`, and are freed here.
        unsafe {
            let mut constraints = ffi::av_hwdevice_get_hwframe_constraints(self.0, ptr::null());
            if let Some(mut format) = constraints.as_ref().map(|constraints| constraints.valid_sw_formats) {
                while !format.is_null() && *format != AV_PIX_FMT_NONE {
                    names.extend(descriptor(*format as c_int).map(|found| string(found.name)));
                    format = format.add(1);
                }
            }
            ffi::av_hwframe_constraints_free(&mut constraints);
        }
        names
    }

    /// One more reference, for a structure of FFmpeg's that will free it.
    pub(super) fn reference(&self) -> Result<*mut ffi::AVBufferRef, AvError> {
        // SAFETY: the reference is valid; null is checked.
        let reference = unsafe { ffi::av_buffer_ref(self.0) };
        if reference.is_null() { Err(AvError::NO_MEMORY) } else { Ok(reference) }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: ours to free, once; what still uses the device has its own reference.
        unsafe { ffi::av_buffer_unref(&mut self.0) };
    }
}

/// Whether FFmpeg can hand the pictures of a decoder to a CUDA device.
pub(super) fn has_cuda(codec: &ffi::AVCodec) -> bool {
    let wanted = ffi::AV_CODEC_HW_CONFIG_METHOD_HW_DEVICE_CTX as c_int;
    (0..)
        // SAFETY: a codec is static, and so are its configurations; null ends them.
        .map_while(|index| unsafe { ffi::avcodec_get_hw_config(codec, index).as_ref() })
        .any(|config| config.device_type == AV_HWDEVICE_TYPE_CUDA && config.methods & wanted != 0)
}

/// Whether this FFmpeg was built with NVDEC support for a codec, by its short name.
pub(crate) fn is_built_for(codec: &CStr) -> bool {
    // SAFETY: the name is a string; a descriptor is static.
    unsafe { ffi::avcodec_descriptor_get_by_name(codec.as_ptr()).as_ref() }
        .is_some_and(|descriptor| decoder::find(descriptor.id, has_cuda).is_some())
}

/// `get_format`: the GPU's pictures or none at all. FFmpeg calls it again without them when the
/// hardware refuses the stream, and decoding fails then: the caller goes on with another decoder.
pub(super) unsafe extern "C" fn pick(
    _: *mut ffi::AVCodecContext,
    mut offered: *const ffi::AVPixelFormat,
) -> ffi::AVPixelFormat {
    // SAFETY: FFmpeg's list of formats ends with `NONE`.
    unsafe {
        while *offered != AV_PIX_FMT_NONE {
            if *offered == AV_PIX_FMT_CUDA {
                return AV_PIX_FMT_CUDA;
            }
            offered = offered.add(1);
        }
    }
    AV_PIX_FMT_NONE
}
