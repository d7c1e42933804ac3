//! A chosen picture as a filter sees it: as it would be written, upright, cut and scaled.

use std::sync::{Arc, Mutex, PoisonError};

use framelift_domain::Rational;

use crate::convert::{Converter, PlaneRef};
use crate::ffi::Frame;
use crate::geometry::TooLarge;
use crate::view::Viewed;

/// A picture and its metadata. Its pixels are converted only when they are read.
pub struct Picture {
    pub(crate) viewed: Viewed,
    index: u64,
    time: Rational,
    keyframe: bool,
    /// Shared by the pictures of a job, so that its buffers are reused.
    converter: Arc<Mutex<Converter>>,
}

/// Pixels of red, green and blue, a byte each, row by row without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb {
    /// Pixels across, at least 1.
    pub width: u32,
    /// Pixels down, at least 1.
    pub height: u32,
    /// Three bytes for each pixel.
    pub bytes: Vec<u8>,
}

/// The pixel format of a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shades {
    /// A byte a pixel: luma, 0 to 255.
    Gray,
    /// Three bytes a pixel: red, green, blue.
    Rgb,
}

/// A picture could not be read or made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// Its pixel format is not converted.
    #[error("its pixels could not be converted: {0}")]
    Converted(String),
    /// The bytes are not those of a picture of this size, or the size is 0 or too large.
    #[error("{width}x{height} pixels do not go with {bytes} bytes, or are too many")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The number of bytes given.
        bytes: usize,
    },
}

/// The longest side of a thumbnail in pixels.
pub(crate) const MAX_THUMBNAIL: u32 = 4096;
/// The most pixels of a picture from [`Picture::of_rgb`].
const MAX_MADE_PIXELS: u64 = 1 << 24;

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { index, time, keyframe, .. } = self;
        f.debug_struct("Picture")
            .field("index", index)
            .field("time", time)
            .field("keyframe", keyframe)
            .field("size", &self.viewed.geometry.size)
            .finish_non_exhaustive()
    }
}

impl Picture {
    pub(crate) fn new(
        viewed: Viewed,
        index: u64,
        (time, keyframe): (Rational, bool),
        converter: &Arc<Mutex<Converter>>,
    ) -> Self {
        Self { viewed, index, time, keyframe, converter: Arc::clone(converter) }
    }

    /// Makes a picture that is not part of a video, to test a filter with.
    ///
    /// # Errors
    /// If there are not as many bytes as the size says.
    pub fn of_rgb(rgb: &Rgb, index: u64, time: Rational) -> Result<Self, PictureError> {
        let viewed = rgb.viewed(|frame| Viewed::unchanged(frame, MAX_MADE_PIXELS))?;
        Ok(Self { viewed, index, time, keyframe: true, converter: Arc::default() })
    }

    /// Its number among the chosen pictures, from 0, whatever becomes of those before it.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Seconds from the first shown frame of the video to when this one appears.
    pub const fn time(&self) -> Rational {
        self.time
    }

    /// Whether the container marks it as a sync point.
    pub const fn is_keyframe(&self) -> bool {
        self.keyframe
    }

    /// Pixels across.
    pub const fn width(&self) -> u32 {
        self.viewed.geometry.size.0
    }

    /// Pixels down.
    pub const fn height(&self) -> u32 {
        self.viewed.geometry.size.1
    }

    /// All of its pixels in sRGB.
    ///
    /// # Errors
    /// Where they cannot be converted.
    pub fn rgb(&self) -> Result<Rgb, PictureError> {
        self.converted(self.viewed.geometry, Shades::Rgb)
    }

    /// A copy of `width` by `height` pixels, which are stretched where the proportions differ: row
    /// by row without gaps.
    ///
    /// # Errors
    /// If a side is 0 or longer than 4096, or the pixels cannot be converted.
    pub fn thumbnail(&self, (width, height): (u32, u32), shades: Shades) -> Result<Vec<u8>, PictureError> {
        let sides = 1..=MAX_THUMBNAIL;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(PictureError::Size { width, height, bytes: 0 });
        }
        let geometry = self.viewed.geometry.resized((width, height));
        self.converted(geometry, shades).map(|rgb| rgb.bytes)
    }

    /// Its pixels in sRGB, scaled to another size.
    ///
    /// # Errors
    /// If a side is 0, or the pixels cannot be converted.
    pub fn resized(&self, (width, height): (u32, u32)) -> Result<Rgb, PictureError> {
        if width == 0 || height == 0 {
            return Err(PictureError::Size { width, height, bytes: 0 });
        }
        self.converted(self.viewed.geometry.resized((width, height)), Shades::Rgb)
    }

    fn converted(&self, geometry: crate::geometry::Geometry, shades: Shades) -> Result<Rgb, PictureError> {
        let mut converter = self.converter.lock().unwrap_or_else(PoisonError::into_inner);
        let Viewed { frame, light, .. } = &self.viewed;
        let failed = |error: crate::ffi::AvError| PictureError::Converted(error.to_string());
        let (plane, bytes_each) = match shades {
            Shades::Gray => (converter.yuv(frame, *light, &geometry).map_err(failed)?.planes[0], 1),
            Shades::Rgb => (converter.rgb(frame, *light, &geometry).map_err(failed)?.planes[0], 3),
        };
        let (width, height) = geometry.size;
        Ok(Rgb { width, height, bytes: packed(&plane, width as usize * bytes_each, height as usize) })
    }

    /// Replaces the picture by other pixels, which may have another size.
    ///
    /// # Errors
    /// If there are not as many bytes as the size says, or the image would be too large.
    pub fn change(&mut self, rgb: &Rgb) -> Result<(), PictureError> {
        self.viewed = rgb.viewed(|frame| self.viewed.replaced(frame))?;
        Ok(())
    }
}

impl Rgb {
    fn viewed(&self, view: impl FnOnce(Frame) -> Result<Viewed, TooLarge>) -> Result<Viewed, PictureError> {
        let Self { width, height, ref bytes } = *self;
        let wrong = PictureError::Size { width, height, bytes: bytes.len() };
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels * 3 != bytes.len() as u64 {
            return Err(wrong);
        }
        let frame = Frame::of_rgb((width, height), bytes)
            .map_err(|error| PictureError::Converted(error.to_string()))?;
        view(frame).map_err(|_| wrong)
    }
}

/// Copies the rows without the padding between them.
fn packed(plane: &PlaneRef<'_>, width: usize, height: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(width * height);
    (0..height).for_each(|line| bytes.extend_from_slice(&plane.row(line)[..width]));
    bytes
}
