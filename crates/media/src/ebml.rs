//! Elements of Matroska and WebM (EBML, RFC 8794; Matroska, RFC 9559).

use std::io;
use std::ops::Range;

use crate::window::Window;

pub(crate) const HEAD: u32 = 0x1a45_dfa3;
pub(crate) const SEGMENT: u32 = 0x1853_8067;
pub(crate) const SEEK_HEAD: u32 = 0x114d_9b74;
pub(crate) const CLUSTER: u32 = 0x1f43_b675;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const SEEK_POSITION: u32 = 0x53ac;

/// The longest element id, in bytes.
const MAX_ID_BYTES: u64 = 4;

/// Reads the element at the start of `range`: its id and the range of its content. One of unknown length, or
/// longer than `range`, ends with it. `None` if there is no element.
pub(crate) fn element(window: &mut Window<'_>, range: &Range<u64>) -> io::Result<Option<(u32, Range<u64>)>> {
    if range.start >= range.end || !window.count_header() {
        return Ok(None);
    }
    let Some((id, id_length)) = variable(window, range.start)? else { return Ok(None) };
    if id_length > MAX_ID_BYTES {
        return Ok(None);
    }
    let Some((length, length_length)) = variable(window, range.start + id_length)? else { return Ok(None) };
    let start = range.start + id_length + length_length;
    let marker = 1_u64 << (7 * length_length);
    let end = match length - marker {
        unknown if unknown == marker - 1 => range.end,
        length => start.saturating_add(length).min(range.end),
    };
    Ok(u32::try_from(id).ok().filter(|_| start <= range.end).map(|id| (id, start..end)))
}

/// Calls `each` for the elements in `range`, in order, until it returns false.
pub(crate) fn each(
    window: &mut Window<'_>,
    range: Range<u64>,
    mut each: impl FnMut(&mut Window<'_>, u32, Range<u64>) -> io::Result<bool>,
) -> io::Result<()> {
    let mut rest = range;
    while let Some((id, content)) = element(window, &rest)? {
        rest.start = content.end;
        if !each(window, id, content)? {
            break;
        }
    }
    Ok(())
}

/// Returns the positions that a seek head gives, relative to the start of the segment's content: at most
/// `most`, of elements whose ids are in `wanted`.
pub(crate) fn targets(
    window: &mut Window<'_>,
    head: Range<u64>,
    wanted: &[u32],
    most: usize,
) -> io::Result<Vec<(u32, u64)>> {
    let mut targets = Vec::new();
    each(window, head, |window, id, seek| {
        let (mut target, mut position) = (None, None);
        if id == SEEK {
            each(window, seek, |window, id, value| {
                match id {
                    SEEK_ID => target = number(window, &value)?.and_then(|id| u32::try_from(id).ok()),
                    SEEK_POSITION => position = number(window, &value)?,
                    _ => {}
                }
                Ok(true)
            })?;
        }
        targets.extend(target.filter(|target| wanted.contains(target)).zip(position));
        Ok(targets.len() < most)
    })?;
    Ok(targets)
}

/// Reads the value of a numeric element; `None` if it is too long or cut off.
pub(crate) fn number(window: &mut Window<'_>, content: &Range<u64>) -> io::Result<Option<u64>> {
    let length = content.end - content.start;
    if length > 8 { Ok(None) } else { unsigned(window, content.start, length) }
}

/// Reads a short text.
pub(crate) fn text(window: &mut Window<'_>, content: &Range<u64>) -> io::Result<Option<String>> {
    let mut text = String::new();
    for at in content.clone().take(64) {
        match window.array(at)? {
            Some([byte @ 0x20..=0x7e]) => text.push(byte.into()),
            _ => break,
        }
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Reads a number of variable length, marker included, and returns it with its number of bytes (RFC 8794, 4).
fn variable(window: &mut Window<'_>, at: u64) -> io::Result<Option<(u64, u64)>> {
    let Some([first]) = window.array(at)? else { return Ok(None) };
    let length = u64::from(u8::leading_zeros(first)) + 1;
    if length > 8 {
        return Ok(None);
    }
    Ok(unsigned(window, at, length)?.map(|value| (value, length)))
}

fn unsigned(window: &mut Window<'_>, at: u64, length: u64) -> io::Result<Option<u64>> {
    let mut value = 0;
    for i in 0..length {
        let Some([byte]) = window.array::<1>(at + i)? else { return Ok(None) };
        value = value << 8 | u64::from(byte);
    }
    Ok(Some(value))
}
