//! JPEG by libjpeg-turbo, through the C part beside this file.

use std::ffi::{CStr, c_char, c_uint};
use std::ptr::NonNull;

// Brings the library in.
use turbojpeg_sys as _;

use super::Planes420;

/// The C part's encoder.
#[repr(C)]
struct Opaque {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn framelift_jpeg_new() -> *mut Opaque;
    fn framelift_jpeg_free(encoder: *mut Opaque);
    fn framelift_jpeg_message(encoder: *const Opaque) -> *const c_char;
    fn framelift_jpeg_encode(
        encoder: *mut Opaque,
        planes: *const *const u8,
        strides: *const usize,
        width: c_uint,
        height: c_uint,
        table: *const c_uint,
        length: *mut usize,
    ) -> *const u8;
}

/// An encoder with its buffers, which are used again for the next image.
pub(crate) struct JpegEncoder(NonNull<Opaque>);

// SAFETY: the C part keeps nothing for a thread and nothing outside the encoder.
unsafe impl Send for JpegEncoder {}

impl JpegEncoder {
    /// None where there is no memory.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: has no conditions.
        NonNull::new(unsafe { framelift_jpeg_new() }).map(Self)
    }

    /// Baseline, 4:2:0. `table` has the quantizers of every component, row by row, 1 to 255.
    pub(crate) fn encode(&mut self, image: &Planes420<'_>, table: &[u32; 64]) -> Result<&[u8], String> {
        image.check();
        let planes = image.planes.map(<[u8]>::as_ptr);
        let mut length = 0;
        // SAFETY: the encoder is alive and ours alone; `check` has seen that the planes are as
        // long as their sizes and strides need; the table has 64 entries.
        let bytes = unsafe {
            framelift_jpeg_encode(
                self.0.as_ptr(),
                planes.as_ptr(),
                image.strides.as_ptr(),
                image.width,
                image.height,
                table.as_ptr(),
                &raw mut length,
            )
        };
        if bytes.is_null() {
            // SAFETY: after an error there is a message, with a terminator, in the encoder.
            let message = unsafe { CStr::from_ptr(framelift_jpeg_message(self.0.as_ptr())) };
            return Err(message.to_string_lossy().to_lowercase());
        }
        // SAFETY: so many bytes have been written there, and stay until the next call, which
        // needs the borrow that the slice holds.
        Ok(unsafe { std::slice::from_raw_parts(bytes, length) })
    }
}

impl Drop for JpegEncoder {
    fn drop(&mut self) {
        // SAFETY: made by `framelift_jpeg_new`, and freed only here.
        unsafe { framelift_jpeg_free(self.0.as_ptr()) };
    }
}
