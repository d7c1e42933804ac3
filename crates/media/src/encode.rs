//! Encodes pictures as image files: one module for each format.

mod avif;
mod jpeg;
mod png;
mod webp;

use framelift_domain::{Fit, Format, Resize};

use crate::convert::Converter;
use crate::ffi::{AvError, Frame, Light, Planes420};
use crate::geometry::Geometry;
use crate::storyboard::{THUMB_SIDE, Thumb};

/// Encodes on one thread, with buffers that are used again.
pub(crate) struct Encoder {
    converter: Converter,
    encoding: Encoding,
    /// Separate from `converter`, so that neither has to rebuild its tables for every frame.
    thumbs: Converter,
}

/// The encoders, grouped by the layout of their input.
enum Encoding {
    Png,
    Of420(Encoding420),
}

enum Encoding420 {
    Jpeg(jpeg::Jpeg),
    Webp(webp::Webp),
    Avif { quality: u8 },
}

/// A picture could not be turned into an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("its pixel format {0} could not be converted: {1}")]
    Convert(&'static str, String),
    #[error("the image could not be encoded: {0}")]
    Encode(String),
    #[error("the image would be larger than the format allows")]
    TooLarge,
}

impl Encoder {
    pub(crate) fn new(format: Format, quality: u8) -> Result<Self, EncodeError> {
        let encoding = match format {
            Format::Png => Encoding::Png,
            Format::Jpeg => Encoding::Of420(Encoding420::Jpeg(jpeg::Jpeg::new(quality)?)),
            Format::Webp => Encoding::Of420(Encoding420::Webp(webp::Webp::new(quality))),
            Format::Avif => Encoding::Of420(Encoding420::Avif { quality }),
        };
        Ok(Self { converter: Converter::default(), encoding, thumbs: Converter::default() })
    }

    /// Returns the image file of `frame`; `light` is the video's light metadata.
    pub(crate) fn encode(
        &mut self,
        frame: &Frame,
        light: Light,
        geometry: &Geometry,
    ) -> Result<Vec<u8>, EncodeError> {
        let failed = |error: AvError| EncodeError::Convert(frame.format_name(), error.to_string());
        let Self { converter, encoding, .. } = self;
        let encoding = match encoding {
            Encoding::Png => return png::encode(&converter.rgb(frame, light, geometry).map_err(failed)?),
            Encoding::Of420(encoding) => encoding,
        };
        let image = converter.yuv(frame, light, geometry).map_err(failed)?.planes();
        match encoding {
            Encoding420::Jpeg(jpeg) => jpeg.encode(&image),
            Encoding420::Webp(webp) => webp.encode(&image),
            Encoding420::Avif { quality } => avif::encode(&image, *quality),
        }
    }

    /// Returns `frame` as a storyboard's thumbnail; `geometry` computes the geometry for a size.
    pub(crate) fn thumb<E>(
        &mut self,
        frame: &Frame,
        light: Light,
        geometry: impl FnOnce(Option<Resize>) -> Result<Geometry, E>,
    ) -> Option<Thumb> {
        let inside = Resize { width: Some(THUMB_SIDE), height: Some(THUMB_SIDE), fit: Fit::Contain };
        let geometry = geometry(Some(inside)).ok()?;
        self.thumbs.yuv(frame, light, &geometry).ok().map(|image| Thumb::new(&image))
    }
}

/// Encodes the sheet of a storyboard.
pub(crate) fn sheet(planes: &Planes420<'_>, quality: u8) -> Result<Vec<u8>, EncodeError> {
    jpeg::Jpeg::new(quality)?.encode(planes)
}

#[cfg(test)]
mod tests {
    use framelift_domain::Layout;

    use super::*;

    #[test]
    fn a_format_takes_what_its_layout_says() {
        for format in [Format::Jpeg, Format::Png, Format::Webp, Format::Avif] {
            let encoding = Encoder::new(format, 90).unwrap().encoding;
            let layout = match encoding {
                Encoding::Png => Layout::Rgb,
                Encoding::Of420(_) => Layout::Yuv420,
            };
            assert_eq!(format.layout(), layout, "{format:?}");
        }
    }
}
