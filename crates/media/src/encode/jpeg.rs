//! JPEG: libjpeg-turbo, baseline, 4:2:0, the accurate integer DCT.
//!
//! Three things make its files smaller than the library's own settings do, at next to no cost:
//! quantizers that are nearly the same for all frequencies and components, which gives the least
//! squared error for the bytes (those of the standard's Annex K are made for large viewing
//! distances); a dead zone that is wider than rounding makes it; and Huffman tables that suit
//! the image, from the statistics of a part of it (both in `ffi/jpeg.c`).

use super::EncodeError;
use crate::ffi::{JpegEncoder, Planes420};

/// An encoder of one quality.
pub(super) struct Jpeg {
    encoder: JpegEncoder,
    table: Box<[u32; 64]>,
}

impl Jpeg {
    /// `quality` from 1 to 100; at 90 pictures are as good as those of FFmpeg's `-q:v 2`.
    pub(super) fn new(quality: u8) -> Result<Self, EncodeError> {
        let encoder = JpegEncoder::new().ok_or_else(|| EncodeError::Encode("out of memory".to_owned()))?;
        Ok(Self { encoder, table: Box::new(table(quality)) })
    }

    pub(super) fn encode(&mut self, image: &Planes420<'_>) -> Result<Vec<u8>, EncodeError> {
        // A copy of the exact length: images wait for their turn, the encoder's buffer does not.
        self.encoder.encode(image, &self.table).map(<[u8]>::to_vec).map_err(EncodeError::Encode)
    }
}

/// The quantizers, row by row, on libjpeg's scale of quality: from 5 to 8 at 90, from 12 to 39
/// at 50.
fn table(quality: u8) -> [u32; 64] {
    let quality = u32::from(quality.clamp(1, 100));
    let percent = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    let mut table = std::array::from_fn(|index| {
        let frequency = (index / 8 + index % 8) as u32;
        ((percent * 29 * (24 + frequency) + 1400) / 2800).clamp(1, 255)
    });
    // Coarse steps of a block's mean would be seen as bands.
    table[0] = table[0].min((table[0] / 2).max(8));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_follow_quality() {
        let steps = [1, 10, 50, 75, 90, 95, 99, 100].map(|quality| (table(quality)[0], table(quality)[63]));
        assert_eq!(steps, [(127, 255), (62, 197), (12, 39), (8, 20), (5, 8), (2, 4), (1, 1), (1, 1)]);
    }

    /// A wave along the rows whose one coefficient is `part` of a large step; as decoded.
    fn wave(part: f64) -> Vec<u8> {
        let mut jpeg = Jpeg::new(15).unwrap();
        let amplitude = part * f64::from(jpeg.table[1]) / 32_f64.sqrt();
        let luma: Vec<u8> = (0..256)
            .map(|index| {
                let x = f64::from(index % 8);
                (128.0 + amplitude * ((2.0 * x + 1.0) * std::f64::consts::PI / 16.0).cos()).round() as u8
            })
            .collect();
        let chroma = [128; 64];
        let image =
            Planes420 { planes: [&luma, &chroma, &chroma], strides: [16, 8, 8], width: 16, height: 16 };
        let bytes = jpeg.encode(&image).unwrap();
        turbojpeg::decompress(&bytes, turbojpeg::PixelFormat::GRAY).unwrap().pixels
    }

    #[test]
    fn what_is_nearly_nothing_becomes_nothing() {
        for part in [0.3, 0.56, -0.56] {
            assert!(wave(part).iter().all(|sample| *sample == 128), "{part}");
        }
        for part in [0.7, -0.7, 1.3] {
            assert!(wave(part).iter().any(|sample| sample.abs_diff(128) > 10), "{part}");
        }
    }

    #[test]
    fn huffman_tables_suit_the_image_and_hold_every_symbol() {
        // Flat where the statistics are taken from, and noise elsewhere.
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let (width, height) = (64, 400);
        let mut luma = vec![128; width * height];
        luma[width * 240..width * 300].fill_with(&mut noise);
        let chroma = vec![128; width * height / 4];
        let mut jpeg = Jpeg::new(100).unwrap();
        let mut encode = |luma: &[u8]| {
            let image = Planes420 {
                planes: [luma, &chroma, &chroma],
                strides: [width, width / 2, width / 2],
                width: width as u32,
                height: height as u32,
            };
            jpeg.encode(&image).unwrap()
        };
        let bytes = encode(&luma);
        let decoded = turbojpeg::decompress(&bytes, turbojpeg::PixelFormat::GRAY).unwrap();
        assert!(decoded.pixels.iter().zip(&luma).all(|(a, b)| a.abs_diff(*b) < 8));
        // Two bits and a half for an empty block of luma, six with the standard's tables.
        let flat = encode(&vec![128; width * height]);
        assert!(flat.len() < 800, "{}", flat.len());
        assert_eq!(encode(&luma), bytes, "the image before has no influence");
    }

    #[test]
    fn every_size_and_stride_is_taken() {
        let mut jpeg = Jpeg::new(95).unwrap();
        for (width, height) in [(1_usize, 1_usize), (3, 5), (15, 17), (16, 16), (33, 31), (500, 3)] {
            let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
            // Behind the rows stands what must not be seen.
            let plane = |width: usize, height: usize, inside: u8| {
                let row = [vec![inside; width], vec![255 - inside; 7]].concat();
                row.repeat(height)
            };
            let planes = [
                plane(width, height, 90),
                plane(half_width, half_height, 140),
                plane(half_width, half_height, 120),
            ];
            let image = Planes420 {
                planes: planes.each_ref().map(Vec::as_slice),
                strides: [width + 7, half_width + 7, half_width + 7],
                width: width as u32,
                height: height as u32,
            };
            let bytes = jpeg.encode(&image).unwrap();
            let decoded = turbojpeg::decompress(&bytes, turbojpeg::PixelFormat::RGB).unwrap();
            assert_eq!((decoded.width, decoded.height), (width, height));
            let first = &decoded.pixels[..3];
            assert!(decoded.pixels.chunks(3).all(|pixel| pixel == first), "{width}x{height}");
        }
    }
}
