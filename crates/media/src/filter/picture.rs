//! A chosen picture as a filter sees it: as it would be written, upright, cut and scaled.

use std::sync::{Arc, Mutex, PoisonError};

use framelift_domain::{Layout, Rational};

use super::Canvas;
use crate::convert::{Converter, PlaneRef};
use crate::ffi::{AvError, Frame};
use crate::geometry::{Geometry, TooLarge};
use crate::view::Viewed;

/// A picture and its metadata. Its pixels are converted only when they are read.
pub struct Picture {
    pub(crate) viewed: Viewed,
    /// The layout that the encoder takes.
    layout: Layout,
    /// Whether `viewed` already has it, in a frame that nothing else refers to.
    converted: bool,
    index: u64,
    time: Rational,
    keyframe: bool,
    converters: Arc<Mutex<Converters>>,
}

/// Shared by the pictures of a job, so that buffers are reused; apart, so that neither has to rebuild its tables
/// for every picture.
#[derive(Default)]
pub(crate) struct Converters {
    samples: Converter,
    copies: Converter,
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
    /// There are no pixels, too many, or not those that were given.
    #[error("{width}x{height} pixels are none, too many or not there")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
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
        layout: Layout,
        index: u64,
        (time, keyframe): (Rational, bool),
        converters: &Arc<Mutex<Converters>>,
    ) -> Self {
        let converters = Arc::clone(converters);
        Self { viewed, layout, converted: false, index, time, keyframe, converters }
    }

    /// Makes a picture that is not part of a video, to test a filter with; `layout` is what its encoder would
    /// take.
    ///
    /// # Errors
    /// If there are not as many bytes as the size says.
    pub fn of_rgb(rgb: &Rgb, layout: Layout, index: u64, time: Rational) -> Result<Self, PictureError> {
        let Rgb { width, height, ref bytes } = *rgb;
        let wrong = PictureError::Size { width, height };
        let pixels = u64::from(width) * u64::from(height);
        if pixels == 0 || pixels * 3 != bytes.len() as u64 {
            return Err(wrong);
        }
        let frame = Frame::of_rgb((width, height), bytes, width as usize * 3).map_err(failed)?;
        let viewed = Viewed::unchanged(frame, MAX_MADE_PIXELS).map_err(|TooLarge| wrong)?;
        Ok(Self::new(viewed, layout, index, (time, true), &Arc::default()))
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
            return Err(PictureError::Size { width, height });
        }
        let geometry = self.viewed.geometry.resized((width, height));
        self.converted(geometry, shades).map(|rgb| rgb.bytes)
    }

    fn converted(&self, geometry: Geometry, shades: Shades) -> Result<Rgb, PictureError> {
        let converter = &mut self.converters.lock().unwrap_or_else(PoisonError::into_inner).copies;
        let Viewed { frame, light, .. } = &self.viewed;
        let (plane, bytes_each) = match shades {
            Shades::Gray => (converter.yuv(frame, *light, &geometry).map_err(failed)?.planes[0], 1),
            Shades::Rgb => (converter.rgb(frame, *light, &geometry).map_err(failed)?.planes[0], 3),
        };
        let (width, height) = geometry.size;
        Ok(Rgb { width, height, bytes: packed(&plane, width as usize * bytes_each, height as usize) })
    }

    /// Its samples as the encoder would get them, to read and to change. Without a change its image stays the
    /// same.
    ///
    /// # Errors
    /// Where they cannot be converted.
    pub fn canvas(&mut self) -> Result<Canvas<'_>, PictureError> {
        if !self.converted {
            let converters = Arc::clone(&self.converters);
            let converter = &mut converters.lock().unwrap_or_else(PoisonError::into_inner).samples;
            self.replace(self.samples(converter, &self.viewed.geometry)?)?;
        }
        Canvas::of(&mut self.viewed.frame, self.layout).ok_or_else(|| failed(AvError::NO_MEMORY))
    }

    /// The bytes that its samples take in memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.viewed.frame.bytes()
    }

    /// Keeps only the encoder's samples, where they take less memory than what was decoded.
    pub(crate) fn shrink(&mut self) -> Result<(), PictureError> {
        let pixels = u64::from(self.width()) * u64::from(self.height());
        let samples = match self.layout {
            Layout::Yuv420 => pixels * 3 / 2,
            Layout::Rgb => pixels * 3,
        };
        if !self.converted && samples < self.bytes() {
            self.canvas()?;
        }
        Ok(())
    }

    /// Scales it to another size, stretched where the proportions differ.
    ///
    /// # Errors
    /// If a side is 0, the image would be too large, or the pixels cannot be converted.
    pub fn resize(&mut self, (width, height): (u32, u32)) -> Result<(), PictureError> {
        if width == 0 || height == 0 {
            return Err(PictureError::Size { width, height });
        }
        let geometry = self.viewed.geometry.resized((width, height));
        let converters = Arc::clone(&self.converters);
        let converter = &mut converters.lock().unwrap_or_else(PoisonError::into_inner).copies;
        self.replace(self.samples(converter, &geometry)?)
    }

    /// Cuts it down to the part of this size from (`x`, `y`).
    ///
    /// # Errors
    /// If the part is empty or not within the picture, or the pixels cannot be converted.
    pub fn crop(&mut self, (x, y): (u32, u32), (width, height): (u32, u32)) -> Result<(), PictureError> {
        let within = |start: u32, length: u32, whole: u32| {
            length > 0 && start.checked_add(length).is_some_and(|end| end <= whole)
        };
        if !within(x, width, self.width()) || !within(y, height, self.height()) {
            return Err(PictureError::Size { width, height });
        }
        let part = self.canvas()?.part((x, y), (width, height)).map_err(failed)?;
        self.replace(part)
    }

    /// A frame in the encoder's layout.
    fn samples(&self, converter: &mut Converter, geometry: &Geometry) -> Result<Frame, PictureError> {
        let Viewed { frame, light, .. } = &self.viewed;
        let samples = match self.layout {
            Layout::Yuv420 => {
                converter.yuv(frame, *light, geometry).and_then(|image| Frame::of_420(&image.planes()))
            }
            Layout::Rgb => converter.rgb(frame, *light, geometry).and_then(|image| {
                let [plane] = image.planes;
                Frame::of_rgb(geometry.size, plane.data, plane.stride)
            }),
        };
        samples.map_err(failed)
    }

    /// Takes a frame in the encoder's layout.
    fn replace(&mut self, frame: Frame) -> Result<(), PictureError> {
        let (width, height) = (frame.width(), frame.height());
        let too_large = |TooLarge| PictureError::Size { width, height };
        self.viewed = self.viewed.replaced(frame).map_err(too_large)?;
        self.converted = true;
        Ok(())
    }
}

fn failed(error: AvError) -> PictureError {
    PictureError::Converted(error.to_string())
}

/// Copies the rows without the padding between them.
fn packed(plane: &PlaneRef<'_>, width: usize, height: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(width * height);
    (0..height).for_each(|line| bytes.extend_from_slice(&plane.row(line)[..width]));
    bytes
}
