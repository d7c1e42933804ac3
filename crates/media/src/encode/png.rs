//! PNG: 8-bit RGB, about as small as plain deflate makes it or smaller, and mostly much faster.
//!
//! `fdeflate` codes filtered samples one by one: ten times as fast as deflate and, where a
//! filter predicts well, smaller too. It finds no repetitions, of which flat and drawn pictures
//! are full. A few rows of each picture tell which is the case.

use std::io::Write as _;

use png::{DeflateCompression, Filter};

use super::EncodeError;
use crate::convert::{Image, PlaneRef};

/// How rows are compressed and filtered.
#[derive(Clone, Copy)]
struct Coding(DeflateCompression, Filter);

const FAST: Coding = Coding(DeflateCompression::FdeflateUltraFast, Filter::Paeth);
/// What most encoders write, and what the result is measured against: deflate, no filter.
const PLAIN: Coding = Coding(DeflateCompression::Level(6), Filter::NoFilter);
/// As good in half the time or less, where a filter that keeps repetitions does any good.
const FILTERED: Coding = Coding(DeflateCompression::Level(2), Filter::Up);

/// Rows that are looked at: so many bands of one part in so many of the height.
const BANDS: usize = 4;
const BAND: usize = 128;

pub(super) fn encode(image: &Image<'_, 1>) -> Result<Vec<u8>, EncodeError> {
    let plane = &image.planes[0];
    write(plane, image.width, 0..plane.height, choose(plane, image.width)?)
}

fn choose(plane: &PlaneRef<'_>, width: u32) -> Result<Coding, EncodeError> {
    let band = plane.height.div_ceil(BAND);
    let length = |coding: Coding| {
        (0..BANDS).try_fold(0, |length, index| {
            // In the middle of each part of the picture.
            let start = (plane.height * (2 * index + 1) / (2 * BANDS)).min(plane.height - band);
            Ok::<_, EncodeError>(length + write(plane, width, start..start + band, coding)?.len())
        })
    };
    let plain = length(PLAIN)?;
    // Few rows show few repetitions: the whole would gain more from them.
    if length(FAST)? * 10 <= plain * 9 {
        return Ok(FAST);
    }
    Ok(if length(FILTERED)? <= plain { FILTERED } else { PLAIN })
}

/// Encodes some rows of a plane as a picture.
fn write(
    plane: &PlaneRef<'_>,
    width: u32,
    rows: std::ops::Range<usize>,
    Coding(compression, filter): Coding,
) -> Result<Vec<u8>, EncodeError> {
    let failed = |error: png::EncodingError| EncodeError::Encode(error.to_string());
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, rows.len() as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_deflate_compression(compression);
    encoder.set_filter(filter);
    let mut writer = encoder.write_header().map_err(failed)?;
    let mut stream = writer.stream_writer_with_size(CHUNK).map_err(failed)?;
    for line in rows {
        stream.write_all(plane.row(line)).map_err(|error| EncodeError::Encode(error.to_string()))?;
    }
    stream.finish().map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// Bytes of an `IDAT` chunk.
const CHUNK: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes, checks that a reader sees the same, and gives the length and that of plain
    /// deflate.
    fn lengths(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> (usize, usize) {
        // Rows with something behind them.
        let stride = width * 3 + 5;
        let mut data = vec![77; stride * height];
        for y in 0..height {
            for x in 0..width {
                data[y * stride + x * 3..][..3].copy_from_slice(&pixel(x, y));
            }
        }
        let plane = PlaneRef { data: &data, stride, width: width * 3, height };
        let image = Image { planes: [plane], width: width as u32, height: height as u32 };
        let bytes = encode(&image).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        for y in 0..height {
            assert_eq!(pixels[y * width * 3..][..width * 3], *plane.row(y), "row {y}");
        }
        (bytes.len(), write(&plane, width as u32, 0..height, PLAIN).unwrap().len())
    }

    #[test]
    fn pictures_of_every_kind_are_no_larger_than_plain_deflate() {
        let noise = |x: usize, y: usize| {
            let mixed = (x as u32).wrapping_mul(73_856_093) ^ (y as u32).wrapping_mul(19_349_663);
            let hash = (mixed ^ mixed >> 15).wrapping_mul(2_654_435_761);
            hash.to_be_bytes()
        };
        let (soft, plain) = lengths(320, 200, |x, y| {
            let [grain, ..] = noise(x, y);
            [x as u8 / 2 + grain % 4, y as u8 + grain % 3, (x + y) as u8 / 3]
        });
        assert!(soft * 3 < plain * 2, "{soft} {plain}");
        let (drawn, plain) =
            lengths(320, 200, |x, y| if x % 16 < 3 || y % 40 > 30 { [0; 3] } else { [250; 3] });
        assert!(drawn <= plain, "{drawn} {plain}");
        let (noisy, plain) = lengths(320, 200, |x, y| [0, 1, 2].map(|channel| noise(x, y)[channel]));
        assert!(noisy * 100 <= plain * 101, "{noisy} {plain}");
    }

    #[test]
    fn every_size_is_taken() {
        for (width, height) in [(1, 1), (3, 5), (1, 300), (300, 1), (7, 129)] {
            lengths(width, height, |x, y| [x as u8, y as u8, 9]);
        }
    }
}
