//! A storyboard: small pictures of the frames on one sheet, and the times at which each is on
//! screen, as players show them over their seek bar. Pure.
//!
//! The sheet is a JPEG, the times are WebVTT cues whose text is the place on the sheet, as a
//! media fragment (W3C Media Fragments URI 1.0, 4.2.2): `storyboard.jpg#xywh=160,0,160,90`.

use std::fmt::Write as _;

use framelift_domain::Rational;

use crate::convert::Image;
use crate::ffi::Planes420;

/// The member with the sheet.
pub(crate) const SHEET: &str = "storyboard.jpg";
/// The member with the times.
pub(crate) const CUES: &str = "storyboard.vtt";
/// The most pixels of a small picture's longer side.
pub(crate) const THUMB_SIDE: u32 = 160;
/// Small pictures side by side.
const COLUMNS: usize = 10;
/// The most thumbnails that are kept: 15 MB of them, and a sheet of at most 1600 by 6400 pixels.
const MAX_THUMBS: usize = 400;

/// A small picture: planes of 4:2:0 in the colours of JPEG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Thumb {
    size: [usize; 2],
    planes: [Vec<u8>; 3],
}

impl Thumb {
    pub(crate) fn new(image: &Image<'_, 3>) -> Self {
        let rows = |index: usize| {
            let plane = &image.planes[index];
            (0..plane.height).flat_map(|line| plane.row(line)).copied().collect()
        };
        Self { size: [image.width as usize, image.height as usize], planes: [rows(0), rows(1), rows(2)] }
    }
}

/// Collects thumbnails of a video with an unknown number of frames: of every frame until there are too many,
/// then of every second one, and so on.
#[derive(Debug)]
pub(crate) struct Storyboard {
    kept: Vec<(Rational, Thumb)>,
    stride: usize,
    seen: usize,
}

impl Storyboard {
    pub(crate) fn new() -> Self {
        Self { kept: Vec::new(), stride: 1, seen: 0 }
    }

    /// Adds the next frame's thumbnail, in presentation order.
    pub(crate) fn push(&mut self, time: Rational, thumb: Thumb) {
        let index = self.seen;
        self.seen += 1;
        if !index.is_multiple_of(self.stride) {
            return;
        }
        if self.kept.len() == MAX_THUMBS {
            let mut nth = 0..;
            self.kept.retain(|_| nth.next().is_some_and(|n: usize| n.is_multiple_of(2)));
            self.stride *= 2;
            if !index.is_multiple_of(self.stride) {
                return;
            }
        }
        self.kept.push((time, thumb));
    }

    /// Returns the sheet and the cues of a video that ends at `end`; `None` without a thumbnail. The cues
    /// refer to the sheet by its `name`.
    pub(crate) fn finish(&self, end: Rational, name: &str) -> Option<(Sheet, String)> {
        let side = |axis: usize| self.kept.iter().map(|(_, thumb)| thumb.size[axis]).max();
        // Even, so that chroma samples belong to one picture alone.
        let cell = [side(0)?.next_multiple_of(2), side(1)?.next_multiple_of(2)];
        let columns = self.kept.len().min(COLUMNS);
        let mut sheet = Sheet::new([cell[0] * columns, cell[1] * self.kept.len().div_ceil(columns)]);
        let mut cues = String::from("WEBVTT\n");
        for (index, (time, thumb)) in self.kept.iter().enumerate() {
            let [x, y] = [index % columns * cell[0], index / columns * cell[1]];
            sheet.put(x, y, thumb);
            let until = self.kept.get(index + 1).map_or(end, |(next, _)| *next);
            let (from, until) = (milliseconds(*time), milliseconds(until));
            // A cue must end after it has begun: of frames within a millisecond the last is shown.
            if until > from {
                let [width, height] = thumb.size;
                let _ = write!(
                    cues,
                    "\n{} --> {}\n{name}#xywh={x},{y},{width},{height}\n",
                    Timestamp(from),
                    Timestamp(until)
                );
            }
        }
        Some((sheet, cues))
    }
}

/// The sheet's pixels.
pub(crate) struct Sheet {
    size: [usize; 2],
    planes: [Vec<u8>; 3],
}

impl Sheet {
    /// Black.
    fn new(size: [usize; 2]) -> Self {
        let [luma, chroma] = [size[0] * size[1], size[0] / 2 * (size[1] / 2)];
        Self { size, planes: [vec![0; luma], vec![128; chroma], vec![128; chroma]] }
    }

    fn put(&mut self, x: usize, y: usize, thumb: &Thumb) {
        for (index, (to, from)) in self.planes.iter_mut().zip(&thumb.planes).enumerate() {
            let (half, stride) = (usize::from(index > 0), self.size[0] >> usize::from(index > 0));
            let width = (thumb.size[0] + half) >> half;
            for (line, row) in from.chunks_exact(width).enumerate() {
                let start = ((y >> half) + line) * stride + (x >> half);
                to[start..start + width].copy_from_slice(row);
            }
        }
    }

    /// The planes for an encoder.
    pub(crate) fn planes(&self) -> Planes420<'_> {
        let [width, height] = self.size;
        Planes420 {
            planes: self.planes.each_ref().map(Vec::as_slice),
            strides: [width, width / 2, width / 2],
            width: width as u32,
            height: height as u32,
        }
    }
}

/// To the nearest.
fn milliseconds(time: Rational) -> u64 {
    let (num, den) = (i128::from(time.num()), i128::from(time.den()));
    u64::try_from((num * 2000 + den) / (den * 2)).unwrap_or(0)
}

/// Milliseconds as WebVTT has them.
struct Timestamp(u64);

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, ms) = (self.0 / 1000, self.0 % 1000);
        write!(f, "{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests;
