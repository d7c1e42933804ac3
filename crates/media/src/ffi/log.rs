//! FFmpeg's log lines, as `tracing` events at debug level: what matters is in results and
//! warnings, and a hostile file must not be able to flood a log.

use std::sync::Once;

use ffmpeg_next::ffi;

/// Takes over FFmpeg's process-wide log; later calls do nothing.
pub(super) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: both functions may be called at any time from any thread.
        unsafe {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            ffi::av_log_set_callback(Some(line));
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            ffi::av_log_set_level(ffi::AV_LOG_QUIET);
        }
    });
}

// The type of a `va_list` differs between platforms; elsewhere the log is off.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
unsafe extern "C" fn line(
    context: *mut std::ffi::c_void,
    level: std::ffi::c_int,
    format: *const std::ffi::c_char,
    arguments: *mut ffi::__va_list_tag,
) {
    if level > ffi::AV_LOG_WARNING || !tracing::enabled!(target: "ffmpeg", tracing::Level::DEBUG) {
        return;
    }
    let mut text = [0; 512];
    let mut prefix = 1;
    // SAFETY: the first four arguments are FFmpeg's own, passed on within its call; the buffer
    // is as long as it is said to be and is ended with 0.
    let line = unsafe {
        ffi::av_log_format_line2(context, level, format, arguments, text.as_mut_ptr(), 512, &mut prefix);
        std::ffi::CStr::from_ptr(text.as_ptr())
    };
    tracing::debug!(target: "ffmpeg", level, "{}", line.to_string_lossy().trim_end());
}
