//! MP4 and QuickTime: clean apertures (`clap`), pixel shapes (`pasp`) and presentation sizes
//! (`tkhd`) of the sample descriptions. ISO/IEC 14496-12, 8.3.2, 8.5.2 and 12.1.4.

use std::io;
use std::ops::Range;

use framelift_domain::Rational;

use super::{Aperture, MAX_TRACKS, Track};
use crate::geometry::Part;
use crate::window::Window;

/// Bytes of a visual sample entry before its boxes.
const VISUAL: u64 = 86;

/// One sample description.
struct Description {
    size: (u32, u32),
    part: Option<Part>,
    /// The offset of the type of its `clap` box.
    clap: Option<u64>,
    shape: Option<Rational>,
}

/// A box: its type and the range of its content.
type Found = ([u8; 4], Range<u64>);

pub(super) fn tracks(window: &mut Window<'_>, index: Range<u64>) -> io::Result<Vec<Track>> {
    let mut tracks = Vec::new();
    let Some((_, moov)) = next(window, &index)? else { return Ok(tracks) };
    let mut rest = moov;
    while let Some((kind, content)) = next(window, &rest)? {
        rest.start = content.end;
        if &kind == b"trak" && tracks.len() < MAX_TRACKS {
            tracks.extend(track(window, content)?);
        }
    }
    Ok(tracks)
}

fn track(window: &mut Window<'_>, content: Range<u64>) -> io::Result<Option<Track>> {
    let (mut header, mut media) = (None, None);
    let mut rest = content;
    while let Some((kind, content)) = next(window, &rest)? {
        rest.start = content.end;
        match &kind {
            b"tkhd" => header = self::header(window, content)?,
            b"mdia" => media = Some(content),
            _ => {}
        }
    }
    let (Some((id, shown)), Some(mut rest)) = (header, media) else { return Ok(None) };
    let (mut is_video, mut table) = (false, None);
    while let Some((kind, content)) = next(window, &rest)? {
        rest.start = content.end;
        match &kind {
            b"hdlr" => is_video = window.array(content.start + 8)? == Some(*b"vide"),
            b"minf" => table = child(window, content, b"stbl")?,
            _ => {}
        }
    }
    let Some(table) = table.filter(|_| is_video) else { return Ok(None) };
    let Some(descriptions) = child(window, table, b"stsd")? else { return Ok(None) };
    let descriptions = self::descriptions(window, descriptions)?;
    let apertures = apertures(&descriptions, shown);
    let clap = descriptions.iter().filter_map(|description| description.clap).collect();
    Ok(Some(Track { id: Some(id), codec: None, apertures, clap }))
}

/// A track's number and its presentation size.
fn header(window: &mut Window<'_>, content: Range<u64>) -> io::Result<Option<(u32, (u32, u32))>> {
    let (id, size) = match window.array(content.start)? {
        Some([0]) => (12, 76),
        Some([1]) => (20, 88),
        _ => return Ok(None),
    };
    let mut number = |at| Ok::<_, io::Error>(window.array(content.start + at)?.map(u32::from_be_bytes));
    // 16.16 fixed point; only the whole pixels are used.
    Ok(match (number(id)?, number(size)?, number(size + 4)?) {
        (Some(id), Some(width), Some(height)) => Some((id, (width >> 16, height >> 16))),
        _ => None,
    })
}

fn descriptions(window: &mut Window<'_>, content: Range<u64>) -> io::Result<Vec<Description>> {
    let mut found = Vec::new();
    let mut rest = content.start.saturating_add(8)..content.end;
    while let Some((_, entry)) = next(window, &rest)? {
        rest.start = entry.end;
        // From the entry's content on: 6 bytes, a reference, 16 bytes, and the size.
        let Some([a, b, c, d]) = window.array(entry.start + 24)? else { break };
        let size = (u32::from(u16::from_be_bytes([a, b])), u32::from(u16::from_be_bytes([c, d])));
        let mut description = Description { size, part: None, clap: None, shape: None };
        let mut boxes = entry.start.saturating_add(VISUAL - 8)..entry.end;
        while let Some((kind, content)) = next(window, &boxes)? {
            boxes.start = content.end;
            match &kind {
                b"clap" => {
                    let kind = content.start.saturating_sub(4);
                    description.clap = (window.array(kind)? == Some(*b"clap")).then_some(kind);
                    description.part = part(window, content, size)?;
                }
                b"pasp" => {
                    let mut number = |at| {
                        Ok::<_, io::Error>(window.array(content.start + at)?.map_or(0, u32::from_be_bytes))
                    };
                    description.shape = shape(number(0)?.into(), number(4)?.into());
                }
                _ => {}
            }
        }
        found.push(description);
        if found.len() == MAX_TRACKS {
            break;
        }
    }
    Ok(found)
}

/// Reads a clean aperture, rounded to whole pixels; `None` if it does not lie within the picture.
fn part(window: &mut Window<'_>, content: Range<u64>, size: (u32, u32)) -> io::Result<Option<Part>> {
    let mut fractions = [Rational::ZERO; 4];
    for (fraction, at) in fractions.iter_mut().zip((content.start..).step_by(8)) {
        let Some([a, b, c, d, den @ ..]) = window.array::<8>(at)? else { return Ok(None) };
        let (num, den) = (i32::from_be_bytes([a, b, c, d]), u32::from_be_bytes(den));
        let Some(value) = Rational::new(num.into(), den.into()) else { return Ok(None) };
        *fraction = value;
    }
    let [width, height, across, down] = fractions;
    // The offset is from the picture's centre to the aperture's.
    let side = |whole: u32, part: Rational, offset: Rational| {
        let half = Rational::new(1, 2)?;
        let first =
            Rational::whole(whole.into()).checked_sub(part)?.checked_mul(half)?.checked_add(offset)?;
        let (first, part) = (nearest(first)?, nearest(part)?);
        (part > 0 && first.checked_add(part)? <= whole).then_some((first, part))
    };
    Ok(match (side(size.0, width, across), side(size.1, height, down)) {
        (Some((left, width)), Some((top, height))) => Some(Part { left, top, width, height }),
        _ => None,
    })
}

/// The nearest whole number that is not negative.
fn nearest(value: Rational) -> Option<u32> {
    let (num, den) = (i128::from(value.num()), i128::from(value.den()));
    u32::try_from((num * 2 + den).div_euclid(den * 2)).ok()
}

/// Returns the apertures of a track that is presented at the size `shown`.
fn apertures(descriptions: &[Description], shown: (u32, u32)) -> Vec<Aperture> {
    let cut = descriptions.iter().any(|description| description.part.is_some());
    let changes = descriptions.iter().any(|description| description.size != descriptions[0].size);
    if !cut && !changes {
        return Vec::new();
    }
    let aperture = |description: &Description| {
        let (width, height) = description.size;
        let part = description.part.unwrap_or(Part { left: 0, top: 0, width, height });
        // A presentation size equal to the whole picture ignores the clean aperture. If the size of pictures
        // changes, the presentation size can apply to one of them at most.
        let scaled = !changes && shown != description.size && shown.0 > 0 && shown.1 > 0;
        let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
        let stretched =
            || scaled.then(|| shape(product(shown.0, part.height), product(shown.1, part.width))).flatten();
        Aperture { picture_size: description.size, part, shape: description.shape.or_else(stretched) }
    };
    descriptions.iter().map(aperture).collect()
}

fn shape(num: u64, den: u64) -> Option<Rational> {
    Rational::new(num.into(), den.into()).filter(|shape| shape.is_positive())
}

/// The first box of a kind.
fn child(window: &mut Window<'_>, mut rest: Range<u64>, wanted: &[u8; 4]) -> io::Result<Option<Range<u64>>> {
    while let Some((kind, content)) = next(window, &rest)? {
        if &kind == wanted {
            return Ok(Some(content));
        }
        rest.start = content.end;
    }
    Ok(None)
}

/// Reads the box at the start of `range`; `None` if no box fits into it.
fn next(window: &mut Window<'_>, range: &Range<u64>) -> io::Result<Option<Found>> {
    if range.start >= range.end || !window.count_header() {
        return Ok(None);
    }
    let Some([a, b, c, d, kind @ ..]) = window.array::<8>(range.start)? else { return Ok(None) };
    let (length, head) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (range.end - range.start, 8),
        1 => match window.array(range.start + 8)? {
            Some(long) => (u64::from_be_bytes(long), 16),
            None => return Ok(None),
        },
        length => (length.into(), 8),
    };
    let end = range.start.checked_add(length).filter(|end| length >= head && *end <= range.end);
    Ok(end.map(|end| (kind, range.start + head..end)))
}
