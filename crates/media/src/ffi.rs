//! Everything that crosses into C libraries, behind safe types: FFmpeg, and the encoders of JPEG
//! and WebP.
//!
//! The only module with unsafe code. Each type owns its C object, frees it on drop, and hands
//! out plain Rust values and slices; no raw pointer leaves this tree.
#![expect(unsafe_code, reason = "C libraries: their calls and structures are unsafe to Rust")]

#[cfg(test)]
mod components;
mod decoder;
mod filter;
mod frame;
mod hardware;
mod input;
mod io;
mod jpeg;
mod light;
mod log;
mod packet;
mod planes;
mod png;
mod scaler;
mod version;
mod webp;

use std::ffi::{CStr, c_int};
use std::fmt;

use ffmpeg_next::ffi;
use framelift_domain::Rational;

pub(crate) use decoder::{Decoded, Decoder, DecoderError, Processor, Threading};
pub(crate) use filter::Filter;
pub(crate) use frame::{BlankFormat, ColourTags, Frame, Luma, Packing, PixelClass};
pub(crate) use hardware::{Device, is_built_for};
pub use input::VideoStream;
pub(crate) use input::{Input, OpenError, StreamInfo};
pub(crate) use jpeg::JpegEncoder;
pub(crate) use light::{Light, Peak};
pub(crate) use packet::Packet;
pub(crate) use planes::Planes420;
pub(crate) use scaler::{Kernel, PlaneMut, ScaleSpec, Scaler, Target, YuvMatrix};
pub(crate) use webp::encode_webp;

/// An FFmpeg error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AvError(pub(crate) c_int);

impl AvError {
    pub(crate) const EOF: Self = Self(ffi::AVERROR_EOF);
    pub(crate) const INVALID_DATA: Self = Self(ffi::AVERROR_INVALIDDATA);
    pub(crate) const NO_MEMORY: Self = Self(-12);

    /// What a call returned: a count, or an error.
    fn check(code: c_int) -> Result<c_int, Self> {
        if code < 0 { Err(Self(code)) } else { Ok(code) }
    }

    /// Whether it means a feature that FFmpeg knows of but does not do.
    pub(crate) fn is_unsupported(self) -> bool {
        matches!(
            self.0,
            ffi::AVERROR_PATCHWELCOME | ffi::AVERROR_DECODER_NOT_FOUND | ffi::AVERROR_EXPERIMENTAL | -38
        )
    }
}

impl fmt::Display for AvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 128];
        // SAFETY: the buffer is as long as it is said to be, and `av_strerror` ends it with 0.
        unsafe { ffi::av_strerror(self.0, text.as_mut_ptr(), text.len()) };
        // SAFETY: as above: a string with a terminator inside the array.
        f.write_str(&unsafe { CStr::from_ptr(text.as_ptr()) }.to_string_lossy().to_lowercase())
    }
}

impl std::error::Error for AvError {}

/// A fraction of C; `None` where it says that nothing is known.
fn rational(value: ffi::AVRational) -> Option<Rational> {
    Rational::new(value.num.into(), value.den.into()).filter(|value| value.is_positive())
}

/// A timestamp of C; `None` for "no timestamp".
fn timestamp(value: i64) -> Option<i64> {
    (value != ffi::AV_NOPTS_VALUE).then_some(value)
}

/// A C string that may be missing.
///
/// # Safety
/// `text` is null or points to a string with a terminator that lives during the call.
unsafe fn string(text: *const std::ffi::c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
