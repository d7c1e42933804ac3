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
use crate::geometry::Part;
use crate::window::Window;
use crate::{Source, formats};

/// Headers of boxes or elements that are looked at.
const MAX_HEADERS: u64 = 16_384;
/// Steps in which the header is read.
const MAX_STEPS: u64 = 1_024;
/// Tracks, and descriptions of one track's pictures, that are kept.
const MAX_TRACKS: usize = 64;

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
    /// Where the types of an MP4's `clap` boxes stand in the file.
    pub(crate) clap: Vec<u64>,
}

/// The tracks of video in the header of `source`, in their order; `index` is where an MP4's lies.
/// None where there is no such header, or as far as it cannot be read.
pub(crate) fn tracks(source: &mut dyn Source, index: Option<&Range<u64>>) -> io::Result<Vec<Track>> {
    let mut window = Window::bounded(source, MAX_STEPS, MAX_HEADERS);
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
        if let (formats::UNKNOWN_CODEC, Some(codec)) = (self.codec.as_str(), &track.codec) {
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

#[cfg(test)]
mod tests;
