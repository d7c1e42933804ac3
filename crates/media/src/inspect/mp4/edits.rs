//! Edit lists (ISO/IEC 14496-12, 8.6.6): FFmpeg follows an empty edit and one after it at the
//! usual rate, and not exactly what else there may be.

use std::io;

use crate::window::Window;

/// Entries that are looked at: a list with more is odd by then, or too long to be followed.
const MAX_ENTRIES: u64 = 1000;

/// What is odd about the `entries` at `table`, with 64-bit times where they are `long`.
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
        // Of the rate, the half behind the point is always 0.
        if media != -1 && rate != [0, 1, 0, 0] {
            return Ok(Some("changes the speed"));
        }
        if edits > 1 {
            return Ok(Some("puts several parts of it together"));
        }
    }
    Ok(None)
}
