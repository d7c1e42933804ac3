//! The claims of Matroska and WebM files: their index, which FFmpeg sorts entry by entry.

use std::io;
use std::ops::Range;

use super::window::Window;
use super::{Findings, sample_limit};
use crate::Source;

const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114d_9b74;
const SEEK: u32 = 0x4dbb;
const SEEK_ID: u32 = 0x53ab;
const SEEK_POSITION: u32 = 0x53ac;
const CLUSTER: u32 = 0x1f43_b675;
const CUES: u32 = 0x1c53_bb6b;
const CUE_POINT: u32 = 0xbb;
const CUE_TIME: u32 = 0xb3;
const CUE_POSITIONS: u32 = 0xb7;

/// Seek heads and indexes that are looked at.
const MOST: usize = 16;
/// Entries that FFmpeg may move to make room for others: a second's worth.
const MOST_MOVED: u64 = 200_000_000;

/// Reads the claims of the file.
pub(super) fn inspect(source: &mut dyn Source) -> io::Result<Findings> {
    let size = source.size();
    let window = &mut Window::new(source);
    let mut cues: Vec<u64> = Vec::new();
    let mut heads = 0;
    if let Some(segment) = segment(window, size)? {
        let mut todo = vec![segment.start];
        while let Some(mut at) = todo.pop() {
            // Up to the media; what is behind, a seek head tells.
            while let Some((id, body)) = element(window, at, segment.end)? {
                match id {
                    SEEK_HEAD if heads < MOST => {
                        heads += 1;
                        for (id, position) in targets(window, body.clone())? {
                            let at = segment.start.saturating_add(position);
                            match id {
                                CUES => cues.push(at),
                                SEEK_HEAD => todo.push(at),
                                _ => {}
                            }
                        }
                    }
                    CUES => cues.push(at),
                    CLUSTER => break,
                    _ => {}
                }
                at = body.end;
            }
        }
        cues.sort_unstable();
        cues.dedup();
        cues.truncate(MOST);
        let mut index = Index::default();
        for at in cues {
            if let Some((CUES, body)) = element(window, at, segment.end)? {
                index.read(window, body)?;
            }
        }
        if index.moved > MOST_MOVED || index.entries > sample_limit(size) {
            let warning = format!(
                "the index of {} entries is out of order or too long; the file is read without it",
                index.entries
            );
            return Ok(Findings { without_index: true, warnings: vec![warning], ..Findings::default() });
        }
    }
    Ok(Findings::default())
}

/// What the entries of an index cost.
#[derive(Default)]
struct Index {
    entries: u64,
    latest: u64,
    /// Entries that were moved to make room for one before them.
    moved: u64,
}

impl Index {
    fn read(&mut self, window: &mut Window<'_>, body: Range<u64>) -> io::Result<()> {
        let mut at = body.start;
        while let Some((id, point)) = element(window, at, body.end)? {
            at = point.end;
            if id != CUE_POINT {
                continue;
            }
            let (mut time, mut positions) = (0, 0);
            let mut inner = point.start;
            while let Some((id, value)) = element(window, inner, point.end)? {
                inner = value.end;
                match id {
                    CUE_TIME => time = number(window, value)?,
                    CUE_POSITIONS => positions += 1,
                    _ => {}
                }
            }
            if time < self.latest {
                self.moved = self.moved.saturating_add(self.entries.saturating_mul(positions));
            }
            self.latest = self.latest.max(time);
            self.entries += positions;
        }
        Ok(())
    }
}

/// The body of the segment.
fn segment(window: &mut Window<'_>, size: u64) -> io::Result<Option<Range<u64>>> {
    let mut at = 0;
    while let Some((id, body)) = element(window, at, size)? {
        match id {
            // Its length may be a lie, which FFmpeg does not mind.
            SEGMENT => return Ok(Some(body.start..size)),
            _ => at = body.end,
        }
    }
    Ok(None)
}

/// Where a seek head's entries lead.
fn targets(window: &mut Window<'_>, head: Range<u64>) -> io::Result<Vec<(u32, u64)>> {
    let mut targets = Vec::new();
    let mut at = head.start;
    while let Some((id, seek)) = element(window, at, head.end)? {
        at = seek.end;
        let (mut target, mut position) = (0, None);
        let mut inner = seek.start;
        while id == SEEK
            && let Some((id, value)) = element(window, inner, seek.end)?
        {
            inner = value.end;
            match id {
                SEEK_ID => target = u32::try_from(number(window, value)?).unwrap_or(0),
                SEEK_POSITION => position = Some(number(window, value)?),
                _ => {}
            }
        }
        if let (CUES | SEEK_HEAD, Some(position)) = (target, position)
            && targets.len() < MOST
        {
            targets.push((target, position));
        }
    }
    Ok(targets)
}

/// An element's name and body; what has no length reaches to `end`. None where there is none.
fn element(window: &mut Window<'_>, at: u64, end: u64) -> io::Result<Option<(u32, Range<u64>)>> {
    let Some((id, id_length)) = variable(window, at, end)? else { return Ok(None) };
    let Some((length, length_length)) = variable(window, at + id_length, end)? else { return Ok(None) };
    let Ok(id) = u32::try_from(id) else { return Ok(None) };
    let start = at + id_length + length_length;
    let marker = 1_u64 << (7 * length_length);
    let length = length - marker;
    let stop = if length == marker - 1 { end } else { start.saturating_add(length).min(end) };
    Ok((start <= end).then_some((id, start..stop)))
}

/// A number of variable length with its marker, and how many bytes it has (RFC 8794, 4).
fn variable(window: &mut Window<'_>, at: u64, end: u64) -> io::Result<Option<(u64, u64)>> {
    let Some([first]) = window.array::<1>(at)?.filter(|_| at < end) else { return Ok(None) };
    let length = u64::from(first.leading_zeros()) + 1;
    if length > 8 {
        return Ok(None);
    }
    Ok(unsigned(window, at, length)?.map(|value| (value, length)))
}

/// The value of an element that holds a number; 0 for one that is longer than any.
fn number(window: &mut Window<'_>, body: Range<u64>) -> io::Result<u64> {
    let length = body.end - body.start;
    Ok(if length > 8 { 0 } else { unsigned(window, body.start, length)?.unwrap_or(0) })
}

fn unsigned(window: &mut Window<'_>, at: u64, length: u64) -> io::Result<Option<u64>> {
    let mut value = 0;
    for i in 0..length {
        let Some([byte]) = window.array::<1>(at + i)? else { return Ok(None) };
        value = value << 8 | u64::from(byte);
    }
    Ok(Some(value))
}
