//! FFmpeg's log, kept per thread instead of printed: it holds the reason behind an error code.

use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Once;

use ffmpeg_next::ffi;

/// The last distinct lines kept for each thread.
const LINES: usize = 3;

thread_local! {
    static REASONS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Sends FFmpeg's log to [`take`]; the first call does it, later ones cost nothing.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "the log callback is reachable through FFmpeg's C interface only"
        )]
        // SAFETY: the callback has the type that av_log_set_callback asks for, lives for ever and never unwinds.
        unsafe {
            ffi::av_log_set_level(ffi::AV_LOG_ERROR);
            ffi::av_log_set_callback(Some(receive));
        }
    });
}

/// Forgets what this thread's FFmpeg calls have logged so far.
pub(crate) fn clear() {
    REASONS.with_borrow_mut(Vec::clear);
}

/// The reason for `error`: what FFmpeg logged on this thread since [`clear`], or else the text of the error code.
pub(crate) fn take(error: ffmpeg_next::Error) -> String {
    let lines = REASONS.with_borrow_mut(std::mem::take);
    if lines.is_empty() {
        error.to_string()
    } else {
        lines.join("; ")
    }
}

/// What FFmpeg logged on this thread since [`clear`], if anything.
pub(crate) fn peek() -> Option<String> {
    REASONS.with_borrow(|lines| (!lines.is_empty()).then(|| lines.join("; ")))
}

#[expect(
    unsafe_code,
    reason = "FFmpeg calls this function with a C argument list"
)]
unsafe extern "C" fn receive(
    context: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: *mut ffi::__va_list_tag,
) {
    if level > ffi::AV_LOG_ERROR {
        return;
    }
    let mut line = [0 as c_char; 512];
    let mut prefix: c_int = 0;
    // SAFETY: all pointers come from FFmpeg or point to locals of the stated length; the result is NUL-terminated.
    let text = unsafe {
        let length = c_int::try_from(line.len()).unwrap_or(0);
        ffi::av_log_format_line2(
            context,
            level,
            format,
            arguments,
            line.as_mut_ptr(),
            length,
            &raw mut prefix,
        );
        CStr::from_ptr(line.as_ptr())
    };
    let text = text.to_string_lossy().trim().to_owned();
    REASONS.with_borrow_mut(|lines| {
        if !text.is_empty() && lines.len() < LINES && !lines.contains(&text) {
            lines.push(text);
        }
    });
}
