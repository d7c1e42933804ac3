//! Matroska and WebM: `PixelCrop…` and display sizes of the tracks. RFC 9559, 5.1.4.1.28.

use std::io;
use std::ops::Range;

use framelift_domain::Rational;

use super::{Aperture, MAX_TRACKS, Track};
use crate::ebml::{CLUSTER, HEAD, SEEK_HEAD, SEGMENT, element, number, targets, text};
use crate::geometry::Part;
use crate::window::Window;

const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_TYPE: u32 = 0x83;
const CODEC_ID: u32 = 0x86;
const VIDEO: u32 = 0xe0;

/// `TrackType` of video.
const IS_VIDEO: u64 = 1;

pub(super) fn tracks(window: &mut Window<'_>) -> io::Result<Vec<Track>> {
    let whole = 0..window.size();
    let Some((HEAD, head)) = element(window, &whole)? else { return Ok(Vec::new()) };
    let Some((SEGMENT, segment)) = element(window, &(head.end..whole.end))? else { return Ok(Vec::new()) };
    let (mut rest, mut elsewhere) = (segment.clone(), None);
    while let Some((id, content)) = element(window, &rest)? {
        rest.start = content.end;
        match id {
            TRACKS => return entries(window, content),
            SEEK_HEAD if elsewhere.is_none() => {
                elsewhere = targets(window, content, &[TRACKS], 1)?.first().map(|(_, at)| *at);
            }
            CLUSTER => break,
            _ => {}
        }
    }
    // Some editors append the tracks at the end of the file.
    let Some(at) = elsewhere.and_then(|at| segment.start.checked_add(at)) else { return Ok(Vec::new()) };
    match element(window, &(at..segment.end))? {
        Some((TRACKS, content)) => entries(window, content),
        _ => Ok(Vec::new()),
    }
}

fn entries(window: &mut Window<'_>, mut rest: Range<u64>) -> io::Result<Vec<Track>> {
    let mut tracks = Vec::new();
    while let Some((id, entry)) = element(window, &rest)? {
        rest.start = entry.end;
        if id != TRACK_ENTRY || tracks.len() == MAX_TRACKS {
            continue;
        }
        let (mut kind, mut codec, mut video, mut parts) = (None, None, None, entry);
        while let Some((id, content)) = element(window, &parts)? {
            parts.start = content.end;
            match id {
                TRACK_TYPE => kind = number(window, &content)?,
                CODEC_ID => codec = text(window, &content)?,
                VIDEO => video = aperture(window, content)?,
                _ => {}
            }
        }
        // FFmpeg ignores tracks without a codec.
        if kind == Some(IS_VIDEO) && codec.is_some() {
            tracks.push(Track { id: None, codec, apertures: video.into_iter().collect(), clap: Vec::new() });
        }
    }
    Ok(tracks)
}

/// Returns the shown part of the pictures; `None` if they are shown whole.
fn aperture(window: &mut Window<'_>, mut rest: Range<u64>) -> io::Result<Option<Aperture>> {
    let (mut size, mut display) = ([0; 2], [None; 2]);
    let [mut left, mut right, mut top, mut bottom, mut unit, mut stereo] = [0; 6];
    while let Some((id, content)) = element(window, &rest)? {
        rest.start = content.end;
        let value = match id {
            0xb0 => &mut size[0],
            0xba => &mut size[1],
            0x54cc => &mut left,
            0x54dd => &mut right,
            0x54bb => &mut top,
            0x54aa => &mut bottom,
            0x54b2 => &mut unit,
            0x53b8 => &mut stereo,
            0x54b0 => display[0].insert(0),
            0x54ba => display[1].insert(0),
            _ => continue,
        };
        *value = number(window, &content)?.unwrap_or(0);
    }
    let side = |whole: u64, before: u64, after: u64| {
        let part = whole.checked_sub(before.checked_add(after)?).filter(|part| *part > 0)?;
        Some((u32::try_from(whole).ok()?, u32::try_from(before).ok()?, u32::try_from(part).ok()?))
    };
    let sides = (side(size[0], left, right), side(size[1], top, bottom));
    let (Some((across, left, width)), Some((down, top, height))) = sides else { return Ok(None) };
    let part = Part { left, top, width, height };
    // The display size is that of the cropped part, and equal to it by default. Display unit 4 means that no
    // size is given.
    let shown = [display[0].unwrap_or(width.into()), display[1].unwrap_or(height.into())];
    let known = unit < 4 && stereo == 0 && (unit == 0 || display[0].is_some() && display[1].is_some());
    let product = |a: u64, b: u32| i128::from(a) * i128::from(b);
    let shape = known.then(|| Rational::new(product(shown[0], height), product(shown[1], width))).flatten();
    let aperture =
        Aperture { picture_size: (across, down), part, shape: shape.filter(|shape| shape.is_positive()) };
    Ok(Some(aperture).filter(|aperture| !aperture.is_whole()))
}
