//! Edit lists (ISO/IEC 14496-12, 8.6.6): FFmpeg applies an empty edit and one edit at normal speed after it
//! exactly, and others only approximately.

use std::io;

use crate::window::Window;

/// The most entries that are read: a longer list is odd by then, or refused as too long.
const MAX_ENTRIES: u64 = 1000;

/// Returns what FFmpeg does not apply exactly of the `entries` at `table`, which have 64-bit times if `long`.
pub(super) fn odd(
    window: &mut Window<'_>,
    table: u64,
    entries: u64,
    long: bool,
) -> io::Result<Option<&'static str>> {
    let mut edits = 0;
    for entry in 0..entries.min(MAX_ENTRIES) {
        let at = table + entry * if long { 20 } else { 12 };
        let (media, rate) = if long {
            (window.array(at + 8)?.map(i64::from_be_bytes), window.array(at + 16)?)
        } else {
            (window.array(at + 4)?.map(|time| i32::from_be_bytes(time).into()), window.array(at + 8)?)
        };
        let (Some(media), Some(rate)) = (media, rate) else { break };
        // An empty one in the middle, or at the end, is a gap.
        if media == -1 && entry > 0 {
            return Ok(Some("has a gap"));
        }
        edits += u32::from(media != -1);
        // The fractional half of the rate is always 0.
        if media != -1 && rate != [0, 1, 0, 0] {
            return Ok(Some("changes the speed"));
        }
        if edits > 1 {
            return Ok(Some("puts several parts of it together"));
        }
    }
    Ok(None)
}
