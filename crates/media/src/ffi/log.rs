//! FFmpeg's log lines, as `tracing` events at debug level: what matters is in results and
//! warnings, and a hostile file must not be able to flood a log. What decoders say of damage is
//! noted with them.

use std::cell::RefCell;
use std::sync::Once;

use ffmpeg_next::ffi;

use super::AvError;

/// The most bytes that FFmpeg may allocate at once: more than the plane of any accepted picture.
const MAX_ALLOCATION: usize = 384 << 20;

/// Most lines that are kept while somebody listens: the first ones name the cause.
const MAX_KEPT_LINES: usize = 3;

thread_local! {
    static CAPTURED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs `work` and returns the errors that FFmpeg logs meanwhile on this thread: some calls report the cause,
/// or the failure itself, only in the log. Empty on platforms where the log is off.
pub(super) fn listen<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    CAPTURED.set(Some(Vec::new()));
    let result = work();
    (result, CAPTURED.take().unwrap_or_default())
}

/// The captured messages in one line, or else the meaning of the error's code.
pub(super) fn describe(lines: &[String], error: AvError) -> String {
    if lines.is_empty() { error.to_string() } else { lines.join("; ").to_lowercase() }
}

/// Whether errors on this thread are being captured.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn is_listening(level: std::ffi::c_int) -> bool {
    level <= ffi::AV_LOG_ERROR
        && CAPTURED.with_borrow(|heard| heard.as_ref().is_some_and(|heard| heard.len() < MAX_KEPT_LINES))
}

/// Takes over FFmpeg's process-wide log, and bounds what it allocates; later calls do nothing.
pub(super) fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: these functions may be called at any time from any thread.
        unsafe {
            ffi::av_max_alloc(MAX_ALLOCATION);
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
    // Decoders log every unit of a stream below this level: damage is said at it or above.
    if level <= ffi::AV_LOG_INFO {
        // SAFETY: FFmpeg's own arguments; the format is a string.
        unsafe { super::decoder::note_damage(context, std::ffi::CStr::from_ptr(format).to_bytes()) };
    }
    let listening = is_listening(level);
    let logging = level <= ffi::AV_LOG_WARNING && tracing::enabled!(target: "ffmpeg", tracing::Level::DEBUG);
    if !listening && !logging {
        return;
    }
    let mut text = [0; 512];
    // The prefix has an address in it, which says nothing to a user.
    let mut prefix = i32::from(!listening);
    // SAFETY: the first four arguments are FFmpeg's own, passed on within its call; the buffer
    // is as long as it is said to be and is ended with 0.
    let line = unsafe {
        ffi::av_log_format_line2(context, level, format, arguments, text.as_mut_ptr(), 512, &mut prefix);
        std::ffi::CStr::from_ptr(text.as_ptr())
    };
    let line = line.to_string_lossy();
    let line = line.trim().trim_end_matches('.');
    if listening && !line.is_empty() {
        CAPTURED.with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.push(line.to_owned())));
    }
    if logging {
        tracing::debug!(target: "ffmpeg", level, "{line}");
    }
}
