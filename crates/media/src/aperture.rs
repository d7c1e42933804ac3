//! Which part of its pictures a container shows, and the shape of their pixels: read from its
//! header without FFmpeg, whose release 5.1 leaves cropping out.
//!
//! Untrusted bytes: a [`Window`] reads a bounded number of them, whatever they claim.

mod matroska;
mod mp4;

use std::io;
use std::ops::Range;

use framelift_domain::Rational;

use crate::ffi::{Frame, StreamInfo};
use crate::{Source, formats};

/// Headers of boxes or elements that are looked at.
const MOST_HEADERS: u32 = 16_384;
/// Blocks that are read.
const MOST_BLOCKS: u32 = 4_096;
const BLOCK: u64 = 4_096;
/// Tracks, and descriptions of one track's pictures, that are kept.
const MOST: usize = 64;

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Columns on the left, and lines on top, that are cut off.
    pub(crate) left: u32,
    pub(crate) top: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// What is shown of pictures of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Aperture {
    /// The pictures' size.
    pub(crate) of: (u32, u32),
    pub(crate) part: Part,
    /// The shape of a pixel; none where the container does not say.
    pub(crate) shape: Option<Rational>,
}

/// A track of video.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Track {
    /// Its number in an MP4; elsewhere its place counts.
    pub(crate) id: Option<u32>,
    /// Its codec, where it is named in letters.
    pub(crate) codec: Option<String>,
    /// Empty where pictures are shown whole and their pixels as FFmpeg says.
    pub(crate) apertures: Vec<Aperture>,
}

/// The tracks of video in the header of `source`, in their order; `index` is where an MP4's lies.
/// None where there is no such header, or as far as it cannot be read.
pub(crate) fn tracks(source: &mut dyn Source, index: Option<&Range<u64>>) -> io::Result<Vec<Track>> {
    let mut window = Window::new(source);
    match index {
        Some(index) => mp4::tracks(&mut window, index.clone()),
        None => matroska::tracks(&mut window),
    }
}

impl Aperture {
    /// Whether pictures are shown whole.
    fn is_whole(&self) -> bool {
        (self.part.width, self.part.height) == self.of
    }
}

impl StreamInfo {
    /// Takes what is known of the stream's track from the container's header: of the one with
    /// the stream's number, or, where tracks have none, the one at the same place.
    pub(crate) fn take_track(&mut self, tracks: impl Iterator<Item = Track>, id: Option<u32>, place: usize) {
        let track = tracks.enumerate().find(|(at, track)| match track.id {
            Some(_) => track.id == id,
            None => *at == place,
        });
        let Some((_, track)) = track else { return };
        if let (formats::NAMELESS, Some(codec)) = (self.codec.as_str(), &track.codec) {
            self.codec = formats::codec_of_matroska(codec).to_owned();
        }
        self.apertures = track.apertures;
    }

    /// What the container says of pictures of this size, if that is more than FFmpeg tells.
    pub(crate) fn aperture(&self, size: (u32, u32)) -> Option<&Aperture> {
        self.apertures.iter().find(|aperture| aperture.of == size)
    }

    /// The part of pictures of this size that is shown, if that is not all.
    pub(crate) fn shown_part(&self, size: (u32, u32)) -> Option<Part> {
        self.aperture(size).filter(|aperture| !aperture.is_whole()).map(|aperture| aperture.part)
    }

    /// Whether a picture's lines belong to two fields by turns. HEVC's decoder marks pictures that
    /// are one field each.
    pub(crate) fn has_fields(&self, frame: &Frame) -> bool {
        frame.is_interlaced() && self.codec != "hevc"
    }

    /// The shape of the pixels of a whole picture.
    pub(crate) fn shape_of(&self, frame: &Frame) -> Option<Rational> {
        let container = match self.aperture((frame.width(), frame.height())) {
            Some(aperture) => aperture.shape,
            // Of pictures of another size than the container announces nothing is known.
            None if self.apertures.len() > 1 => None,
            None => self.container_shape,
        };
        container.or(frame.pixel_shape())
    }
}

/// Reads small pieces of a source by blocks, up to a limit.
struct Window<'a> {
    source: &'a mut dyn Source,
    block: Vec<u8>,
    at: u64,
    headers: u32,
    blocks: u32,
}

impl<'a> Window<'a> {
    fn new(source: &'a mut dyn Source) -> Self {
        Self { source, block: Vec::new(), at: 0, headers: 0, blocks: 0 }
    }

    /// The bytes at `offset`; none beyond the end, and beyond the limit.
    fn bytes<const N: usize>(&mut self, offset: u64) -> io::Result<Option<[u8; N]>> {
        let mut bytes = [0; N];
        for (byte, offset) in bytes.iter_mut().zip(offset..) {
            match self.byte(offset)? {
                Some(value) => *byte = value,
                None => return Ok(None),
            }
        }
        Ok(Some(bytes))
    }

    fn byte(&mut self, offset: u64) -> io::Result<Option<u8>> {
        let place = |window: &Self| {
            offset
                .checked_sub(window.at)
                .and_then(|place| window.block.get(usize::try_from(place).ok()?))
                .copied()
        };
        if let Some(byte) = place(self) {
            return Ok(Some(byte));
        }
        if offset >= self.source.size() || self.blocks == MOST_BLOCKS {
            return Ok(None);
        }
        self.blocks += 1;
        self.at = offset;
        self.block.resize(BLOCK as usize, 0);
        let n = self.source.read_at(offset, &mut self.block)?;
        self.block.truncate(n);
        Ok(place(self))
    }

    /// Counts a header; false when there have been too many.
    fn header(&mut self) -> bool {
        self.headers += 1;
        self.headers <= MOST_HEADERS
    }
}

#[cfg(test)]
mod tests;
