//! WebP: libwebp, lossy, 4:2:0.

use framelift_domain::Format;

use super::EncodeError;
use crate::ffi::{Planes420, encode_webp};

/// libwebp's scale from 0 (fast) to 6 (small). Compared with the library's own choice, 4, an
/// image takes about half the time and 3 to 8 % more bytes.
const METHOD: u8 = 2;

/// An encoder of one quality, with buffers that are used again.
pub(super) struct Webp {
    quality: u8,
    planes: [Vec<u8>; 3],
}

impl Webp {
    /// `quality` is libwebp's, from 1 to 100.
    pub(super) fn new(quality: u8) -> Self {
        Self { quality, planes: Default::default() }
    }

    /// The image of planes of full range.
    pub(super) fn encode(&mut self, image: &Planes420<'_>) -> Result<Vec<u8>, EncodeError> {
        if image.width.max(image.height) > Format::Webp.max_side() {
            return Err(EncodeError::TooLarge);
        }
        let (across, down) = (image.width as usize, image.height as usize);
        let sizes =
            [(across, down), (across.div_ceil(2), down.div_ceil(2)), (across.div_ceil(2), down.div_ceil(2))];
        for (index, ((to, from), (width, height))) in
            self.planes.iter_mut().zip(image.planes).zip(sizes).enumerate()
        {
            let limited = if index == 0 { &LUMA } else { &CHROMA };
            to.clear();
            for row in from.chunks(image.strides[index]).take(height) {
                to.extend(row[..width].iter().map(|sample| limited[usize::from(*sample)]));
            }
        }
        let limited = Planes420 {
            planes: self.planes.each_ref().map(Vec::as_slice),
            strides: sizes.map(|(width, _)| width),
            ..*image
        };
        encode_webp(&limited, self.quality.into(), METHOD).map_err(EncodeError::Encode)
    }
}

/// From full to limited range (Rec. ITU-R BT.601-7, 2.5.3), to the nearest.
const LUMA: [u8; 256] = limited(16, 0, 219);
const CHROMA: [u8; 256] = limited(128, 128, 224);

const fn limited(zero: i32, full_zero: i32, steps: i32) -> [u8; 256] {
    let mut table = [0; 256];
    let mut sample = 0;
    while sample < 256 {
        let scaled = (sample - full_zero) * steps * 2;
        let half = if scaled < 0 { -255 } else { 255 };
        table[sample as usize] = (zero + (scaled + half) / 510) as u8;
        sample += 1;
    }
    table
}
