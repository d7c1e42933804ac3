//! Reads from a container's header which part of each picture is shown and the shape of its pixels. FFmpeg
//! 5.1 does not report cropping.
//!
//! The bytes are untrusted: a [`Window`] bounds how many of them are read.

mod matroska;
mod mp4;

use std::io;
use std::ops::Range;

use framelift_domain::Rational;

use crate::ffi::{Frame, StreamInfo};
use crate::geometry::Part;
use crate::window::Window;
use crate::{Source, formats};

/// The most headers of boxes or elements that are read.
const MAX_HEADERS: u64 = 16_384;
/// The most reads of [`Window`] for one header.
const MAX_STEPS: u64 = 1_024;
/// The most tracks, and the most sample descriptions of one track, that are kept.
const MAX_TRACKS: usize = 64;

/// The shown part of pictures of one size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Aperture {
    /// The pictures' size.
    pub(crate) picture_size: (u32, u32),
    pub(crate) part: Part,
    /// The shape of a pixel; `None` if the container does not state it.
    pub(crate) shape: Option<Rational>,
}

/// A track of video.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Track {
    /// Its track id in an MP4; `None` in other containers, where the order of the tracks identifies it.
    pub(crate) id: Option<u32>,
    /// The name of its codec, if the container gives one as text.
    pub(crate) codec: Option<String>,
    /// Empty if whole pictures are shown and FFmpeg reports the shape of their pixels.
    pub(crate) apertures: Vec<Aperture>,
    /// Offsets in the file of the types of an MP4's `clap` boxes.
    pub(crate) clap: Vec<u64>,
}

/// Returns the video tracks that the header of `source` lists, in order. `index` is the range of an MP4's
/// `moov` box. Tracks that cannot be read are missing.
pub(crate) fn tracks(source: &mut dyn Source, index: Option<&Range<u64>>) -> io::Result<Vec<Track>> {
    let mut window = Window::bounded(source, MAX_STEPS, MAX_HEADERS);
    match index {
        Some(index) => mp4::tracks(&mut window, index.clone()),
        None => matroska::tracks(&mut window),
    }
}

impl Aperture {
    /// Whether the whole picture is shown.
    fn is_whole(&self) -> bool {
        (self.part.width, self.part.height) == self.picture_size
    }
}

impl StreamInfo {
    /// Copies what the container's header says about the stream's track: the track with the id `id` or, if
    /// tracks have no ids, the one at index `place`.
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

    /// Returns what the container says about pictures of this size, if FFmpeg does not report it.
    pub(crate) fn aperture(&self, size: (u32, u32)) -> Option<&Aperture> {
        self.apertures.iter().find(|aperture| aperture.picture_size == size)
    }

    /// Returns the shown part of pictures of this size; `None` if the whole picture is shown.
    pub(crate) fn shown_part(&self, size: (u32, u32)) -> Option<Part> {
        self.aperture(size).filter(|aperture| !aperture.is_whole()).map(|aperture| aperture.part)
    }

    /// Whether the lines of a picture alternate between two fields. HEVC's decoder also sets the flag on
    /// pictures of one field.
    pub(crate) fn has_fields(&self, frame: &Frame) -> bool {
        frame.is_interlaced() && self.codec != "hevc"
    }

    /// The shape of the pixels of a whole picture.
    pub(crate) fn shape_of(&self, frame: &Frame) -> Option<Rational> {
        let container = match self.aperture((frame.width(), frame.height())) {
            Some(aperture) => aperture.shape,
            // The container says nothing about pictures of other sizes.
            None if self.apertures.len() > 1 => None,
            None => self.container_shape,
        };
        container.or(frame.pixel_shape())
    }
}

#[cfg(test)]
mod tests;
