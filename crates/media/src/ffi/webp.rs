//! WebP by libwebp.

use std::ffi::{c_int, c_void};

use libwebp_sys::{WebPConfig, WebPEncode, WebPPicture, WebPPictureFree};

use super::Planes420;

/// Lossy WebP of 4:2:0 planes, which must be of limited range in the BT.601 matrix: the only
/// colours that the format has. `quality` is 0 to 100, `method` 0 (fast) to 6 (small).
pub(crate) fn encode_webp(image: &Planes420<'_>, quality: f32, method: u8) -> Result<Vec<u8>, String> {
    image.check();
    let wrong = || "libwebp has another version than its bindings".to_owned();
    let mut config = WebPConfig::new().map_err(|()| wrong())?;
    config.quality = quality;
    config.method = method.into();
    let mut picture = WebPPicture::new().map_err(|()| wrong())?;
    let mut bytes = Vec::<u8>::new();
    picture.use_argb = 0;
    (picture.width, picture.height) = (image.width as c_int, image.height as c_int);
    // Lossy encoding without transparency only reads them.
    [picture.y, picture.u, picture.v] = image.planes.map(|plane| plane.as_ptr().cast_mut());
    picture.y_stride = image.strides[0] as c_int;
    picture.uv_stride = image.strides[1] as c_int;
    picture.writer = Some(append);
    picture.custom_ptr = (&raw mut bytes).cast::<c_void>();
    assert!(image.strides[1] == image.strides[2], "chroma planes with two strides");
    // SAFETY: `check` has seen that the planes are as long as their sizes and strides need, and
    // they and `bytes`, which `append` writes to, live until after the call.
    let done = unsafe { WebPEncode(&raw const config, &raw mut picture) } != 0;
    let error = picture.error_code;
    // SAFETY: frees what libwebp may have put there, which the planes are not.
    unsafe { WebPPictureFree(&raw mut picture) };
    if done {
        Ok(bytes)
    } else {
        Err(format!("{error:?}").trim_start_matches("VP8_ENC_ERROR_").to_lowercase())
    }
}

/// Takes what libwebp has written.
unsafe extern "C" fn append(data: *const u8, length: usize, picture: *const WebPPicture) -> c_int {
    if length > 0 {
        // SAFETY: libwebp gives `length` readable bytes and the picture of `encode_webp`, whose
        // `custom_ptr` is a vector that nobody else uses during the call.
        unsafe {
            let bytes = &mut *(*picture).custom_ptr.cast::<Vec<u8>>();
            bytes.extend_from_slice(std::slice::from_raw_parts(data, length));
        }
    }
    1
}
