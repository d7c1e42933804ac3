//! From a converted image to the bytes of a file.
//!
//! JPEG: libjpeg-turbo, baseline, 4:2:0, the accurate integer DCT; `quality` is libjpeg's own
//! scale. PNG: 8-bit RGB, the adaptive filter and the fast deflate of `fdeflate`.

use framelift_domain::Format;

use crate::convert::{Converter, Image};
use crate::ffi::{Frame, Light};
use crate::geometry::Geometry;

/// Encodes on one thread.
pub(crate) struct Encoder {
    format: Format,
    converter: Converter,
    jpeg: turbojpeg::Compressor,
}

/// A picture could not be turned into an image.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EncodeError {
    #[error("its pixel format {0} could not be converted: {1}")]
    Convert(&'static str, String),
    #[error("the image could not be encoded: {0}")]
    Encode(String),
}

impl Encoder {
    pub(crate) fn new(format: Format, quality: u8) -> Result<Self, EncodeError> {
        let failed = |error: turbojpeg::Error| EncodeError::Encode(error.to_string());
        let mut jpeg = turbojpeg::Compressor::new().map_err(failed)?;
        jpeg.set_quality(i32::from(quality.clamp(1, 100))).map_err(failed)?;
        jpeg.set_subsamp(turbojpeg::Subsamp::Sub2x2).map_err(failed)?;
        Ok(Self { format, converter: Converter::default(), jpeg })
    }

    /// The bytes of the image of `frame`, from a video that says this about its `light`.
    pub(crate) fn encode(
        &mut self,
        frame: &Frame,
        light: Light,
        geometry: &Geometry,
    ) -> Result<Vec<u8>, EncodeError> {
        let failed =
            |error: crate::ffi::AvError| EncodeError::Convert(frame.format_name(), error.to_string());
        match self.format {
            Format::Png => png(&self.converter.rgb(frame, light, geometry).map_err(failed)?),
            _ => {
                let image = self.converter.yuv(frame, light, geometry).map_err(failed)?;
                jpeg(&mut self.jpeg, &image)
            }
        }
    }
}

fn jpeg(compressor: &mut turbojpeg::Compressor, image: &Image<'_, 3>) -> Result<Vec<u8>, EncodeError> {
    let [luma, cb, cr] = &image.planes;
    let planes = turbojpeg::YuvPlanesImage {
        y_plane: luma.data,
        u_plane: cb.data,
        v_plane: cr.data,
        width: image.width as usize,
        height: image.height as usize,
        y_stride: luma.stride,
        u_stride: cb.stride,
        v_stride: cr.stride,
        subsamp: turbojpeg::Subsamp::Sub2x2,
    };
    compressor.compress_yuv_planes_to_vec(&planes).map_err(|error| EncodeError::Encode(error.to_string()))
}

fn png(image: &Image<'_, 1>) -> Result<Vec<u8>, EncodeError> {
    let failed = |error: png::EncodingError| EncodeError::Encode(error.to_string());
    let plane = &image.planes[0];
    let mut pixels = Vec::with_capacity(plane.width * plane.height);
    for line in 0..plane.height {
        pixels.extend_from_slice(plane.row(line));
    }
    let mut bytes = Vec::with_capacity(pixels.len() / 2);
    let mut encoder = png::Encoder::new(&mut bytes, image.width, image.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}
